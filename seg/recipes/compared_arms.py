"""Which trainings a comparison is of: the words of `seg compare` as arms. No torch."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seg.errors import CheckpointError, DataError, UsageError
from seg.records import Evaluation, Manifest, evaluation_from_json
from seg.runs import Run, find_run

_SHORT = 40
"""Letters up to which the names of an arm's trainings are its name."""


@dataclass(frozen=True)
class Trained:
    """One finished training, or a folder of masks that `seg evaluate` scored."""

    name: str
    folder: Path
    evaluation: Evaluation
    manifest: Manifest | None
    """None for a folder of masks: nobody knows where they came from."""

    @property
    def words(self) -> str:
        """What it is, for a reader."""
        if self.manifest is None:
            return "masks that seg evaluate scored"
        start = ", ".join(self.manifest.lineage.get("words", ()))
        patients = self.manifest.data.get("patients", {}).get("train")
        parts = [f"seg {self.manifest.verb}", start and f"from {start}", patients and f"trained on {patients} patients"]
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class ComparedArm:
    """Trainings that differ in nothing but their seed."""

    name: str
    trained: tuple[Trained, ...]

    @property
    def words(self) -> str:
        """What its trainings are, each kind once."""
        return "; ".join(dict.fromkeys(one.words for one in self.trained))


def read_arms(words: Sequence[str], runs: Path) -> tuple[ComparedArm, ...]:
    """One arm per word: `RUN`, `RUN,RUN,RUN` or `NAME=RUN,RUN,RUN`; the first one is the baseline.

    A run is its folder, a name in `runs`, an organ (its best run), or a folder that `seg evaluate` wrote. Folders whose
    names have a comma or an equals sign are taken as they are.

    Raises:
        UsageError: fewer than two arms, or a training twice.
        CheckpointError: no such run, or one without scores.
        DataError: scores that cannot be read.
    """
    if len(words) < 2:
        raise UsageError(
            found=f"{len(words)} to compare", expected="two runs or more, the baseline first",
            fix="seg compare BASELINE RUN", code="nothing-to-compare",
        )  # fmt: skip
    named = [_parts(word, runs) for word in words]
    trained = [tuple(_trained(part, runs) for part in parts) for _, parts in named]
    _refuse_twice([one for several in trained for one in several])
    names = [name or _joined(several) for (name, _), several in zip(named, trained, strict=True)]
    if len(set(names)) < len(names):
        names = [name if names.count(name) == 1 else word for name, word in zip(names, words, strict=True)]
    return tuple(ComparedArm(name, several) for name, several in zip(names, trained, strict=True))


def _parts(word: str, runs: Path) -> tuple[str, tuple[str, ...]]:
    """Name, empty where none was given, and the words of the trainings."""
    if _exists(word, runs):
        return "", (word,)
    name, equals, rest = word.partition("=")
    listed = rest if equals else word
    parts = (listed,) if _exists(listed, runs) else tuple(part.strip() for part in listed.split(","))
    if not any(parts):
        raise UsageError(
            found=f"an arm without a run ({word!r})", expected="RUN, RUN,RUN or NAME=RUN,RUN",
            fix="name its runs (seg list runs)", code="nothing-to-compare",
        )  # fmt: skip
    return name.strip() if equals else "", tuple(part for part in parts if part)


def _exists(word: str, runs: Path) -> bool:
    return Path(word).exists() or (runs / word).exists()


def _joined(trained: Sequence[Trained]) -> str:
    names = ",".join(one.name for one in trained)
    return names if len(names) <= _SHORT or len(trained) == 1 else f"{trained[0].name} and {len(trained) - 1} more"


def _refuse_twice(trained: Sequence[Trained]) -> None:
    folders = Counter(one.folder.resolve() for one in trained)
    if twice := [folder for folder, count in folders.items() if count > 1]:
        raise UsageError(
            found="the same training twice", expected="every training once, whatever it is called by",
            fix="give another run", path=twice[0], code="compared-with-itself",
        )  # fmt: skip


def _trained(word: str, runs: Path) -> Trained:
    folder = Path(word)
    if (folder / "evaluation.json").exists() and not (folder / "manifest.json").exists():
        return Trained(folder.resolve().name, folder, _read(folder), None)
    run = find_run(word, runs)
    manifest = run.manifest()
    if not (run.folder / "evaluation.json").exists():
        raise _no_scores(run, manifest)
    return Trained(run.folder.resolve().name, run.folder, _read(run.folder), manifest)


def _no_scores(run: Run, manifest: Manifest) -> CheckpointError:
    finish = "it has no test patients: predict new scans, evaluate the masks, and give that folder"
    return CheckpointError(
        found=f"a run without scores of test patients ({manifest.state})", expected="a run with evaluation.json",
        fix=finish if manifest.state == "finished" else f"go on with it: {run.going_on}",
        path=run.folder, code="not-evaluated",
    )  # fmt: skip


def _read(folder: Path) -> Evaluation:
    path = folder / "evaluation.json"
    try:
        return evaluation_from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            found=f"scores that cannot be read ({error})", expected="what seg train or seg evaluate wrote",
            fix="evaluate the masks again", path=path, code="broken-evaluation",
        ) from None  # fmt: skip
