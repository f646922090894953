from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from seg.config import Model
from seg.data.dataset import Batch
from seg.errors import UsageError
from seg.models.network import Output
from seg.models.weights import WeightReport
from seg.overrides import resolve
from seg.recipes.components import refuse_missing_needs
from seg.registry import COMPONENTS
from seg.train.loop import take_step
from seg.train.precision import Precision
from seg.train.training import Training
from seg.transfer._views import WEAK
from seg.transfer.component import Component, Forward, Task
from seg.transfer.mean_teacher import COMPONENT, MeanTeacher, MeanTeacherSettings

MODEL = Model(encoder="tu-test_resnet", weights="none", decoder_channels=(8, 8, 8, 8, 8))
MakeTask = Callable[..., Task]
MakeReport = Callable[..., WeightReport]
MakeTraining = Callable[..., Training]


def _slices(count: int, seed: int) -> Batch:
    images = torch.rand(count, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
    masks = (images[:, :1] > 0.5).float()
    return Batch(images, masks, torch.ones_like(masks, dtype=torch.bool), ("a",) * count)


def _batches(step: int = 0) -> dict[str, Batch]:
    unlabelled = _slices(2, 100 + step)
    nothing = torch.full_like(unlabelled.masks, float("nan"))
    return {"labelled": _slices(2, step), "unlabelled": replace(unlabelled, masks=nothing, valid=unlabelled.valid & 0)}


@pytest.fixture
def training(task_of: MakeTask, loaded: MakeReport, in_loop: MakeTraining) -> Callable[..., Training]:
    """Ten steps of a tiny network with these components beside the supervised one; knobs are `component.knob`."""

    def made(*names: str, words: Sequence[str] = (), **knobs: object) -> Training:
        listed = ("supervised", *names)
        tree = {name: {} for name in listed} | {"mean_teacher": {"warm_up": 0, "ramp": 0, "half_life": 0.1, **knobs}}
        task = task_of(*words, unlabelled=3)
        task = replace(task, settings=task.settings.model_copy(update={"components": {n: tree[n] for n in listed}}))
        infos = {name: COMPONENTS.load(name).COMPONENT for name in listed}
        parts: list[Component] = [info.make(task, info.settings(**tree[name])) for name, info in infos.items()]
        return in_loop(parts, loaded(model=MODEL), *words, model=MODEL)

    return made


def _state(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def _equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _count_passes(network: nn.Module | None) -> list[int]:
    """The slices of each pass that is to come."""
    assert network is not None
    passes: list[int] = []
    network.register_forward_hook(lambda _module, images, _output: passes.append(len(images[0])))
    return passes


def test_both_start_from_the_same_weights_and_the_teacher_neither_learns_nor_trains(training) -> None:
    ready = training("mean_teacher")
    assert _equal(_state(ready.network), _state(ready.teacher))
    take_step(ready, _batches(), 0)
    assert not ready.teacher.training
    assert all(not values.requires_grad and values.grad is None for values in ready.teacher.parameters())
    assert not {id(values) for group in ready.groups for values in group.parameters} & set(
        map(id, ready.teacher.parameters())
    )


def test_the_teacher_is_the_average_of_the_students_it_saw(training) -> None:
    ready = training("mean_teacher", decay=0.5)
    assert ready.ema.update_every == 1
    expected: dict[str, Tensor] = {}
    for step in range(4):
        take_step(ready, _batches(step), step)
        keep = min(1 - 1 / (step + 1), 0.5)
        for name, values in ready.network.state_dict().items():
            old = expected.get(name, torch.zeros(()))
            expected[name] = keep * old + (1 - keep) * values.double() if values.is_floating_point() else values.clone()
    teacher = ready.teacher.state_dict()
    assert any("running_var" in name for name in teacher)
    for name, values in expected.items():
        assert torch.allclose(teacher[name].double(), values.double(), rtol=2e-7, atol=1e-7), name


def test_at_decay_0_the_teacher_is_exactly_the_student(training) -> None:
    ready = training("mean_teacher", decay=0)
    for step in range(3):
        take_step(ready, _batches(step), step)
        assert _equal(_state(ready.network), _state(ready.teacher))


def test_a_skipped_step_moves_neither_student_nor_teacher(training) -> None:
    class Overflows(Precision):
        def step(self, optimizer: torch.optim.Optimizer) -> bool:
            optimizer.zero_grad(set_to_none=True)
            self.skipped_steps += 1
            return False

    ready = training("mean_teacher", decay=0.9)
    take_step(ready, _batches(), 0)
    before, average = _state(ready.network), ready.ema.state_dict()
    average = {name: values.clone() for name, values in average.items()}
    ready.precision = Overflows("fp32", ready.device, None)
    take_step(ready, _batches(1), 1)
    assert _equal(before, _state(ready.network))
    assert _equal(average, ready.ema.state_dict())


def test_the_half_life_follows_the_length_of_the_run_and_a_time_budget(training) -> None:
    ready = training("mean_teacher", half_life=0.02)
    ready.set_length(3000)
    assert ready.ema.decay == pytest.approx(0.99, abs=0.002)
    ready.set_length(300)
    assert ready.ema.decay == pytest.approx(0.5 ** (1 / 6))
    assert training("mean_teacher", decay=0.75).ema.decay == 0.75


@pytest.mark.parametrize("ema", ["true", "false"])
def test_the_teacher_is_there_whether_or_not_averages_are_wished_for(ema: str, training) -> None:
    ready = training("mean_teacher", words=(f"train.ema={ema}", "train.ema_half_life=0.5"), half_life=0.1)
    assert list(ready.candidates) == ["teacher", "student"]
    assert ready.ema.decay == pytest.approx(0.5)


def test_the_warm_up_makes_no_pass_over_unlabelled_slices(training) -> None:
    ready = training("mean_teacher", warm_up=0.5)
    student, teacher = _count_passes(ready.network), _count_passes(ready.teacher)
    assert "loss/consistency" not in take_step(ready, _batches(4), 4)
    assert (student, teacher) == ([2], [])
    assert "loss/consistency" in take_step(ready, _batches(5), 5)
    assert (student, teacher) == ([2, 2, 2], [2])


class _Shows(nn.Module):
    """Says that an organ's probability is the first channel's grey value, pixel by pixel."""

    plain_transformer = False
    gain = 1.0

    def forward(self, images: Tensor) -> Output:
        return self.read(self.encode(images))

    def encode(self, images: Tensor) -> list[Tensor]:
        return [images]

    def read(self, features: list[Tensor]) -> Output:
        logits = torch.logit(features[0][:, :1].clamp(1e-4, 1 - 1e-4))
        return Output(logits, None, features, logits)


@pytest.fixture
def component(task_of: MakeTask) -> Callable[..., MeanTeacher]:
    def made(*words: str, **knobs: float) -> MeanTeacher:
        settings = MeanTeacherSettings(**{"warm_up": 0, "ramp": 0, **knobs})
        made = COMPONENT.make(task_of(*words, unlabelled=3), settings)
        assert isinstance(made, MeanTeacher)
        return made

    return made


def _step(component: MeanTeacher, step: int = 0) -> Forward:
    batches = component.change({"labelled": _slices(2, 1), "unlabelled": _slices(3, 2)}, step)
    return Forward(_Shows(), batches, 0.5, (component,), _Shows())  # type: ignore[arg-type]


def test_the_teacher_s_answer_lies_where_the_student_sees_the_same_pixel(component) -> None:
    forward = _step(component("augment.flip=left_right", intensity=0, holes=0))
    taught, view = forward.taught("unlabelled"), forward.batches["unlabelled"].images[:, :1]
    assert not torch.equal(view, forward.batches[WEAK].images[:, :1])
    assert 0.3 < float(taught.seen.float().mean()) < 1
    assert torch.allclose(taught.probabilities[taught.seen], view[taught.seen], rtol=0, atol=2e-4)


def test_a_student_that_agrees_wherever_both_look_costs_nothing(component) -> None:
    changed = component(intensity=0, holes=0)
    assert changed.losses(_step(changed), 0)["consistency"].item() == pytest.approx(0, abs=1e-6)
    unlike = component(intensity=2, holes=0)
    assert unlike.losses(_step(unlike), 0)["consistency"].item() > 1e-3


def test_what_is_beyond_the_slice_does_not_count(component) -> None:
    mean_teacher = component(intensity=0, holes=0)
    forward = _step(mean_teacher)
    seen = forward.taught("unlabelled").seen
    loss = mean_teacher.losses(forward, 0)["consistency"].item()
    forward.output("unlabelled").masks.masked_fill_(~seen, 9.0)
    assert mean_teacher.losses(forward, 0)["consistency"].item() == loss


def test_trust_weighs_what_is_taught(component, task_of: MakeTask) -> None:
    class Distrusts(Component):
        def trust(self, forward: Forward, stream: str) -> Tensor:
            return torch.zeros(3, 1, 1, 1)

    mean_teacher = component(intensity=2)
    forward = _step(mean_teacher)
    assert mean_teacher.losses(forward, 0)["consistency"].item() > 0
    doubted = Forward(forward.network, forward.batches, 0.5, (mean_teacher, Distrusts()), forward.teacher)
    assert mean_teacher.losses(doubted, 0)["consistency"].item() == 0


def test_it_teaches_on_unlabelled_slices_alone_and_only_where_there_is_a_teacher(component) -> None:
    mean_teacher = component()
    forward = _step(mean_teacher)
    assert forward.taught("labelled") is None
    alone = Forward(forward.network, forward.batches, 0.5, (mean_teacher,))
    assert mean_teacher.losses(alone, 0) == {}
    assert mean_teacher.readings() == {"teacher/weight": 1.0}


def test_views_follow_seed_and_step(component) -> None:
    views = [_step(component(), step).batches["unlabelled"].images for step in (0, 0, 1)]
    assert torch.equal(views[0], views[1])
    assert not torch.equal(views[0], views[2])
    other = _step(component("train.seed=1")).batches["unlabelled"].images
    assert not torch.equal(views[0], other)


def test_every_look_is_another_one_near_the_first_and_the_same_when_asked_again(component) -> None:
    mean_teacher = component(intensity=0, holes=0, geometry=0)
    torch.manual_seed(5)
    taught = _step(mean_teacher).taught("unlabelled")
    state = torch.random.get_rng_state()
    looks = [taught.again(number) for number in (0, 1, 0)]
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(looks[0], looks[2])
    assert not torch.equal(looks[0], looks[1])
    # Noise of a tenth of 0.29, the standard deviation of the slices, up to twice that. One channel in ten is dropped,
    # the others are larger for it.
    kept = (looks[0] > 0.5) & (taught.probabilities < 0.8)
    assert 0.01 < float((0.9 * looks[0] - taught.probabilities)[kept].abs().max()) < 0.06


def test_a_look_at_a_plain_transformer_drops_channels_of_a_map_not_of_a_token(component) -> None:
    class Plain(_Shows):
        plain_transformer = True

        def encode(self, images: Tensor) -> list[Tensor]:
            tokens = torch.ones(len(images), 1, 1, 1)
            return [images, images, images, torch.ones(len(images), 400, 8, 8), tokens]

        def read(self, features: list[Tensor]) -> Output:
            self.features = features
            return super().read(features)

    plain = Plain()
    mean_teacher = component()
    batches = mean_teacher.change({"unlabelled": _slices(2, 0)}, 0)
    Forward(plain, batches, 0.5, (mean_teacher,), plain).taught("unlabelled").again(0)  # type: ignore[arg-type]
    assert bool((plain.features[4] == 1).all())
    dropped = (plain.features[3].flatten(2).sum(dim=2) == 0).float().mean()
    assert 0.05 < float(dropped) < 0.15


def test_the_distance_is_a_share_of_the_teacher_s_length(training) -> None:
    ready = training("mean_teacher", decay=0.9)
    for step in range(3):
        take_step(ready, _batches(step), step)
    told = ready.components[1].readings()
    student, teacher = (
        torch.cat([values.detach().flatten() for values in network.parameters()]).double()
        for network in (ready.network, ready.teacher)
    )
    assert told["teacher/weight"] == 1.0
    assert told["teacher/distance"] == pytest.approx(float((student - teacher).norm() / teacher.norm()), rel=1e-4)
    assert told["teacher/distance"] > 0


COMBINATIONS = (
    ("mean_teacher", "freeze"),
    ("finetune", "mean_teacher", "edge", "l2sp", "confidence", "uncertainty", "copy_paste"),
    ("gradual", "mean_teacher", "bss"),
    ("mean_teacher", "lora"),
    ("lora", "mean_teacher"),
)


@pytest.mark.parametrize("names", COMBINATIONS, ids="-".join)
def test_it_works_beside_other_components(names: tuple[str, ...], training) -> None:
    ready = training(*names, decay=0.5)
    for step in range(2):
        terms = take_step(ready, _batches(step), step)
        assert "loss/consistency" in terms
        assert all(bool(torch.isfinite(term)) for term in terms.values())
    plain = set(training("mean_teacher").network.state_dict())
    assert set(ready.exported("teacher")) == set(ready.exported("student")) == plain


@pytest.mark.parametrize("order", [("restoration", "mean_teacher"), ("mean_teacher", "restoration")])
def test_restoration_restores_slices_as_they_were_loaded_whatever_the_order(order: tuple[str, str], training) -> None:
    ready, alone = training(*order), training("restoration")
    found, expected = (float(take_step(each, _batches(), 0)["loss/restoration"]) for each in (ready, alone))
    assert found == pytest.approx(expected, rel=1e-4)


def test_norm_statistics_follow_slices_as_they_were_loaded(training) -> None:
    ready, alone = training("mean_teacher", "batch_norm"), training("batch_norm")
    for each in (ready, alone):
        take_step(each, _batches(), 0)
    means = [{n: v for n, v in each.network.state_dict().items() if "running" in n} for each in (ready, alone)]
    assert _equal(*means)


def test_without_labels_in_the_target_the_slices_as_loaded_move_norm_statistics(training) -> None:
    ready = training("mean_teacher", warm_up=0.5)
    (_, mean_teacher), network = ready.components, ready.network.train()
    expected = Forward(training("mean_teacher").network.train(), {"unlabelled": _batches()["unlabelled"]})
    expected.output("unlabelled")
    for progress in (0.1, 0.6):
        before = _state(network)
        batches = mean_teacher.change({"unlabelled": _batches()["unlabelled"], "source": _slices(2, 7)}, 0)
        mean_teacher.losses(Forward(network, batches, progress, ready.components, ready.teacher), 0)
        if progress == 0.1:
            assert _equal(_state(network), _state(expected.network))
        assert not _equal(_state(network), before)


def test_beside_an_encoder_that_reads_each_slice_once_it_is_refused(task_of: MakeTask) -> None:
    task = task_of(unlabelled=3)
    components = {"mean_teacher": {}, "feature_extract": {}}
    task = replace(task, settings=task.settings.model_copy(update={"components": components}))
    with pytest.raises(UsageError, match="freeze,mean_teacher"):
        COMPONENT.make(task, MeanTeacherSettings())


def test_a_companion_alone_is_refused_with_what_to_write() -> None:
    settings = resolve(["organ=liver", "strategy=confidence"])
    alone = settings.model_copy(update={"components": {"supervised": {}, "confidence": {}}})
    with pytest.raises(UsageError, match="--strategy mean_teacher,confidence"):
        refuse_missing_needs(alone, {"labels", "unlabelled"})
    refuse_missing_needs(settings, {"labels", "unlabelled"})
