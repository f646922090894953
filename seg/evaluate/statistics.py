import math
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from seg.records import Interval

FEWEST = 3
"""With fewer values than this there is a mean but no interval: two values can only be resampled in three ways."""

_BATCH = 1000


def bootstrap_interval(values: Sequence[float | None], samples: int = 10_000, seed: int = 0) -> Interval:
    """The mean of `values` with its 95 % bootstrap interval (BCa); None and NaN are counted as undefined.

    BCa because Dice values are skewed towards 1 and the percentile bootstrap then sits too low. Fewer than three
    defined values have no interval (low and high are None). Where all values are equal, or so nearly that BCa has no
    answer, the interval is the percentile one, which collapses onto equal values. Below about ten patients any
    bootstrap interval is too narrow; read it together with n. Same values, samples and seed: same interval.

    Source: Efron, Better bootstrap confidence intervals, J. Am. Stat. Assoc. 82 (1987), eq. 2.3 and section 4.

    Raises:
        ValueError: for an infinite value, which no metric returns.
    """
    defined = np.array([value for value in values if value is not None and not math.isnan(value)], dtype=np.float64)
    if np.isinf(defined).any():
        raise ValueError("a value is infinite; undefined values are None")
    n = len(defined)
    mean = float(np.clip(defined.mean(), defined.min(), defined.max())) if n else None
    low, high = _bounds(defined, samples, seed) if n >= FEWEST else (None, None)
    return Interval(mean=mean, low=low, high=high, n=n, n_undefined=len(values) - n)


def _bounds(values: NDArray[np.float64], samples: int, seed: int) -> tuple[float, float]:
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = stats.bootstrap(
                (values,), np.mean, n_resamples=samples, batch=_BATCH, method=method,
                confidence_level=0.95, rng=np.random.default_rng(seed),
            ).confidence_interval  # fmt: skip
        if math.isfinite(found.low) and math.isfinite(found.high):
            break
    # Rounding alone could put a bound of Dice values above 1.
    low, high = np.clip([found.low, found.high], values.min(), values.max())
    return float(low), float(high)
