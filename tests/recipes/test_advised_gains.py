from pathlib import Path

import pytest

from seg.advise.advice import Advice, AdvisedSource
from seg.advise.quadrant import choose_quadrant
from seg.overrides import resolve
from seg.recipes import advised_gains
from seg.recipes.advised_gains import with_gains
from seg.recipes.proof_gains import RealisedGain


def _source(name: str, rank: int, beaten: float) -> AdvisedSource:
    return AdvisedSource(
        name=name, word=name, organs=(), encoder="resnet18", rank=rank, rank_interval=(rank, rank), beaten=beaten,
        first=0.0, measured=(), scans=0, no_scans="", quadrant=choose_quadrant(10, None), facts=(), notes=(),
    )  # fmt: skip


@pytest.fixture
def advice() -> Advice:
    return Advice(
        target=("pancreas",), patients=5, labelled_slices=40, unlabelled=0, cases=5, draws=20, small_below=1000,
        similar_below=1.0, sentences=(), sources=(_source("liver", 1, 1.0), _source("imagenet", 2, 0.5),
        _source("none", 3, 0.0)), left_out=(), strategy=("finetune",), words=(), why="", command="", told_apart=True,
        path=(), path_why="", path_command="", map=None, doubts=(),
    )  # fmt: skip


def _gain(source: str, arm: str, gain: float, size: int = 5, strategy: str = "finetune") -> RealisedGain:
    return RealisedGain("first", source, source, arm, (strategy,), size, "imagenet", gain)


def test_sources_are_set_beside_each_other_by_the_strategy_that_most_were_proven_with(
    advice: Advice, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    realised = (
        _gain("liver", "finetune", -0.01), _gain("liver", "copy_paste", 0.05, strategy="copy_paste"),
        _gain("imagenet", "imagenet:finetune", 0.01), _gain("none", "scratch", -0.2, strategy="supervised"),
    )  # fmt: skip
    monkeypatch.setattr(advised_gains, "realised_gains", lambda folder, organ: realised)
    places = {"liver": "liver", "imagenet": "imagenet", "none": "none"}
    found = with_gains(advice, places, resolve([f"runs.folder={tmp_path}"]))
    assert {gain.source: gain.gain for gain in found.gains} == {"liver": -0.01, "imagenet": 0.01, "none": -0.2}
    assert found.agreements[0].correlation == pytest.approx(0.5)


def test_gains_of_a_proof_are_set_beside_what_was_said(
    advice: Advice, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = tmp_path / "liver"
    run.mkdir()
    link = tmp_path / "link"
    link.symlink_to(run)
    realised = (
        _gain(str(link), "finetune", 0.04), _gain(str(link), "edge", 0.06), _gain("imagenet", "imagenet", 0.0),
        _gain("none", "scratch", -0.2), _gain("spleen", "spleen:finetune", 0.3), _gain("none", "scratch", -0.1, 2),
    )  # fmt: skip
    monkeypatch.setattr(advised_gains, "realised_gains", lambda folder, organ: realised)
    places = {"liver": str(run), "imagenet": "imagenet", "none": "none"}
    found = with_gains(advice, places, resolve([f"runs.folder={tmp_path}"]))
    assert [(gain.source, round(gain.gain, 3), gain.proof) for gain in found.gains] == [
        ("liver", 0.05, "first, 5 labelled patients"),
        ("imagenet", 0.0, "first, 5 labelled patients"),
        ("none", -0.2, "first, 5 labelled patients"),
        ("none", -0.1, "first, 2 labelled patients"),
    ]
    assert found.gains[0].arms == ("finetune", "edge")
    (agreed,) = found.agreements
    assert (agreed.correlation, agreed.sources, agreed.p) == (pytest.approx(1.0), 3, pytest.approx(1 / 6))


def test_without_proofs_there_is_nothing_to_agree_with(advice: Advice, tmp_path: Path) -> None:
    found = with_gains(advice, {"none": "none"}, resolve([f"runs.folder={tmp_path}"]))
    assert (found.gains, found.agreements) == ((), ())
