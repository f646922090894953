import dataclasses
import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from seg.digest import file_sha256
from seg.overrides import resolve
from seg.recipes import train as recipe
from seg.recipes.lineage import (
    ancestors,
    keep_source_curves,
    lineage_of,
    named,
    source_curves,
    source_name,
    start_lines,
)
from seg.recipes.prepare import prepare
from seg.recipes.report import report, without_folders
from seg.recipes.source import Origin, find_origins
from seg.recipes.start import start_network
from seg.records import Manifest
from seg.runs import Run


@pytest.fixture(scope="module")
def transferred(
    finished: Run, phantoms: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Run, str]:
    """A run that started from one of two organs, which is gone by now, and what was printed. Nothing may change it."""
    folder = tmp_path_factory.mktemp("chain")
    source = folder / "both"
    shutil.copytree(finished.folder, source)
    words = [
        "organ=spleen,pancreas", f"data.root={phantoms}", f"prepare.cache={cache}", "prepare.size_px=64",
        f"runs.folder={folder}", "runs.name=after", "model.encoder=resnet18", "model.weights=none",
        "model.decoder_channels=32,16,16,8,8", "train.steps=4", "train.batch_size=4", "train.validations=2",
        "train.tensorboard=false", "evaluate.bootstrap_samples=100", f"transfer.source={source}",
    ]  # fmt: skip
    text = io.StringIO()
    run = recipe.train(resolve(words), console=Console(file=text, width=300))
    assert run is not None
    shutil.rmtree(source)
    return run, text.getvalue()


def test_the_manifest_knows_the_source_after_it_is_gone(transferred: tuple[Run, str], finished: Run) -> None:
    run, _ = transferred
    lineage = run.manifest().lineage
    (link,) = lineage["sources"]
    evaluation = finished.evaluation()
    assert evaluation is not None
    assert (link["run"], link["organs"], link["strategy"]) == ("both", ["liver", "spleen"], ["supervised"])
    assert link["model_sha256"] == lineage["sha256"] == file_sha256(finished.model)
    assert link["validation_dice"] == finished.manifest().results["validation_dice"]
    assert link["test_dice"] == {organ: evaluation.summary[organ]["dice"].mean for organ in ("liver", "spleen")}
    assert (lineage["words"], lineage["source"]) == (["both"], "model.safetensors")


def test_no_folder_is_in_lineage_or_report(transferred: tuple[Run, str], phantoms: Path) -> None:
    run, _ = transferred
    page = run.report.read_text(encoding="utf-8")
    for place in (run.folder.parent, phantoms.parent):
        assert str(place) not in json.dumps(run.manifest().lineage)
        assert str(place) not in page
    assert "root: abdomen" in page


def test_the_report_shows_chain_parts_and_both_curves(transferred: tuple[Run, str], finished: Run) -> None:
    run, _ = transferred
    page = run.report.read_text(encoding="utf-8")
    section = page[page.index('<section id="transferred">') : page.index('<section id="curves">')]
    for words in (">both<", "Liver, Spleen", "after <span", "this model", ">stem<", ">edge head<", "weights.csv"):
        assert words in section
    assert finished.manifest().results["model_sha256"][:12] in section
    assert "mean validation Dice" in section


def test_the_sources_curve_is_kept(transferred: tuple[Run, str], finished: Run) -> None:
    (curve,) = source_curves(transferred[0])
    own = [row for row in finished.curve_rows() if "val/dice/mean" in row.values]
    assert (curve.name, curve.organs) == ("both", ("liver", "spleen"))
    assert curve.points == tuple((row.step, row.values["val/dice/mean"]) for row in own)
    assert len(curve.points) == 2


def test_the_table_of_weights_says_what_learns(transferred: tuple[Run, str]) -> None:
    run, _ = transferred
    rows = (run.folder / "weights.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "tensor,status,shape in the file,shape in the network,frozen,learning rate factor"
    found = {row.split(",")[0]: row.split(",")[1:] for row in rows[1:]}
    assert found["mask_head.out.weight"] == ["adapted", "2 x 8 x 3 x 3", "2 x 8 x 3 x 3", "no", "1"]
    assert found["encoder.conv1.weight"][0::3] == ["loaded", "no"]
    assert found["encoder.bn1.running_mean"][3:] == ["no", ""]
    assert found["input_std"][3:] == ["", ""]
    counts = run.manifest().lineage["tensors"]
    assert sum(counts.values()) == len(rows) - 1
    assert sum(part["tensors"] for part in run.manifest().lineage["parts"]) == len(rows) - 1


def test_the_console_says_whence_what_and_how_fast(transferred: tuple[Run, str]) -> None:
    said = transferred[1].splitlines()
    first = next(number for number, line in enumerate(said) if line.startswith("Weights: both of liver, spleen, "))
    assert "loaded, 4 adapted" in said[first]
    assert said[first + 1] == "  heads taken over by name: spleen; from nothing: pancreas"
    assert said[first + 2].startswith("Learning: ")
    assert said[first + 2].endswith("times optim.lr; 0 tensors are frozen")


def test_a_chain_keeps_its_first_link_and_every_curve(transferred: tuple[Run, str], tmp_path: Path) -> None:
    run, _ = transferred
    after = Run(tmp_path / "third")
    after.folder.mkdir()
    keep_source_curves(after, (Origin("after", run, run.model), Origin("file", None, run.model)))
    assert [curve.name for curve in source_curves(after)] == ["both", "after"]
    lineage = {"source": "m.safetensors", "sources": [_link_to(run)]}
    _write(after, run.manifest(), lineage)
    chain = ancestors(after)
    assert [one.name for one in chain] == ["both", "after", "third"]
    assert chain[1].organs == ("spleen", "pancreas")
    assert dict(chain[0].test_dice).keys() == {"liver", "spleen"}


def _link_to(run: Run) -> dict[str, object]:
    manifest = run.manifest()
    return {
        "run": run.name, "organs": list(manifest.organs), "strategy": ["supervised"], "model_sha256": "ab",
        "validation_dice": 0.5, "test_dice": {}, "source": "x", "sources": manifest.lineage["sources"],
    }  # fmt: skip


def _write(run: Run, manifest: Manifest, lineage: dict[str, object]) -> None:
    run.write_settings(resolve([]))
    run.write_manifest(dataclasses.replace(manifest, run=run.name, lineage=lineage))


@pytest.mark.parametrize(
    ("lineage", "names"),
    [
        ({"source": "none"}, []),
        ({}, []),
        ({"source": "imagenet (smp-hub/resnet18.imagenet)"}, ["imagenet (smp-hub/resnet18.imagenet)", "run"]),
        ({"source": "/home/jane/weights.pth", "sha256": "c"}, ["weights.pth", "run"]),
    ],
)
def test_a_chain_begins_with_what_was_published_or_is_empty(lineage, names, finished: Run, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    _write(run, finished.manifest(), lineage)
    assert [one.name for one in ancestors(run)] == names


def test_without_a_source_there_is_no_curve_and_no_section(finished: Run) -> None:
    assert source_curves(finished) == ()
    assert '<section id="transferred">' not in finished.report.read_text(encoding="utf-8")


def test_words_lose_their_folders_and_repositories_keep_their_names() -> None:
    assert [named(word) for word in ("/a/b/liver-1", "liver", "", "~/c.pth")] == ["liver-1", "liver", "", "c.pth"]
    assert source_name({"source": "imagenet (a/b)"}) == "imagenet (a/b)"
    assert source_name({"weights": "/x/y.pth"}) == "y.pth"
    told = without_folders(resolve(["data.root=/a/b/c", "prepare.cache=/d/e", "transfer.source=/f/g,liver"]))
    assert (told.data.root, told.prepare.cache, told.transfer.source) == ("c", "e", ("g", "liver"))
    knobs = {"any": {"folder": "~/d/e", "folders": ["/f/g", "a/b"], "share": 0.5}}
    deep = without_folders(resolve([]).model_copy(update={"components": knobs})).components["any"]
    assert deep == {"folder": "e", "folders": ("g", "a/b"), "share": 0.5}


def test_where_nothing_learns_the_console_names_no_rate(small_words: list[str], finished: Run) -> None:
    settings = resolve([*small_words, f"transfer.source={finished.folder}"])
    prepared, origins = prepare(settings), find_origins(settings)
    network, start = start_network(settings, prepared.plan, origins)
    training = recipe.make_training(settings, prepared, network, start, origins)
    training.groups = []
    assert start_lines(training, origins)[-1].startswith("Learning: 0 of 11.")
    assert "times" not in start_lines(training, origins)[-1]
    assert lineage_of(training, origins)["parts"][0]["part"] == "input range"


def test_an_organ_that_is_no_longer_known_keeps_its_name(transferred: tuple[Run, str], tmp_path: Path) -> None:
    run, _ = transferred
    copy = Run(tmp_path / "copy")
    shutil.copytree(run.folder, copy.folder)
    lineage = copy.manifest().lineage
    lineage["sources"][0]["organs"] = ["gizzard"]
    copy.change_manifest(lineage=lineage)
    assert "gizzard" in report(copy).read_text(encoding="utf-8")
