import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import seg
from seg.atomic import write_text
from seg.cli import main
from seg.errors import CheckpointError, DataError, UsageError
from seg.proof.scores import from_json
from seg.proof.verdict import verdict
from seg.recipes.compare import compare, score_table
from seg.recipes.compared_arms import read_arms
from seg.records import CaseScore, Evaluation, Manifest, to_json

PATIENTS = tuple(f"patient-{number:02}" for number in range(12))
HASHES = {"case-0": "a" * 64, "case-1": "b" * 64}
Write = Callable[..., Path]


def scores(level: float, organs: tuple[str, ...], patients: tuple[str, ...], seed: int) -> Evaluation:
    """Dice around a level; patients are as difficult in every evaluation."""
    rng = np.random.default_rng(seed)
    difficulty = np.random.default_rng(99).normal(0, 0.08, len(patients))
    dice = np.clip(level + difficulty + rng.normal(0, 0.01, (len(organs), len(patients))), 0, 1)
    cases = tuple(
        CaseScore(patient, patient, organ, {"dice": float(dice[row, column])})
        for row, organ in enumerate(organs)
        for column, patient in enumerate(patients)
    )
    return Evaluation(cases, {organ: {} for organ in organs}, {"dice": "Overlap."}, "mm")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a run, or with `manifest=False` what `seg evaluate` leaves, and returns its folder."""

    def build(
        name: str,
        level: float = 0.6,
        organs: tuple[str, ...] = ("liver",),
        patients: tuple[str, ...] = PATIENTS,
        seed: int = 0,
        evaluation: Evaluation | str | None = None,
        manifest: bool = True,
        state: str = "finished",
        **data: object,
    ) -> Path:
        folder = tmp_path / "runs" / name
        found = evaluation or scores(level, organs, patients, sum(map(ord, name)))
        write_text(folder / "evaluation.json", found if isinstance(found, str) else to_json(found))
        if manifest:
            facts = {"case_sha256": HASHES, "label_values": {"liver": [1]}, "patients": {"train": 5}, **data}
            record = Manifest(
                name, "transfer", organs, state, "2026-01-01T00:00:00+00:00", {}, seed, facts, {"words": ["liver-1"]}
            )
            write_text(folder / "manifest.json", to_json(record))
            (folder / "model.safetensors").touch()
        return folder

    return build


def _runs(folder: Path) -> Path:
    return folder / "runs"


def test_a_better_run_is_called_better_with_the_numbers_of_a_proof(write: Write, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write(f"scratch-{number}", 0.6, seed=number)
        write(f"liver-{number}", 0.7, seed=number)
    words = ["scratch-1,scratch-2,scratch-3", "transfer=liver-1,liver-2,liver-3"]
    found = compare(words, _runs(tmp_path))
    (organ,) = found.organs
    (said,) = organ.verdicts
    assert (said.arm, said.baseline, said.verdict) == ("transfer", words[0], "helped")
    assert said == verdict(organ.scores, "transfer", words[0], 0)
    assert (said.measures[0].cases, said.measures[0].seeds) == (12, 3)
    assert organ.sentences[0].startswith(
        f"transfer is better: compared with {words[0]}, on 12 patients and 3 trainings"
    )
    assert found.notes == ()
    assert found.reports == ()


def test_scores_are_the_dice_of_the_evaluations(write: Write, tmp_path: Path) -> None:
    cases = (
        CaseScore("a-1", "a", "liver", {"dice": 0.5}),
        CaseScore("a-2", "a", "liver", {"dice": 0.7}),
        CaseScore("b-1", "b", "liver", {"dice": None}),
        CaseScore("c-1", "c", "liver", {"dice": 0.9}),
    )
    evaluation = Evaluation(cases, {}, {}, "mm")
    write("one", evaluation=evaluation)
    write("two", evaluation=evaluation)
    table = score_table(read_arms(["one", "two"], _runs(tmp_path)), "liver")
    assert table.cases == ("a", "b", "c")
    assert table.rows[0].dice == (pytest.approx(0.6), None, 0.9)
    assert table.arms == ("one", "two")
    (organ,) = compare(["one", "two"], _runs(tmp_path)).organs
    assert organ.verdicts[0].undefined == 1


def test_worse_and_equal_runs_are_said_as_such(write: Write, tmp_path: Path) -> None:
    for name, level in (("base", 0.6), ("worse", 0.5), ("same", 0.602)):
        write(name, level)
    sentences = compare(["base", "worse", "same"], _runs(tmp_path)).organs[0].sentences
    assert sentences[0].startswith("worse is worse: compared with base, on 12 patients and one training of each")
    assert sentences[1].startswith("There is no evidence that same is better or worse: ")
    assert "negative transfer" not in " ".join(sentences)


def test_four_files_are_written_and_agree(write: Write, tmp_path: Path) -> None:
    write("base", 0.6)
    write("=other", 0.7)
    out = tmp_path / "out"
    found = compare(["base", "=other"], _runs(tmp_path), out)
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "scores.json", "table.csv", "verdict.json"]
    assert found.reports == (out / "report.html",)
    assert from_json((out / "scores.json").read_text(encoding="utf-8")) == found.organs[0].scores
    told = json.loads((out / "verdict.json").read_text(encoding="utf-8"))
    assert told["sentences"] == list(found.organs[0].sentences)
    assert told["rows"] == found.organs[0].rows
    assert told["arms"] == {"base": ["base"], "=other": ["=other"]}
    with (out / "table.csv").open(encoding="utf-8", newline="") as file:
        (line,) = csv.DictReader(file)
    assert line["arm"] == "'=other"
    assert float(line["difference"]) == found.organs[0].rows[0]["difference"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert found.organs[0].sentences[0] in page
    assert "Comparison of runs" in page
    assert "patient-03" not in page
    compare(["base", "=other"], _runs(tmp_path), out, show_names=True)
    assert "patient-03" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["manifest.json", "proof.json"])
def test_the_folder_of_a_run_or_a_proof_is_not_written_into(write: Write, tmp_path: Path, name: str) -> None:
    write("base", 0.6)
    write("other", 0.7)
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / name).write_text("{}")
    with pytest.raises(UsageError, match="a folder for the comparison alone"):
        compare(["base", "other"], _runs(tmp_path), taken)
    assert [path.name for path in taken.iterdir()] == [name]


def test_every_common_organ_has_a_verdict_and_a_folder(write: Write, tmp_path: Path) -> None:
    write("both", 0.6, ("liver", "spleen", "pancreas"))
    write("two", 0.7, ("spleen", "liver"))
    found = compare(["both", "two"], _runs(tmp_path), tmp_path / "out")
    assert [organ.organ for organ in found.organs] == ["liver", "spleen"]
    assert [organ.title for organ in found.organs] == ["Liver", "Spleen"]
    assert found.notes == ("Not scored in all, so left out: pancreas.",)
    assert found.reports == tuple(tmp_path / "out" / organ / "report.html" for organ in ("liver", "spleen"))


def test_folders_of_masks_organs_and_paths_are_arms_too(write: Write, tmp_path: Path) -> None:
    run = write("spleen-9", 0.6, ("spleen",))
    masks = write("masks", 0.7, ("spleen",), manifest=False)
    found = compare(["spleen", str(masks)], _runs(tmp_path))
    assert [arm.name for arm in found.arms] == ["spleen-9", "masks"]
    assert found.arms[0].trained[0].folder == run
    assert found.arms[0].words == "seg transfer, from liver-1, trained on 5 patients"
    assert found.arms[1].words == "masks that seg evaluate scored"


def test_a_folder_with_a_comma_is_one_training(write: Write, tmp_path: Path) -> None:
    write("a,b=c")
    write("plain")
    assert [arm.name for arm in read_arms(["plain", "a,b=c"], _runs(tmp_path))] == ["plain", "a,b=c"]


def test_arms_of_one_name_are_told_apart(write: Write, tmp_path: Path) -> None:
    first, second = (write(f"{place}/same", manifest=False) for place in ("x", "y"))
    arms = read_arms([str(first), str(second)], tmp_path)
    assert [arm.name for arm in arms] == [str(first), str(second)]


def test_many_trainings_have_a_short_name(write: Write, tmp_path: Path) -> None:
    names = [f"pancreas-from-liver-{number}" for number in range(3)]
    for name in (*names, "base"):
        write(name)
    assert read_arms(["base", ",".join(names)], _runs(tmp_path))[1].name == "pancreas-from-liver-0 and 2 more"


def test_other_test_cases_are_named(write: Write, tmp_path: Path) -> None:
    write("base")
    write("fewer", patients=(*PATIENTS[:6], "stranger"))
    with pytest.raises(DataError) as caught:
        compare(["base", "fewer"], _runs(tmp_path))
    assert caught.value.code == "other-test-cases"
    assert "base has 12 patients (patient-06, patient-07, patient-08 and 3 more only there)" in caught.value.found
    assert "fewer has 7 patients (stranger only there)" in caught.value.found
    assert "seg evaluate" in caught.value.fix


def test_other_cases_of_the_same_patients_are_named(write: Write, tmp_path: Path) -> None:
    def evaluation(*cases: str) -> Evaluation:
        return Evaluation(tuple(CaseScore(case, "a", "liver", {"dice": 0.5}) for case in cases), {}, {}, "mm")

    write("base", evaluation=evaluation("one", "two"))
    write("fewer", evaluation=evaluation("one"))
    with pytest.raises(DataError, match=r"2 cases of 1 patients \(two of a only there\)"):
        compare(["base", "fewer"], _runs(tmp_path))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"case_sha256": {"case-1": "c" * 64}}, "1 cases of the same name have other voxels, such as case-1"),
        ({"label_values": {"liver": [2, 3]}}, "liver is label 1 in one and label 2, 3 in the other"),
    ],
)
def test_another_data_set_under_the_same_names_is_refused(
    write: Write, tmp_path: Path, data: dict[str, object], told: str
) -> None:
    write("base")
    write("other", **data)
    with pytest.raises(DataError, match="another data set") as caught:
        compare(["base", "other"], _runs(tmp_path))
    assert told in caught.value.found


def test_manifests_that_share_no_training_case_are_no_obstacle(write: Write, tmp_path: Path) -> None:
    write("base")
    write("other", case_sha256={"case-7": "c" * 64}, label_values={})
    assert compare(["base", "other"], _runs(tmp_path)).organs


def test_no_common_organ_is_an_error_that_names_them(write: Write, tmp_path: Path) -> None:
    write("base")
    write("masks", organs=("label 1",), manifest=False)
    with pytest.raises(DataError, match="base: liver; masks: label 1"):
        compare(["base", str(tmp_path / "runs" / "masks")], _runs(tmp_path))


@pytest.mark.parametrize("words", [["base"], [], ["base", "x="], ["base", ","]])
def test_fewer_than_two_arms_are_refused(write: Write, tmp_path: Path, words: list[str]) -> None:
    write("base")
    with pytest.raises(UsageError):
        compare(words, _runs(tmp_path))


def test_a_run_is_not_compared_with_itself(write: Write, tmp_path: Path) -> None:
    folder = write("base")
    with pytest.raises(UsageError, match="twice"):
        compare(["base", str(folder)], _runs(tmp_path))


@pytest.mark.parametrize(
    ("state", "fix"), [("interrupted", "go on with it: seg train --resume"), ("finished", "predict new scans")]
)
def test_a_run_without_scores_is_refused(write: Write, tmp_path: Path, state: str, fix: str) -> None:
    write("base")
    (write("unscored", state=state) / "evaluation.json").unlink()
    with pytest.raises(CheckpointError) as caught:
        compare(["base", "unscored"], _runs(tmp_path))
    assert caught.value.code == "not-evaluated"
    assert fix in caught.value.fix


def test_a_run_that_is_not_there_is_refused(write: Write, tmp_path: Path) -> None:
    write("base")
    with pytest.raises(CheckpointError, match="no run 'nobody'"):
        compare(["base", "nobody"], _runs(tmp_path))


@pytest.mark.parametrize("text", ["{", "[]", '{"cases": [{"no": 1}]}', "null"])
def test_scores_that_cannot_be_read_are_refused(write: Write, tmp_path: Path, text: str) -> None:
    write("base")
    write("broken", evaluation=text)
    with pytest.raises(DataError, match="scores that cannot be read"):
        compare(["base", "broken"], _runs(tmp_path))


def test_what_a_reader_must_know_is_noted(write: Write, tmp_path: Path) -> None:
    write("base", seed=1)
    found = scores(0.6, ("liver",), PATIENTS, 3)
    write("noted", seed=2, evaluation=Evaluation(found.cases, {}, {}, "mm", {}, ("one prediction was missing",)))
    notes = compare(["base", "noted"], _runs(tmp_path)).notes
    assert "their seeds differ (1 and 2)" in notes[0]
    assert notes[1] == "noted: one prediction was missing"


def test_trainings_without_a_partner_are_left_out(write: Write, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write(name)
    (organ,) = compare(["a", "b,c"], _runs(tmp_path)).organs
    assert organ.verdicts[0].unpaired == (1,)


def test_the_command_says_the_sentence_first_and_then_the_table(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write("base", 0.6, ("liver", "spleen"))
    write("better", 0.7, ("liver", "spleen"))
    assert main(["compare", "base", "better", "-o", "out"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Liver:"
    assert lines[1].startswith("better is better: compared with base")
    heading = next(line for line in lines if line.startswith("organ\t"))
    row = lines[lines.index(heading) + 1].split("\t")
    assert (row[0], row[1], row[2], row[-1]) == ("Liver", "better", "base", "better")
    assert lines[-1] == f"Report: {Path('out') / 'spleen' / 'report.html'}"


def test_the_command_ends_with_the_code_of_its_error(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write("base")
    write("other", patients=PATIENTS[:5])
    assert main(["compare", "base", "other"]) == 3
    assert "expected  the same test cases in all" in capsys.readouterr().err


def test_the_function_takes_paths(write: Write, tmp_path: Path) -> None:
    found = seg.compare([write("base"), write("other", 0.8)], tmp_path / "out")
    assert found.reports == (tmp_path / "out" / "report.html",)
