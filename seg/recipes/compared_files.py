"""What a comparison leaves in its folder: scores, verdicts, table and page. No torch."""

import json
from pathlib import Path

from seg.atomic import write_text
from seg.errors import UsageError
from seg.proof.scores import to_json
from seg.proof.table import record
from seg.recipes.comparison import ComparedOrgan, Comparison
from seg.report.numbers import count_text
from seg.report.proved.html import write_proof
from seg.report.proved.page import ProofPage
from seg.report.proved.spreadsheet import verdict_csv
from seg.runs import versions

SCHEMA = 1


def write_comparison(comparison: Comparison, output: Path, show_names: bool) -> tuple[Path, ...]:
    """Four files into `output`, of several organs into a folder each; returns the pages."""
    _refuse_other_folder(output)
    several = len(comparison.organs) > 1
    return tuple(
        _write(comparison, found, output / Path(found.organ).name if several else output, show_names)
        for found in comparison.organs
    )


def _refuse_other_folder(output: Path) -> None:
    """Raise UsageError for the folder of a run or a proof, whose page and scores would be replaced."""
    for name, what in (("manifest.json", "a run"), ("proof.json", "a proof")):
        if (output / name).exists():
            raise UsageError(
                found=f"the folder of {what}", expected="a folder for the comparison alone", fix="choose another -o",
                path=output, code="output-taken",
            )  # fmt: skip


def _write(comparison: Comparison, found: ComparedOrgan, folder: Path, show_names: bool) -> Path:
    write_text(folder / "scores.json", to_json(found.scores))
    write_text(folder / "verdict.json", _verdict_json(comparison, found))
    write_text(folder / "table.csv", verdict_csv(found.rows))
    write_proof(folder / "report.html", _page(comparison, found, show_names))
    return folder / "report.html"


def _verdict_json(comparison: Comparison, found: ComparedOrgan) -> str:
    told = {
        "schema": SCHEMA,
        "organ": found.organ,
        "arms": {arm.name: [one.name for one in arm.trained] for arm in comparison.arms},
        "sentences": found.sentences,
        "verdicts": [record(one) for one in found.verdicts],
        "rows": found.rows,
        "notes": comparison.notes,
    }
    return json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _page(comparison: Comparison, found: ComparedOrgan, show_names: bool) -> ProofPage:
    first, *others = comparison.arms
    beside = others[0].name if len(others) == 1 else f"{len(others)} others"
    patients = len(found.scores.cases)
    return ProofPage(
        title=f"{found.title}: {first.name} and {beside}",
        organ_title=found.title,
        sentences=found.sentences,
        verdicts=found.verdicts,
        scores=found.scores,
        arms={arm.name: arm.words for arm in comparison.arms},
        facts=(
            ("Baseline", first.name),
            ("Patients", count_text(patients, "test patient")),
            ("Scored on", "whole scans, on their own grid"),
            *((f"Trainings of {arm.name}", ", ".join(one.name for one in arm.trained)) for arm in comparison.arms),
            *((f"What {arm.name} is", arm.words) for arm in comparison.arms),
        ),
        notes=comparison.notes,
        versions=versions(),
        show_names=show_names,
        kind="Comparison of runs",
        transfer=False,
        scored_on="whole scans",
    )
