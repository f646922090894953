"""Maximum mean discrepancy: how far the distributions of source and target slices lie apart."""

import numpy as np
import torch
from numpy.typing import NDArray

from seg.advise.evidence import Evidence, Numbers, Place, Seen
from seg.advise.measures.measure import Judge, MeasureInfo
from seg.transfer._samples import Samples
from seg.transfer.mmd import mmd_squared


def _judge(evidence: Evidence, place: Place) -> Judge | None:
    """Unbiased over patients, and undefined where a side has only one.

    Slices of one patient are alike beyond what the domain explains, so their pairs are left out, as the pair of a slice
    and itself is.
    """
    if evidence.source is None:
        return None
    source, target = evidence.source.slices(place), evidence.target.slices(place)
    patients = _patient_numbers(evidence.source)[source.cases]
    of_source, several = _samples(source.values, patients), len(np.unique(patients)) > 1
    of_target = _patient_numbers(evidence.target)[target.cases]

    def value(cases: Numbers) -> float:
        rows = target.rows(cases)
        if not several or len(np.unique(of_target[rows])) < 2:
            return float("nan")
        return float(mmd_squared(of_source, _samples(target.values[rows], of_target[rows])))

    return value


def _samples(vectors: NDArray[np.float64], patients: Numbers) -> Samples:
    return Samples(torch.from_numpy(vectors), torch.from_numpy(patients))


def _patient_numbers(seen: Seen) -> Numbers:
    return np.unique(seen.patients, return_inverse=True)[1].astype(np.int64)


MEASURE = MeasureInfo(
    name="mmd",
    title="MMD",
    question="scans alike",
    looks_at="the squared maximum mean discrepancy of source and target slices under five Gaussian kernels, unbiased",
    better="lower",
    alike=0.04,
    needs=("source scans",),
    paper="Gretton et al. 2012, A kernel two-sample test; Long et al. 2015 (several kernels)",
    judge=_judge,
)
