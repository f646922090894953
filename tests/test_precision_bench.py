import importlib.util
from pathlib import Path

import pytest
import torch

from seg.overrides import resolve
from seg.recipes.prepare import prepare
from seg.train.precision import Precision

SCRIPT = Path(__file__).parent.parent / "scripts" / "benchmarks" / "precision.py"


@pytest.fixture(scope="module")
def bench():
    specification = importlib.util.spec_from_file_location("precision_bench", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_a_cpu_is_measured_in_a_format_it_has(bench, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = bench.main(
        ["--sizes", "64", "--formats", "bf16", "--steps", "4", "--bare-steps", "1", "--cases", "4",
         "model.encoder=resnet18", "model.decoder_channels=32,16,16,8,8", "train.batch_size=2", "train.threads=1"]
    )  # fmt: skip
    (size,) = found["sizes"]
    assert (size["size_px"], size["batch_size"], size["steps"]) == (64, 2, 4)
    # Two additions and multiplications per weight and pixel, three times; a few hundred million in this network.
    assert 0.5 < size["GFLOP per image and step"] < 5
    row = size["formats"].pop("bf16")
    assert not size["formats"]
    assert row["loop / bare"] == pytest.approx(row["loop images/s"] / row["bare images/s"], rel=0.02)
    assert 0 < row["bare / matrix peak"] < 1
    assert row["peak memory MB"] > 100
    assert 0 <= row["Dice"] <= 1
    assert row["skipped steps"] == 0


def test_a_format_that_is_none_is_refused(bench) -> None:
    with pytest.raises(SystemExit, match="fp8: one of fp32, tf32"):
        bench._words("fp8")
    assert bench._words("tf32+compiled") == ["train.precision=fp32", "train.tf32=true", "train.compile=true"]


def test_the_bare_loop_is_plain_torch(bench, small_words, monkeypatch) -> None:
    settings = resolve([*small_words, "model.encoder=tu-test_resnet", "train.batch_size=2"])
    training = bench._training(settings, prepare(settings))
    before = {name: tensor.clone() for name, tensor in training.network.named_parameters()}
    for name in ("autocast", "backward", "step"):
        monkeypatch.setattr(Precision, name, None)
    bench._bare_step(training, bench._ready(training), bench._scaler(training))
    assert any(not torch.equal(before[name], tensor) for name, tensor in training.network.named_parameters())
    assert all(parameter.grad is None for parameter in training.network.parameters())
