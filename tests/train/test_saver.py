import threading
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from seg.errors import CheckpointError, ResourceError, TrainingError
from seg.runs import Run
from seg.train import loop, saver
from seg.train.checkpoint import load_newest, save_checkpoint
from seg.train.interrupt import Interrupted
from seg.train.log import TrainingLog
from seg.train.saver import Saver
from seg.train.training import Progress


def _full(*_: object) -> None:
    raise ResourceError(found="No space left", expected="room", fix="free some", path="disk", code="cannot-write")


@pytest.fixture
def entered(make, tmp_path: Path):
    """A training of which nothing is done yet, its run, and a saver of the two."""
    training, run = make(), Run(tmp_path)
    log = TrainingLog(run, 4, 0, Console(quiet=True), tensorboard=False)
    with log, Saver(training, run, log, Progress(4)) as saving:
        yield training, run, saving


def test_the_loop_goes_on_while_the_moment_is_written_as_it_was(entered, monkeypatch) -> None:
    training, run, saving = entered
    name, weight = next(iter(training.network.named_parameters()))
    may_write, before = threading.Event(), weight.detach().clone()

    def waits(*given: object) -> Path:
        assert may_write.wait(10)
        return save_checkpoint(*given)

    monkeypatch.setattr(saver, "save_checkpoint", waits)
    saving.save(Progress(4, step=1))
    assert not run.checkpoints.exists()
    with torch.no_grad():
        weight.add_(1)
    may_write.set()
    saving.finish()
    found = load_newest(run.checkpoints)
    assert found is not None
    assert torch.equal(found.tensors["network"][name], before)


def test_the_best_weights_are_the_runs_model_only_when_the_checkpoint_that_knows_of_them_is_written(
    entered, monkeypatch
) -> None:
    _, run, saving = entered
    saving.keep_best("averaged")
    seen: list[bool] = []

    def watched(*given: object) -> Path:
        place = save_checkpoint(*given)
        seen.append(run.model.exists())
        return place

    monkeypatch.setattr(saver, "save_checkpoint", watched)
    saving.save(Progress(4, step=1, best_step=1))
    saving.finish()
    assert seen == [False]
    assert run.model.samefile(run.checkpoints / "step-00000001" / "best.safetensors")


def test_a_moment_is_written_once(entered, monkeypatch) -> None:
    _, _, saving = entered
    written: list[int] = []
    monkeypatch.setattr(saver, "save_checkpoint", lambda _, checkpoint: written.append(checkpoint.step))
    for _ in range(2):
        saving.save(Progress(4, step=1))
    saving.save(Progress(4, step=2))
    saving.finish()
    assert written == [1, 2]


@pytest.mark.parametrize("left_with", [TrainingError, Interrupted])
def test_whoever_leaves_with_an_error_waits_for_what_is_being_written(entered, monkeypatch, left_with) -> None:
    _, _, saving = entered
    may_write, written = threading.Event(), []
    monkeypatch.setattr(saver, "save_checkpoint", lambda *_: written.append(may_write.wait(10)))
    saving.save(Progress(4, step=1))
    threading.Timer(0.1, may_write.set).start()
    error = left_with(143) if left_with is Interrupted else TrainingError(found="x", expected="y", fix="z")
    saving.__exit__(left_with, error, None)
    assert written == [True]


def test_a_second_signal_waits_for_nothing(entered, monkeypatch) -> None:
    _, _, saving = entered
    may_write, written = threading.Event(), []
    monkeypatch.setattr(saver, "save_checkpoint", lambda *_: written.append(may_write.wait(10)))
    saving.save(Progress(4, step=1))
    saving.__exit__(SystemExit, SystemExit(143), None)
    assert written == []
    may_write.set()


def test_an_error_nobody_thought_of_is_raised_in_the_loop(entered, monkeypatch) -> None:
    _, _, saving = entered
    monkeypatch.setattr(saver, "save_checkpoint", lambda *_: [][0])
    saving.save(Progress(4, step=1))
    with pytest.raises(IndexError):
        saving.save(Progress(4, step=2))


def test_a_save_that_fails_is_said_and_the_run_ends_like_one_without_the_failure(make, go, monkeypatch) -> None:
    whole, _ = go(make("train.steps=6", "train.validations=3"), "whole")
    saved: list[int] = []

    def full_once(folder: Path, checkpoint, **options: int) -> Path:
        saved.append(checkpoint.step)
        if len(saved) == 2:
            _full()
        return save_checkpoint(folder, checkpoint, **options)

    kept: list[list[str]] = []
    monkeypatch.setattr(saver, "save_checkpoint", full_once)
    monkeypatch.setattr(
        saver, "keep_newest", lambda folder, _: kept.append(sorted(path.name for path in folder.iterdir()))
    )
    run, progress = go(make("train.steps=6", "train.validations=3"), "survived")
    assert (saved, progress.step) == ([2, 4, 6], 6)
    sentence = "What step 4 came to is not saved: disk: found No space left"
    assert sentence in (run.folder / "log.txt").read_text()
    assert run.model.read_bytes() == whole.model.read_bytes()
    assert run.last.read_bytes() == whole.last.read_bytes()
    assert kept == [["step-00000002", "step-00000006"]]


def test_when_the_last_save_fails_it_is_tried_once_more_and_then_is_the_runs_error(make, go, monkeypatch) -> None:
    tried: list[int] = []

    def full_from_4(folder: Path, checkpoint, **options: int) -> Path:
        tried.append(checkpoint.step)
        return _full() if checkpoint.step == 4 else save_checkpoint(folder, checkpoint, **options)

    monkeypatch.setattr(saver, "save_checkpoint", full_from_4)
    with pytest.raises(ResourceError) as ended:
        go(make())
    assert (tried, ended.value.exit_code) == ([2, 4, 4], 4)
    monkeypatch.setattr(saver, "save_checkpoint", save_checkpoint)
    _, progress = go(make())
    assert progress.step == 4


def test_weights_that_cannot_be_written_at_the_end_are_the_runs_error(make, go, monkeypatch) -> None:
    monkeypatch.setattr(saver, "write_last", _full)
    with pytest.raises(ResourceError):
        go(make())


def test_a_disk_that_changes_what_it_is_given_is_said_like_a_full_one(make, go, monkeypatch) -> None:
    def changed(*_: object) -> None:
        raise CheckpointError(found="other bytes", expected="a good disk", fix="check it", code="disk-changes-bytes")

    monkeypatch.setattr(saver, "save_checkpoint", changed)
    with pytest.raises(CheckpointError, match="other bytes"):
        go(make())


def test_a_run_that_goes_on_from_an_earlier_checkpoint_has_the_best_weights_of_that_moment(
    make, go, monkeypatch
) -> None:
    dices = iter([0.5, 0.6])
    monkeypatch.setattr(saver, "keep_newest", lambda *_: None)
    monkeypatch.setattr(loop, "validation_dice", lambda *_: {"mean": next(dices)})
    run, _ = go(make())
    assert run.model.samefile(run.checkpoints / "step-00000004" / "best.safetensors")
    best_of_2 = (run.checkpoints / "step-00000002" / "best.safetensors").read_bytes()
    assert run.model.read_bytes() != best_of_2
    (run.checkpoints / "step-00000004" / "state.json").write_text("{}")
    # On a GPU the same steps may end elsewhere, here where nothing is better than before.
    monkeypatch.setattr(loop, "validation_dice", lambda *_: {"mean": 0.1})
    run, progress = go(make())
    assert (progress.best_step, progress.best_dice) == (2, 0.5)
    assert run.model.read_bytes() == best_of_2
    found = load_newest(run.checkpoints)
    assert found is not None
    assert found.step == 4
    best = load_file(run.model)
    assert all(torch.equal(found.tensors["best"][name], tensor) for name, tensor in best.items())


def test_a_finished_training_keeps_its_newest_checkpoint_alone(make, go) -> None:
    run, _ = go(make())
    assert [path.name for path in run.checkpoints.iterdir()] == ["step-00000004"]
    _, progress = go(make())
    assert progress.step == 4
