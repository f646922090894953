"""Look at every file before anything is trained on them."""

from pathlib import Path

from seg.config import Settings
from seg.data.checks.check import CheckReport, check_root
from seg.overrides import load_organ
from seg.progress import Progress, silent
from seg.recipes.prepare import data_root


def check(settings: Settings, progress: Progress | None = None) -> CheckReport:
    """Every problem of every file at `data.root` (or of the synthetic abdomen), for the organs that are set.

    Raises:
        UsageError: an unknown organ, or `data.labels` that cannot be meant; bad data never raise.
    """
    organs = [load_organ(name) for name in settings.organ]
    return check_root(Path(data_root(settings)), organs, settings.data, progress or silent)
