from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from seg.api import transfer_settings, transfer_words
from seg.config import Settings
from seg.errors import CheckpointError, SegError, UsageError
from seg.models import published
from seg.overrides import resolve
from seg.recipes import guarded
from seg.recipes import train as recipe
from seg.recipes.source import find_origin, find_origins
from seg.recipes.start import refuse_two_starts, start_network, start_weights, taken_over
from seg.recipes.trained import read_plan
from seg.recipes.transfer import transfer
from seg.runs import Run


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Callable[..., SegError]:
    """The error of a transfer to the pancreas that has to come before any scan is read."""
    for reader in (recipe, guarded):
        monkeypatch.setattr(reader, "check_and_split", lambda *_, **__: pytest.fail("the data were read"))

    def error(source: object, *words: str, strategy: str = "") -> SegError:
        settings = transfer_settings(transfer_words(str(source), "pancreas", words, strategy=strategy))
        with pytest.raises(SegError) as found:
            transfer(settings, console=Console(quiet=True))
        return found.value

    return error


def test_the_network_is_the_source_s(finished: Run) -> None:
    shared = taken_over(find_origin(str(finished.folder), Path("runs")))
    assert shared["model"]["encoder"] == "resnet18"
    assert shared["model"]["decoder_channels"] == [32, 16, 16, 8, 8]
    assert taken_over(find_origin("none", Path("runs"))) == {"model": {"weights": "none"}}
    assert taken_over(find_origin(str(finished.last), Path("runs"))) == shared


def test_a_source_whose_model_changed_is_refused(finished: Run, copy_run, tmp_path: Path) -> None:
    results = {**finished.manifest().results, "model_sha256": "0" * 64}
    run = copy_run(finished, tmp_path / "changed", results=results)
    settings = resolve(["organ=liver"], source=taken_over(find_origin("changed", tmp_path)))
    with pytest.raises(CheckpointError) as found:
        start_network(settings, read_plan(finished), [find_origin("changed", tmp_path)])
    assert found.value.code == "model-changed"
    _, report = start_network(settings, read_plan(finished), [find_origin(str(run.last), tmp_path)])
    assert report.source == "last.safetensors"


def test_heads_go_on_from_a_runs_own_file(finished: Run, tmp_path: Path) -> None:
    origin = find_origin(str(finished.model), tmp_path)
    settings = resolve(["organ=spleen"], source=taken_over(origin))
    _, report = start_network(settings, read_plan(finished), [origin])
    assert "heads taken over by name: spleen" in report.notes


@pytest.mark.parametrize(
    ("word", "meant"), [("imagenet", "imagenet"), ("none", "none"), ("FILE", "none"), ("", "auto")]
)
def test_the_source_decides_what_the_weights_are(finished: Run, word: str, meant: str) -> None:
    word = word.replace("FILE", str(finished.model))
    settings = resolve(["model.weights=auto", *([f"transfer.source={word}"] if word else [])])
    assert start_weights(settings, find_origins(settings)) == meant


def test_imagenet_that_cannot_be_had_is_said_before_the_data_are_read(refused, monkeypatch) -> None:
    monkeypatch.setattr(published, "cached_file", lambda _: None)
    error = refused("imagenet", "model.encoder=resnet50", "model.weights=imagenet")
    assert error.code == "weights-offline"


@pytest.mark.parametrize(("word", "weights"), [("imagenet", "none"), ("none", "imagenet"), ("none", "auto")])
def test_a_source_and_other_weights_are_two_starts(refused, word: str, weights: str) -> None:
    error = refused(word, f"model.weights={weights}")
    assert (error.code, f"model.weights={word}" in error.fix) == ("two-starts", True)


def test_weights_beside_a_runs_are_no_second_start(finished: Run) -> None:
    settings = resolve([f"transfer.source={finished.folder}", "model.weights=imagenet"])
    refuse_two_starts(settings, find_origins(settings))


@pytest.mark.parametrize(
    ("word", "said", "help_"),
    [
        ("model.encoder=resnet34", "model.encoder=resnet34, where the source both has resnet18", "train a source"),
        (
            "model.decoder_channels=64,32,16,8,8",
            "model.decoder_channels=64,32,16,8,8, where the source both has 32,16,16,8,8", "transfer.parts=encoder",
        ),
    ],
)  # fmt: skip
def test_another_network_than_the_sources_is_refused_by_setting(refused, finished, word, said, help_) -> None:
    error = refused(finished.folder, word)
    assert (error.code, error.found) == ("other-network", said)
    assert help_ in error.fix


def test_the_encoder_alone_fits_any_decoder(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class ReadError(Exception):
        pass

    def read(*_: object, **__: object) -> None:
        raise ReadError

    monkeypatch.setattr(recipe, "check_and_split", read)
    words = ("model.decoder_channels=64,32,16,8,8", "transfer.parts=encoder", "transfer.guard=false")
    with pytest.raises(ReadError):
        transfer(_transfer(str(finished.folder), *words), console=Console(quiet=True))


def _transfer(source: str, *words: str, strategy: str = "") -> Settings:
    return transfer_settings(transfer_words(source, "pancreas", words, strategy=strategy))


@pytest.mark.parametrize("strategy", ["l2sp", "lora"])
def test_a_pull_or_adapters_without_weights_are_refused_before_the_data_are_read(refused, strategy: str) -> None:
    error = refused("none", strategy=strategy)
    assert (error.code, error.exit_code) == ("missing-need", 2)
    assert f"no weights that a model learned for {strategy}" in error.found
    assert "--from liver" in error.fix


def test_published_weights_are_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "check_and_split", lambda *_, **__: pytest.fail("the data were read"))
    with pytest.raises(UsageError, match="l2sp"):
        recipe.train(resolve(["strategy=l2sp", "model.weights=none"]), console=Console(quiet=True))
    monkeypatch.setattr(published, "cached_file", lambda _: None)
    with pytest.raises(CheckpointError, match="HF_HUB_OFFLINE is set"):
        recipe.train(resolve(["strategy=l2sp", "model.encoder=resnet50"]), console=Console(quiet=True))
