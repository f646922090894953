from collections.abc import Callable

import numpy as np
import pytest

from seg.errors import DataError
from seg.proof.labels import label_efficiency
from seg.proof.scores import ScoreRow, ScoreTable
from seg.proof.sentence import sentence
from seg.proof.verdict import verdict
from seg.report.proved.html import render
from seg.report.proved.page import ArmPicture, ProofPage, SavedLabels

STEPS = (0, 100, 200, 400, 800)
ARMS = {"scratch": (0.1, 0.4), "finetune": (0.3, 0.6), "freeze": (0.3, 0.35)}
NAMES = tuple(f"Doe_Jane_{number}" for number in range(8))


def scores(
    arms: dict[str, tuple[float, float]],
    sizes: tuple[int, ...] = (2, 10),
    seeds: int = 3,
    steps: tuple[int, ...] = STEPS,
    names: tuple[str, ...] = NAMES,
) -> ScoreTable:
    """Learning curves from start to end; more labels end higher."""
    rng = np.random.default_rng(0)
    difficulty = rng.normal(0, 0.04, len(names))
    rows = []
    for arm, (start, end) in arms.items():
        for size in sizes:
            for seed in range(seeds):
                for step in steps:
                    level = end + 0.02 * size / 10 - (end - start) * np.exp(-step / 150)
                    dice = np.clip(level + difficulty + rng.normal(0, 0.01, len(names)), 0, 1)
                    rows.append(ScoreRow(arm, seed, size, step, tuple(map(float, dice))))
    return ScoreTable(names, tuple(rows))


def picture(arm: str, patient: str, shift: int, title: str = "") -> ArmPicture:
    rows, columns = np.mgrid[:24, :32]
    reference = (rows - 12) ** 2 + (columns - 14) ** 2 < 40
    return ArmPicture(
        arm, patient, (rows + columns).astype(np.uint8), reference, np.roll(reference, shift, 1), 0.5, title
    )


@pytest.fixture(scope="session")
def make_page() -> Callable[..., ProofPage]:
    """A page of these scores: every other arm beside each baseline, with all sections that the scores allow."""

    def build(table: ScoreTable, baselines: tuple[str, ...] = ("scratch",), **more: object) -> ProofPage:
        arms = [arm for arm in table.arms if arm not in baselines]
        verdicts = tuple(verdict(table, arm, base, size) for base in baselines for arm in arms for size in table.sizes)
        labels = []
        for arm in arms:
            try:
                labels.append(SavedLabels(arm, baselines[0], label_efficiency(table, arm, baselines[0])))
            except DataError:
                continue
        found: dict[str, object] = {
            "title": "Pancreas: does the liver help", "organ_title": "Pancreas",
            "sentences": tuple(map(sentence, verdicts)), "verdicts": verdicts, "scores": table,
            "arms": {"finetune": "from the liver", "scratch": "from nothing"}, "labels": tuple(labels),
            "pictures": (picture("scratch", NAMES[2], 5, "finetune gains most"), picture("finetune", NAMES[2], 1)),
            "facts": (("Target", "pancreas"),), "notes": ("A training of Doe_Jane_3 was left out.",),
            "settings_yaml": "train:\n  steps: 800\n", "versions": {"seg": "0.1.0"},
        }  # fmt: skip
        return ProofPage(**{**found, **more})  # type: ignore[arg-type]

    return build


@pytest.fixture(scope="session")
def page(make_page: Callable[..., ProofPage]) -> ProofPage:
    return make_page(scores(ARMS))


@pytest.fixture(scope="session")
def rendered(page: ProofPage) -> str:
    """That page as HTML."""
    return render(page)
