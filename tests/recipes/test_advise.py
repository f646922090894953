"""`seg advise` from scans to a page, on phantoms: a finished run of two organs, weights, and nothing."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from seg.advise.advice import Advice, advice_from_json, chosen
from seg.api import transfer_settings, transfer_words
from seg.config import Settings
from seg.errors import CheckpointError, UsageError
from seg.overrides import resolve
from seg.recipes.advise import advise
from seg.recipes.advised_page import write_advice
from seg.records import to_json
from seg.runs import Run

NETWORK = ("model.encoder=tu-test_resnet", "model.weights=none", "model.decoder_channels=16,16,8,8,8")


@pytest.fixture(scope="module")
def words(phantoms: Path, finished: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Of the pancreas with three labelled patients, beside a run that knows liver and spleen."""
    folder = tmp_path_factory.mktemp("advised")
    (folder / "both").symlink_to(finished.folder)
    return (
        "organ=pancreas", f"data.root={phantoms}", f"prepare.cache={folder / 'cache'}", f"runs.folder={folder}",
        "prepare.size_px=64", *NETWORK, "data.labelled=3", "train.threads=1", "advise.cases=4", "advise.slices=2",
        "advise.pixels=16", "advise.draws=20",
    )  # fmt: skip


def _asked(words: tuple[str, ...], *more: str, sources: tuple[str, ...] = ()) -> tuple[Advice, str]:
    said = StringIO()
    return advise(resolve([*words, *more]), sources, Console(file=said, width=200)), said.getvalue()


@pytest.fixture(scope="module")
def asked(words: tuple[str, ...]) -> tuple[Advice, str]:
    return _asked(words)


def test_every_finished_run_and_nothing_are_looked_at_and_ranked(asked: tuple[Advice, str]) -> None:
    advice, said = asked
    assert {one.name for one in advice.sources} == {"both", "none"}
    assert [one.rank for one in advice.sources] == [1, 2]
    assert advice.target == ("pancreas",)
    assert advice.patients == 3
    assert advice.unlabelled > 0
    assert "Source 1 of 2: both (" in said
    assert "left)" in said


def test_a_source_with_scans_is_measured_by_all_measures_and_nothing_by_features_alone(
    asked: tuple[Advice, str],
) -> None:
    by_name = {one.name: one for one in asked[0].sources}
    assert {one.measure for one in by_name["both"].measured} >= {"a_distance", "mmd", "leep", "log_me", "h_score"}
    assert {one.measure for one in by_name["none"].measured} <= {"log_me", "h_score", "cc_fv"}
    assert by_name["both"].scans == 4
    assert any(sentence.startswith("Modality: both ct") for sentence in by_name["both"].facts)
    assert (by_name["none"].scans, by_name["none"].no_scans) == (0, "it starts from nothing")


def test_the_choice_and_the_command_fit_together(asked: tuple[Advice, str]) -> None:
    advice = asked[0]
    source, strategy, own = chosen(advice)
    assert (source, strategy, own) == (advice.sources[0].word, advice.strategy, advice.words)
    assert advice.command.startswith(f"seg transfer --from {source} --to pancreas --strategy {','.join(strategy)} ")
    assert "data.labelled=3" in advice.command
    assert "advise." not in advice.command
    assert resolve([f"strategy={','.join(strategy)}", *own]).strategy == strategy


def test_it_says_what_it_does_not_know(asked: tuple[Advice, str]) -> None:
    doubts = " ".join(asked[0].doubts)
    assert "3 labelled patients tell little of others" in doubts
    assert "The networks differ (resnet18, tu-test_resnet)" in doubts


def test_a_run_of_two_organs_leaves_no_organ_on_the_way(asked: tuple[Advice, str]) -> None:
    advice = asked[0]
    assert advice.path == ()
    assert "No organ is advised on the way" in advice.path_why or "cannot be known" in advice.path_why
    assert advice.map is not None
    assert advice.map.names == ("liver, spleen", "pancreas (target)")


def test_the_same_scans_and_sources_give_the_same_bytes_and_survive_json(
    words: tuple[str, ...], asked: tuple[Advice, str]
) -> None:
    text = to_json(asked[0])
    assert to_json(_asked(words)[0]) == text
    assert advice_from_json(text) == asked[0]


def test_the_runs_folder_keeps_numbers_and_page(words: tuple[str, ...], asked: tuple[Advice, str]) -> None:
    settings = resolve(words)
    page = write_advice(asked[0], settings)
    assert page == Path(settings.runs.folder) / "advice" / "pancreas.html"
    kept = json.loads(page.with_suffix(".json").read_text())
    assert kept["command"] == asked[0].command
    shown = page.read_text()
    assert asked[0].sentences[0] in shown
    assert "No proof of these sources for this target yet" in shown
    assert not any(f"case_{number:02d}" in shown for number in range(10))


def test_named_sources_alone_are_looked_at_and_what_does_not_fit_is_said(
    words: tuple[str, ...], finished: Run, tmp_path: Path
) -> None:
    foreign = tmp_path / "foreign.safetensors"
    shutil.copy(finished.model, foreign)
    advice, said = _asked(words, sources=("none", str(foreign)))
    assert [one.name for one in advice.sources] == ["none"]
    assert [name for name, _ in advice.left_out] == ["foreign"]
    assert "of the encoder's tensors" in advice.left_out[0][1]
    assert "Source 2 of 2: foreign cannot be looked at" in said
    assert chosen(advice) == ("none", ("supervised",), ())
    assert advice.sentences[0] == "For the pancreas, start from nothing: no source that was looked at promises more."
    assert "cannot be known" in advice.path_why
    assert advice.map is None


def test_a_source_that_is_none_is_refused_before_any_scan_is_read(words: tuple[str, ...]) -> None:
    with pytest.raises(CheckpointError, match="no run 'livr'"):
        _asked(words, "data.root=nowhere", sources=("livr",))


def test_without_any_source_left_it_refuses_and_says_why(words: tuple[str, ...], finished: Run, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.safetensors"
    shutil.copy(finished.model, foreign)
    with pytest.raises(UsageError, match=r"no source that could be looked at; foreign: .*of the encoder") as refused:
        _asked(words, sources=(str(foreign),))
    assert refused.value.code == "nothing-to-advise"


def test_one_labelled_patient_gives_no_intervals_and_no_certainty(words: tuple[str, ...]) -> None:
    advice, _ = _asked(words, "data.labelled=1")
    assert not advice.told_apart
    assert all(measured.interval is None for one in advice.sources for measured in one.measured)
    assert "rests on one labelled patient" in advice.sentences[1]
    assert advice.map is None
    assert "could not be compared" in advice.path_why or "starts from nothing" in advice.path_why


def test_a_transfer_with_the_strategy_auto_does_what_the_advice_says(words: tuple[str, ...]) -> None:
    own = [word for word in words if not word.startswith(("organ=", "model.encoder", "model.decoder_channels"))]
    settings = transfer_settings(transfer_words("both", "pancreas", own, "auto"))
    kept = advice_from_json((Path(settings.runs.folder) / "advice" / "pancreas.json").read_text())
    assert (settings.transfer.source, settings.strategy) == (("both",), kept.strategy)
    assert settings.model.encoder == "resnet18"
    assert kept.why in settings.transfer.advised


@pytest.fixture
def knower(finished: Run, copy_run: Callable[..., Run], words: tuple[str, ...], tmp_path: Path) -> Settings:
    """The pancreas beside a run that says it learned the pancreas of the same scans."""
    copy_run(finished, tmp_path / "runs" / "knower", organs=("pancreas",))
    return resolve([*words, f"runs.folder={tmp_path / 'runs'}"])


def test_a_run_that_knows_the_answers_is_left_out_unless_it_is_named(knower: Settings) -> None:
    quiet = Console(quiet=True)
    advice = advise(knower, (), quiet)
    assert [one.name for one in advice.sources] == ["none"]
    name, why = advice.left_out[0]
    assert name == "knower"
    assert "it learned the pancreas of 4 patients who train or validate the target" in why


def test_a_run_that_saw_the_test_patients_is_left_out(knower: Settings) -> None:
    settings = knower.model_copy(update={"split": knower.split.model_copy(update={"seed": 1, "test_fraction": 0.5})})
    advice = advise(settings, (), Console(quiet=True))
    assert "test patients, who could not judge a transfer from it" in dict(advice.left_out)["knower"]


def test_scans_that_are_gone_leave_a_source_with_fewer_measures(
    words: tuple[str, ...], finished: Run, copy_run: Callable[..., Run], tmp_path: Path
) -> None:
    gone = {**finished.manifest().data, "root": str(tmp_path / "gone"), "root_from_run": "../gone"}
    run = copy_run(finished, tmp_path / "runs" / "alone", data=gone)
    text = (run.folder / "config.yaml").read_text()
    (run.folder / "config.yaml").unlink()
    (run.folder / "config.yaml").write_text(text.replace(finished.settings().data.root, str(tmp_path / "gone")))
    advice, _ = _asked(words, f"runs.folder={tmp_path / 'runs'}", sources=("alone",))
    (source,) = advice.sources
    assert (source.scans, source.quadrant.similar) == (0, None)
    assert source.value("a_distance", "whole") is None
    assert "alone (" in " ".join(advice.doubts)


def test_a_run_whose_manifest_is_broken_is_named(words: tuple[str, ...], tmp_path: Path) -> None:
    broken = tmp_path / "runs" / "broken"
    broken.mkdir(parents=True)
    (broken / "manifest.json").write_text("{")
    advice, _ = _asked(words, f"runs.folder={tmp_path / 'runs'}")
    assert advice.left_out[0][0] == "broken"
    assert "manifest that is not whole" in advice.left_out[0][1]


def test_two_sources_of_one_name_are_told_apart(words: tuple[str, ...], finished: Run, tmp_path: Path) -> None:
    other = tmp_path / "both"
    other.symlink_to(finished.folder)
    advice, _ = _asked(words, sources=("both", str(other)))
    assert sorted(one.name for one in advice.sources) == ["both", "both (2)"]
    assert not advice.told_apart
    assert "cannot be told from" in advice.doubts[0]
    assert replace(advice.sources[0], name="", word="", rank=0, first=0.0, rank_interval=(0, 0)).measured == (
        advice.sources[1].measured
    )


def test_a_pretraining_is_a_source_without_labels(
    words: tuple[str, ...], finished: Run, copy_run: Callable[..., Run], tmp_path: Path
) -> None:
    copy_run(finished, tmp_path / "runs" / "seen", organs=(), verb="pretrain")
    advice, _ = _asked(words, f"runs.folder={tmp_path / 'runs'}", sources=("seen",))
    (source,) = advice.sources
    assert (source.scans, source.no_scans) == (0, "it learned without labels")
    assert source.value("leep", "whole") is None
