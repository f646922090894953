"""Overflow and numbers that are not finite, forced at a step: nothing moves, and the message names step and slices."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from seg.errors import ResourceError, TrainingError
from seg.train import loop
from seg.train.finite import require_finite
from seg.train.loop import take_step, training_batches
from seg.train.moments import optimizer_tensors
from seg.train.precision import Precision
from seg.transfer.component import Component, Forward

CPU = torch.device("cpu")


class _Spoils(Component):
    """Adds a term that is not finite, or whose gradient is not, or asks for more memory than there is."""

    def __init__(self, how: str, at: int | None = None) -> None:
        self.how = how
        self.at = at

    def losses(self, forward: Forward, step: int) -> dict[str, Tensor]:
        logit = forward.output("labelled").masks.float().flatten()[0]
        if self.at not in (None, step):
            return {}
        if self.how == "memory":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ...")
        if self.how == "loss":
            return {"spoiled": logit * float("nan")}
        # The square root's slope at zero is infinite, its value is not.
        return {"spoiled": torch.sqrt((logit - logit.detach()).abs())} if self.how == "gradient" else {}


def _everything(training) -> dict[str, Tensor]:
    groups = {
        "network": training.network.state_dict(),
        "averages": training.ema.state_dict(),
        "optimizer": optimizer_tensors(training.optimizer),
        **{f"component {n}": component.state_dict() for n, component in enumerate(training.components)},
    }
    return {f"{group} {name}": tensor.clone() for group, tensors in groups.items() for name, tensor in tensors.items()}


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _fp16_on_cpu(training) -> None:
    training.precision = Precision("fp16", CPU, training.settings.optim.clip_norm)


@pytest.mark.parametrize(
    "words",
    [("train.precision=fp32",), ("train.precision=bf16", "strategy=mean_teacher"), ("fp16",)],
    ids=["fp32", "bf16 with a teacher", "fp16 with a scaler"],
)
def test_nothing_moves_where_a_loss_a_gradient_or_an_image_is_not_finite(make, words) -> None:
    training = make(*(word for word in words if word != "fp16"))
    if "fp16" in words:
        _fp16_on_cpu(training)
    batches = list(training_batches(training, range(2)))
    take_step(training, batches[0], 0)
    before, components = _everything(training), training.components
    numbers = training.precision.state()
    for how, stream in [("loss", "labelled"), ("gradient", "labelled"), *(("input", stream) for stream in batches[1])]:
        spoiled = batches[1]
        if how == "input":
            images = spoiled[stream].images.clone()
            images[1, 0, 5, 5] = float("inf")
            spoiled = {**spoiled, stream: replace(spoiled[stream], images=images)}
        training.components = [*components, _Spoils(how)]
        where = batches[1][stream].where
        if how == "gradient" and "fp16" in words:
            assert set(take_step(training, spoiled, 1)) >= {"loss", "loss/spoiled"}
            assert training.precision.state() == {**numbers, "scale": numbers["scale"] / 2, "skipped_steps": 1.0,
                                                  "_growth_tracker": 0.0}  # fmt: skip
        else:
            sentence = "an image that is not finite at step 2" if how == "input" else f"a {how} .* at step 2"
            with pytest.raises(TrainingError, match=sentence) as stopped:
                take_step(training, spoiled, 1)
            assert where[1] in str(stopped.value)
            assert (where[0] in str(stopped.value)) == (how != "input" or where[0] == where[1])
        assert _equal(before, _everything(training)), how
        assert all(parameter.grad is None for parameter in training.network.parameters()) or how != "gradient"
    training.components = components
    take_step(training, batches[1], 1)
    assert not _equal(before, _everything(training))


def test_a_skipped_step_is_said_and_moves_no_schedule(make, go, monkeypatch) -> None:
    monkeypatch.setattr(loop, "_LOGGED_EVERY", 1)
    training = make("train.validations=1")
    _fp16_on_cpu(training)
    training.components = [*training.components, _Spoils("gradient", at=1)]
    seen = []
    step = loop.take_step

    def noted(training, batches, number):
        before = _everything(training)
        terms = step(training, batches, number)
        seen.append((batches["labelled"].where, _equal(before, _everything(training))))
        return terms

    monkeypatch.setattr(loop, "take_step", noted)
    run, progress = go(training)
    rows = {row.step: row.values for row in run.curve_rows() if "loss" in row.values}
    rates = [rows[step]["lr"] for step in (1, 2, 3, 4)]
    assert rates[1] == rates[2]
    assert len(set(rates)) == 3
    assert [rows[step]["skipped_steps"] for step in (1, 2, 3, 4)] == [0, 1, 1, 1]
    assert [still for _, still in seen] == [False, True, False, False]
    said = (run.folder / "log.txt").read_text()
    assert f"Step 2 is skipped: a gradient overflowed in fp16 on {'; '.join(seen[1][0])}." in said
    assert "scaled by 32768 from now on" in said
    assert progress.step == 4
    numbers = json.loads(next(run.checkpoints.glob("step-*/state.json")).read_text())["precision"]
    assert (numbers["skipped_steps"], numbers["scale"]) == (1.0, 32768.0)


@pytest.mark.parametrize(("how", "kind"), [("loss", TrainingError), ("memory", ResourceError)])
def test_a_run_goes_on_from_its_checkpoint_as_if_nothing_had_gone_wrong_in_step_4(make, go, how, kind) -> None:
    whole, _ = go(make(), "whole")
    spoiled = make()
    spoiled.components = [*spoiled.components, _Spoils(how, at=3)]
    with pytest.raises(kind):
        go(spoiled, "halves")
    halves, progress = go(make(), "halves")
    assert progress.step == 4
    assert _equal(load_file(whole.last), load_file(halves.last))
    assert _equal(load_file(whole.model), load_file(halves.model))


def test_weights_that_are_not_finite_reach_neither_checkpoint_nor_model(make, go, monkeypatch, tmp_path) -> None:
    step = loop.take_step

    def spoil(training, batches, number):
        terms = step(training, batches, number)
        if number == 1:
            with torch.no_grad():
                training.network.mask_head.out.weight[0, 0] = float("nan")
        return terms

    monkeypatch.setattr(loop, "take_step", spoil)
    with pytest.raises(TrainingError, match=r"not finite after step 2: mask_head\.out\.weight; .* nothing was saved"):
        go(make())
    assert not list(tmp_path.glob("run/checkpoints/step-*"))
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_many_spoiled_tensors_are_counted_and_whole_numbers_are_left_out() -> None:
    spoiled = {f"w{number}": torch.tensor([float("inf")]) for number in range(5)}
    with pytest.raises(TrainingError, match="w0, w1, w2 and 2 more"):
        require_finite({**spoiled, "count": torch.tensor(3)}, 7)
    require_finite({"w": torch.zeros(2), "count": torch.tensor(3)}, 7)
