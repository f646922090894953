"""What the program knows of an organ before it sees a scan; no torch."""

from seg.values import AboveZero, Positive, Section, Window


class Organ(Section):
    """One organ as `configs/organ/<name>.yaml` describes it."""

    name: str = ""
    """Filled from the file's name."""
    title: str = ""
    """What a report calls it."""
    label_names: tuple[str, ...] = ()
    """Label or mask-file names that form the organ; all that a data set has are united."""
    joined_names: tuple[str, ...] = ()
    """Names united with the organ where it is present, such as its tumours."""
    window_hu: Window = (-160.0, 240.0)
    """CT intensities below and above are clipped to this range."""
    components: Positive = 1
    """How many connected parts the organ has; keep-largest keeps that many."""
    paired: bool = False
    """True where left and right are told apart, so left-right flips are refused."""
    nsd_tolerance_mm: AboveZero = 2.0
    """Surface distance that still counts as agreement."""
    value: Positive | None = None
    """Label value of predictions; null takes the first value the training data uses for the organ."""
