import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from seg.digest import file_sha256, json_sha256
from seg.errors import CheckpointError
from seg.runs import Run
from seg.train import saver
from seg.train.checkpoint import Checkpoint, load_newest, save_checkpoint
from seg.train.saved import moment, restore, write_last
from seg.train.training import Progress


def _into_format_1(place: Path) -> None:
    """What the first version wrote at that moment: no best weights, and fewer numbers."""
    (place / "best.safetensors").unlink()
    averages = load_file(place / "ema.safetensors")
    averages.pop("looked")
    save_file(averages, place / "ema.safetensors")
    state: dict[str, Any] = json.loads((place / "state.json").read_text())
    known = ("total_steps", "step", "best_step", "best_dice", "validations_since_best", "elapsed_s", "budgeted")
    state = {
        "progress": {name: state["progress"][name] for name in known},
        "precision": {"skipped_steps": state["precision"]["skipped_steps"]},
    }
    (place / "state.json").write_text(json.dumps(state))
    digests = {path.name: file_sha256(path) for path in sorted(place.iterdir()) if path.name != "manifest.json"}
    manifest = {"schema": 1, "step": state["progress"]["step"], "sha256": digests}
    (place / "manifest.json").write_text(json.dumps({"manifest": manifest, "sha256": json_sha256(manifest)}))


def test_a_run_that_the_first_version_began_ends_with_the_same_bits(make, go, monkeypatch) -> None:
    monkeypatch.setattr(saver, "keep_newest", lambda *_: None)
    whole, _ = go(make(), "whole")
    run, _ = go(make(), "halves")
    shutil.rmtree(run.checkpoints / "step-00000004")
    # As it was at step 2; with it the best weights of that step, which were the run's alone.
    shutil.copyfile(run.checkpoints / "step-00000002" / "best.safetensors", run.model)
    _into_format_1(run.checkpoints / "step-00000002")
    _, progress = go(make(), "halves")
    assert progress.step == 4
    assert run.last.read_bytes() == whole.last.read_bytes()
    assert run.model.read_bytes() == whole.model.read_bytes()
    found = load_newest(run.checkpoints)
    assert found is not None
    assert all(torch.equal(found.tensors["best"][name], tensor) for name, tensor in load_file(whole.model).items())


def test_a_checkpoint_of_other_settings_is_refused(make, tmp_path: Path) -> None:
    training, run = make(), Run(tmp_path)
    written = moment(training, Progress(4, step=1))
    few = {name: tensors for name, tensors in written.tensors.items() if name != "ema"}
    save_checkpoint(run.checkpoints, Checkpoint(1, few, written.state))
    with pytest.raises(CheckpointError) as refused:
        restore(training, run, Progress(4))
    assert refused.value.code == "checkpoint-settings"


def test_damage_is_told_and_the_training_as_it_was_before_is_loaded(make, tmp_path: Path) -> None:
    training, run = make(), Run(tmp_path)
    for step in (1, 2):
        place = save_checkpoint(run.checkpoints, moment(training, Progress(4, step=step)))
    (place / "state.json").write_text("{}")
    said: list[str] = []
    assert restore(make(), run, Progress(4), said.append).step == 1
    assert said == ["Checkpoint step-00000002 is damaged (changed bytes in state.json); step-00000001 is used instead."]


def test_where_nothing_was_saved_a_training_begins_at_its_start(make, tmp_path: Path) -> None:
    progress = Progress(4)
    assert restore(make(), Run(tmp_path), progress) is progress


def test_last_weights_are_the_model_only_where_there_is_no_better_one(make, tmp_path: Path) -> None:
    training, run = make(), Run(tmp_path)
    write_last(training, run)
    assert run.model.read_bytes() == run.last.read_bytes()
    run.model.write_bytes(b"the best ones")
    write_last(training, run)
    assert run.model.read_bytes() == b"the best ones"
    training.validation = ()
    write_last(training, run)
    assert run.model.read_bytes() == run.last.read_bytes()
