"""What a run keeps of the models before it, so that its report can show them after they are gone."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seg.atomic import write_text
from seg.digest import file_sha256
from seg.models.network import SegNetwork
from seg.recipes.source import Origin
from seg.records import Evaluation
from seg.report.page import Ancestor, SourceCurve
from seg.report.transferred import MEAN, rates_text
from seg.runs import Run
from seg.train.outcome import transfer_table
from seg.train.training import Training
from seg.transfer.heads_first import steps_of_heads

CURVES = "source-curves.jsonl"


def in_first_mode(training: Training) -> SegNetwork:
    """The network as the first step finds it, frozen norms included."""
    network = training.network.train()
    for component in training.components:
        component.set_mode(network, 0.0)
    return network


def start_lines(training: Training, origins: Sequence[Origin]) -> tuple[str, ...]:
    """What the console says of a start: whence the weights come, what fitted, how much of it learns how fast."""
    start, rows = training.start, transfer_table(in_first_mode(training), training.start, training.groups)
    runs = [
        " of ".join(filter(None, (origin.run.name, ", ".join(origin.organs)))) for origin in origins[:1] if origin.run
    ]
    learning, parameters = sum(row.learning for row in rows), sum(row.parameters for row in rows)
    rates = rates_text({factor for row in rows for factor in row.lr_factors})
    return (
        f"Weights: {', '.join(runs) or start.source}, {start.summary()}",
        *(f"  {note}" for note in start.notes),
        f"Learning: {learning / 1e6:.3g} of {parameters / 1e6:.3g} million parameters"
        f"{f', at {rates} times optim.lr' if rates else ''}; "
        f"{sum(row.frozen for row in rows)} tensors are frozen{_at_first(training)}",
    )


def _at_first(training: Training) -> str:
    steps = steps_of_heads(training.settings, training.total_steps)
    return f" at first; after {steps} steps of the heads alone the others learn too" if steps else ""


def lineage_of(training: Training, origins: Sequence[Origin]) -> dict[str, Any]:
    """What the manifest says of a run's start: names, hashes and counts, no folders."""
    start, settings = training.start, training.settings
    return {
        "weights": named(settings.model.weights),
        "source": start.source,
        "sha256": start.sha256,
        "tensors": dict(Counter(row.status for row in start.rows)),
        "words": [named(word) for word in settings.transfer.source],
        "sources": [_link(origin.run, origin.file or origin.run.model) for origin in origins if origin.run is not None],
        "parts": [asdict(row) for row in transfer_table(in_first_mode(training), start, training.groups)],
    }


def named(word: str) -> str:
    """A path without the folders it lies in; any other word as it is."""
    return Path(word).name or word


def _link(run: Run, file: Path) -> dict[str, Any]:
    """One source run, of whose files this one was taken, with everything that was before it."""
    manifest = run.manifest()
    return {
        "run": run.folder.resolve().name,
        "organs": list(manifest.organs),
        "strategy": list(run.settings().strategy),
        "model_sha256": file_sha256(file),
        "validation_dice": manifest.results.get("validation_dice"),
        "test_dice": _test_dice(run.evaluation()),
        "source": source_name(manifest.lineage),
        "sha256": manifest.lineage.get("sha256", ""),
        "sources": manifest.lineage.get("sources", []),
    }


def _test_dice(evaluation: Evaluation | None) -> dict[str, float]:
    """Organ to mean Dice of the test patients, where there is one."""
    summaries = {} if evaluation is None else {organ: row.get("dice") for organ, row in evaluation.summary.items()}
    return {organ: dice.mean for organ, dice in summaries.items() if dice is not None and dice.mean is not None}


def ancestors(run: Run) -> tuple[Ancestor, ...]:
    """The models that a run goes back to, the first one first, and the run itself; empty where it has none."""
    manifest = run.manifest()
    before = dict.fromkeys(_before(manifest.lineage))
    if not before:
        return ()
    own = Ancestor(
        name=run.folder.resolve().name,
        organs=manifest.organs,
        strategy=run.settings().strategy,
        validation_dice=manifest.results.get("validation_dice"),
        test_dice=tuple(_test_dice(run.evaluation()).items()),
        sha256=manifest.results.get("model_sha256", ""),
    )
    return (*before, own)


def _before(lineage: Mapping[str, Any]) -> Iterator[Ancestor]:
    sources = lineage.get("sources", [])
    for link in sources:
        yield from _before(link)
        yield Ancestor(
            name=link["run"],
            organs=tuple(link["organs"]),
            strategy=tuple(link["strategy"]),
            validation_dice=link["validation_dice"],
            test_dice=tuple(link["test_dice"].items()),
            sha256=link["model_sha256"],
        )
    if not sources and source_name(lineage) not in ("", "none"):
        yield Ancestor(source_name(lineage), sha256=lineage.get("sha256", ""))


def source_name(lineage: Mapping[str, Any]) -> str:
    """What the weights came from, without folders; a repository's name stays whole."""
    source = str(lineage.get("source") or lineage.get("weights", ""))
    return source if source.endswith(")") else named(source)


def keep_source_curves(run: Run, origins: Sequence[Origin]) -> None:
    """Copy the validation curves of the source runs, and of those that they go back to, into a run's folder."""
    curves = dict.fromkeys(curve for origin in origins if origin.run is not None for curve in _curves_of(origin.run))
    if curves:
        write_text(run.folder / CURVES, "".join(json.dumps(asdict(curve)) + "\n" for curve in curves))


def _curves_of(run: Run) -> Iterator[SourceCurve]:
    yield from source_curves(run)
    points = tuple((row.step, row.values[MEAN]) for row in run.curve_rows() if MEAN in row.values)
    if points:
        yield SourceCurve(run.folder.resolve().name, run.manifest().organs, points)


def source_curves(run: Run) -> tuple[SourceCurve, ...]:
    """The curves that `keep_source_curves` left."""
    path = run.folder / CURVES
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else ()
    return tuple(_curve(json.loads(line)) for line in lines)


def _curve(raw: Mapping[str, Any]) -> SourceCurve:
    return SourceCurve(raw["name"], tuple(raw["organs"]), tuple((step, dice) for step, dice in raw["points"]))
