from pathlib import Path
from types import SimpleNamespace

import pytest

from seg import api
from seg.cli import main
from seg.errors import TrainingError


class _Outcome:
    """What a proof would hand to the verb."""

    columns = ("arm", "verdict")
    rows = (("finetune", "helped"),)
    report = Path("proofs/liver-to-pancreas/report.html")
    proven = SimpleNamespace(sentences=("finetune helped.",), missing=("freeze with 2: no memory",))

    def __init__(self, failed=False):
        self.failed = failed

    def refuse_failures(self):
        if self.failed:
            raise TrainingError(found="1 training that failed twice", expected="every training to end", fix="mend it")


def test_everything_is_handed_to_the_function_of_that_name(monkeypatch, capsys):
    given = {}

    def prove(source, target, words, **options):
        given.update(options, words=(source, target, words))
        return _Outcome()

    monkeypatch.setattr(api, "prove", prove)
    words = ["prove", "--from", "liver,spleen", "--to", "pancreas", "--arms", "scratch,finetune", "--sizes", "2,5"]
    more = ["--seeds", "2", "--name", "own", "--launcher", "processes", "--workers", "2", "train.steps=10"]
    assert main([*words, *more]) == 0
    assert given == {
        "words": ("liver,spleen", "pancreas", ["train.steps=10"]), "arms": "scratch,finetune", "sizes": [2, 5],
        "seeds": 2, "name": "own", "launcher": "processes", "workers": 2, "config": (), "recompute": False,
        "dry_run": False,
    }  # fmt: skip
    assert capsys.readouterr().out.splitlines() == [
        "finetune helped.", "arm\tverdict", "finetune\thelped", "Missing: freeze with 2: no memory",
        "Report: proofs/liver-to-pancreas/report.html",
    ]  # fmt: skip


def test_a_training_that_failed_ends_with_7_behind_the_verdict(monkeypatch, capsys):
    monkeypatch.setattr(api, "prove", lambda *given, **options: _Outcome(failed=True))
    assert main(["prove", "--from", "liver", "--to", "pancreas"]) == 7
    said = capsys.readouterr()
    assert said.out.startswith("finetune helped.")
    assert "1 training that failed twice" in said.err


def test_sizes_are_whole_numbers(capsys):
    assert main(["prove", "--from", "liver", "--to", "pancreas", "--sizes", "2,many"]) == 2
    assert "'2,many' is no list of whole numbers" in capsys.readouterr().err


def test_a_dry_run_says_nothing_more(monkeypatch, capsys):
    monkeypatch.setattr(api, "prove", lambda *given, **options: None)
    assert main(["prove", "--from", "liver", "--to", "pancreas", "--dry-run"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("arms", ["scratch,finetune", ("scratch", "finetune")])
def test_the_function_takes_lists_and_words(monkeypatch, arms, tmp_path):
    from seg.recipes import prove as recipe

    asked = []
    monkeypatch.setattr(recipe, "prove", lambda question, **options: asked.append((question, options)))
    monkeypatch.setattr(recipe, "recompute", lambda folder: asked.append(folder))
    given = {"runs.folder": str(tmp_path), "train.steps": 10}
    api.prove("liver", "pancreas", given, arms=arms, sizes=[5], launcher="processes", workers=2)
    api.prove("liver", "pancreas", given, recompute=True)
    (question, options), folder = asked
    assert (question.sources, question.arms, question.sizes) == (("liver",), ("scratch", "finetune"), (5,))
    assert question.given.words == (f"runs.folder={tmp_path}", "train.steps=10")
    assert options == {"launcher": "processes", "workers": 2, "dry_run": False}
    assert folder.folder == tmp_path / "proofs" / "liver-to-pancreas"
