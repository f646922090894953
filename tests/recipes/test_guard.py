import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from rich.console import Console

import seg
from seg.cli import main
from seg.config import Settings
from seg.data.checks.check import CheckReport
from seg.data.phantom.layouts import write_phantoms
from seg.data.splits import SplitPlan
from seg.digest import file_sha256
from seg.errors import CheckpointError
from seg.overrides import resolve
from seg.proof.guarded import guard_of
from seg.recipes import guard as module
from seg.recipes import probe
from seg.recipes import train as recipe
from seg.recipes.components import with_knobs
from seg.recipes.guard import SourceGuard, cannot_judge, fallback_of, judged_on, length_ratio, source_guard
from seg.recipes.prepare import Checked
from seg.recipes.probe import Probes, probe_folds
from seg.recipes.train import train
from seg.recipes.transfer import transfer
from seg.records import DataSet
from seg.runs import Run

QUIET = Console(quiet=True)
Words = Callable[..., list[str]]


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantoms(
        tmp_path_factory.mktemp("scans") / "right", "decathlon", labelled=14, unlabelled=0, size=(10, 64, 64)
    )


@pytest.fixture(scope="module")
def shuffled(scans: Path) -> Path:
    """The same images, each with the labels of another patient."""
    folder = scans.parent / "shuffled"
    shutil.copytree(scans, folder)
    files = sorted((folder / "labelsTr").iterdir())
    labels = [nib.load(path) for path in files]
    voxels = [np.asarray(label.dataobj) for label in labels]
    for number, path in enumerate(files):
        own = labels[number]
        nib.save(nib.Nifti1Image(voxels[(number + 5) % len(files)], own.affine, own.header), path)
    return folder


@pytest.fixture(scope="module")
def words(scans: Path, cache: Path) -> Words:
    """Settings of a transfer to the liver: probes of 30 steps on six validation patients, then a training of one."""

    def of(runs: Path, *more: str) -> list[str]:
        return [
            f"data.root={scans}", f"prepare.cache={cache}", f"runs.folder={runs}", "prepare.size_px=32",
            "model.encoder=tu-test_resnet", "model.weights=none", "model.decoder_channels=16,16,8,8,8",
            "optim.lr=0.01", "train.steps=1", "train.batch_size=4", "train.validations=1", "train.threads=1",
            "train.precision=fp32", "train.tensorboard=false", "evaluate.bootstrap_samples=100",
            "evaluate.metrics=dice", "predict.keep_largest=no", "split.validation_fraction=0.45",
            "split.test_fraction=0.1", "transfer.probe_steps=30", *more,
        ]  # fmt: skip

    return of


@pytest.fixture(scope="module")
def sources(words: Words, shuffled: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """A model that learned shuffled labels, and one that learned right ones. Tests must not change them."""
    runs, found = tmp_path_factory.mktemp("sources"), {}
    for name, own in (("shuffled", (f"data.root={shuffled}", "organ=spleen")), ("right", ("organ=liver",))):
        run = train(resolve(words(runs, *own, f"runs.name={name}", "train.steps=30")), console=QUIET)
        assert run is not None
        found[name] = run
    return found


@pytest.fixture(scope="module")
def hurt(words: Words, sources: dict[str, Run], tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, str]:
    """A transfer that the guard turned away from its source, and what was said. Tests must not change it."""
    text = io.StringIO()
    settings = _asked(words(tmp_path_factory.mktemp("runs")), sources["shuffled"])
    run = transfer(settings, console=Console(file=text, width=300))
    assert run is not None
    return run, text.getvalue()


def _asked(words: list[str], source: Run, *more: str) -> Settings:
    strategy = "strategy=freeze" if source.name == "shuffled" else "strategy=finetune"
    return resolve([*words, "organ=liver", f"transfer.source={source.folder}", strategy, *more])


def _probes(run: Run) -> dict[str, Run]:
    return {path.name: Run(path) for path in (run.folder.parent / ".probes").iterdir()}


def test_frozen_features_of_shuffled_labels_hurt_and_the_fallback_is_the_result(hurt, words, tmp_path):
    run, _ = hurt
    guarded = guard_of(run)
    assert guarded is not None
    assert (guarded.verdict, guarded.transfer.words, guarded.fallback.words) == (
        "hurt", "freeze from shuffled", "plain training from nothing",
    )  # fmt: skip
    assert guarded.high < -guarded.margin
    assert (run.settings().strategy, run.settings().transfer.source) == (("supervised",), ("none",))
    assert (run.manifest().state, run.manifest().lineage["source"]) == ("finished", "none")
    assert run.asked().strategy == ("freeze",)
    plain = transfer(resolve(words(tmp_path, "organ=liver", "transfer.source=none")), console=QUIET)
    assert plain is not None
    assert file_sha256(run.model) == file_sha256(plain.model)
    assert not (tmp_path / ".probes").exists()


def test_both_starts_are_tried_equally_long_on_the_same_validation_patients(hurt):
    run, _ = hurt
    split = json.loads((run.folder / "split.json").read_text())
    guarded, probes = guard_of(run), _probes(run)
    assert set(probes) == {"liver-from-shuffled", "liver-from-none"}
    for name, arm in (("liver-from-shuffled", guarded.transfer), ("liver-from-none", guarded.fallback)):
        own, manifest = json.loads((probes[name].folder / "split.json").read_text()), probes[name].manifest()
        assert (own["train"], own["validation"], own["test"]) == (split["train"], split["validation"], [])
        assert (arm.steps, arm.trainings, arm.seconds) == (30, 1, manifest.results["training_s"])
        assert arm.patients == manifest.results["patient_dice"]
        assert sorted(arm.patients) == sorted(split["validation"])
        mean = sum(arm.patients.values()) / len(arm.patients)
        assert mean == pytest.approx(manifest.results["validation_dice"], abs=1e-9)


def test_cost_verdict_and_consequence_are_said_and_stand_first_on_the_page(hurt):
    run, text = hurt
    page, sentence = run.report.read_text(encoding="utf-8"), guard_of(run).sentence()
    assert (
        "Guard: 2 short trainings of 30 steps first compare freeze from shuffled with plain training from nothing, "
        "judged on 6 validation patients, 98% of all steps; --no-guard leaves that out."
    ) in text
    assert text.index("Guard: this took") < text.index("Negative transfer: freeze from shuffled hurts.")
    assert sentence in text
    opening = page[page.index('<section id="headline">') :]
    assert opening.index("Negative transfer: freeze from shuffled hurts") < opening.index("never used for training")
    assert "Verdict: the source hurts (negative transfer)." in page


def test_the_command_ends_with_eight_and_asks_nothing_twice(hurt, words, sources, monkeypatch, capsys):
    run, _ = hurt
    monkeypatch.setattr(probe, "train_probe", None)
    given = [word for word in words(run.folder.parent) if not word.startswith("model.")]
    asked = ["--from", str(sources["shuffled"].folder), "--to", "liver", "--strategy", "freeze", "model.weights=none"]
    assert main(["transfer", *asked, *given]) == 8
    said = capsys.readouterr().out
    assert said.count("Finished before.") == 2
    assert said.rstrip().endswith("So this model is made by plain training from nothing instead.")


def test_a_run_that_was_stopped_goes_on_with_the_verdict_it_has(hurt, words, sources, monkeypatch, tmp_path, capsys):
    shutil.copytree(hurt[0].folder.parent / ".probes", tmp_path / ".probes")
    settings = _asked(words(tmp_path, "runs.name=t"), sources["shuffled"])
    _stopped_in(monkeypatch, settings, "make_ready")
    assert not (tmp_path / "t").exists()
    _stopped_in(monkeypatch, settings, "train_and_judge")
    assert guard_of(Run(tmp_path / "t")).verdict == "hurt"

    # Nothing is left of the short trainings, so that asking again would show.
    shutil.rmtree(tmp_path / ".probes")
    run = transfer(settings, console=QUIET)
    assert run is not None
    assert (run.manifest().state, run.settings().strategy) == ("finished", ("supervised",))
    assert file_sha256(run.model) == file_sha256(hurt[0].model)
    assert not (tmp_path / ".probes").exists()


def test_resumed_by_name_it_ends_with_eight_too(hurt, words, sources, monkeypatch, tmp_path):
    shutil.copytree(hurt[0].folder.parent / ".probes", tmp_path / ".probes")
    settings = _asked(words(tmp_path, "runs.name=t"), sources["shuffled"])
    _stopped_in(monkeypatch, settings, "train_and_judge")
    assert main(["train", "--resume", str(tmp_path / "t")]) == 8
    assert guard_of(Run(tmp_path / "t")).verdict == "hurt"


def _stopped_in(monkeypatch: pytest.MonkeyPatch, settings: Settings, function: str) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(recipe, function, stop)
        with pytest.raises(KeyboardInterrupt):
            transfer(settings, console=QUIET)


def test_a_source_that_does_not_hurt_is_used_as_without_a_guard(words, sources, tmp_path):
    guarded = transfer(_asked(words(tmp_path, "runs.name=with"), sources["right"]), console=QUIET)
    without = transfer(
        _asked(words(tmp_path, "runs.name=bare"), sources["right"], "transfer.guard=false"), console=QUIET
    )
    assert guarded is not None
    assert without is not None
    found = guard_of(guarded)
    assert found.verdict in ("helped", "no evidence")
    assert guarded.settings().strategy == ("finetune",)
    assert file_sha256(guarded.model) == file_sha256(without.model)
    assert guard_of(without) is None
    assert found.sentence() in guarded.report.read_text(encoding="utf-8").replace("&#39;", "'")


def _of_several(settings: Settings) -> tuple[str, dict[str, float], str]:
    run = transfer(settings, console=QUIET)
    found = None if run is None else guard_of(run)
    return ("", {}, "") if run is None or found is None else (found.verdict, found.fallback.patients, run.name)


def test_several_processes_come_to_one_verdict(words, sources, tmp_path, side_by_side):
    given = words(tmp_path, "transfer.probe_steps=2")
    first, second = side_by_side(2, _of_several, _asked(given, sources["shuffled"]))
    assert first == second
    assert len(first[1]) == 6


def test_a_dry_run_says_what_would_be_tried_and_leaves_nothing(words, sources, tmp_path):
    text = io.StringIO()
    settings = _asked(words(tmp_path / "runs"), sources["shuffled"])
    assert transfer(settings, dry_run=True, console=Console(file=text, width=300)) is None
    assert "Guard: 2 short trainings of 30 steps first compare freeze from shuffled" in text.getvalue()
    assert not (tmp_path / "runs").exists()


def test_words_and_plain_weights_are_what_it_would_be_compared_with(words, sources, tmp_path):
    file = tmp_path / "weights.safetensors"
    shutil.copyfile(sources["right"].model, file)
    for source in ("none", "imagenet", str(file)):
        assert source_guard(resolve(words(tmp_path, f"transfer.source={source}")), QUIET) is None
    assert source_guard(_asked(words(tmp_path), sources["right"]), QUIET) is not None
    assert source_guard(_asked(words(tmp_path), sources["right"], "transfer.guard=false"), QUIET) is None


def test_no_guard_is_a_setting_of_the_command_and_of_the_function(sources, tmp_path):
    for words in (
        seg.api.transfer_words("none", "liver", guard=False),
        seg.api.transfer_words("none", "liver", ["transfer.guard=false"]),
    ):
        assert not seg.api.transfer_settings(words).transfer.guard
    assert seg.api.transfer_settings(seg.api.transfer_words("none", "liver")).transfer.guard


@pytest.mark.parametrize(
    ("weights", "there", "word"),
    [("none", True, "none"), ("imagenet", True, "imagenet"), ("imagenet", False, "none"), ("auto", False, "none")],
)
def test_the_fallback_starts_from_what_can_be_had(words, monkeypatch, tmp_path, weights, there, word):
    def published(_: str) -> None:
        if not there:
            raise CheckpointError(found="no network", expected="one", fix="connect", code="weights-offline")

    monkeypatch.setattr(module, "require_published", published)
    asked = ("strategy=l2sp", "transfer.parts=encoder", "transfer.source=x", f"model.weights={weights}")
    fallback = fallback_of(with_knobs(resolve(words(tmp_path, *asked))))
    assert (fallback.transfer.source, fallback.transfer.parts) == ((word,), "all")
    assert (fallback.strategy, list(fallback.components)) == (("supervised",), ["supervised"])


def test_a_named_weight_file_is_the_fallback_and_a_missing_one_is_refused(words, tmp_path):
    file = tmp_path / "w.safetensors"
    with pytest.raises(CheckpointError, match="no such file"):
        fallback_of(resolve(words(tmp_path, f"model.weights={file}")))
    file.write_bytes(b"")
    assert fallback_of(resolve(words(tmp_path, f"model.weights={file}"))).transfer.source == (str(file),)


@pytest.mark.parametrize(
    ("given", "steps", "ratio"),
    [
        (("train.steps=1000",), 250, 4.0),
        (("train.steps=null",), 250, 4.0),
        (("train.steps=200",), 100, 2.0),
        (("train.steps=60",), 60, 1.0),
        (("train.steps=200", "transfer.probe_steps=20"), 20, 10.0),
    ],
)
def test_short_trainings_are_a_quarter_but_no_start_is_cut_off_early(words, sources, tmp_path, given, steps, ratio):
    wished = resolve(words(tmp_path, "transfer.source=none", "transfer.probe_steps=null", *given))
    probes = SourceGuard(QUIET)._probes(wished, _checked(("a", "b"), ("v", "w")))
    settings = probe.probe_settings(probes.settings, ("none",), "p", probes.steps, probes.share)
    assert (settings.train.steps, length_ratio(probes)) == (steps, ratio)


def test_epochs_and_a_time_budget_are_divided(words, tmp_path):
    checked = _checked(tuple("abcd"), ())
    for given, expected in (("train.epochs=16", (2.0, None)), ("train.time_budget_min=16", (None, 2.0))):
        wished = resolve(words(tmp_path, "transfer.source=none", "transfer.probe_steps=null", given))
        probes = SourceGuard(QUIET)._probes(wished, checked)
        train_settings = probe.probe_settings(wished, ("none",), "p", probes.steps, probes.share).train
        # Two folds of four patients share what one would take.
        assert (train_settings.epochs, train_settings.time_budget_min) == expected
        assert length_ratio(probes) == 8.0
    unknown = resolve(words(tmp_path, "transfer.source=none", "train.epochs=16"))
    guard = SourceGuard(QUIET)
    assert length_ratio(guard._probes(unknown, checked)) is None
    assert "judged on 4 labelled training patients in 2 folds; --no-guard" in guard.planned(unknown, checked)


@pytest.mark.parametrize(
    ("train_patients", "validation", "why"),
    [(("a",), (), "one labelled patient trains and none validates"), ((), ("v",), "no target patient has labels")],
)
def test_where_nobody_can_be_held_back_the_transfer_is_trained_and_it_is_said(
    words, tmp_path, train_patients, validation, why
):
    text, checked = io.StringIO(), _checked(train_patients, validation)
    wished = with_knobs(resolve(words(tmp_path, "transfer.source=none", "strategy=finetune")))
    guard = SourceGuard(Console(file=text, width=300))
    settings, guarded = guard.decide(wished, checked)
    assert (settings, guarded.verdict) == (wished, "cannot say")
    assert why in guarded.sentence()
    assert why in text.getvalue()
    assert why in guard.planned(wished, checked)
    assert why in cannot_judge(checked, Probes(wished, probe_folds(checked), QUIET))


def _checked(train_patients: tuple[str, ...], validation: tuple[str, ...]) -> Checked:
    split = SplitPlan(train_patients, validation, (), (), 0, "by hand")
    return Checked(DataSet("root", "nifti", ()), (), (), CheckReport((), ()), split)


def test_held_back_patients_are_named_as_what_they_are():
    one = Probes(Settings(), (_checked(("a",), ("v",)),), QUIET)
    assert judged_on(one) == "1 validation patient"
    assert judged_on(replace(one, folds=(one.folds[0], one.folds[0]))) == "2 labelled training patients in 2 folds"


def test_at_the_end_of_a_way_its_last_probe_is_the_transfers(words, sources, tmp_path, monkeypatch):
    seen = []

    def judged(transfer: Any, fallback: Any, *given: Any) -> Any:
        seen.append((transfer, fallback))
        return replace(real(transfer, fallback, *given), verdict="hurt")

    real = module.judge
    monkeypatch.setattr(module, "judge", judged)
    text = io.StringIO()
    given = words(tmp_path, "runs.name=t", "transfer.via=spleen", "transfer.probe_steps=2")
    run = transfer(_asked(given, sources["right"]), console=Console(file=text, width=300))
    assert run is not None
    assert "Guard: at the end another probe tries the target" in text.getvalue()
    assert "Guard: 1 short training of 2 steps first" in text.getvalue()
    ((arm, fallback),) = seen
    route = run.manifest().lineage["route"]
    kept = "t-via-spleen" if route["hops"][0]["kept"] else "right"
    assert (arm.words, fallback.words) == (f"finetune from {kept}", "plain training from nothing")
    assert (arm.steps, fallback.steps) == (2, 2)
    # The way is told, but it is not where this model comes from.
    assert (route["path"], route["left"]) == ("", True)
    assert run.manifest().notes[0].startswith("The way that was tried, and that the guard left: liver > ")
    assert run.settings().transfer.source == ("none",)
