"""The section that says what a model took over from the models before it."""

from collections.abc import Iterable

from markupsafe import Markup

from seg.records import CurveRow, PartRow
from seg.report.guarded import guard_table
from seg.report.names import Names
from seg.report.numbers import count_text, look_of, number_text
from seg.report.page import Ancestor, Page
from seg.report.plots import curve_svg
from seg.report.section import Section

MEAN = "val/dice/mean"
_HASH_LETTERS = 12


def transferred(page: Page, names: Names) -> Section | None:
    """The chain of models, what became of each part, and this model's validation beside its sources'."""
    moved = any(row.loaded or row.adapted or row.frozen for row in page.parts)
    if not moved and not page.chain and page.guard is None:
        return None
    content = {
        "guard": guard_table(page, names),
        "sentence": moved_sentence(page.parts) if page.parts else "",
        "chain": [_link(ancestor, page, names) for ancestor in page.chain],
        "parts": [_part(row) for row in page.parts],
        "plot": _plot(page, names),
    }
    return Section("transferred", "What was transferred", content)


def moved_sentence(parts: tuple[PartRow, ...]) -> str:
    """How much was taken over, and how much of all learns."""
    adapted, fresh = sum(row.adapted for row in parts), sum(row.fresh for row in parts)
    taken, tensors = adapted + sum(row.loaded for row in parts), sum(row.tensors for row in parts)
    learning, parameters = sum(row.learning for row in parts), sum(row.parameters for row in parts)
    shaped = f", {adapted} of them in another shape or order" if adapted else ""
    rest = f"; {count_text(fresh, 'other')} started from nothing" if fresh else ""
    return (
        f"{taken} of {count_text(tensors, 'tensor')} were taken over{shaped}{rest}. "
        f"At the first step {size_text(learning)} of {size_text(parameters)} parameters learn."
    )


def size_text(number: int) -> str:
    """Three figures, such as `23.5 million`, `148 thousand` or `17`."""
    for unit, word in ((1_000_000, "million"), (1_000, "thousand")):
        if number >= unit:
            digits = len(str(number // unit))
            return f"{number / unit:.{max(0, 3 - digits)}f}\N{NO-BREAK SPACE}{word}"
    return str(number)


def rates_text(factors: Iterable[float]) -> str:
    """`1`, `0.5, 1`, `0.1 to 1`, lowest first; nothing where nothing learns."""
    rates = [f"{factor:.3g}" for factor in sorted(factors)]
    return ", ".join(rates) if len(rates) <= 2 else f"{rates[0]} to {rates[-1]}"


def _link(ancestor: Ancestor, page: Page, names: Names) -> dict[str, str | bool]:
    dice = look_of("dice")
    several = len(ancestor.test_dice) > 1
    test = [
        f"{page.organ_title(organ)} {number_text(value, dice)}" if several else number_text(value, dice)
        for organ, value in ancestor.test_dice
    ]
    validation = ancestor.validation_dice
    return {
        "name": names.masked(ancestor.name),
        "organs": ", ".join(page.organ_title(organ) for organ in ancestor.organs),
        "strategy": ", ".join(ancestor.strategy),
        "validation": "" if validation is None else number_text(validation, dice),
        "test": ", ".join(test),
        "sha256": ancestor.sha256[:_HASH_LETTERS],
        "own": ancestor is page.chain[-1],
    }


def _part(row: PartRow) -> dict[str, str | int]:
    return {
        "part": row.part,
        "tensors": row.tensors,
        "loaded": row.loaded,
        "adapted": row.adapted,
        "fresh": row.fresh,
        "frozen": row.frozen,
        "parameters": size_text(row.parameters),
        "learning": size_text(row.learning),
        "rates": rates_text(row.lr_factors),
    }


def _plot(page: Page, names: Names) -> dict[str, str] | None:
    """Nothing where no source left a curve, or this model was never validated."""
    own = [CurveRow(row.step, {"own": row.values[MEAN]}) for row in page.curve if MEAN in row.values]
    if not own or not page.source_curves:
        return None
    rows, titles = own, {"own": "this model"}
    for number, curve in enumerate(page.source_curves):
        key = f"source {number}"
        rows = [*rows, *(CurveRow(step, {key: dice}) for step, dice in curve.points)]
        titles[key] = names.masked(", ".join(page.organ_title(organ) for organ in curve.organs) or curve.name)
    svg = curve_svg(rows, titles, "mean validation Dice", page.best_step, bounded=True)
    last = {key: row.values[key] for row in rows for key in row.values}
    ends = ", ".join(f"{title} {number_text(last[key], look_of('dice'))}" for key, title in titles.items())
    return {"svg": Markup(svg), "description": f"Validation Dice over the steps; at the end {ends}."}
