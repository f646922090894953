import io
import json
from html import escape
from pathlib import Path

import pytest
from rich.console import Console

from seg.api import train as resumed_by_name
from seg.api import transfer_settings, transfer_words
from seg.config import Settings
from seg.data.phantom.layouts import write_phantoms
from seg.digest import file_sha256
from seg.errors import SegError, UsageError
from seg.overrides import resolve
from seg.recipes import probe, via
from seg.recipes.train import train
from seg.recipes.transfer import transfer
from seg.runs import Run, create_run, new_manifest

QUIET = Console(quiet=True)


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings of every training, none of which takes place."""
    made: list[Settings] = []

    def fake(settings: Settings, **_: object) -> Run:
        if "l2sp" in settings.components and settings.transfer.source == ("none",):
            raise UsageError(found="l2sp from none", expected="weights", fix="", code="nothing-transferred")
        made.append(settings)
        run = create_run(settings)
        run.write_settings(settings)
        run.write_manifest(new_manifest(run, "train", settings))
        run.change_manifest(state="finished")
        run.model.write_bytes(b"weights")
        return run

    monkeypatch.setattr(via, "train", fake)
    return made


def _scores(monkeypatch: pytest.MonkeyPatch, scores: dict[str, float]) -> None:
    """Probes reach these Dice by the start's name, such as `none` or `pancreas-via-spleen`."""
    monkeypatch.setattr(probe.Probes, "score", lambda _, sources: scores[Path(sources[0]).name])


def _source(settings: Settings) -> str:
    (source,) = settings.transfer.source
    return Path(source).name


@pytest.fixture(scope="module")
def walked(stepwise_words: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, str, Settings]:
    """A way over two organs, what the console said and the settings. Tests must not change it."""
    words = ("transfer.via=spleen,kidneys", "data.labelled=3", "transfer.via_steps=3")
    settings = resolve([*stepwise_words, f"runs.folder={tmp_path_factory.mktemp('runs')}", *words])
    text = io.StringIO()
    run = transfer(settings, console=Console(file=text, width=300))
    assert run is not None
    return run, text.getvalue(), settings


def test_every_hop_is_a_run_of_its_own_from_the_best_start_so_far(walked):
    run, _, settings = walked
    hops = run.manifest().lineage["route"]["hops"]
    assert [(hop["organ"], hop["run"]) for hop in hops] == [
        ("spleen", "pancreas-via-spleen"), ("kidneys", "pancreas-via-kidneys"),
    ]  # fmt: skip
    start = "none"
    for hop in hops:
        own = Run(run.folder.parent / hop["run"])
        assert (own.manifest().state, own.manifest().organs) == ("finished", (hop["organ"],))
        assert (own.manifest().results["steps"], own.settings().strategy) == (3, ("supervised",))
        assert own.manifest().data["patients"]["train"] > 3  # data.labelled is about the target's labels
        assert _source(own.settings()) == start
        start = own.name if hop["kept"] else start
    assert _source(run.settings()) == start
    assert run.manifest().results["steps"] == settings.train.steps == 4


def test_a_hop_is_kept_where_the_probe_from_it_did_not_fall(walked):
    run, _, _ = walked
    start = "none"
    for hop in run.manifest().lineage["route"]["hops"]:
        before, after = (_probe(run, name).manifest().results["validation_dice"] for name in (start, hop["run"]))
        assert (hop["before"], hop["after"], hop["kept"]) == (before, after, after >= before)
        start = hop["run"] if hop["kept"] else start


def _probe(run: Run, start: str) -> Run:
    return Run(run.folder.parent / ".probes" / f"pancreas-from-{start}")


def test_probes_never_see_test_patients_and_leave_no_model(walked):
    run, _, settings = walked
    split = json.loads((run.folder / "split.json").read_text())
    for start in ("none", "pancreas-via-spleen", "pancreas-via-kidneys"):
        own = _probe(run, start)
        probed = json.loads((own.folder / "split.json").read_text())
        assert (probed["train"], probed["validation"]) == (split["train"], split["validation"])
        assert (probed["test"], own.predictions.exists(), own.model.exists()) == ([], False, False)
        assert not set(own.manifest().data["case_sha256"]) & set(split["test"])
        assert (own.manifest().verb, own.manifest().results["steps"]) == ("probe", 2)
        assert own.settings().train.seed == settings.train.seed


def test_hops_leave_the_targets_test_patients_alone(walked):
    run, _, _ = walked
    for name in ("pancreas-via-spleen", "pancreas-via-kidneys"):
        split, own = (json.loads((run.folder.parent / one / "split.json").read_text()) for one in (run.name, name))
        assert split["test"] == own["test"] != []
        assert not set(split["test"]) & {*own["train"], *own["validation"], *own["unlabelled"]}


def test_console_manifest_and_report_tell_the_way(walked, phantoms: Path):
    run, text, _ = walked
    manifest, page = run.manifest(), run.report.read_text(encoding="utf-8")
    route = manifest.lineage["route"]
    kept = [hop for hop in route["hops"] if hop["kept"]]
    assert route["path"] == " > ".join(["none", *(hop["organ"] for hop in kept), "pancreas"])
    assert "Way: none > spleen > kidneys > pancreas" in text
    sentences = manifest.notes[:4]
    for number, hop in enumerate(route["hops"], start=1):
        decision = "kept" if hop["kept"] else "left out"
        assert sentences[number].startswith(f"{hop['organ'].capitalize()} was {decision} on the way")
        assert f"{hop['after']:.4f} after it, {hop['before']:.4f} before" in sentences[number]
        assert sentences[number] in text
        assert sentences[number] in page
    assert sentences[3] == "Probes of 2 steps (supervised) are judged on 1 validation patient of the target."
    assert f"Path</th><td>{escape(route['path'])}<" in page
    for hop in kept:
        assert f">{hop['run']}" in page
    assert str(run.folder.parent) not in json.dumps(manifest.lineage)
    assert str(phantoms.parent) not in page


def test_the_same_command_uses_what_is_finished(walked, monkeypatch: pytest.MonkeyPatch):
    first, _, settings = walked
    trained, before = [], set(first.folder.parent.glob("*via*"))

    def target_only(settings: Settings, **given: object) -> Run:
        trained.append(settings.organ)
        return first

    monkeypatch.setattr(via, "train", target_only)
    monkeypatch.setattr(probe, "train_probe", None)
    text = io.StringIO()
    transfer(settings, console=Console(file=text, width=300))
    assert trained == [("pancreas",)]
    assert text.getvalue().count("Finished before") == 5
    assert set(first.folder.parent.glob("*via*")) == before


def test_a_hop_after_which_validation_falls_is_left_out(stepwise, faked, monkeypatch):
    _scores(monkeypatch, {"none": 0.5, "t-via-spleen": 0.49, "t-via-kidneys": 0.5, "t-via-stomach": 0.6})
    text = io.StringIO()
    words = ("runs.name=t", "transfer.via=spleen,kidneys,stomach")
    transfer(stepwise(*words), console=Console(file=text, width=300))
    assert [made.organ for made in faked] == [("spleen",), ("kidneys",), ("stomach",), ("pancreas",)]
    assert [_source(made) for made in faked] == ["none", "none", "t-via-kidneys", "t-via-stomach"]
    assert "Spleen was left out on the way: probes of the target reach a validation Dice of 0.4900" in text.getvalue()
    assert "The way to the target: none > kidneys > stomach > pancreas" in text.getvalue()
    assert all(made.transfer.via == () for made in faked)


def test_the_order_of_the_list_is_the_order_of_the_way(stepwise, faked, monkeypatch):
    _scores(monkeypatch, {"none": 0.0, "pancreas-via-kidneys": 0.0, "pancreas-via-spleen": 0.0})
    text = io.StringIO()
    transfer(stepwise("transfer.via=kidneys,spleen"), console=Console(file=text, width=300))
    assert [made.organ for made in faked] == [("kidneys",), ("spleen",), ("pancreas",)]
    assert "they found nothing, so transfer.probe_steps should be raised" in text.getvalue()


@pytest.mark.parametrize(("after", "last", "source"), [(0.6, "l2sp", "pancreas-via-spleen"), (0.4, "finetune", "none")])
def test_a_strategy_that_a_start_does_not_allow_gives_way_to_finetune(
    stepwise, faked, monkeypatch, after, last, source
):
    _scores(monkeypatch, {"none": 0.5, "pancreas-via-spleen": after})
    text = io.StringIO()
    words = ("transfer.via=spleen", "strategy=l2sp", "finetune.layer_decay=0.5")
    transfer(stepwise(*words), console=Console(file=text, width=300))
    hop, target = faked
    assert hop.strategy == ("finetune",)
    assert hop.components["finetune"]["layer_decay"] == 0.5
    assert "Spleen was trained with finetune, as l2sp cannot run (l2sp from none)." in text.getvalue()
    assert ("The target was trained with finetune, as l2sp cannot run from none." in text.getvalue()) == (after < 0.5)
    assert (target.strategy, _source(target)) == ((last,), source)


def test_what_the_target_lacks_is_said_before_anything_runs(stepwise, faked, tmp_path):
    root = write_phantoms(tmp_path / "all", "decathlon", labelled=3, unlabelled=0, size=(8, 32, 32))
    with pytest.raises(UsageError) as refused:
        transfer(stepwise("transfer.via=spleen", "strategy=batch_norm", f"data.root={root}"), console=QUIET)
    assert (refused.value.code, faked) == ("missing-need", [])


def test_a_lone_labelled_patient_keeps_every_hop_untested_and_says_so(stepwise, faked):
    text = io.StringIO()
    words = ("transfer.via=spleen", "data.labelled=1", "split.validation_fraction=0")
    transfer(stepwise(*words), console=Console(file=text, width=300))
    assert _source(faked[1]) == "pancreas-via-spleen"
    assert "Spleen was kept on the way without a test." in text.getvalue()
    assert "One labelled patient trains and none validates" in text.getvalue()


def test_a_dry_run_prints_every_hop_and_keeps_nothing(stepwise, tmp_path):
    text = io.StringIO()
    wished = stepwise("transfer.via=spleen,kidneys", "transfer.via_steps=7", "strategy=l2sp")
    assert transfer(wished, dry_run=True, console=Console(file=text, width=300)) is None
    said = text.getvalue()
    for line in (
        "Way: none > spleen > kidneys > pancreas", "  spleen: 7 steps", "Dry run of kidneys", "Dry run of pancreas",
        "This was with finetune, as l2sp cannot run",
    ):  # fmt: skip
        assert line in said
    assert said.count("estimated time") == 3
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["transfer.via=gizzard"], "unknown-organ"),
        (["transfer.via=spleen,kidneys,spleen"], "via-organs"),
        (["transfer.via=spleen,pancreas"], "via-organs"),
        (["transfer.via=spleen,liver", "transfer.source=SOURCE"], "via-organs"),
        (["transfer.via=spleen", "transfer.via_roots={kidneys:x}"], "via-roots"),
        (["transfer.via_roots={kidneys:x}"], "via-roots"),
        (["transfer.via=spleen", "transfer.via_roots={spleen:nowhere}"], "root-missing"),
        (["transfer.via=spleen", "data.labelled=0"], "no-labels"),
        (["transfer.via=spleen", "runs.name=taken"], "run-exists"),
    ],
)
def test_a_way_that_cannot_be_gone_is_refused_before_anything_runs(stepwise, faked, words, code):
    taken = create_run(stepwise("runs.name=taken", "organ=liver"))
    taken.write_settings(stepwise("runs.name=taken", "organ=liver"))
    taken.write_manifest(new_manifest(taken, "train", taken.settings()))
    taken.change_manifest(state="finished")
    taken.model.write_bytes(b"")
    with pytest.raises(SegError) as refused:
        transfer(stepwise(*(word.replace("SOURCE", str(taken.folder)) for word in words)), console=QUIET)
    assert (refused.value.code, faked) == (code, [])


def test_a_plain_training_has_no_way(stepwise):
    with pytest.raises(UsageError) as refused:
        train(stepwise("transfer.via=spleen"), console=QUIET)
    assert (refused.value.code, "seg transfer" in refused.value.fix) == ("via-train", True)


def test_a_probe_is_not_gone_on_with_alone(walked):
    run, _, _ = walked
    with pytest.raises(UsageError) as refused:
        resumed_by_name(resume=_probe(run, "none").folder)
    assert refused.value.code == "probe"


def test_a_way_makes_finetune_the_default_strategy():
    words = transfer_words("none", "pancreas", ["preset=cpu"], via=["spleen", "kidneys"])
    resolved = transfer_settings(words)
    assert (resolved.transfer.via, resolved.strategy) == (("spleen", "kidneys"), ("finetune",))
    assert transfer_settings(transfer_words("none", "pancreas")).strategy == ("supervised",)


def test_the_kept_start_is_the_one_that_was_probed(walked):
    run, _, _ = walked
    kept = [hop["run"] for hop in run.manifest().lineage["route"]["hops"] if hop["kept"]]
    expected = file_sha256(Run(run.folder.parent / kept[-1]).model) if kept else ""
    assert (run.manifest().lineage["sha256"] or "") == expected
