"""The page of a proof, and its table for a spreadsheet and for the console."""

from typing import Any

import yaml

from seg.atomic import write_text
from seg.overrides import load_organ
from seg.proof.scores import ScoreTable
from seg.recipes.lineage import named
from seg.recipes.proof_folder import Asked, ProofFolder
from seg.recipes.proof_pictures import kept_pictures
from seg.recipes.proof_verdict import Proven
from seg.report.proved.html import write_proof
from seg.report.proved.page import ProofPage
from seg.report.proved.spreadsheet import verdict_csv
from seg.report.proved.words import dice_text, p_text, points_text, range_text

COLUMNS = ("arm", "baseline", "labelled", "measure", "Dice", "baseline's", "points", "95 % interval", "p", "verdict")
"""Of the console's table; p is adjusted for the measures that are judged together."""


def write_page(folder: ProofFolder, asked: Asked, table: ScoreTable, proven: Proven) -> None:
    """Write report.html from what lies in the proof's folder; no scan is read."""
    organs = ", ".join(load_organ(name).title for name in asked.target)
    page = ProofPage(
        title=f"{organs}: {folder.folder.name}",
        organ_title=organs,
        sentences=proven.sentences,
        verdicts=proven.verdicts,
        scores=table,
        arms={arm.name: arm.meaning for arm in asked.trained},
        labels=proven.labels,
        pictures=kept_pictures(folder),
        facts=fact_rows(asked, table),
        notes=tuple(f"Missing: {what}" for what in proven.missing),
        settings_yaml=yaml.safe_dump(_without_folders(asked.settings), sort_keys=False, allow_unicode=True),
        versions=asked.versions,
        show_names=bool(asked.settings["evaluate"]["show_names"]),
    )
    write_proof(folder.report, page)


def fact_rows(asked: Asked, table: ScoreTable) -> tuple[tuple[str, str], ...]:
    """How the experiment was made."""
    train = asked.settings["train"]
    length = f"{train['epochs']:g} epochs" if train["epochs"] else f"{train['steps'] or 1000} steps"
    return (
        ("Target", ", ".join(asked.target)),
        ("Sources", ", ".join(named(word) for word in asked.sources)),
        ("Arms", ", ".join(arm.name for arm in asked.arms)),
        ("Labelled patients", ", ".join(map(str, asked.sizes))),
        ("Trainings of each", str(asked.seeds)),
        ("Length of a training", length),
        ("Test patients", str(len(table.cases))),
        ("Evaluations of them along a training", str(asked.settings["evaluate"]["curve"])),
        ("Shared by all arms", "patients, order, augmentation, steps, network, heads alone at first"),
    )


def _without_folders(settings: dict[str, Any]) -> dict[str, Any]:
    """Files and folders by name alone: where they lie tells of people, not of the experiment."""
    data, split = settings["data"], settings["split"]
    return {
        **settings,
        "data": {**data, "root": named(data["root"])},
        "split": {**split, "file": named(split["file"])},
    }


def write_table(folder: ProofFolder, proven: Proven) -> None:
    """`verdict.csv`: every row of the verdict in full precision (RFC 4180)."""
    write_text(folder.table, verdict_csv(proven.rows))


def console_rows(proven: Proven) -> tuple[tuple[str, ...], ...]:
    """One row per verdict and measure, under COLUMNS."""
    return tuple(
        (
            one.arm, one.baseline, str(one.size), row.measure, dice_text(row.arm), dice_text(row.baseline),
            points_text(row.estimate), range_text(row.low, row.high), p_text(row.p_holm), row.verdict,
        )
        for one in proven.verdicts
        for row in one.measures
    )  # fmt: skip
