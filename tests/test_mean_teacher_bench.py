import importlib.util
from pathlib import Path

import pytest
import torch

from seg.overrides import resolve
from seg.recipes.components import with_knobs
from seg.train.precision import Precision

SCRIPT = Path(__file__).parent.parent / "scripts" / "benchmarks" / "mean_teacher.py"


@pytest.fixture(scope="module")
def bench():
    specification = importlib.util.spec_from_file_location("mean_teacher_bench", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    words = [f"strategy={module._STRATEGY}", "model.weights=none", "model.encoder=tu-test_resnet", "train.batch_size=2"]
    return module._Bench(with_knobs(resolve([*words, "prepare.size_px=64", "train.precision=bf16"])))


@pytest.mark.parametrize("passes", ["apart", "together"])
def test_the_parts_are_plain_torch(bench, passes: str, monkeypatch) -> None:
    network, teacher = bench.training.network, bench.training.teacher
    before = {name: tensor.clone() for name, tensor in network.named_parameters()}
    taught: list[torch.dtype] = []
    hook = teacher.register_forward_hook(lambda module, given, output: taught.append(output.masks.dtype))
    for name in ("autocast", "backward", "step"):
        monkeypatch.setattr(Precision, name, None)
    bench.in_parts(getattr(bench, passes))
    hook.remove()
    assert taught == [torch.bfloat16]
    assert any(not torch.equal(before[name], tensor) for name, tensor in network.named_parameters())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_step_of_the_loop_moves_the_teacher_and_its_time_is_measured(bench) -> None:
    bench.averaging_s = 0.0
    before = {name: tensor.clone() for name, tensor in bench.training.teacher.named_parameters()}
    for _ in range(bench.training.ema.update_every):
        bench.step()
    assert bench.averaging_s > 0
    assert any(not torch.equal(before[name], tensor) for name, tensor in bench.training.teacher.named_parameters())
