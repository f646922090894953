from types import SimpleNamespace

from rich.console import Console

from seg.recipes import proof_choice
from seg.recipes.arms import Choice
from seg.recipes.proof_choice import Chooser


def test_the_advice_is_asked_for_the_sources_and_for_none_and_its_knobs_are_taken(monkeypatch):
    asked = []

    def advise(settings, sources, console):
        asked.append((settings, sources))
        return SimpleNamespace()

    monkeypatch.setattr(proof_choice, "advise", advise)
    monkeypatch.setattr(proof_choice, "to_json", lambda advice: '{"why": "few labels"}')
    monkeypatch.setattr(
        proof_choice, "chosen", lambda advice: ("/runs/liver", ("freeze",), ("freeze.stages=2", "augment.strength=1.5"))
    )
    choose = Chooser(lambda: "settings", ("/runs/liver",), Console(quiet=True))
    assert choose.advice is None
    assert choose() == Choice("/runs/liver", ("freeze",), ("freeze.stages=2",))
    assert (asked, choose.advice) == ([("settings", ("/runs/liver", "none"))], {"why": "few labels"})
