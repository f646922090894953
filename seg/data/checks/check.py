"""Everything that can be wrong with a data set, found before training, in one list."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seg.config import Data, Organ
from seg.data.checks.labels import check_labels, sources_by_file
from seg.data.checks.look import CaseLook, Findings
from seg.data.checks.patients import check_together
from seg.data.checks.pictures import look_at_pictures
from seg.data.checks.volumes import look_at_volume
from seg.data.discover import find_data
from seg.data.files.nifti import EXTENSIONS
from seg.data.organs import OrganSource
from seg.errors import DataError, ResourceError
from seg.progress import Progress, silent
from seg.records import DataSet, Finding
from seg.types import SpacingMm

_SEVERITIES = ("error", "warning", "note")
_OFFSET_WORTH_A_NOTE = 1e-3


@dataclass(frozen=True)
class CaseFacts:
    """What the check learned about a case that it could read."""

    case: str
    patient: str
    shape: tuple[int, int, int]
    """(z, y, x); of pictures with several sizes the largest."""
    spacing_mm: SpacingMm | None
    """None where the files do not say it (pictures)."""
    minimum: float
    """Over all channels."""
    maximum: float
    voxel_sha256: str
    """Of all voxels of all channels as float32; equal for equal images, whatever their names or orientation."""
    organ_voxels: dict[str, int]
    """Organ to voxels of its label; empty for unlabelled cases and where labels could not be understood."""


@dataclass(frozen=True)
class CheckReport:
    """What `seg check` prints and training starts from."""

    findings: tuple[Finding, ...]
    """Errors first, then warnings, then notes."""
    facts: tuple[CaseFacts, ...]
    label_values: tuple[int, ...] = ()
    """Every value but 0 that label maps hold, sorted."""

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What forbids training."""
        return tuple(finding for finding in self.findings if finding.severity == "error")


def check_root(root: Path, organs: Sequence[Organ], settings: Data, progress: Progress = silent) -> CheckReport:
    """`check_data` of what lies at `root`; a root that no layout fits is a finding as well."""
    try:
        data_set = find_data(root, settings)
    except (DataError, ResourceError) as error:
        findings = Findings(str(root))
        findings.refused(error, root)
        return CheckReport(tuple(findings.rows), ())
    return check_data(data_set, organs, settings, progress)


def check_data(data_set: DataSet, organs: Sequence[Organ], settings: Data, progress: Progress = silent) -> CheckReport:
    """Read every image and label once and list all problems of all files; bad data never raise.

    Where every structure has a mask file, only those masks are read that the organs need.

    Raises:
        UsageError: `data.labels` cannot be meant.
    """
    findings = Findings(data_set.root)
    _note_layout(data_set, findings)
    by_file = sources_by_file(data_set, organs, settings, findings)
    looks = []
    for done, case in enumerate(data_set.cases, start=1):
        pictures = case.kind == "slices" or not case.channels[0][0].lower().endswith(EXTENSIONS)
        looks.append(
            look_at_pictures(case, by_file, findings) if pictures else look_at_volume(case, by_file, settings, findings)
        )
        progress(done, len(data_set.cases), case.name)
    check_together(looks, data_set, settings, findings)
    sources = check_labels(looks, data_set, organs, settings, findings)
    _note_offsets(looks, findings)
    rows = sorted(findings.rows, key=lambda finding: _SEVERITIES.index(finding.severity))
    facts = tuple(_facts(look, sources) for look in looks if look.shape is not None)
    values = sorted(set().union(*(look.label_values for look in looks)) - {0})
    return CheckReport(tuple(rows), facts, tuple(values))


def _note_layout(data_set: DataSet, findings: Findings) -> None:
    for sentence in data_set.tolerated:
        findings.add(
            "note", "tolerated", data_set.root, found=sentence,
            expected="the layout as it is defined", fix="nothing has to be done",
        )  # fmt: skip
    for path in data_set.orphans:
        findings.add(
            "error", "orphan-label", path, found="a label without an image",
            expected="an image of the same name", fix="correct the name, add the image, or take the label away",
        )  # fmt: skip
    for path in data_set.misnamed:
        findings.add(
            "error", "misnamed", path, found="a name that data.patient_pattern does not fit",
            expected="patient and slice in every name",
            fix="rename the file, take it away, or set data.patient_pattern",
        )  # fmt: skip


def _note_offsets(looks: Sequence[CaseLook], findings: Findings) -> None:
    offsets = [look.offset_voxels for look in looks if look.offset_voxels > _OFFSET_WORTH_A_NOTE]
    if offsets:
        findings.add(
            "note", "grid-rounding", findings.root,
            found=f"{len(offsets)} cases whose files lie up to {max(offsets):.3f} voxels apart",
            expected="exactly one grid per case", fix="nothing has to be done: this is rounding",
        )  # fmt: skip


def _facts(look: CaseLook, sources: Sequence[OrganSource]) -> CaseFacts:
    shape = look.shape or (0, 0, 0)
    digests = [file.sha256 for file in look.files]
    whole = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    return CaseFacts(
        case=look.case.name,
        patient=look.case.patient,
        shape=shape,
        spacing_mm=look.spacing_mm,
        minimum=min(file.minimum for file in look.files),
        maximum=max(file.maximum for file in look.files),
        voxel_sha256=whole,
        organ_voxels={source.organ: count for source in sources if (count := look.organ_voxels(source)) is not None},
    )
