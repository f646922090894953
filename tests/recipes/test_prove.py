import io
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from seg.data.splits import SplitPlan, save_split
from seg.errors import CheckpointError, DataError, ResourceError, TrainingError, UsageError
from seg.lock import held, holder
from seg.overrides import resolve
from seg.recipes import proof_jobs, prove
from seg.recipes import train as recipe
from seg.recipes.proof_folder import ProofFolder, read_asked
from seg.recipes.proof_gains import realised_gains
from seg.recipes.proof_pictures import kept_pictures
from seg.recipes.proof_plan import Question, folder_of
from seg.recipes.proof_settings import given_for_all
from seg.recipes.train import train
from seg.runs import Run, new_manifest
from seg.schema import flatten

QUIET = Console(quiet=True)
PATIENTS = tuple(f"p{number:02d}" for number in range(8))
ENDS = {"none": 0.5, "imagenet": 0.6}


def _question(stepwise_words, folder, arms=("scratch", "imagenet:finetune"), sizes=(2,), seeds=2, **more):
    own = ("organ=", "transfer.", "model.weights")
    words = [word for word in stepwise_words if not word.startswith(own)]
    given = given_for_all("pancreas", [*words, f"runs.folder={folder}", *more.pop("words", ())])
    return Question(given, more.pop("sources", ("none",)), arms, sizes, seeds, **more)


@pytest.fixture
def faked(monkeypatch, stepwise_words, tmp_path):
    """Makes questions whose trainings take no time; their curves are those of ENDS. `made` are names in order."""
    made: list[str] = []

    def fake(settings, console):
        run = Run(Path(settings.runs.folder) / settings.runs.name)
        run.folder.mkdir(parents=True, exist_ok=True)
        run.write_settings(settings)
        save_split(SplitPlan((), (), PATIENTS, (), 0, ""), run.folder / "split.json")
        end, seed = ENDS[settings.transfer.source[0]], settings.train.seed
        rows = [
            {"step": step, "values": {f"test/dice/{patient}": end * share + 0.01 * math.sin(9 * place + seed)
                                      for place, patient in enumerate(PATIENTS, start=3)}}
            for step, share in ((1, 0.3), (2, 0.7), (4, 1.0))
        ]  # fmt: skip
        run.curve.write_text("".join(json.dumps(row) + "\n" for row in rows))
        run.write_manifest(replace(new_manifest(run, "train", settings), state="finished"))
        made.append(run.name)

    def without_scans(*_):
        raise DataError(found="no scans", expected="scans", fix="add some", code="none")

    monkeypatch.setattr(proof_jobs, "transfer", fake)
    monkeypatch.setattr(prove, "refuse_bad_plan", lambda planned, stages: None)
    monkeypatch.setattr(prove, "too_few_to_tell", lambda checked: "")
    monkeypatch.setattr(prove, "take_pictures", without_scans)

    def question(*arms, **more):
        return _question(stepwise_words, tmp_path / "runs", arms or ("scratch", "imagenet:finetune"), **more)

    question.made, question.fake = made, fake
    return question


@pytest.fixture
def no_page(monkeypatch):
    """For tests that do not look at the page."""
    monkeypatch.setattr(prove, "write_page", lambda *_: None)


def _made(faked):
    names = list(faked.made)
    faked.made.clear()
    return names


def test_every_arm_is_trained_at_every_size_with_every_seed_and_judged(faked):
    outcome = prove.prove(faked(sizes=(4, 2)), console=QUIET)
    assert _made(faked) == [
        f"{arm}-{size}-{seed}" for seed in (0, 1) for size in (2, 4) for arm in ("scratch", "imagenet_finetune")
    ]
    assert [one.verdict for one in outcome.proven.verdicts] == ["helped", "helped"]
    assert (outcome.failed, outcome.proven.missing) == ({}, ())
    assert outcome.report.read_text(encoding="utf-8").find(outcome.proven.sentences[0]) > 0
    outcome.refuse_failures()


@pytest.mark.usefixtures("no_page")
def test_the_same_command_trains_nothing_again_and_says_the_same(faked):
    folder = prove.prove(faked(), console=QUIET).folder
    before = {name: (folder / name).read_bytes() for name in ("verdict.json", "scores.json", "verdict.csv")}
    _made(faked)
    text = io.StringIO()
    prove.prove(faked(), console=Console(file=text, width=200))
    assert _made(faked) == []
    assert "4 of 4 trainings were finished before." in text.getvalue()
    assert {name: (folder / name).read_bytes() for name in before} == before


@pytest.mark.usefixtures("no_page")
def test_arms_sizes_and_seeds_are_added_to_what_is_there(faked):
    prove.prove(faked(seeds=1), console=QUIET)
    _made(faked)
    prove.prove(faked("scratch", "imagenet:freeze", sizes=(2, 4), seeds=2), console=QUIET)
    assert _made(faked) == [
        "imagenet_freeze-2-0", "scratch-4-0", "imagenet_freeze-4-0", "scratch-2-1", "imagenet_freeze-2-1",
        "scratch-4-1", "imagenet_freeze-4-1",
    ]  # fmt: skip
    asked = read_asked(folder_of(faked()))
    assert ([arm.name for arm in asked.arms], asked.sizes, asked.seeds) == (
        ["scratch", "imagenet:finetune", "imagenet:freeze"], (2, 4), 2,
    )  # fmt: skip


@pytest.mark.usefixtures("no_page")
def test_other_settings_or_another_source_are_another_proof(faked):
    prove.prove(faked(), console=QUIET)
    with pytest.raises(UsageError, match=r"other settings \(optim.lr=0.0005, now 0.001\)"):
        prove.prove(faked(words=["optim.lr=1e-3"]), console=QUIET)
    with pytest.raises(UsageError, match=r"other settings \(from=none, now imagenet\)"):
        prove.prove(faked(sources=("imagenet",), name="none-to-pancreas"), console=QUIET)
    _made(faked)
    prove.prove(faked(words=["optim.lr=1e-3"], name="faster"), console=QUIET)
    assert len(_made(faked)) == 4


@pytest.mark.usefixtures("no_page")
def test_a_proof_that_was_stopped_goes_on_where_it_was(faked, monkeypatch):
    begun = []

    def stopped(settings, console):
        begun.append(settings.runs.name)
        if len(begun) == 3:
            raise KeyboardInterrupt
        faked.fake(settings, console)

    monkeypatch.setattr(proof_jobs, "transfer", stopped)
    text = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        prove.prove(faked(), console=Console(file=text, width=200))
    assert text.getvalue().endswith("give the same command again: what is finished is used.\n")
    monkeypatch.setattr(proof_jobs, "transfer", faked.fake)
    _made(faked)
    outcome = prove.prove(faked(), console=QUIET)
    assert _made(faked) == ["scratch-2-1", "imagenet_finetune-2-1"]
    assert outcome.proven.missing == ()


def test_a_training_that_fails_twice_is_left_out_and_said(faked, monkeypatch):
    tried = []

    def failing(settings, console):
        tried.append(settings.runs.name)
        if settings.runs.name == "scratch-2-1":
            raise TrainingError(found="a loss that is not finite", expected="a number", fix="lower optim.lr")
        faked.fake(settings, console)

    monkeypatch.setattr(proof_jobs, "transfer", failing)
    text = io.StringIO()
    outcome = prove.prove(faked(seeds=3), console=Console(file=text, width=300))
    assert tried.count("scratch-2-1") == 2
    assert len(tried) == 7
    (one,) = outcome.proven.verdicts
    assert (one.unpaired, one.measures[0].seeds) == ((1,), 2)
    (missing,) = outcome.proven.missing
    assert missing.startswith("scratch with 2 labelled patients, seed 1: found a loss that is not finite")
    assert "a loss that is not finite" in outcome.report.read_text(encoding="utf-8")
    assert "scratch-2-1 failed twice: found a loss that is not finite" in text.getvalue()
    with pytest.raises(TrainingError, match="1 training that failed twice") as caught:
        outcome.refuse_failures()
    assert caught.value.exit_code == 7
    recomputed = (outcome.folder / "verdict.json").read_bytes()
    prove.recompute(ProofFolder(outcome.folder))
    assert (outcome.folder / "verdict.json").read_bytes() == recomputed


def test_everything_is_made_again_from_the_saved_scores_alone(faked):
    outcome = prove.prove(faked(), console=QUIET)
    folder = outcome.folder
    before = (folder / "verdict.json").read_bytes()
    for name in ("verdict.json", "verdict.csv", "report.html"):
        (folder / name).unlink()
    (folder / "runs").rename(folder.parent / "elsewhere")
    again = prove.recompute(ProofFolder(folder))
    assert (folder / "verdict.json").read_bytes() == before
    assert again.proven.sentences == outcome.proven.sentences
    assert (folder / "verdict.csv").exists()
    assert again.report.exists()
    assert again.rows[0][:4] == ("imagenet:finetune", "scratch", "2", "start")
    assert len(again.columns) == len(again.rows[0])


def test_what_is_no_proof_cannot_be_made_again(faked):
    folder = folder_of(faked())
    with pytest.raises(CheckpointError, match=r"proof\.json of a proof"):
        prove.recompute(folder)
    assert not folder.folder.exists()


@pytest.mark.usefixtures("no_page")
def test_a_proof_belongs_to_one_process_and_nothing_stays_of_one_that_was_refused(faked):
    folder = folder_of(faked()).folder
    folder.mkdir(parents=True)
    with held(folder):
        with pytest.raises(ResourceError, match="the proof in use by process"):
            prove.prove(faked(), console=QUIET)
        assert holder(folder)
    with pytest.raises(UsageError, match="the arm 'scrach'"):
        prove.prove(faked("scrach", "finetune"), console=QUIET)
    assert not folder.exists()


@pytest.mark.usefixtures("no_page")
@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"sizes": (0, 2)}, "--sizes with 0"),
        ({"sizes": (2, 2)}, "'2' twice in --sizes"),
        ({"sizes": ()}, "no word in --sizes"),
        ({"seeds": 0}, "--seeds with 0"),
        ({"name": "../elsewhere"}, "--name ../elsewhere"),
        ({"sources": ("none", "none")}, "'none' twice in --from"),
        ({"words": ["train.patience=3"]}, "train.patience=3 for a proof"),
        ({"words": ["evaluate.curve=1"]}, "evaluate.curve=1 for a proof"),
        ({"words": ["freeze.stages=2"]}, "freeze.stages=2, which no arm uses"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_trained(faked, more, sentence):
    with pytest.raises(UsageError, match=sentence):
        prove.prove(faked(**more), console=QUIET)
    assert _made(faked) == []


@pytest.mark.parametrize("word", ["data.labelled=5", "strategy=freeze", "model.weights=none", "train.seed=1"])
def test_what_the_options_say_is_no_setting(word):
    with pytest.raises(UsageError, match="for all arms"):
        given_for_all("pancreas", [word])


@pytest.mark.usefixtures("no_page")
def test_gains_of_stored_proofs_are_found_by_target(faked, tmp_path):
    prove.prove(faked("scratch", "imagenet", "imagenet:finetune", "none:freeze"), console=QUIET)
    found = {one.arm: one for one in realised_gains(tmp_path / "runs", "pancreas")}
    assert set(found) == {"scratch", "imagenet", "imagenet:finetune", "none:freeze"}
    assert {one.baseline for one in found.values()} == {"imagenet"}
    worse = found["none:freeze"]
    assert (worse.source_word, worse.strategy, worse.size, worse.proof) == ("none", ("freeze",), 2, "none-to-pancreas")
    assert worse.gain == pytest.approx(-0.1, abs=1e-9)
    assert worse.low <= worse.gain <= worse.high
    assert found["scratch"].gain == pytest.approx(-0.1, abs=1e-9)
    assert (found["imagenet"].gain, found["imagenet"].low) == (0, None)
    assert realised_gains(tmp_path / "runs", "liver") == ()


@pytest.mark.usefixtures("no_page")
def test_a_proof_that_cannot_be_read_has_no_gains(faked, tmp_path):
    folder = prove.prove(faked(), console=QUIET).folder
    (folder / "verdict.json").write_text("{", encoding="utf-8")
    assert realised_gains(tmp_path / "runs", "pancreas") == ()


@pytest.fixture(scope="module")
def proven(stepwise_words, tmp_path_factory):
    """A source and a proof of two arms with two trainings each, and what the console said. Tests must not change it."""
    folder = tmp_path_factory.mktemp("runs")
    words = [word for word in stepwise_words if not word.startswith(("organ", "transfer", "runs"))]
    train(resolve([*words, "organ=liver", f"runs.folder={folder}", "runs.name=liver"]), console=QUIET)
    arms = ("scratch", "finetune")
    question = _question(
        stepwise_words, folder, arms, words=["evaluate.curve=2", "split.test_fraction=0.4"], sources=("liver",)
    )
    text = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        # The pages of single trainings take as long as these trainings.
        patch.setattr(recipe, "report", lambda run: run.report)
        outcome = prove.prove(question, console=Console(file=text, width=300))
    return outcome, text.getvalue(), question


def test_a_proof_from_scans_to_a_page(proven):
    outcome, text, _ = proven
    folder = ProofFolder(outcome.folder)
    asked, table = read_asked(folder), folder.read_scores()
    assert (outcome.folder.name, asked.source) == ("liver-to-pancreas", str(outcome.folder.parent.parent / "liver"))
    assert len(table.rows) == 2 * 2 * 2
    assert {row.step for row in table.rows} == {0, 3}  # one of the four steps was the heads' own
    assert len(table.cases) == 3
    assert [(one.arm, one.baseline) for one in outcome.proven.verdicts] == [("finetune", "scratch")]
    assert "4 of 4 trainings: finetune-2-1 ended at Dice" in text
    assert "left" in text
    assert outcome.report.read_text(encoding="utf-8").find("finetune") > 0


def test_arms_differ_in_start_and_strategy_alone(proven):
    outcome, _, _ = proven
    scratch, finetune = (Run(outcome.folder / "runs" / f"{arm}-2-1") for arm in ("scratch", "finetune"))
    ours, theirs = (dict(flatten(run.settings().model_dump())) for run in (scratch, finetune))
    different = {name for name in (*ours, *theirs) if ours.get(name) != theirs.get(name)}
    own = {name for name in different if not name.startswith("components.")}
    assert own == {"strategy", "components", "transfer.source", "model.weights", "runs.name"}
    assert (scratch.settings().strategy, finetune.settings().strategy) == (
        ("heads_first", "supervised"), ("heads_first", "finetune"),
    )  # fmt: skip
    splits = [(run.folder / "split.json").read_text() for run in (scratch, finetune)]
    assert splits[0] == splits[1]
    assert len(json.loads(splits[0])["train"]) == 2
    assert (scratch.settings().model.encoder, scratch.settings().train.seed) == ("tu-test_resnet", 1)
    assert scratch.manifest().lineage["sources"] == []
    assert [link["run"] for link in finetune.manifest().lineage["sources"]] == ["liver"]


def test_pictures_show_both_arms_on_the_slice_where_they_differ(proven):
    pictures = kept_pictures(ProofFolder(proven[0].folder))
    assert [one.arm for one in pictures] == ["scratch", "finetune"] * 3
    assert len({one.patient for one in pictures}) == 3
    for first, second in zip(pictures[::2], pictures[1::2], strict=True):
        assert first.patient == second.patient
        assert first.image.shape == first.prediction.shape == second.reference.shape == (64, 64)
        assert (first.image == second.image).all()
        assert (first.reference == second.reference).all()
        assert "Dice points with finetune" in first.title
        assert second.title == ""


def test_a_training_of_other_scans_or_settings_is_refused_before_anything_is_trained(proven, tmp_path):
    outcome, _, question = proven
    run = Run(outcome.folder / "runs" / "scratch-2-0")
    manifest, config = run.manifest(), (run.folder / "config.yaml").read_text()
    split = json.loads((run.folder / "split.json").read_text())
    changed = dict.fromkeys(manifest.data["case_sha256"], "0" * 64)
    try:
        run.change_manifest(data={**manifest.data, "case_sha256": changed})
        with pytest.raises(DataError, match="scans that are not what the training scratch-2-0 saw"):
            prove.prove(question, console=QUIET)
        run.write_manifest(manifest)
        moved = {**split, "test": split["test"][:-1], "train": [*split["train"], split["test"][-1]]}
        (run.folder / "split.json").write_text(json.dumps(moved))
        with pytest.raises(DataError, match="other patients to train with or to test than the training scratch-2-0"):
            prove.prove(question, console=QUIET)
        (run.folder / "split.json").write_text(json.dumps(split))
        (run.folder / "config.yaml").write_text(config.replace("lr: 0.0005", "lr: 0.0001"))
        with pytest.raises(UsageError, match=r"other settings \(optim.lr=0.0001, now 0.0005"):
            prove.prove(question, console=QUIET)
    finally:
        (run.folder / "split.json").write_text(json.dumps(split))
        run.write_manifest(manifest)
        (run.folder / "config.yaml").write_text(config)


@pytest.mark.parametrize(
    ("changes", "words", "sentence"),
    [
        ({"sizes": (2, 9)}, (), "--sizes with 9.*at most the 4 labelled training patients"),
        ({}, ("split.test_fraction=0",), "no test patient"),
        ({"arms": ("scratch", "none:l2sp")}, (), r"for l2sp \(arm none:l2sp\).*leave none:l2sp out of --arms"),
        ({"arms": ("imagenet", "finetune")}, (), r"no ImageNet weights of tu-test_resnet.*file of such weights"),
    ],
)  # fmt: skip
def test_arms_and_sizes_that_cannot_be_are_refused_before_anything_is_trained(proven, changes, words, sentence):
    outcome, _, question = proven
    given = replace(question.given, words=(*question.given.words, *words))
    with pytest.raises((UsageError, DataError, CheckpointError), match=sentence):
        prove.prove(replace(question, given=given, name="other", **changes), console=QUIET)
    assert not (outcome.folder.parent / "other").exists()


def test_a_dry_run_tries_every_arm_and_keeps_nothing(proven):
    _, _, question = proven
    text = io.StringIO()
    assert prove.prove(replace(question, name="dry"), dry_run=True, console=Console(file=text, width=300)) is None
    assert [line for line in text.getvalue().splitlines() if line.startswith("Dry run")] == [
        "Dry run of scratch", "Dry run of finetune",
    ]  # fmt: skip
    assert not folder_of(replace(question, name="dry")).folder.exists()
