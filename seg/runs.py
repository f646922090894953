"""One run is one folder. Make it, find it again, lock it, and keep its manifest. No torch."""

import json
import platform
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from seg.atomic import TEMPORARY, cannot_write, write_text
from seg.config import Settings
from seg.errors import CheckpointError, nearest
from seg.overrides import resolve, to_yaml
from seg.records import CurveRow, Evaluation, Manifest, evaluation_from_json, manifest_from_json, to_json

_PACKAGES = ("torch", "monai", "segmentation-models-pytorch", "timm", "nibabel", "albumentations", "numpy", "scipy")
PROBE = "probe"
"""What the manifest says of a short training that compares two starts of a transfer; it has no result of its own."""


@dataclass(frozen=True)
class Run:
    """The folder of one training and the names of what lies in it."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.name

    @property
    def model(self) -> Path:
        """Weights of the best step on the validation patients."""
        return self.folder / "model.safetensors"

    @property
    def last(self) -> Path:
        """Weights of the last step; the teacher's where there is one."""
        return self.folder / "last.safetensors"

    @property
    def student(self) -> Path:
        """The student's weights of the last step, beside a teacher's."""
        return self.folder / "student.safetensors"

    @property
    def checkpoints(self) -> Path:
        """Folders `step-*` that a resume starts from."""
        return self.folder / "checkpoints"

    @property
    def curve(self) -> Path:
        """One JSON line per logged step."""
        return self.folder / "curve.jsonl"

    @property
    def report(self) -> Path:
        """The page a person reads."""
        return self.folder / "report.html"

    @property
    def predictions(self) -> Path:
        """Predicted masks of the test patients."""
        return self.folder / "predictions"

    @property
    def going_on(self) -> str:
        """What a person gives to go on with the run where it stopped."""
        return "the command of its transfer again" if _verb(self) == PROBE else f"seg train --resume {self.folder}"

    def manifest(self) -> Manifest:
        """What the run is made of; CheckpointError where it cannot be read."""
        text = self._read("manifest.json")
        try:
            return manifest_from_json(text)
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                found=f"a manifest that is not whole ({error})",
                expected="the manifest.json that a training wrote",
                fix="restore the file, or remove the run",
                path=self.folder / "manifest.json",
                code="not-a-run",
            ) from None

    def write_manifest(self, manifest: Manifest) -> None:
        """Replace the manifest, completely or not at all."""
        write_text(self.folder / "manifest.json", to_json(manifest))

    def change_manifest(self, **changes: Any) -> Manifest:
        """Replace some fields of the manifest and return it."""
        manifest = replace(self.manifest(), **changes)
        self.write_manifest(manifest)
        return manifest

    def settings(self) -> Settings:
        """The resolved settings the run was started with."""
        return resolve([], [self.folder / "config.yaml"])

    @property
    def asked_file(self) -> Path:
        """The resolved settings of the command, before the data changed any of them."""
        asked = self.folder / "asked.yaml"
        return asked if asked.exists() else self.folder / "config.yaml"

    def asked(self) -> Settings:
        """What `asked_file` says."""
        return resolve([], [self.asked_file])

    def write_settings(self, settings: Settings) -> None:
        """Save the resolved settings; others that were saved before stay as those that were asked for."""
        config, text = self.folder / "config.yaml", to_yaml(settings)
        asked = config.read_text(encoding="utf-8") if config.exists() else text
        if asked != text:
            write_text(self.folder / "asked.yaml", asked)
        write_text(config, text)

    def evaluation(self) -> Evaluation | None:
        """Scores of the test patients, or None before the evaluation."""
        path = self.folder / "evaluation.json"
        return evaluation_from_json(path.read_text(encoding="utf-8")) if path.exists() else None

    def removed_error(self) -> float | None:
        """Share of the damage to scans of held-out patients that a pretraining undoes; None for any other run."""
        if not (self.folder / "restored.npz").exists():
            return None
        removed: float | None = self.manifest().results["restoration"]["removed"]["mean"]
        return removed

    def curve_rows(self) -> tuple[CurveRow, ...]:
        """Every logged step in order."""
        if not self.curve.exists():
            return ()
        lines = self.curve.read_text(encoding="utf-8").splitlines()
        return tuple(CurveRow(**json.loads(line)) for line in lines)

    def _read(self, name: str) -> str:
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except OSError as error:
            raise CheckpointError(
                found=error.strerror or str(error),
                expected=f"{name} of a run",
                fix="give the folder of a run (seg list runs)",
                path=self.folder / name,
                code="not-a-run",
            ) from None


def create_run(settings: Settings, own_name: str = "") -> Run:
    """A new, empty folder for these settings; a run without a name gets one from `own_name`, the date and a number.

    An empty `own_name` is made from organs and source. Raises FileExistsError where the name of the settings is taken.
    """
    folder, now = Path(settings.runs.folder), datetime.now(UTC)
    name = settings.runs.name or f"{own_name or _own_name(settings)}-{now:%Y%m%d-%H%M%S}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None
    return Run(_made(folder / name, numbered=not settings.runs.name))


def _made(folder: Path, *, numbered: bool) -> Path:
    number, place = 2, folder
    while True:
        try:
            place.mkdir()
        except FileExistsError:
            if not numbered:
                raise
            number, place = number + 1, folder.with_name(f"{folder.name}-{number}")
        except OSError as error:
            raise cannot_write(place, error) from None
        else:
            return place


def _own_name(settings: Settings) -> str:
    organs = "-".join(settings.organ)
    return "-from-".join([organs, *(Path(source).stem for source in settings.transfer.source[:1])])


def find_run(name: str, folder: Path) -> Run:
    """The run a person means: a path, a run's name, or an organ (its finished run with the best validation Dice)."""
    for path in (Path(name), folder / name):
        if (path / "manifest.json").exists():
            return Run(path)
    runs = list_runs(folder)
    finished = [run for run in runs if _carries(run, name)]
    if finished:
        return max(finished, key=lambda run: run.manifest().results.get("validation_dice") or 0.0)
    known = [run.name for run in runs] + [organ for run in runs for organ in _organs(run)]
    raise CheckpointError(
        found=f"no run {name!r}",
        expected=f"a run's folder, a name in {folder}, or an organ with a finished run there",
        fix=f"train first, or see `seg list runs`.{nearest(name, known)}",
        code="unknown-run",
    )


def _organs(run: Run) -> tuple[str, ...]:
    try:
        return run.manifest().organs
    except CheckpointError:
        return ()


def _carries(run: Run, organ: str) -> bool:
    try:
        manifest = run.manifest()
    except CheckpointError:
        return False
    return organ in manifest.organs and manifest.state == "finished" and run.model.exists()


def list_runs(folder: Path) -> list[Run]:
    """Every run below a runs folder, oldest first by what their manifests say; unreadable ones come first."""
    runs = [Run(path.parent) for path in folder.glob("*/manifest.json")]
    return sorted(runs, key=lambda run: (_created(run), run.name))


def _verb(run: Run) -> str:
    try:
        return run.manifest().verb
    except CheckpointError:
        return ""


def _created(run: Run) -> str:
    try:
        return run.manifest().created
    except CheckpointError:
        return ""


def new_manifest(run: Run, verb: str, settings: Settings) -> Manifest:
    """A manifest with everything that is known before the data are read."""
    return Manifest(
        run=run.name, verb=verb, organs=settings.organ, state="running", created=datetime.now(UTC).isoformat(),
        versions=versions(), seed=settings.train.seed, data={}, lineage={},
    )  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of the program, Python and the packages that numbers depend on."""
    found = {"seg": metadata.version("seg"), "python": platform.python_version(), "platform": platform.platform()}
    for package in _PACKAGES:
        found[package] = metadata.version(package)
    return found


def remove_leftovers(run: Run) -> None:
    """Remove what a killed process was writing; only while the run is locked."""
    for folder in (run.folder, run.checkpoints, run.predictions):
        for path in folder.glob(f"{TEMPORARY}*"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
