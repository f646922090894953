from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from seg.data.dataset import Batch
from seg.models.network import Output
from seg.transfer.component import Forward, Task, Taught
from seg.transfer.copy_paste import COMPONENT, CopyPaste, CopyPasteSettings, rectangles

MakeTask = Callable[..., Task]
GREY = {"labelled": 0.25, "unlabelled": 0.75, "source": 0.125}


class _Network(nn.Module):
    """Finds an organ where a slice is bright; has a norm, whose statistics can be watched."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.passed: list[Tensor] = []

    def forward(self, images: Tensor) -> Output:
        self.passed.append(images)
        logits = self.norm(images)
        return Output(logits, None, [], logits)


class _Step(Forward):
    """A step in which the teacher says this of the unlabelled slices."""

    def __init__(self, batches: dict[str, Batch], taught: Taught | None, trust: Tensor | None = None) -> None:
        super().__init__(_Network(), batches, progress=0.5)  # type: ignore[arg-type]
        self._taught["unlabelled"], self._trust["unlabelled"] = taught, trust


def _batch(stream: str, count: int, masks: float = 1.0) -> Batch:
    images = torch.full((count, 1, 12, 18), GREY[stream])
    return Batch(images, torch.full_like(images, masks), torch.ones(count, 1, 12, 18, dtype=torch.bool), ("a",) * count)


def _taught(count: int, probability: float = 0.2) -> Taught:
    probabilities = torch.full((count, 1, 12, 18), probability)
    return Taught(probabilities, torch.ones_like(probabilities, dtype=torch.bool), lambda _: probabilities)


def _component(task_of: MakeTask, **knobs: float) -> CopyPaste:
    component = COMPONENT.make(task_of(unlabelled=3), CopyPasteSettings(warm_up=0, ramp=0, **knobs))
    assert isinstance(component, CopyPaste)
    return component


def test_labels_reign_where_the_labelled_slice_shows_and_the_teacher_elsewhere(task_of: MakeTask) -> None:
    batches = {"labelled": _batch("labelled", 4), "unlabelled": _batch("unlabelled", 4)}
    mixture = _component(task_of).mixture(_Step(batches, _taught(4)), step=0)
    assert mixture is not None
    ours = mixture.images == GREY["labelled"]
    assert torch.equal(mixture.images == GREY["unlabelled"], ~ours)
    assert torch.equal(mixture.masks == 1, ours)
    assert torch.equal(mixture.labelled, ours)
    assert torch.equal(mixture.pseudo, ~ours)


def test_the_two_directions_take_turns_over_slices_and_steps(task_of: MakeTask) -> None:
    batches = {"labelled": _batch("labelled", 2), "unlabelled": _batch("unlabelled", 2)}
    component = _component(task_of)
    for step in range(2):
        mixture = component.mixture(_Step(batches, _taught(2)), step)
        assert mixture is not None
        inside = rectangles(2, (12, 18), 0.667, component_seed(step))
        first, second = mixture.images[:, 0]
        pasted_first, pasted_second = ("unlabelled", "labelled") if step % 2 == 0 else ("labelled", "unlabelled")
        assert bool((first[inside[0, 0]] == GREY[pasted_first]).all())
        assert bool((second[inside[1, 0]] == GREY[pasted_second]).all())


def component_seed(step: int) -> int:
    """Of `train.seed` 0."""
    return step ^ (0x626370 << 40)


def test_rectangles_have_their_size_and_lie_anywhere_within_the_slice() -> None:
    inside = rectangles(200, (12, 18), 2 / 3, seed=1)
    assert {int(each.sum()) for each in inside} == {8 * 12}
    assert bool((inside.any(dim=3).sum(dim=2) == 8).all())
    assert {int(each[0].any(dim=1).float().argmax()) for each in inside} == set(range(5))
    assert {int(each[0].any(dim=0).float().argmax()) for each in inside} == set(range(7))
    assert torch.equal(inside, rectangles(200, (12, 18), 2 / 3, seed=1))
    assert not torch.equal(inside, rectangles(200, (12, 18), 2 / 3, seed=2))


def test_what_the_teacher_did_not_see_or_is_not_trusted_in_teaches_nothing(task_of: MakeTask) -> None:
    batches = {"labelled": _batch("labelled", 2), "unlabelled": _batch("unlabelled", 2)}
    taught = _taught(2)
    taught.seen[:, :, :, :9] = False
    trust = torch.ones(2, 2, 12, 18)
    trust[:, 1, 6:] = 0.4
    mixture = _component(task_of).mixture(_Step(batches, taught, trust), step=0)
    assert mixture is not None
    ours = mixture.images == GREY["labelled"]
    expected = ~ours
    expected[:, :, :, :9] = False
    expected[:, :, 6:] = False
    assert torch.equal(mixture.pseudo, expected)
    assert torch.equal(mixture.labelled, ours)


def test_pixels_without_a_label_are_not_learned(task_of: MakeTask) -> None:
    batches = {"labelled": _batch("labelled", 2), "unlabelled": _batch("unlabelled", 2)}
    batches["labelled"].valid[:, :, 3] = False
    mixture = _component(task_of).mixture(_Step(batches, _taught(2)), step=0)
    assert mixture is not None
    assert not mixture.labelled[:, :, 3].any()
    assert not (mixture.pseudo & (mixture.images == GREY["labelled"])).any()


@pytest.mark.parametrize(("labelled", "unlabelled", "pairs"), [(2, 5, 2), (5, 2, 2), (1, 1, 1)])
def test_batches_of_unequal_length_give_as_many_mixtures_as_pairs(
    labelled: int, unlabelled: int, pairs: int, task_of: MakeTask
) -> None:
    batches = {"labelled": _batch("labelled", labelled), "unlabelled": _batch("unlabelled", unlabelled)}
    mixture = _component(task_of).mixture(_Step(batches, _taught(unlabelled)), step=0)
    assert mixture is not None
    assert len(mixture.images) == len(mixture.masks) == len(mixture.labelled) == len(mixture.pseudo) == pairs


def test_the_loss_is_the_mask_loss_of_both_parts_with_less_weight_on_what_the_teacher_said(task_of: MakeTask) -> None:
    batches = {"labelled": _batch("labelled", 2), "unlabelled": _batch("unlabelled", 2)}
    step = _Step(batches, _taught(2, 0.9))
    component = _component(task_of, weight=3.0, pseudo_weight=0.25)
    found = component.losses(step, 0)["copy_paste"]
    mixture = component.mixture(step, 0)
    assert mixture is not None
    logits = step.network.norm(mixture.images)  # type: ignore[operator,union-attr]
    parts = []
    for part in (mixture.labelled, mixture.pseudo):
        p, t = logits.sigmoid()[part], mixture.masks[part]
        dice = 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)
        parts.append(dice - (t * p.log() + (1 - t) * (1 - p).log()).mean())
    assert found.item() == pytest.approx(3 * (parts[0] + 0.25 * parts[1]).item(), rel=1e-5)


def test_mixtures_pass_once_and_leave_norm_statistics_where_they_are(task_of: MakeTask) -> None:
    batches = {"labelled": _batch("labelled", 4), "unlabelled": _batch("unlabelled", 4)}
    step = _Step(batches, _taught(4))
    network = step.network
    assert isinstance(network, _Network)
    before = network.norm.running_mean.clone()
    _component(task_of).losses(step, 0)
    assert [len(images) for images in network.passed] == [4]
    assert torch.equal(network.norm.running_mean, before)


def test_the_warm_up_makes_no_pass(task_of: MakeTask) -> None:
    step = _Step({}, _taught(2))
    component = COMPONENT.make(task_of(unlabelled=3), CopyPasteSettings(warm_up=0.6))
    assert component.losses(step, 0) == {}


def test_where_nobody_teaches_there_is_no_term(task_of: MakeTask) -> None:
    assert _component(task_of).losses(_Step({}, None), 0) == {}


def test_without_labels_in_the_target_the_source_s_slices_are_the_labelled_ones(task_of: MakeTask) -> None:
    component = COMPONENT.make(task_of(labelled=0, unlabelled=3), CopyPasteSettings(warm_up=0, ramp=0))
    assert isinstance(component, CopyPaste)
    assert component.streams() == ("source", "unlabelled")
    batches = {"source": _batch("source", 2), "unlabelled": _batch("unlabelled", 2)}
    mixture = component.mixture(_Step(batches, _taught(2)), step=0)
    assert mixture is not None
    assert mixture.images.unique().tolist() == [GREY["source"], GREY["unlabelled"]]


@pytest.mark.parametrize("channels_last", [True, False])
def test_mixtures_keep_the_memory_layout_of_the_training(channels_last: bool, task_of: MakeTask) -> None:
    task = task_of(f"train.channels_last={str(channels_last).lower()}", unlabelled=3)
    component = COMPONENT.make(task, CopyPasteSettings())
    assert isinstance(component, CopyPaste)
    images = torch.rand(2, 3, 12, 18)
    batch = Batch(images, torch.ones(2, 1, 12, 18), torch.ones(2, 1, 12, 18, dtype=torch.bool), ("a", "b"))
    mixture = component.mixture(_Step({"labelled": batch, "unlabelled": batch}, _taught(2)), step=0)
    assert mixture is not None
    assert mixture.images.is_contiguous(memory_format=torch.channels_last) == channels_last
