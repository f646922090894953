"""Whether trainings can be compared: the same organs, the same test cases, the same data set. No torch."""

from collections.abc import Iterator, Sequence

from seg.errors import DataError
from seg.recipes.compared_arms import ComparedArm, Trained

_SHOWN = 3
DICE = "dice"


def common_organs(arms: Sequence[ComparedArm]) -> tuple[str, ...]:
    """Organs with a Dice in every training, in the order of the first one; DataError where there is none."""
    trained = [one for arm in arms for one in arm.trained]
    every = [organs_of(one) for one in trained]
    common = tuple(organ for organ in every[0] if all(organ in organs for organs in every))
    if not common:
        listed = "; ".join(
            f"{one.name}: {', '.join(organs) or 'none'}" for one, organs in zip(trained, every, strict=True)
        )
        raise DataError(
            found=f"no organ with a Dice in all ({listed})", expected="at least one organ that all were scored on",
            fix="evaluate the masks again with organ=NAME and evaluate.metrics=dice", code="no-common-organ",
        )  # fmt: skip
    return common


def organs_of(trained: Trained) -> tuple[str, ...]:
    """The organs that have a Dice, in the order of the scores."""
    return tuple(dict.fromkeys(score.organ for score in trained.evaluation.cases if DICE in score.values))


def refuse_other_cases(arms: Sequence[ComparedArm], organ: str) -> None:
    """Raise DataError where a training was tested on other cases than the first one, or on fewer or more of them."""
    first, *others = (one for arm in arms for one in arm.trained)
    expected = _cases(first, organ)
    for other in others:
        found = _cases(other, organ)
        if found != expected:
            raise DataError(
                found=f"other test cases for {organ}: {first.name} has {_counted(expected)}{_only(expected - found)}, "
                f"{other.name} has {_counted(found)}{_only(found - expected)}",
                expected="the same test cases in all",
                fix="train with the same split (split.file=RUN/split.json); or predict the same scans with each "
                "(seg predict), score the masks (seg evaluate) and compare those folders",
                path=other.folder, code="other-test-cases",
            )  # fmt: skip


def _cases(trained: Trained, organ: str) -> set[tuple[str, str]]:
    """(patient, case) of all that was scored."""
    return {(score.patient, score.case) for score in trained.evaluation.cases
            if score.organ == organ and DICE in score.values}  # fmt: skip


def _counted(cases: set[tuple[str, str]]) -> str:
    patients = len({patient for patient, _ in cases})
    return f"{len(cases)} cases of {patients} patients" if len(cases) != patients else f"{patients} patients"


def _only(cases: set[tuple[str, str]]) -> str:
    names = sorted(case if case == patient else f"{case} of {patient}" for patient, case in cases)
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f" ({', '.join(names[:_SHOWN])}{more} only there)"


def refuse_other_data(arms: Sequence[ComparedArm], organs: Sequence[str]) -> None:
    """Raise DataError where manifests show that equal names mean other scans, or an organ other labels.

    A manifest knows the voxels of the cases that were trained on; those that two of them share must be equal.
    """
    known = [one for arm in arms for one in arm.trained if one.manifest is not None]
    for other in known[1:]:
        if difference := next(_differences(known[0], other, organs), ""):
            raise DataError(
                found=f"another data set in {other.name} than in {known[0].name}: {difference}",
                expected="scans and labels of the same data set",
                fix="compare runs of one data set; or score the masks of each against the same references "
                "(seg evaluate) and compare those folders",
                path=other.folder, code="other-data-set",
            )  # fmt: skip


def _differences(one: Trained, other: Trained, organs: Sequence[str]) -> Iterator[str]:
    ours, theirs = (each.manifest.data if each.manifest else {} for each in (one, other))
    hashes, others = ours.get("case_sha256", {}), theirs.get("case_sha256", {})
    changed = sorted(case for case in hashes.keys() & others.keys() if hashes[case] != others[case])
    if changed:
        yield f"{len(changed)} cases of the same name have other voxels, such as {changed[0]}"
    labels, other_labels = ours.get("label_values", {}), theirs.get("label_values", {})
    for organ in organs:
        if organ in labels and organ in other_labels and labels[organ] != other_labels[organ]:
            yield f"{organ} is {_values(labels[organ])} in one and {_values(other_labels[organ])} in the other"


def _values(labels: Sequence[object]) -> str:
    return f"label {', '.join(map(str, labels))}"
