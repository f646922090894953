"""Results as rows: cases.csv, the per-patient table, the table of the console."""

import csv
import io
from dataclasses import dataclass

from seg.records import CaseScore, Evaluation
from seg.report.names import Names, name_patients, printable
from seg.report.numbers import MINUS, leading_metric, look_of, metrics_of, number_text, range_text


@dataclass(frozen=True)
class Cell:
    """One value of the per-patient table: what is shown and what sorting compares."""

    text: str
    sort: str
    """Empty sorts last, whatever the direction."""


@dataclass(frozen=True)
class CaseRow:
    """One organ of one case in the per-patient table."""

    patient: str
    case: str
    organ: str
    cells: tuple[Cell, ...]
    share: float | None
    """The leading metric where it lies between 0 and 1, for a bar."""
    note: str


def worst_first(evaluation: Evaluation) -> tuple[CaseScore, ...]:
    """The scores, worst value of the leading metric first, undefined ones last."""
    metric = leading_metric(evaluation)

    def key(score: CaseScore) -> tuple[bool, float, str, str, str]:
        value = score.values.get(metric) if metric else None
        badness = look_of(metric).badness(value) if metric and value is not None else 0.0
        return value is None, -badness, score.patient, score.case, score.organ

    return tuple(sorted(evaluation.cases, key=key))


def case_rows(evaluation: Evaluation, names: Names, organ_titles: dict[str, str]) -> tuple[CaseRow, ...]:
    """The per-patient table, worst first; numbers without units, which stand in the heading."""
    metrics, leading = metrics_of(evaluation), leading_metric(evaluation)
    return tuple(
        CaseRow(
            patient=names.patients[score.patient],
            case=names.cases[score.patient, score.case],
            organ=organ_titles.get(score.organ) or score.organ,
            cells=tuple(_cell(score, metric) for metric in metrics),
            share=_share(score, leading),
            note=names.masked(score.note),
        )
        for score in worst_first(evaluation)
    )


def _cell(score: CaseScore, metric: str) -> Cell:
    value = score.values.get(metric)
    return Cell(number_text(value, look_of(metric)), "" if value is None else f"{value:.9g}")


def _share(score: CaseScore, metric: str | None) -> float | None:
    value = score.values.get(metric) if metric and look_of(metric).kind == "share" else None
    return None if value is None else min(1.0, max(0.0, value))


def cases_csv(evaluation: Evaluation, show_names: bool) -> str:
    """One line per organ and case, sorted by name; full precision, undefined values are empty (RFC 4180).

    Text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    names, metrics = name_patients(evaluation, show_names), metrics_of(evaluation)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(["patient", "case", "organ", *(_heading(name, evaluation) for name in metrics), "note"])
    for score in sorted(evaluation.cases, key=lambda score: (score.patient, score.case, score.organ)):
        case = names.cases[score.patient, score.case]
        start = (harmless(word) for word in (names.patients[score.patient], case, score.organ))
        values = ("" if value is None else repr(float(value)) for value in map(score.values.get, metrics))
        writer.writerow([*start, *values, harmless(names.masked(score.note))])
    return stream.getvalue()


def _heading(metric: str, evaluation: Evaluation) -> str:
    unit = look_of(metric).unit(evaluation.distance_unit)
    return harmless(f"{metric}_{unit}" if unit else metric)


def harmless(text: str) -> str:
    """`text` as a spreadsheet may open it: never a formula."""
    shown = printable(text)
    return f"'{shown}" if shown[:1] in ("=", "+", "-", "@", "\t", "\n") else shown


def console_rows(evaluation: Evaluation) -> tuple[tuple[str, ...], ...]:
    """Heading and one row per organ and metric: organ, metric, mean, 95 % interval, n, undefined."""
    rows = [("organ", "metric", "mean", "95 % interval", "n", "undefined")]
    for organ, metrics in evaluation.summary.items():
        for name, interval in metrics.items():
            look = look_of(name)
            mean = number_text(interval.mean, look, look.unit(evaluation.distance_unit))
            spread = range_text(interval, look)
            rows.append((printable(organ), look.title, mean, spread, str(interval.n), str(interval.n_undefined)))
    # Not every console has the typographic minus.
    return tuple(tuple(text.replace(MINUS, "-") for text in row) for row in rows)
