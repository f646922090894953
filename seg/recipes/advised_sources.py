"""Which sources an advice looks at, and which of them it must not trust."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seg.config import Settings
from seg.errors import SegError
from seg.recipes.prepare import Checked
from seg.recipes.source import Origin, find_origin
from seg.runs import PROBE, Run, list_runs


@dataclass(frozen=True)
class Candidate:
    """A source that may be looked at."""

    name: str
    """What it is called; no two candidates share a name."""
    origin: Origin
    asked: bool
    """Whether a person named it."""

    @property
    def word(self) -> str:
        """What `--from` takes."""
        return self.origin.word


@dataclass(frozen=True)
class LeftOut:
    """A source that is not looked at."""

    name: str
    why: str


def candidates(settings: Settings, words: Sequence[str]) -> tuple[list[Candidate], list[LeftOut]]:
    """The named sources, else every finished run of the runs folder, `model.weights` and `none`.

    Raises CheckpointError where a named one is no source.
    """
    folder = Path(settings.runs.folder)
    if words:
        return _with_names([find_origin(word, folder) for word in dict.fromkeys(words)], asked=True), []
    origins, broken = [], []
    for run in list_runs(folder):
        try:
            if _is_source(run):
                origins.append(find_origin(run.name, folder))
        except SegError as error:
            broken.append(LeftOut(run.name, error.found))
    weights = {"none": (), "auto": ("imagenet",)}.get(settings.model.weights, (settings.model.weights,))
    origins += [Origin(word) if word == "imagenet" else find_origin(word, folder) for word in (*weights, "none")]
    return _with_names(origins, asked=False), broken


def _is_source(run: Run) -> bool:
    manifest = run.manifest()
    return manifest.state == "finished" and manifest.verb != PROBE and run.model.is_file()


def _with_names(origins: Sequence[Origin], *, asked: bool) -> list[Candidate]:
    found: list[Candidate] = []
    for origin in origins:
        own = _own_name(origin)
        taken = {one.name for one in found}
        names = (own if number == 1 else f"{own} ({number})" for number in range(1, len(origins) + 1))
        found.append(Candidate(next(name for name in names if name not in taken), origin, asked))
    return found


def _own_name(origin: Origin) -> str:
    """That of a run where its model is meant, of a file without its ending, or the word."""
    if origin.run is not None and origin.file == origin.run.model:
        return origin.run.folder.absolute().name
    return origin.word if origin.file is None else origin.file.stem


def mistrusted(candidate: Candidate, checked: Checked) -> str:
    """Why what is measured of a source would flatter it; empty where nothing speaks against it.

    A network that learned the target's own labels from the very scans it is asked about knows the answers, and one that
    saw scans that will judge the target cannot be judged by them.
    """
    run = candidate.origin.run
    if run is None:
        return ""
    seen = set(run.manifest().data.get("case_sha256", {}).values())
    tests = _shared(checked, checked.split.test, seen)
    if tests:
        return f"it learned from scans of {tests} of the target's test patients, who could not judge a transfer from it"
    shown = sorted(set(candidate.origin.organs) & {organ.name for organ in checked.organs})
    taught = _shared(checked, (*checked.split.train, *checked.split.validation), seen) if shown else 0
    if taught:
        organs = ", ".join(shown)
        return f"it learned the {organs} of {taught} patients who train or validate the target, so it knows answers"
    return ""


def _shared(checked: Checked, patients: Sequence[str], seen: set[str]) -> int:
    chosen = set(patients)
    return len({facts.patient for facts in checked.report.facts if facts.patient in chosen
                and facts.voxel_sha256 in seen})  # fmt: skip
