"""Whether the labels of a data set mean what the chosen organs need."""

from collections import Counter
from collections.abc import Sequence

from seg.config import Data, Organ
from seg.data.checks.look import TOO_MANY_VALUES, CaseLook, Findings
from seg.data.organs import OrganSource, mask_names, organ_sources
from seg.errors import DataError
from seg.records import Case, DataSet

_SHOWN = 6
_FEW_PATIENTS = 3
_LARGEST_PLAIN_LABEL = 255


def check_labels(
    looks: Sequence[CaseLook], data_set: DataSet, organs: Sequence[Organ], settings: Data, findings: Findings
) -> tuple[OrganSource, ...]:
    """Note what is wrong with the label values of all cases; the sources of the organs where they can be told."""
    _check_number_of_patients(data_set, findings)
    read = [look for look in looks if look.label_read]
    if not read:
        return ()
    plain = [look for look in read if not _too_many_values(look, findings)]
    _check_undeclared_values(plain, data_set, settings, findings)
    values = sorted(set().union(*(look.label_values for look in plain)) - {0})
    if not values and not mask_names(data_set) and plain:
        for organ in organs:
            _organ_is_nowhere(organ.name, len(plain), data_set, findings)
        return ()
    if not plain:
        return ()
    try:
        sources = organ_sources(data_set, organs, settings, values)
    except DataError as error:
        findings.refused(error, data_set.root)
        return ()
    for source in sources:
        _check_emptiness(source, plain, data_set, findings)
    return sources


def sources_by_file(
    data_set: DataSet, organs: Sequence[Organ], settings: Data, findings: Findings
) -> tuple[OrganSource, ...]:
    """The mask files that make the organs; empty where labels are label maps."""
    if not mask_names(data_set):
        return ()
    try:
        return organ_sources(data_set, organs, settings)
    except DataError as error:
        findings.refused(error, data_set.root)
        return ()


def label_place(case: Case) -> str:
    """The path that findings on a case's labels name: its first label file."""
    return next(iter(case.labels.values()))[0]


def _check_number_of_patients(data_set: DataSet, findings: Findings) -> None:
    patients = {case.patient for case in data_set.labelled}
    if not patients:
        findings.add(
            "error", "no-labels", data_set.root, found=f"{len(data_set.cases)} cases, none with labels",
            expected="labels for some of the patients",
            fix="put label files where the layout has them (`seg list formats`)",
        )  # fmt: skip
    elif len(patients) < _FEW_PATIENTS:
        findings.add(
            "warning", "few-labels", data_set.root, found=f"{len(patients)} labelled patients",
            expected=f"at least {_FEW_PATIENTS}, to train, to choose and to judge with different ones",
            fix="label more patients; figures from so few say nothing about new ones",
        )  # fmt: skip


def _too_many_values(look: CaseLook, findings: Findings) -> bool:
    if len(look.label_values) <= TOO_MANY_VALUES:
        return False
    findings.add(
        "error", "too-many-labels", label_place(look.case),
        found=f"{len(look.label_values)} different label values", expected=f"at most {TOO_MANY_VALUES}",
        fix="this looks like a scan, or like smoothed labels: export the labels again, without interpolation",
    )  # fmt: skip
    return True


def _check_undeclared_values(looks: Sequence[CaseLook], data_set: DataSet, settings: Data, findings: Findings) -> None:
    """Values that neither the data set nor `data.labels` names, case by case."""
    declared = {value for values in (*data_set.label_values.values(), *settings.labels.values()) for value in values}
    known = declared | {0, data_set.ignore_value}
    for look in looks:
        odd = {value: count for value, count in sorted(look.label_values.items()) if value not in known}
        if odd and data_set.label_values:
            findings.add(
                "error", "unexpected-label", label_place(look.case),
                found=_counts(odd), expected=f"only the declared {sorted(declared)}",
                fix=f"name the value where the data set declares its labels, or correct the file; "
                f"data.labels={{<organ>:[{next(iter(odd))}]}} gives it to an organ",
            )  # fmt: skip
        elif odd and settings.labels:
            findings.add(
                "note", "other-label", label_place(look.case), found=_counts(odd),
                expected=f"nothing beside the {sorted(declared)} of data.labels",
                fix="nothing, if these are other structures: they count as background",
            )  # fmt: skip
        if look.label_values and max(look.label_values) > _LARGEST_PLAIN_LABEL:
            findings.add(
                "note", "large-label", label_place(look.case), found=f"the label value {max(look.label_values)}",
                expected=f"values up to {_LARGEST_PLAIN_LABEL}, which every program reads",
                fix="nothing has to be done; set value: in the organ's file for a small value in predictions",
            )  # fmt: skip


def _counts(values: dict[int, int]) -> str:
    shown = [f"value {value} in {count} voxels" for value, count in list(values.items())[:_SHOWN]]
    more = f" and {len(values) - _SHOWN} more values" if len(values) > _SHOWN else ""
    return f"{', '.join(shown)}{more}"


def _check_emptiness(source: OrganSource, looks: Sequence[CaseLook], data_set: DataSet, findings: Findings) -> None:
    known = [look for look in looks if look.organ_voxels(source) is not None]
    empty = [look for look in known if look.organ_voxels(source) == 0]
    if known and len(empty) == len(known):
        _organ_is_nowhere(source.organ, len(known), data_set, findings, _all_values(known))
        return
    for look in empty:
        findings.add(
            "warning", "empty-label", label_place(look.case), found=f"no voxel of {source.organ}",
            expected=f"some {source.organ}, if the scan shows it",
            fix="take the label away if the organ was merely not drawn; leave it if the scan does not show the organ",
        )  # fmt: skip


def _all_values(looks: Sequence[CaseLook]) -> dict[int, int]:
    total: Counter[int] = Counter()
    for look in looks:
        total.update({value: count for value, count in look.label_values.items() if value != 0})
    return dict(sorted(total.items()))


def _organ_is_nowhere(
    organ: str, labels: int, data_set: DataSet, findings: Findings, values: dict[int, int] | None = None
) -> None:
    present = f"; there are {_counts(values)}" if values else ""
    findings.add(
        "error", "organ-empty", data_set.root, found=f"no voxel of {organ} in any of {labels} labels{present}",
        expected=f"labels that show the {organ}",
        fix=f"check the label files, or say which value is meant: data.labels={{{organ}:[<value>]}}",
    )  # fmt: skip
