"""How sizes, measures, differences and verdicts are written on the page."""

from seg.proof.verdict import Judged, Word
from seg.report.numbers import MINUS, count_text
from seg.report.proved.page import ProofPage

NOTHING = "\N{EN DASH}"
MEASURES = {
    "asymptote": "End",
    "final": "Dice",
    "start": "Start",
    "slope": "Slope",
    "area": "Area",
}
"""In the order of the page: the end first, since that is the model that will be used."""
LOOK = {"helped": ("helped", "▲"), "hurt": ("hurt", "▼"), "no evidence": ("unclear", "○")}
"""Word to its class and its sign, so that colour is not all that tells them apart."""


def size_text(size: int) -> str:
    """`5 labelled patients`; nothing where the number is not known."""
    return count_text(size, "labelled patient") if size else ""


def dice_text(value: float | None) -> str:
    """`0.612`."""
    return NOTHING if value is None else f"{value:.3f}".replace("-", MINUS)


def points_text(value: float | None, decimals: int = 1) -> str:
    """Dice as signed points: `+3.1`; a zero has no sign."""
    if value is None:
        return NOTHING
    rounded = round(100 * value, decimals) or 0.0
    return f"{'+' if rounded > 0 else ''}{rounded:.{decimals}f}".replace("-", MINUS)


def range_text(low: float | None, high: float | None) -> str:
    """`+1.2 to +5.0`; nothing where there is no interval."""
    return "" if low is None or high is None else f"{points_text(low)} to {points_text(high)}"


def p_text(p: float | None) -> str:
    """Three decimals, and never 0."""
    if p is None:
        return NOTHING
    return "< 0.001" if p < 0.0005 else f"{p:.3f}"


def step_text(step: float) -> str:
    """`1,400`."""
    return f"{step:,.0f}"


def sign_of(word: Word | None, page: ProofPage) -> dict[str, str] | None:
    """Word, class and sign of a verdict; None where nothing is judged."""
    if word is None:
        return None
    kind, sign = LOOK[word]
    return {"word": word_text(word, page.transfer), "kind": kind, "sign": sign}


def word_text(word: Word, transfer: bool) -> str:
    """Of a model that is no transfer `better` and `worse`."""
    return word if transfer else {"helped": "better", "hurt": "worse"}.get(word, word)


def console_cells(row: Judged) -> tuple[str, ...]:
    """Of two models: Dice of both, points, interval, p, patients, trainings, verdict."""
    cells = (
        dice_text(row.arm), dice_text(row.baseline), points_text(row.estimate), range_text(row.low, row.high),
        p_text(row.p_holm), str(row.cases), str(row.seeds), word_text(row.verdict, transfer=False),
    )  # fmt: skip
    # Not every console has the typographic signs.
    return tuple(cell.replace(MINUS, "-").replace(NOTHING, "-") for cell in cells)
