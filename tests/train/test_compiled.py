"""`train.compile` and `train.channels_last` are ways to compute, no other results."""

import shutil

import pytest
import torch
from torch import Tensor, nn
from torch._inductor import config as inductor

from seg.errors import UsageError
from seg.models.ema import Ema
from seg.models.encoders import Parts
from seg.models.network import SegNetwork
from seg.recipes import train as recipe
from seg.train import training
from seg.train.compiled import compile_network


class _Encoder(nn.Module):
    """The image and one map."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, images: Tensor) -> list[Tensor]:
        return [images, torch.relu(self.norm(self.convolution(images)))]


class _Last(nn.Module):
    """A decoder that hands on the last map."""

    def forward(self, features: list[Tensor]) -> Tensor:
        return features[-1]


def _network() -> SegNetwork:
    torch.manual_seed(0)
    parts = Parts(_Encoder(), _Last(), width=8, scale=1, plain_transformer=False)
    return SegNetwork(parts, 1, [0.4] * 3, [0.2] * 3, edge_head=False)


def _three_steps(*, compiled: bool = False, layout: torch.memory_format = torch.contiguous_format) -> dict[str, Tensor]:
    """The weights after three fp32 steps, their averages, and what the averaged network says then."""
    network = _network().to(memory_format=layout)
    if compiled:
        compile_network(network)
    averages = Ema(network, 0.5)
    if compiled:
        compile_network(averages.module)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2, fused=True)
    random = torch.Generator().manual_seed(1)
    for _ in range(3):
        output = network(torch.rand(2, 3, 32, 32, generator=random).contiguous(memory_format=layout))
        output.masks.square().mean().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        averages.update(network)
    averaged = {f"averaged {name}": tensor for name, tensor in averages.module.state_dict().items()}
    with torch.no_grad():
        said = averages.module(torch.rand(2, 3, 32, 32, generator=random).contiguous(memory_format=layout)).masks
    return {**network.state_dict(), **averaged, "said": said}


def _apart(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)


@pytest.fixture(scope="module")
def plain() -> dict[str, Tensor]:
    return _three_steps()


def test_channels_last_gives_the_same_weights(plain) -> None:
    assert _apart(plain, _three_steps(layout=torch.channels_last)) < 1e-5


def test_three_steps_move_weights_further_than_the_tolerance(plain) -> None:
    start = _network().state_dict()
    assert all(float((plain[name] - start[name]).abs().max()) > 1e-3 for name in start if name.endswith("out.weight"))


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_a_compiled_network_gives_the_same_weights(plain, monkeypatch) -> None:
    # No further processes and no programs that try out the processor: both take longer than so small a network.
    monkeypatch.setattr(inductor, "compile_threads", 1)
    monkeypatch.setattr(inductor.cpp, "vec_isa_ok", True)
    assert _apart(plain, _three_steps(compiled=True, layout=torch.channels_last)) < 1e-5


def test_the_teacher_is_compiled_too_and_averages_that_teach_nobody_are_not(make, monkeypatch) -> None:
    compiled: list[nn.Module] = []
    for module in (training, recipe):
        monkeypatch.setattr(module, "compile_network", compiled.append)
    words = ("train.compile=true", "data.labelled=3", "train.batch_size=2")
    taught = make(*words, "strategy=mean_teacher")
    assert compiled == [taught.network, taught.teacher]
    alone = make(*words)
    assert compiled[2:] == [alone.network]


def test_a_machine_without_a_compiler_is_told_before_the_training(monkeypatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(UsageError, match=r"train.compile=true, but no no-such-compiler.* train\.compile=false"):
        compile_network(nn.Identity())
