"""`--strategy auto`, with an advice that is given: what it looks at is tested in `test_advise`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from seg.api import transfer_settings, transfer_words
from seg.errors import UsageError
from seg.overrides import resolve
from seg.recipes import advise as recipe
from seg.recipes import advised_page
from seg.recipes.advised_transfer import with_advice
from seg.recipes.transfer import transfer
from seg.runs import Run


@dataclass
class Said:
    """Stands for an advice."""

    source: Any
    strategy: tuple[str, ...]
    words: tuple[str, ...]
    sentences: tuple[str, ...] = ("Start from it.", "It is sure.")
    why: str = "For this reason = that."


@dataclass
class Word:
    word: str


@dataclass
class Asked:
    sources: list[tuple[str, ...]] = field(default_factory=list)
    settings: list[Any] = field(default_factory=list)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Asked]:
    """Makes the advice say something, and notes what it was asked."""

    def says(source: str, *strategy: str, words: tuple[str, ...] = ()) -> Asked:
        found = Asked()

        def advise(settings: Any, sources: tuple[str, ...], console: Any) -> Said:
            found.sources.append(sources)
            found.settings.append(settings)
            return Said(Word(source), strategy, words)

        monkeypatch.setattr(recipe, "advise", advise)
        monkeypatch.setattr(advised_page, "write_advice", lambda advice, settings: Path("advice.html"))
        return found

    return says


def test_words_without_auto_stay_and_nobody_is_asked(asked: Callable[..., Asked]) -> None:
    notes = asked("none", "supervised")
    words = transfer_words("liver", "pancreas", (), "finetune")
    assert with_advice(words) == words
    assert notes.sources == []


def test_source_strategy_and_settings_come_from_the_advice_and_its_reason_goes_along(
    asked: Callable[..., Asked], capsys: pytest.CaptureFixture[str]
) -> None:
    notes = asked("none", "finetune", words=("augment.strength=1.5", "train.steps=3"))
    words = transfer_words(["liver", "none"], "pancreas", ["train.steps=9", "finetune.layer_decay=0.5"], "auto")
    settings = transfer_settings(words)
    assert (settings.transfer.source, settings.strategy) == (("none",), ("finetune",))
    assert (settings.augment.strength, settings.train.steps) == (1.5, 9)
    assert settings.components["finetune"]["layer_decay"] == "0.5"
    assert settings.transfer.advised == (
        "Chosen by --strategy auto. Start from it. It is sure. For this reason = that."
    )
    assert notes.sources == [("liver", "none")]
    assert notes.settings[0].strategy == ("supervised",)
    said = capsys.readouterr()
    assert said.out == ""
    assert "Start from it. (why: advice.html)" in said.err


def test_weights_that_were_not_chosen_are_no_second_start(asked: Callable[..., Asked]) -> None:
    asked("none", "supervised")
    words = with_advice(transfer_words("auto", "pancreas", ["model.weights=w.safetensors"], "auto"))
    assert not [word for word in words if word.startswith("model.weights")]
    asked("liver-1", "finetune")
    assert "model.weights=w.pth" in with_advice(transfer_words("auto", "pancreas", ["model.weights=w.pth"], "auto"))


def test_auto_as_a_source_asks_about_all(asked: Callable[..., Asked]) -> None:
    notes = asked("none", "supervised")
    with_advice(transfer_words("auto", "pancreas", (), "auto"))
    assert notes.sources == [()]


@pytest.mark.parametrize(
    ("source", "strategy", "code"),
    [("liver", "auto,edge", "auto-and-others"), ("auto,liver", "auto", "auto-and-others"),
     ("auto", "finetune", "auto-source"), ("auto", "", "auto-source")],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(asked: Callable[..., Asked], source: str, strategy: str, code: str) -> None:
    asked("none", "supervised")
    with pytest.raises(UsageError) as refused:
        with_advice(transfer_words(source, "pancreas", (), strategy))
    assert refused.value.code == code


def test_several_processes_do_not_ask(asked: Callable[..., Asked], monkeypatch: pytest.MonkeyPatch) -> None:
    asked("none", "supervised")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="seg advise --to ORGAN"):
        with_advice(transfer_words("liver", "pancreas", (), "auto"))


def test_the_run_keeps_what_was_chosen_and_going_on_reads_it_there(
    stepwise_words: tuple[str, ...], tmp_path: Path
) -> None:
    note = "Chosen by --strategy auto. Because."
    settings = resolve(
        [*stepwise_words, f"runs.folder={tmp_path}", "runs.name=run", f"transfer.advised={note}", "train.steps=1",
         "transfer.guard=false"]
    )  # fmt: skip
    run = transfer(settings)
    assert run is not None
    assert run.manifest().notes[0] == note
    assert Run(tmp_path / "run").settings().transfer.advised == note
    assert note in run.report.read_text()
