"""How much of a source's network should learn, by how many labels there are and how alike the scans look."""

from dataclasses import dataclass

from seg.advice_settings import QuadrantSettings


@dataclass(frozen=True)
class Quadrant:
    """One of the four cases, what to do in it, and why."""

    small: bool
    similar: bool | None
    """None where nothing could be compared."""
    strategy: tuple[str, ...]
    """As `strategy=` takes it."""
    words: tuple[str, ...]
    """Settings beside it."""
    why: str
    sure: bool
    """False where the similarity is not known, or its interval reaches over the threshold."""


def choose_quadrant(
    labelled_slices: int,
    distance: float | None,
    interval: tuple[float, float] | None = None,
    settings: QuadrantSettings | None = None,
) -> Quadrant:
    """The strategy for so many labelled slices of a target at a proxy A-distance from the source.

    `distance` is None where the source's scans are not there; the scans then count as different, since frozen features
    are worth something only where they fit. `interval` is the distance's, over draws of the target's patients.

    Source: CS231n, Transfer learning (four cases); small and different: Howard & Ruder 2018 (gradual unfreezing).
    """
    settings = settings or QuadrantSettings()
    small = labelled_slices < settings.small_below
    similar = None if distance is None else distance < settings.similar_below
    strategy, words, doing = TEXTBOOK[small, similar or False]
    reasons = (_size(labelled_slices, small, settings), _likeness(distance, similar, settings), doing)
    sure = distance is not None and not (interval and interval[0] < settings.similar_below <= interval[1])
    doubt = "" if sure or distance is None or interval is None else (
        f" That may change with other patients: 95 % of the draws lie between {interval[0]:.2f} and {interval[1]:.2f}."
    )  # fmt: skip
    return Quadrant(small, similar, strategy, words, " ".join(reasons) + doubt, sure)


TEXTBOOK: dict[tuple[bool, bool], tuple[tuple[str, ...], tuple[str, ...], str]] = {
    (False, False): (("finetune",), (), "So everything learns, from the source's weights."),
    (False, True): (
        ("freeze",),
        ("freeze.stages=2",),
        "So the top layers learn, and the shallow stages of the encoder stay as they are.",
    ),
    (True, False): (
        ("gradual",),
        ("augment.strength=1.5",),
        "So the encoder thaws stage by stage down to the stem, under stronger augmentation.",
    ),
    (True, True): (
        ("feature_extract",),
        (),
        "So the encoder's features stay frozen, and a new decoder and head learn.",
    ),
}
"""By (small, similar)."""


def _size(slices: int, small: bool, settings: QuadrantSettings) -> str:
    bound = f"{'fewer than' if small else 'not fewer than'} {settings.small_below:,}"
    return f"The target is {'small' if small else 'large'}: {slices:,} labelled slices, {bound}."


def _likeness(distance: float | None, similar: bool | None, settings: QuadrantSettings) -> str:
    if distance is None:
        return "Whether its scans look like the source's is not known, so they count as different."
    bound = f"{'below' if similar else 'not below'} {settings.similar_below:g}"
    return f"Its scans look {'like' if similar else 'unlike'} the source's: proxy A-distance {distance:.2f}, {bound}."
