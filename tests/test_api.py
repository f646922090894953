from pathlib import Path

import pytest

import seg
from seg.data.phantom.layouts import write_phantoms
from seg.errors import CheckpointError, UsageError
from seg.runs import Run


@pytest.fixture(scope="module")
def small_data(tmp_path_factory):
    """Six labelled patients, small enough to train on in a test."""
    return write_phantoms(
        tmp_path_factory.mktemp("data") / "ph", "decathlon", labelled=6, unlabelled=0, size=(8, 64, 64)
    )


TINY = {
    "preset": "quick", "model.weights": "none", "prepare.size_px": 64,
    "train": {"steps": 2, "batch_size": 2, "validations": 1, "tensorboard": False},
    "evaluate.metrics": ["dice", "volume_difference"], "evaluate.bootstrap_samples": 100,
}  # fmt: skip


def test_settings_take_python_values_words_and_files(tmp_path):
    (tmp_path / "own.yaml").write_text("train: {steps: 7, batch_size: 3}\n")
    files = [tmp_path / "own.yaml"]
    nested = seg.settings(["liver", "spleen"], {"preset": "quick", "optim": {"lr": 1e-3}}, config=files)
    assert nested.organ == ("liver", "spleen")
    assert (nested.train.steps, nested.train.batch_size, nested.optim.lr) == (7, 3, 1e-3)
    assert seg.settings("liver,spleen", ["preset=quick", "optim.lr=1e-3"], config=files) == nested


def test_without_an_organ_the_settings_decide():
    assert seg.settings(given={"organ": "spleen", "preset": "quick"}).organ == ("spleen",)
    assert seg.settings(given={"preset": "quick"}).organ == ("liver",)


def test_the_machine_decides_the_preset(monkeypatch):
    for there, preset in ((True, "gpu"), (False, "cpu")):
        monkeypatch.setattr("seg.recipes.given.has_gpu", lambda there=there: there)
        assert seg.settings("liver").preset == preset
    monkeypatch.setattr("seg.recipes.given.has_gpu", lambda: True)
    assert seg.settings("liver", {"preset": "cpu"}).preset == "cpu"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"evaluate.metrics": ["dice", "dise"]}, "unknown-metric"),
        ({"loss.edge": "sharp"}, "unknown-loss"),
        ({"data": {"format": "dicom2"}}, "unknown-format"),
        ({"strategy": ["supervised", "magic"]}, "unknown-strategy"),
        ({"train.steps": True}, "bad-value"),
        ({"train": 3}, "bad-value"),
        ({"a=b": 3}, "unknown-setting"),
    ],
)
def test_names_and_values_are_checked_before_anything_runs(given, code):
    with pytest.raises(UsageError) as caught:
        seg.check("liver", given)
    assert caught.value.code == code


def test_every_verb_from_phantom_to_report(small_data):
    assert seg.check("liver", {"data.root": small_data}).errors == ()
    assert seg.train("liver", {**TINY, "data.root": small_data}, dry_run=True) is None
    run = seg.train("liver", {**TINY, "data.root": small_data, "runs.name": "first"})
    assert run == Run(Path("runs/first"))
    outcome = seg.predict("liver", small_data, "predictions")
    assert (outcome.done, outcome.skipped, outcome.failed) == (6, 0, ())
    assert seg.predict(run, small_data, Path("predictions")).skipped == 6
    scored = seg.evaluate("predictions", small_data, "scores", {"organ": "liver", "evaluate.metrics": ["dice"]})
    assert scored.summary["liver"]["dice"].n == 6
    run.report.unlink()
    assert seg.report("first").read_text(encoding="utf-8").startswith("<!")
    assert [row[:3] for row in seg.listing("runs").rows] == [("first", "liver", "finished")]


def test_a_run_that_is_nowhere_is_said_before_torch_is_needed():
    for verb in (lambda: seg.report("x"), lambda: seg.predict("x", "a", "b"), lambda: seg.train(resume="x")):
        with pytest.raises(CheckpointError, match="no run 'x'"):
            verb()


def test_a_resumed_run_keeps_its_settings():
    with pytest.raises(UsageError, match=r"optim\.lr=0\.001") as caught:
        seg.train(given={"optim.lr": 1e-3}, resume="x")
    assert caught.value.code == "resume-settings"


def test_phantoms_are_written_in_the_layout_asked_for():
    assert seg.phantom("ph", layout="totalsegmentator", labelled=1) == Path("ph")
    assert len(list(Path("ph").glob("*/segmentations"))) == 1


def test_a_transfer_refuses_a_word_that_an_option_says_already():
    with pytest.raises(UsageError, match="beside the option") as refused:
        seg.transfer("liver", "pancreas", ["transfer.source=none"])
    assert refused.value.code == "said-twice"
