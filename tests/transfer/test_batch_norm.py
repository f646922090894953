from collections.abc import Callable

import pytest
import torch
from torch import nn

from seg.config import Model
from seg.data.dataset import Batch
from seg.models.network import SegNetwork, build_network
from seg.models.norms import statistics_held
from seg.transfer.batch_norm import COMPONENT, BatchNorm, BatchNormSettings
from seg.transfer.component import Forward

MODEL = Model(encoder="resnet18", weights="none", decoder_channels=(16, 16, 8, 8, 8))


def _batch(seed: int, shift: float = 0.0) -> Batch:
    images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(seed)) + shift
    masks = (images[:, :1] > 0.5).float()
    return Batch(images, masks, torch.ones_like(masks, dtype=torch.bool), ("a",) * 4)


@pytest.fixture
def network() -> SegNetwork:
    torch.manual_seed(0)
    return build_network(MODEL, 1, 3)[0].train()


def _statistics(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items() if "running_" in name}


def test_means_and_variances_follow_the_unlabelled_slices(network) -> None:
    before = network.encoder.bn1.running_mean.clone()
    forward = Forward(network, {"source": _batch(0), "unlabelled": _batch(1, 2.0)})
    assert BatchNorm(1).losses(forward, 0) == {}
    with torch.no_grad():
        seen = network.encoder.conv1((forward.batches["unlabelled"].images - network.input_mean.view(1, 3, 1, 1))
                                     / network.input_std.view(1, 3, 1, 1))  # fmt: skip
    expected = 0.9 * before + 0.1 * seen.mean(dim=(0, 2, 3))
    torch.testing.assert_close(network.encoder.bn1.running_mean, expected, rtol=1e-4, atol=1e-5)


def test_source_slices_do_not_move_them(network) -> None:
    forward = Forward(network, {"source": _batch(0), "unlabelled": _batch(1)})
    before = _statistics(network)
    forward.output("source")
    assert all(torch.equal(before[name], tensor) for name, tensor in _statistics(network).items())


def test_beside_labelled_slices_both_move_them_alike(network) -> None:
    unlabelled, labelled = _batch(1, 2.0), _batch(0)
    forward = Forward(network, {"labelled": labelled, "unlabelled": unlabelled})
    forward.output("labelled")
    after_labelled = _statistics(network)
    BatchNorm(1).losses(forward, 0)
    assert network.encoder.bn1.momentum == 0.1
    assert all(not torch.equal(after_labelled[name], tensor) for name, tensor in _statistics(network).items())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_nothing_but_statistics_changes_and_later_passes_have_their_gradients(network, precision) -> None:
    forward = Forward(network, {"labelled": _batch(0), "unlabelled": _batch(1)})
    before = {name: tensor.clone() for name, tensor in network.named_parameters()}
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        BatchNorm(1).losses(forward, 0)
        output = forward.output("labelled")
    assert output.masks.dtype == (torch.bfloat16 if precision == "bf16" else torch.float32)
    output.masks.float().square().sum().backward()
    learning = {name: p for name, p in network.named_parameters() if not name.startswith("edge_head")}
    assert all(p.grad is not None and p.grad.any() for p in learning.values())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.named_parameters())


def test_frozen_norms_stay_as_they_are(network) -> None:
    network.encoder.eval()
    before = _statistics(network)
    BatchNorm(1).losses(Forward(network, {"unlabelled": _batch(1)}), 0)
    after = _statistics(network)
    moved = {name.split(".")[0] for name in after if not torch.equal(before[name], after[name])}
    assert moved == {"decoder"}


def test_it_looks_every_so_many_steps(network) -> None:
    component = BatchNorm(3)
    forward = Forward(network, {"unlabelled": _batch(1)})
    moved = []
    for step in range(7):
        before = _statistics(network)
        component.losses(forward, step)
        moved.append(any(not torch.equal(before[name], tensor) for name, tensor in _statistics(network).items()))
    assert moved == [True, False, False, True, False, False, True]


def test_repeated_looks_let_predictions_meet_features_as_the_training_does(network) -> None:
    component, target = BatchNorm(1), _batch(1, 2.0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.5

    def misses() -> float:
        with torch.no_grad():
            predicted = network.eval()(target.images).masks
            with statistics_held(network):
                trained = network.train()(target.images).masks
        return float((predicted - trained).abs().mean())

    before = misses()
    for step in range(10):
        component.losses(Forward(network, {"unlabelled": target}), step)
    assert misses() < before / 10


def test_it_needs_unlabelled_scans_alone(task_of: Callable[..., object]) -> None:
    component = COMPONENT.make(task_of(), BatchNormSettings(every=2))
    assert component.streams() == ("unlabelled",)
    assert COMPONENT.needs == ("unlabelled",)
