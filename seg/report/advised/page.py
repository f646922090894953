"""What the page of an advice is made of, before any of it is HTML. It names no patient."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RankRow:
    """One source in the ranking."""

    rank: int
    name: str
    organs: str
    """What it knows; empty where nothing is known of that."""
    ranks: str
    """The interval of its rank."""
    beaten: float
    """Share of the other sources that it beats."""
    first: float
    """Share of the draws in which it comes first."""
    scans: str
    """How many of its own scans were looked at, or why none."""
    quadrant: str


@dataclass(frozen=True)
class SourceValues:
    """One measure at one place, of all sources."""

    title: str
    place: str
    better: str
    """`higher` or `lower`."""
    values: tuple[tuple[float, tuple[float, float] | None] | None, ...]
    """Value and interval of each source, in the order of the ranking; None where it could not be taken."""


@dataclass(frozen=True)
class QuadrantPoint:
    """Where one source lies for this target."""

    name: str
    distance: float | None
    """None where its scans are not there."""
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class QuadrantChart:
    """The four cases, and the sources in them."""

    slices: int
    small_below: int
    similar_below: float
    strategies: dict[tuple[bool, bool], str]
    """By (small, similar)."""
    points: tuple[QuadrantPoint, ...]


@dataclass(frozen=True)
class MapPoint:
    """One data set on the map."""

    name: str
    x: float
    y: float
    target: bool


@dataclass(frozen=True)
class MapChart:
    """Data sets as one network sees them."""

    network: str
    distance: str
    """What distances are."""
    held: float
    """Share of the squared distances that two dimensions hold."""
    points: tuple[MapPoint, ...]
    table: tuple[tuple[float, ...], ...]
    """Distances, in the order of the points."""
    beside: tuple[str, ...]
    """Sources without scans, which are not on the map."""


@dataclass(frozen=True)
class AdvicePage:
    """Everything `write_advice_page` shows. What is empty or None leaves its section out."""

    title: str
    sentences: tuple[str, ...]
    why: str
    command: str
    path_why: str
    path_command: str
    ranking: tuple[RankRow, ...]
    measures: tuple[SourceValues, ...]
    definitions: tuple[tuple[str, str], ...]
    """Title of each measure and what it looks at."""
    quadrant: QuadrantChart
    map: MapChart | None
    facts: tuple[tuple[str, tuple[str, ...]], ...]
    """Source and sentences on how its scans differ from the target's."""
    gains: tuple[tuple[str, str, float, str], ...]
    """Proof, source, gain in Dice and the arms that it is a mean of."""
    agreements: tuple[str, ...]
    notes: tuple[str, ...]
    """What the advice does not know."""
    left_out: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, str], ...]
    """How the advice was made, as (what, value) rows."""
    versions: dict[str, str] | None = None
