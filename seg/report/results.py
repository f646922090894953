"""The sections that say how good the masks are."""

from statistics import median

from markupsafe import Markup

from seg.report.attention import organs_of, patient_values, warnings_of
from seg.report.headline import card
from seg.report.names import Names
from seg.report.numbers import count_text, leading_metric, look_of, metrics_of, number_text
from seg.report.page import Page
from seg.report.pictures import outlines
from seg.report.plots import Strip, distribution_svg
from seg.report.section import Section
from seg.report.tables import case_rows


def attention(page: Page, names: Names) -> Section | None:
    """What to know before trusting the numbers: warnings from the results, then the given notes."""
    found = warnings_of(page.evaluation, names, page.organ_titles) if page.evaluation else ()
    notes = tuple(names.masked(note) for note in page.notes)
    if not found and not notes:
        return None
    return Section("attention", "Worth your attention", {"warnings": found, "notes": notes})


def patients(page: Page, names: Names) -> Section | None:
    """The sortable table of every score, worst first."""
    evaluation = page.evaluation
    metric = leading_metric(evaluation) if evaluation else None
    if evaluation is None or metric is None or not evaluation.cases:
        return None
    rows = case_rows(evaluation, names, page.organ_titles)
    metrics, looks = metrics_of(evaluation), [look_of(name) for name in metrics_of(evaluation)]
    content = {
        "rows": rows,
        "headings": [(look.title, look.unit(evaluation.distance_unit)) for look in looks],
        "leading": metrics.index(metric),
        "order": {"low": "ascending", "high": "descending", "far": ""}[look_of(metric).worst],
        "several_cases": any(row.case != row.patient for row in rows),
        "several_organs": len({row.organ for row in rows}) > 1,
        "remarks": any(row.note for row in rows),
        "pseudonyms": not page.show_names,
    }
    return Section("patients", "Patient by patient", content)


def distribution(page: Page, names: Names) -> Section | None:
    """Every patient as a point, one row per organ; only for a metric between 0 and 1."""
    evaluation = page.evaluation
    metric = leading_metric(evaluation) if evaluation else None
    if evaluation is None or metric is None or look_of(metric).kind != "share":
        return None
    strips = [
        Strip(page.organ_title(organ), tuple(values.values()), evaluation.summary.get(organ, {}).get(metric))
        for organ in organs_of(evaluation)
        if (values := patient_values(evaluation, organ, metric))
    ]
    if not strips:
        return None
    title = look_of(metric).title
    content = {
        "plot": Markup(distribution_svg(strips, f"{title} per patient")),
        "description": " ".join(_described(strip, metric) for strip in strips),
    }
    return Section("distribution", f"How {title} spreads over the patients", content)


def _described(strip: Strip, metric: str) -> str:
    look = look_of(metric)
    low, middle, high = (number_text(pick(strip.values), look) for pick in (min, median, max))
    patients = count_text(len(strip.values), "patient")
    return f"{strip.title}: {look.title} of {patients} from {low} to {high}, median {middle}."


def pictures(page: Page, names: Names) -> Section | None:
    """Slices with the outlines of both masks."""
    if not page.pictures:
        return None
    shown = [
        {
            "title": names.masked(picture.title),
            "organ": page.organ_title(picture.organ),
            "patient": names.patients[picture.patient],
            "dice": number_text(picture.dice, look_of("dice")),
            "outlines": outlines(picture),
        }
        for picture in page.pictures
    ]
    return Section("pictures", "Outlines on the scans", {"pictures": shown})


def definitions(page: Page, names: Names) -> Section | None:
    """Every metric of every organ, and how each is defined."""
    evaluation = page.evaluation
    metrics = metrics_of(evaluation) if evaluation else ()
    if evaluation is None or not metrics:
        return None
    rows = [(look_of(name).title, look_of(name).meaning, evaluation.definitions.get(name, "")) for name in metrics]
    organs = [
        (page.organ_title(organ), [card(evaluation, name, summary[name]) for name in metrics if name in summary])
        for organ, summary in evaluation.summary.items()
    ]
    return Section("definitions", "All metrics and what they mean", {"rows": rows, "organs": organs})
