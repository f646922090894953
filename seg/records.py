"""Plain results that survive JSON: what is read, found, measured and kept. No torch."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing `seg check` saw: where, what was found, what was expected, how to mend it."""

    severity: Severity
    code: str
    """Short and stable, such as `gzip-crc`; tests and scripts match it."""
    path: str
    """Relative to the data root where possible."""
    found: str
    expected: str
    fix: str


@dataclass(frozen=True)
class Case:
    """One patient's image: a volume, or the slices of one patient. Paths only, nothing is read yet."""

    name: str
    """Unique within the data set; predictions carry it."""
    patient: str
    """The unit of every split; several cases may share it."""
    kind: Literal["volume", "slices"]
    """`volume`: one file per channel holds contiguous slices. `slices`: one file per slice, not contiguous."""
    channels: tuple[tuple[str, ...], ...]
    """Per channel the absolute paths: one file for a volume, one per slice (sorted) for slices."""
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """`{"": files}` for label maps, `{mask name: files}` where every structure has a file; empty when unlabelled."""
    slice_names: tuple[str, ...] = ()
    """For slices: the part of each file name that names the slice, in the order of the files."""

    @property
    def labelled(self) -> bool:
        """True when reference labels lie beside the image."""
        return bool(self.labels)


@dataclass(frozen=True)
class DataSet:
    """What a format found under one root."""

    root: str
    format: str
    cases: tuple[Case, ...]
    label_values: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Label names the data set itself declares, each with the values that form it; empty where it declares none."""
    ignore_value: int | None = None
    """Label value whose pixels are neither trained on nor scored."""
    channel_names: tuple[str, ...] = ()
    """As the data set declares them (`CT`, `T2`); empty where it declares none."""
    tolerated: tuple[str, ...] = ()
    """Deviations from the layout that were accepted, in words for the report."""
    orphans: tuple[str, ...] = ()
    """Absolute paths of label files that have no image; the check reports them as errors."""
    misnamed: tuple[str, ...] = ()
    """Absolute paths of files whose names do not follow the layout's pattern; the check reports them as errors."""

    @property
    def labelled(self) -> tuple[Case, ...]:
        """The cases that have reference labels."""
        return tuple(case for case in self.cases if case.labelled)

    @property
    def unlabelled(self) -> tuple[Case, ...]:
        """The cases without reference labels."""
        return tuple(case for case in self.cases if not case.labelled)


@dataclass(frozen=True)
class Interval:
    """A mean with its bootstrap interval, and how many cases stand behind it."""

    mean: float | None
    """None when no case is defined."""
    low: float | None
    high: float | None
    n: int
    """Cases that entered the mean."""
    n_undefined: int
    """Cases left out because the metric has no value there (both masks empty)."""


@dataclass(frozen=True)
class CaseScore:
    """Every metric of one organ in one case."""

    case: str
    patient: str
    organ: str
    values: dict[str, float | None]
    """Metric name to value; None where undefined."""
    note: str = ""
    """`both empty`, `reference empty`, `prediction empty`, `prediction missing` or nothing."""


@dataclass(frozen=True)
class Evaluation:
    """The outcome of comparing predictions with references."""

    cases: tuple[CaseScore, ...]
    summary: dict[str, dict[str, Interval]]
    """Organ to metric to interval, over patients (cases of one patient are averaged first)."""
    definitions: dict[str, str]
    """Metric name to its one-sentence definition with unit and empty-mask rule."""
    distance_unit: Literal["mm", "px"]
    """`px` where the scans do not say their spacing."""
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    """Organ to how often each CaseScore.note occurred."""
    notes: tuple[str, ...] = ()
    """What a reader of the numbers must know: predictions that were missing, could not be used or had no reference."""


@dataclass(frozen=True)
class CurveRow:
    """One line of `curve.jsonl`."""

    step: int
    values: dict[str, float]
    """`loss`, `loss/mask`, `loss/edge`, `lr`, `images_per_s`, on validation `val/dice/<organ>`, `val/dice/mean`.

    With a teacher also `teacher/weight` and `teacher/distance`, on validation `val/teacher/dice`, `val/student/dice`.
    """


@dataclass(frozen=True)
class PartRow:
    """What became of one part of a network when a training started: counts of tensors, and of numbers in them."""

    part: str
    """Such as `stem`, `decoder`, `mask head`; what a strategy brought along is a part of its own."""
    tensors: int
    parameters: int
    """Numbers that could learn; norm statistics and constants are none."""
    learning: int
    """Of these the ones that learn at the first step."""
    loaded: int
    adapted: int
    """Taken over in another shape or order."""
    fresh: int
    """Started from nothing."""
    frozen: int
    """Weights that do not learn and norm statistics that do not move at the first step."""
    lr_factors: tuple[float, ...] = ()
    """Learning rates as multiples of `optim.lr`, lowest first; those of weights that thaw later are among them."""


@dataclass(frozen=True)
class Manifest:
    """Where a run came from and what it is made of."""

    run: str
    verb: str
    organs: tuple[str, ...]
    state: Literal["running", "interrupted", "finished", "failed"]
    created: str
    """ISO 8601, UTC."""
    versions: dict[str, str]
    seed: int
    data: dict[str, Any]
    """Root, format, counts, fingerprint and content hashes of the cases."""
    lineage: dict[str, Any]
    """What it started from: weights and their sha256, source runs with their own lineage, what became of each part."""
    results: dict[str, Any] = field(default_factory=dict)
    """Best step, validation Dice, duration, peak memory, decided post-processing."""
    notes: tuple[str, ...] = ()
    """What was tolerated or decided without being asked, for the report."""
    schema: int = 1


def to_json(record: Any) -> str:
    """The record as JSON text; infinite and undefined numbers are refused, None stands for undefined."""
    return json.dumps(dataclasses.asdict(record), indent=2, allow_nan=False, ensure_ascii=False)


def evaluation_from_json(text: str) -> Evaluation:
    """The evaluation that `to_json` wrote."""
    raw = json.loads(text)
    return Evaluation(
        cases=tuple(CaseScore(**row) for row in raw["cases"]),
        summary={
            organ: {name: Interval(**interval) for name, interval in metrics.items()}
            for organ, metrics in raw["summary"].items()
        },
        definitions=raw["definitions"],
        distance_unit=raw["distance_unit"],
        counts=raw["counts"],
        notes=tuple(raw.get("notes", ())),
    )


def manifest_from_json(text: str) -> Manifest:
    """The manifest that `to_json` wrote."""
    raw = json.loads(text)
    return Manifest(**{**raw, "organs": tuple(raw["organs"]), "notes": tuple(raw["notes"])})


def relative(path: str | Path, root: str | Path) -> str:
    """`path` as seen from `root`, or unchanged where it lies elsewhere."""
    try:
        return str(Path(path).relative_to(root))
    except ValueError:
        return str(path)
