"""Settings of the advice before a transfer: what is looked at, and where lines are drawn."""

from typing import Annotated

from pydantic import Field

from seg.values import NotNegative, Positive, Section, Seed


class FeatureSettings(Section):
    """How much of a data set is looked at; a source takes about cases x slices forward passes per data set."""

    cases: Annotated[int, Field(ge=2, le=1000)] = 12
    """At most so many cases of a data set.

    The measures' uncertainty falls with the root of it, their time rises with it: a slice of 256 pixels takes one core
    0.25 s (ResNet-50, measured), five sources with their scans two minutes. A compromise of this project.
    """
    slices: Annotated[int, Field(ge=1, le=64)] = 4
    """At most so many slices of a case, evenly over those that show an organ; they pass the network together."""
    pixels: Annotated[int, Field(ge=8, le=10_000)] = 64
    """At most so many pixels of each kind per slice; with 4 slices 256 per case, between the 100 and 400 of CC-FV."""
    seed: Seed = 0
    """Draws the cases, and the patients behind intervals."""


class QuadrantSettings(Section):
    """Where the axes of size and likeness are cut."""

    small_below: Positive = 1000
    """Labelled slices of the target below which its data set counts as small.

    A choice of this project: the four cases of CS231n (Transfer learning) name no number.
    """
    similar_below: Annotated[float, Field(gt=0, le=2)] = 1.0
    """Proxy A-distance of whole slices below which source and target count as similar; it runs from 0 to 2.

    1 is where a classifier errs on a quarter of the slices, half as often as chance. A choice of this project.
    """


class Advise(FeatureSettings, QuadrantSettings):
    """What `seg advise` and `--strategy auto` look at, and where they draw lines."""

    draws: Annotated[int, Field(ge=20, le=100_000)] = 200
    """Resamplings of the target's patients behind intervals; 200 tell a share of 95 % to within 1.5 %."""
    unlabelled_share: NotNegative = 1.0
    """Unlabelled target patients per labelled one from which on a strategy that uses them is advised.

    Measured with 1.5 to 24 (docs/results.md); a choice of this project below that.
    """
    textbook: bool = False
    """Keep to the quadrant's strategy even where measurements of this project speak for another one."""
