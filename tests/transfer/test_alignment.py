from collections.abc import Callable, Mapping
from types import ModuleType

import pytest
import torch

from seg.config import Model
from seg.data.dataset import Batch
from seg.errors import UsageError
from seg.models.edges import boundary_band
from seg.models.network import SegNetwork, build_network
from seg.models.norms import statistics_held
from seg.models.weights import WeightReport
from seg.overrides import resolve
from seg.registry import COMPONENTS
from seg.train.loop import take_step
from seg.train.moments import load_optimizer_tensors, optimizer_tensors
from seg.train.training import Training
from seg.transfer import coral, dann, joint, mmd
from seg.transfer._alignment import Alignment, AlignmentSettings, risen
from seg.transfer._samples import Samples, band_samples, cell_samples
from seg.transfer.component import Forward

SIZES = (16, 16, 8, 8, 8)
MODULES = {"mmd": mmd, "coral": coral, "dann": dann}


class Seen(Alignment):
    """Keeps what it was asked to align."""

    def term(self, source: Samples, target: Samples, strength: float) -> torch.Tensor:
        self.samples, self.strength = (source, target), strength
        return strength * (source.vectors.mean() - target.vectors.mean())


def _batch(size: int, seed: int, known: bool = True, shift: float = 0.0) -> Batch:
    images = torch.rand(size, 3, 64, 64, generator=torch.Generator().manual_seed(seed)) + shift
    masks = torch.zeros(size, 1, 64, 64)
    masks[:, :, 20:40, 16:44] = 1
    return Batch(images, masks if known else 0 * masks, torch.full_like(masks, known, dtype=torch.bool), ("a",) * size)


def _batches() -> dict[str, Batch]:
    return {"labelled": _batch(3, 0), "unlabelled": _batch(4, 1, known=False), "source": _batch(2, 2, shift=0.5)}


def _network(encoder: str = "resnet18", **model: object) -> SegNetwork:
    torch.manual_seed(0)
    settings = Model(encoder=encoder, weights="none", decoder_channels=SIZES, **model)
    return build_network(settings, 1, 3)[0].train()


def _statistics(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items() if "running_" in name}


def _same(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def _made(name: str, task: object, **knobs: object) -> Alignment:
    info = MODULES[name].COMPONENT
    component = info.make(task, info.settings(**knobs))
    assert isinstance(component, Alignment)
    return component


@pytest.mark.parametrize(
    ("counts", "wish", "expected"),
    [
        ({"labelled": 5, "unlabelled": 20}, "auto", "unlabelled"),
        ({"labelled": 20, "unlabelled": 5}, "auto", "labelled"),
        ({"labelled": 5}, "auto", "labelled"),
        ({"labelled": 0, "unlabelled": 2}, "auto", "unlabelled"),
        ({"labelled": 5, "unlabelled": 20}, "labelled", "labelled"),
        ({"labelled": 20, "unlabelled": 5}, "unlabelled", "unlabelled"),
    ],
)
def test_the_target_is_shown_by_the_scans_of_more_patients_or_as_wished(task_of, counts, wish, expected) -> None:
    assert Seen("seen", task_of(**counts), AlignmentSettings(target=wish)).streams() == ("source", expected)


def test_target_scans_that_are_not_there_are_refused(task_of) -> None:
    with pytest.raises(UsageError, match=r"mmd\.target=unlabelled without unlabelled") as refused:
        _made("mmd", task_of(), target="unlabelled")
    assert refused.value.code == "missing-need"


@pytest.mark.parametrize(("organs", "level"), [(("liver",), 2), (("liver", "pancreas"), 2), (("pancreas",), -1)])
def test_deep_features_are_aligned_only_where_both_domains_show_the_same_organs(task_of, organs, level) -> None:
    seen, network, batches = Seen("seen", task_of(source_organs=organs), AlignmentSettings()), _network(), _batches()
    seen.losses(Forward(network, batches), 0)
    with statistics_held(network):
        maps = network.encode(torch.cat([batches["source"].images, batches["labelled"].images]))[level]
    for found, part in zip(seen.samples, maps.split([2, 3]), strict=True):
        expected = cell_samples(part, 4)
        torch.testing.assert_close(found.vectors, expected.vectors)
        assert torch.equal(found.images, expected.images)


@pytest.mark.parametrize("edge_head", [True, False])
def test_at_the_edge_bands_are_the_true_ones_where_they_are_known_and_the_predicted_ones_elsewhere(
    task_of, edge_head
) -> None:
    network, batches = _network(edge_head=edge_head), _batches()
    task = task_of(unlabelled=9)
    seen = Seen("seen", task, AlignmentSettings(at="edge", cells=2))
    seen.losses(Forward(network, batches), 0)
    with statistics_held(network):
        output = network(torch.cat([batches["source"].images, batches["unlabelled"].images]))
    width = task.settings.model.edge_width_px
    predicted = output.edges[2:] > 0 if edge_head else boundary_band(output.masks[2:] > 0, width)
    bands = boundary_band(batches["source"].masks, width), predicted.float()
    assert 0 < float(bands[1].mean()) < 1
    for found, decoded, band in zip(seen.samples, output.decoded.split([2, 4]), bands, strict=True):
        torch.testing.assert_close(found.vectors, band_samples(decoded, band, 2).vectors)


def test_at_the_edge_pixels_that_nobody_labelled_are_left_out(task_of) -> None:
    batches = _batches()
    batches["source"].valid[0, :, :, :32] = False
    batches["source"].valid[1] = False
    seen = Seen("seen", task_of(), AlignmentSettings(at="edge", cells=2))
    seen.losses(Forward(_network(), batches), 0)
    assert seen.samples[0].images.tolist() == [0, 0]
    assert len(seen.samples[1].vectors) == 12


def test_both_domains_go_through_the_norms_as_one_batch(task_of) -> None:
    """Each by its own statistics, a shift of all intensities could not be seen."""
    network, image = _network(), _batch(4, 0)
    shifted = Batch(image.images * 0.5 + 0.4, image.masks, image.valid, image.where)
    seen = Seen("seen", task_of(), AlignmentSettings(at="early", cells=1))
    seen.losses(Forward(network, {"labelled": image, "source": shifted}), 0)
    together = (seen.samples[0].vectors - seen.samples[1].vectors).detach().abs().mean()
    with statistics_held(network), torch.no_grad():
        apart = [cell_samples(network.encode(batch.images)[2], 1).vectors for batch in (shifted, image)]
    assert float((apart[0] - apart[1]).abs().mean()) < 0.05 * float(together)


@pytest.mark.parametrize("at", ["early", "bottleneck", "edge"])
def test_beside_labelled_slices_no_norm_statistics_move(task_of, at) -> None:
    network = _network()
    before = _statistics(network)
    Seen("seen", task_of(unlabelled=9), AlignmentSettings(at=at)).losses(Forward(network, _batches()), 0)
    assert _same(before, _statistics(network))


@pytest.mark.parametrize("listed", [True, False])
def test_without_target_labels_the_unlabelled_slices_move_them_once(task_of, listed) -> None:
    network, followed, batches = _network(), _network(), _batches()
    del batches["labelled"]
    task = task_of(labelled=0, unlabelled=4, source_organs=("pancreas",))
    if listed:
        task.settings.components["batch_norm"] = {}
    before = _statistics(network)
    Seen("seen", task, AlignmentSettings()).losses(Forward(network, batches), 0)
    with torch.no_grad():
        followed(batches["unlabelled"].images)
    assert _same(before if listed else _statistics(followed), _statistics(network))


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("at", ["early", "bottleneck", "edge"])
def test_each_gives_one_finite_term_in_single_precision_with_gradients(task_of, name, at) -> None:
    network = _network()
    component = _made(name, task_of(unlabelled=9), at=at)
    component.prepare(network, WeightReport("none"))
    with torch.autocast("cpu", torch.bfloat16):
        terms = component.losses(Forward(network, _batches(), 0.5), 0)
    assert list(terms) == [name]
    assert terms[name].dtype == torch.float32
    terms[name].backward()
    learned = [p.grad for p in network.encoder.conv1.parameters()]
    assert all(bool(torch.isfinite(gradient).all() and gradient.any()) for gradient in learned)


@pytest.mark.parametrize("encoder", ["resnet18", "mit_b0", "tu-vit_tiny_patch16_224"])
def test_the_features_of_every_kind_of_encoder_have_the_channels_that_were_told(task_of, encoder) -> None:
    network = _network(encoder).eval()
    for at in ("early", "bottleneck", "edge"):
        seen = Seen("seen", task_of(), AlignmentSettings(at=at))
        with torch.no_grad():
            seen.losses(Forward(network, _batches()), 0)
        assert seen.samples[0].vectors.shape[1] == seen.channels(network) > 0


def test_features_that_were_made_before_are_taken_as_they_are(task_of) -> None:
    network, batches = _network().eval(), _batches()
    seen = Seen("seen", task_of(), AlignmentSettings(at="edge"))
    seen.losses(Forward(network, batches), 0)
    expected = seen.samples
    with torch.no_grad():
        maps = tuple(network.encode(batches["labelled"].images))
    labelled = batches["labelled"]
    batches["labelled"] = Batch(torch.zeros(3, 0), labelled.masks, labelled.valid, labelled.where, maps)
    seen.losses(Forward(network, batches), 0)
    for found, wanted in zip(seen.samples, expected, strict=True):
        torch.testing.assert_close(found.vectors, wanted.vectors)


def test_the_weight_rises_as_in_the_paper(task_of) -> None:
    assert [risen(p, 10.0) for p in (0.0, 0.1, 0.5, 1.0)] == pytest.approx([0, 0.46212, 0.98661, 0.99991], abs=1e-5)
    assert risen(0.0, None) == 1
    seen = Seen("seen", task_of(), AlignmentSettings(weight=3.0))
    seen.losses(Forward(_network(), _batches(), 0.1), 0)
    assert seen.strength == pytest.approx(3 * 0.46212, abs=1e-4)


@pytest.mark.parametrize("name", [*MODULES, "batch_norm"])
def test_the_strategy_of_that_name_lists_it_after_what_teaches_the_labels(name) -> None:
    listed = list(resolve([f"strategy={name}", "organ=pancreas"]).components)
    assert (listed[0], listed[-1]) == ("supervised", name)
    assert set(listed) <= set(COMPONENTS.names())
    module: ModuleType = COMPONENTS.load(name)
    assert module.COMPONENT.level == "feature"
    assert all(field.description for field in module.COMPONENT.settings.model_fields.values())


@pytest.mark.parametrize("name", MODULES)
def test_a_target_without_labels_is_learned_in_the_loop_and_resumed_with_the_same_bits(task_of, in_loop, name) -> None:
    """The source's labels teach, the target's scans are aligned and move the norm statistics."""

    def started() -> Training:
        task = task_of(labelled=0, unlabelled=4, source_organs=("pancreas",))
        components = [joint.COMPONENT.make(task, joint.JointSettings()), _made(name, task)]
        return in_loop(components, WeightReport("none"))

    def batches(step: int) -> dict[str, Batch]:
        return {"source": _batch(3, step), "unlabelled": _batch(2, 100 + step, known=False, shift=0.3)}

    first, resumed = started(), started()
    before = _statistics(first.network)
    terms = take_step(first, batches(0), 0)
    assert {"loss/source_mask", f"loss/{name}"} <= set(terms)
    assert not _same(before, _statistics(first.network))
    take_step(first, batches(1), 1)
    resumed.network.load_state_dict(first.network.state_dict())
    load_optimizer_tensors(resumed.optimizer, {k: v.clone() for k, v in optimizer_tensors(first.optimizer).items()})
    for one, other in zip(first.components, resumed.components, strict=True):
        other.load_state_dict({key: value.clone() for key, value in one.state_dict().items()})
    for training in (first, resumed):
        take_step(training, batches(2), 2)
    assert _same(first.network.state_dict(), resumed.network.state_dict())
    assert [part.readings() for part in first.components] == [part.readings() for part in resumed.components]


def _train(network: SegNetwork, component: Alignment, own: Callable[[int], dict[str, Batch]]) -> list[float]:
    component.prepare(network, WeightReport("none"))
    optimizer = torch.optim.Adam(network.encoder.parameters(), lr=1e-3)
    values = []
    for step in range(8):
        term = component.losses(Forward(network, own(step), 1.0), step)
        (value,) = term.values()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(float(value.detach()))
    return values


@pytest.mark.parametrize("name", ["mmd", "coral"])
def test_minimised_on_two_scanners_the_term_falls(task_of, name) -> None:
    def own(step: int) -> dict[str, Batch]:
        source, target = _batch(4, 2 * step), _batch(4, 2 * step + 1)
        darker = Batch(source.images.square() * 0.5, source.masks, source.valid, source.where)
        return {"source": darker, "labelled": target}

    values = _train(_network(), _made(name, task_of(), at="early", cells=2), own)
    assert sum(values[-2:]) < 0.5 * sum(values[:2])
