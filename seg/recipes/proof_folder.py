"""The folder of a proof: what was asked, the runs of its arms, and what came of them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from seg.atomic import write_text
from seg.errors import CheckpointError, SegError, UsageError
from seg.proof.scores import ScoreTable, from_json
from seg.proof.scores import to_json as scores_to_json
from seg.recipes.arms import Arm
from seg.runs import Run
from seg.schema import as_text, flatten

FOLDER = "proofs"
"""Below `runs.folder`, where no training of a proof is taken for a model of its organ."""
SCHEMA = 1
_SHOWN = 8


@dataclass(frozen=True)
class ProofFolder:
    """Names of what lies in a proof's folder."""

    folder: Path

    @property
    def asked(self) -> Path:
        """What `Asked` holds."""
        return self.folder / "proof.json"

    @property
    def runs(self) -> Path:
        """The `runs.folder` of every training."""
        return self.folder / "runs"

    @property
    def scores(self) -> Path:
        """One Dice per arm, size, seed, evaluation and patient."""
        return self.folder / "scores.json"

    @property
    def verdict(self) -> Path:
        """What the scores say, made from them and `asked` alone."""
        return self.folder / "verdict.json"

    @property
    def table(self) -> Path:
        """The rows of the verdict for a spreadsheet."""
        return self.folder / "verdict.csv"

    @property
    def pictures(self) -> Path:
        """Slices on which the arms differ most."""
        return self.folder / "pictures.npz"

    @property
    def report(self) -> Path:
        """The page a person reads."""
        return self.folder / "report.html"

    def run(self, arm: Arm, size: int, seed: int) -> Run:
        """One training."""
        return Run(self.runs / training_name(arm, size, seed))

    def read_scores(self) -> ScoreTable:
        """The saved scores; CheckpointError where there are none yet."""
        return from_json(_read(self.scores))

    def write_scores(self, table: ScoreTable) -> None:
        """Save them, completely or not at all."""
        write_text(self.scores, scores_to_json(table))


@dataclass(frozen=True)
class Asked:
    """What was asked of a proof, by all of its commands together; it survives JSON."""

    target: tuple[str, ...]
    sources: dict[str, str]
    """Words of `--from` and where they were found; the first one is where a strategy alone starts."""
    arms: tuple[Arm, ...]
    sizes: tuple[int, ...]
    """Labelled patients, fewest first."""
    seeds: int
    """Trainings of each arm and size, with the seeds 0, 1, ..."""
    settings: dict[str, Any]
    """What all arms share."""
    advice: dict[str, Any] | None = None
    """What the arm `auto` was taken from."""
    failed: dict[str, str] = field(default_factory=dict)
    """Names of trainings that did not come to an end, and why."""
    versions: dict[str, str] = field(default_factory=dict)
    schema: int = SCHEMA

    def joined(self, other: "Asked") -> "Asked":
        """This proof with what another command asks beside it."""
        known = {arm.name for arm in self.arms}
        return replace(
            self,
            sources={**self.sources, **other.sources},
            arms=(*self.arms, *(arm for arm in other.arms if arm.name not in known)),
            sizes=tuple(sorted({*self.sizes, *other.sizes})),
            seeds=max(self.seeds, other.seeds),
            advice=self.advice or other.advice,
            versions=other.versions,
        )

    def arm(self, name: str) -> Arm:
        """The arm of that name."""
        return next(arm for arm in self.arms if arm.name == name)

    @property
    def trained(self) -> tuple[Arm, ...]:
        """The arms with runs of their own; of arms that are the same training a baseline, else the first."""
        chosen: dict[str, Arm] = {}
        for arm in sorted(self.arms, key=lambda arm: arm.transfers):
            chosen.setdefault(arm.run, arm)
        return tuple(arm for arm in self.arms if chosen[arm.run] is arm)

    @property
    def twins(self) -> tuple[tuple[Arm, Arm], ...]:
        """Arms without runs of their own, each with the one that is the same training."""
        own = {arm.run: arm for arm in self.trained}
        return tuple((arm, own[arm.run]) for arm in self.arms if own[arm.run] is not arm)

    @property
    def source(self) -> str:
        """Where a strategy alone starts."""
        return next(iter(self.sources.values()))


def training_name(arm: Arm, size: int, seed: int) -> str:
    """What the run of a training is called."""
    return f"{arm.run}-{size}-{seed}"


def state_of(run: Run) -> str:
    """Of a training, such as `finished`; empty where there is none that can be read."""
    try:
        return run.manifest().state
    except SegError:
        return ""


def read_asked(folder: ProofFolder) -> Asked:
    """What `write_asked` wrote; CheckpointError where the folder is no proof."""
    text = _read(folder.asked)
    try:
        raw = json.loads(text)
        lists = {name: tuple(raw[name]) for name in ("target", "sizes")}
        arms = tuple(
            Arm(**{**arm, "strategy": tuple(arm["strategy"]), "knobs": tuple(arm["knobs"])}) for arm in raw["arms"]
        )
        asked = Asked(**{**raw, **lists, "arms": arms})
    except (ValueError, KeyError, TypeError) as error:
        raise _no_proof(folder.asked, f"a proof.json that is not whole ({error})") from None
    if asked.schema != SCHEMA:
        raise _no_proof(folder.asked, f"a proof of layout {asked.schema}")
    return asked


def write_asked(folder: ProofFolder, asked: Asked) -> None:
    """Save what was asked, completely or not at all."""
    write_text(folder.asked, json.dumps(asdict(asked), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def refuse_other_proof(folder: ProofFolder, then: Asked, now: Asked) -> None:
    """Raise UsageError where a proof was begun with other settings, sources or another target."""
    changes = [f"{name}={was}, now {is_now}" for name, (was, is_now) in _differences(then, now).items()]
    if changes:
        more = f" and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
        raise UsageError(
            found=f"a proof of that name with other settings ({'; '.join(changes[:_SHOWN])}{more})",
            expected="the settings it was begun with, to which arms, sizes and seeds may be added",
            fix="give those settings, or begin another proof: --name NAME", path=folder.folder, code="proof-exists",
        )  # fmt: skip


def _differences(then: Asked, now: Asked) -> dict[str, tuple[str, str]]:
    own = [
        {"to": list(asked.target), "from": asked.source, **dict(flatten(asked.settings))} for asked in (then, now)
    ]  # fmt: skip
    was, is_now = ({name: as_text(value) for name, value in flat.items()} for flat in own)
    names = dict.fromkeys([*was, *is_now])
    return {
        name: (was.get(name, "null"), is_now.get(name, "null")) for name in names if was.get(name) != is_now.get(name)
    }


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise _no_proof(path, error.strerror or str(error)) from None
    except UnicodeError as error:
        raise _no_proof(path, f"bytes that are no text ({error})") from None


def _no_proof(path: Path, found: str) -> CheckpointError:
    return CheckpointError(
        found=found, expected=f"{path.name} of a proof", path=path, code="no-proof",
        fix="give the command of the proof, and its --name where it had one; or restore the file",
    )  # fmt: skip


def as_plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as JSON gives them back, so that a saved one and a new one compare equal."""
    plain: dict[str, Any] = json.loads(json.dumps(settings))
    return plain
