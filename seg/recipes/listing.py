"""`seg list`: what there is of each kind, read from the files themselves, so that adding one is adding one file."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from seg.config import config_folder
from seg.errors import SegError, UsageError, nearest
from seg.overrides import config_names, load_named, load_organ
from seg.registry import COMPONENTS, FORMATS, LAUNCHERS, LOSSES, MEASURES, METRICS, ExtensionPoint
from seg.runs import list_runs
from seg.schema import as_text, describe, expected, shown

Row = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows of text under their headings."""

    columns: Row
    rows: tuple[Row, ...]


def listing(kind: str, runs: Path = Path("runs")) -> Table:
    """The table of one kind; `runs` is the folder that the kind `runs` looks into.

    Raises UsageError for an unknown kind.
    """
    if kind not in KINDS:
        raise UsageError(
            found=f"kind {kind!r}",
            expected=f"one of {', '.join(KINDS)}",
            fix=f"choose a known kind.{nearest(kind, KINDS)}",
            code="unknown-kind",
        )
    if kind == "runs":
        return _runs(runs)
    columns, rows = _TABLES[kind]
    return Table(columns, tuple(rows()))


def _organs() -> Iterator[Row]:
    for name in config_names("organ"):
        organ = load_organ(name)
        low, high = organ.window_hu
        yield name, organ.title, ", ".join(organ.label_names), f"{low:g} to {high:g}", f"{organ.nsd_tolerance_mm:g}"


def _presets() -> Iterator[Row]:
    for name in config_names("preset"):
        yield name, _what_for("preset", name)


def _what_for(kind: str, name: str) -> str:
    """The comment on top of a shipped file, without its first line, which is an example."""
    lines = (config_folder() / kind / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    comments = [line.removeprefix("#").strip() for line in lines if line.startswith("#")]
    return " ".join(comments[1:])


def _strategies() -> Iterator[Row]:
    """Each preset with what its last component says, unless it says it itself."""
    for name in config_names("strategy"):
        strategy = load_named("strategy", name)
        listed = list(strategy["components"])
        infos = [COMPONENTS.load(each).COMPONENT for each in listed if each != "supervised" or len(listed) == 1]
        told = infos[-1]
        given = {need for info in infos for need in info.gives}
        needs = dict.fromkeys(need for info in infos for need in info.needs if need not in given)
        level, moves = strategy.get("level", told.level), strategy.get("moves", told.moves)
        yield name, level, _what_for("strategy", name), moves, told.learns, ", ".join(needs) or "nothing", told.paper


def _knobs() -> Iterator[Row]:
    for name in COMPONENTS.names():
        info = COMPONENTS.load(name).COMPONENT
        knobs = ", ".join(
            f"{knob}={as_text(field.get_default())}" for knob, field in info.settings.model_fields.items()
        )
        yield name, info.title, knobs or "none"


def _formats() -> Iterator[Row]:
    for name in FORMATS.names():
        layout = FORMATS.load(name).LAYOUT
        yield name, layout.title, layout.looks_like


def _metrics() -> Iterator[Row]:
    for name in METRICS.names():
        metric = METRICS.load(name).METRIC
        yield (
            name,
            metric.title,
            f"{metric.better} is better",
            metric.define("mm", "evaluate.nsd_tolerance_mm").partition(". ")[0],
        )


def _measures() -> Iterator[Row]:
    for name in MEASURES.names():
        info = MEASURES.load(name).MEASURE
        yield name, info.title, f"{info.better} is better", info.looks_at, ", ".join(info.needs), info.paper


def _launchers() -> Iterator[Row]:
    for name in LAUNCHERS.names():
        info = LAUNCHERS.load(name).LAUNCHER
        yield name, info.title, info.looks_like, f'pip install "seg[{info.extra}]"' if info.extra else "nothing"


def _components(point: ExtensionPoint) -> Iterator[Row]:
    """Name and first line of each file's docstring, without importing it: torch would take seconds."""
    for name in point.names():
        text = (point.folder / f"{name}.py").read_text(encoding="utf-8")
        yield name, (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]


def _encoders() -> Iterator[Row]:
    from seg.models.encoders import encoder_names

    for name in encoder_names():
        yield name, "timm" if name.startswith("tu-") else "segmentation-models-pytorch"


def _settings() -> Iterator[Row]:
    for name, default, meaning, _ in describe():
        yield name, shown(default), meaning, expected(name)


def _runs(folder: Path) -> Table:
    rows: list[Row] = []
    for run in list_runs(folder):
        try:
            manifest = run.manifest()
        except SegError as error:
            rows.append((run.name, "", "unreadable", "", error.found))
            continue
        dice = manifest.results.get("validation_dice")
        score = "" if dice is None else f"{dice:.3f}"
        rows.append(
            (run.name, ", ".join(manifest.organs) or manifest.verb, manifest.state, manifest.created[:19], score)
        )
    return Table(("run", "organs", "state", "created (UTC)", "validation Dice"), tuple(rows))


_TABLES: dict[str, tuple[Row, Callable[[], Iterator[Row]]]] = {
    "organs": (("organ", "title", "label names", "CT window (HU)", "NSD tolerance (mm)"), _organs),
    "strategies": (("strategy", "level", "what for", "what moves", "what learns", "needs", "paper"), _strategies),
    "components": (("component", "title", "knobs"), _knobs),
    "formats": (("format", "title", "what it looks like"), _formats),
    "metrics": (("metric", "title", "direction", "definition"), _metrics),
    "measures": (("measure", "title", "direction", "what it looks at", "needs", "paper"), _measures),
    "launchers": (("launcher", "title", "where jobs run", "needs"), _launchers),
    "losses": (("loss", "what it is"), lambda: _components(LOSSES)),
    "encoders": (("encoder", "from"), _encoders),
    "presets": (("preset", "what for"), _presets),
    "settings": (("setting", "default", "meaning", "values"), _settings),
}
KINDS = (*_TABLES, "runs")
