"""The sections that say where the numbers come from: training, data, settings."""

from collections.abc import Iterable

from markupsafe import Markup

from seg.report.names import Names
from seg.report.page import Page
from seg.report.plots import curve_svg
from seg.report.section import Section
from seg.report.transferred import MEAN


def curves(page: Page, names: Names) -> Section | None:
    """Losses and validation scores over the steps of training."""
    keys = dict.fromkeys(key for row in page.curve for key in row.values)
    losses = {key: _loss_title(key) for key in keys if key == "loss" or key.startswith("loss/")}
    scores = {key: _score_title(page, key) for key in keys if key.startswith("val/dice/")}
    if len(scores) == 2:
        # With one organ the mean over the organs is the same line again.
        scores.pop(MEAN, None)
    plots = [
        (caption, Markup(curve_svg(page.curve, titles, label, page.best_step, bounded)))
        for titles, label, caption, bounded in (
            (losses, "loss", "What training minimised, by part.", False),
            (scores, "validation Dice", "Agreement on validation patients, who are not trained on.", True),
        )
        if titles
    ]
    return Section("curves", "How training went", {"plots": plots, "best_step": page.best_step}) if plots else None


def _loss_title(key: str) -> str:
    return "total" if key == "loss" else key.removeprefix("loss/").replace("_", " ")


def _score_title(page: Page, key: str) -> str:
    return "mean of organs" if key == MEAN else page.organ_title(key.removeprefix("val/dice/"))


def data(page: Page, names: Names) -> Section | None:
    """Counts, sizes and intensities, as given."""
    rows = _facts(page.data_facts, names)
    return Section("data", "What the data looked like", {"rows": rows}) if rows else None


def origin(page: Page, names: Names) -> Section | None:
    """What the model started from, with which settings and versions."""
    if not (page.lineage or page.settings_yaml or page.versions):
        return None
    content = {
        "lineage": _facts(page.lineage, names),
        "settings": names.masked(page.settings_yaml),
        "versions": sorted((page.versions or {}).items()),
    }
    return Section("origin", "Where this comes from", content)


def _facts(rows: Iterable[tuple[str, str]], names: Names) -> list[tuple[str, str]]:
    return [(names.masked(what), names.masked(value)) for what, value in rows]
