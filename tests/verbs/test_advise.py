from dataclasses import replace
from pathlib import Path

import pytest

from seg import api
from seg.advise.advice import Advice, AdvisedSource, Measured
from seg.advise.distance_map import DistanceMap
from seg.advise.gains import Agreement, SourceGain
from seg.advise.quadrant import choose_quadrant
from seg.cli import main
from seg.recipes.advised_page import Advised

LIVER = AdvisedSource(
    name="liver-1", word="liver-1", organs=("liver",), encoder="resnet18", rank=1, rank_interval=(1.0, 2.0), beaten=1.0,
    first=0.88, measured=(Measured("a_distance", "whole", 1.9, (1.7, 2.0)), Measured("log_me", "whole", -0.3, None)),
    scans=12, no_scans="", quadrant=choose_quadrant(40, 1.9), facts=("Modality: both ct.",), notes=(),
)  # fmt: skip
NOTHING = replace(
    LIVER, name="none", word="none", organs=(), rank=2, rank_interval=(2.0, 2.0), beaten=0.0, first=0.12,
    measured=(Measured("log_me", "whole", -0.6, (-0.7, -0.5)),), scans=0, no_scans="it starts from nothing",
    quadrant=choose_quadrant(40, None), facts=(),
)  # fmt: skip
MAP = DistanceMap(
    "imagenet", ("liver", "pancreas (target)"), (("liver",), ("pancreas",)), (("liver-1",), ()),
    ((0.0, 0.5), (0.5, 0.0)), ((0.25, 0.0), (-0.25, 0.0)), 1.0,
)  # fmt: skip
ADVICE = Advice(
    target=("pancreas",), patients=5, labelled_slices=40, unlabelled=20, cases=5, draws=200, small_below=1000,
    similar_below=1.0, sentences=("Start from liver-1.", "It is sure."), sources=(LIVER, NOTHING),
    left_out=(("old", "its file is gone"),), strategy=("copy_paste",), words=(), why="It was measured.",
    command="seg transfer --from liver-1 --to pancreas", told_apart=True, path=("spleen",),
    path_why="The spleen lies on the way.", path_command="seg transfer --via spleen", map=MAP,
    doubts=("Nothing was trained.",),
)  # fmt: skip


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """What the console shows of an advice, and what was asked."""

    def show(advice: Advice) -> tuple[str, list[object]]:
        asked: list[object] = []

        def advise(target, source, given, *, config):
            asked.extend([target, source, given, config])
            return Advised(advice, Path("runs/advice/pancreas.html"))

        monkeypatch.setattr(api, "advise", advise)
        assert main(["advise", "--to", "pancreas", "--from", "liver-1,none", "data.labelled=5"]) == 0
        return capsys.readouterr().out, asked

    return show


def test_the_advice_comes_first_then_numbers_then_what_it_does_not_know(shown) -> None:
    out, asked = shown(ADVICE)
    assert asked == ["pancreas", "liver-1,none", ["data.labelled=5"], ()]
    wanted = (
        "Start from liver-1.", "It was measured.", "To type: seg transfer --from liver-1 --to pancreas",
        "rank\tsource", "1\tliver-1\tliver\t1 to 2\t100%\t88%\t12 patients\tsmall, different",
        "2\tnone\t-\t2\t0%\t12%\tit starts from nothing\tsmall, not known",
        "Proxy A-distance\twhole slices\tlower\t1.90 (1.70 to 2.00)\t-",
        "LogME\twhole slices\thigher\t-0.300\t-0.600 (-0.700 to -0.500)",
        "Quadrant: small below 1,000 labelled slices (advise.small_below; here 40)", "The spleen lies on the way.",
        "To type: seg transfer --via spleen", "No proof of these sources for this target yet",
        "Not known: Nothing was trained.", "Not looked at: old: its file is gone",
        "Report: runs/advice/pancreas.html",
    )  # fmt: skip
    places = [out.index(text) for text in wanted]
    assert places == sorted(places)


def test_proofs_are_set_beside_the_advice(shown) -> None:
    gain = SourceGain("liver-1", 0.04, ("finetune",), "first, 5 labelled patients")
    assert "No proof has three of these sources yet" in shown(replace(ADVICE, gains=(gain,)))[0]
    agreed = Agreement("first, 5 labelled patients", 1.0, 3, 1 / 6, exact=True)
    assert "correlate with 1.00" in shown(replace(ADVICE, gains=(gain,), agreements=(agreed,)))[0]
