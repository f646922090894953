"""Where knowledge comes from: what `--from` names, the network it gives, and the scans it was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seg.config import Settings
from seg.data.cache import PreparedCase, prepare_case
from seg.data.plan import Plan
from seg.errors import CheckpointError, DataError, UsageError
from seg.models.network import SegNetwork, build_network
from seg.models.source_weights import load_source
from seg.models.weight_files import PICKLED, SAFE
from seg.models.weights import WeightReport
from seg.recipes.prepare import Checked, Stage, cache_folder, check_and_split
from seg.recipes.trained import load_run_weights, read_plan
from seg.runs import Run, find_run
from seg.transfer.component import Source

WORDS = ("imagenet", "none")
"""Sources that are no file: `model.weights` of the same name."""


@dataclass(frozen=True)
class Origin:
    """What one word of `--from` means."""

    word: str
    run: Run | None = None
    """The run, where it is one."""
    file: Path | None = None
    """The weights: the run's model, or a file of any origin; None for `imagenet` and `none`."""

    @property
    def organs(self) -> tuple[str, ...]:
        """What the source's heads predict."""
        return () if self.run is None else self.run.manifest().organs


def find_origin(word: str, runs: Path) -> Origin:
    """The source a person means: imagenet, none, a weight file, a run's folder or name, or an organ's best run.

    Raises CheckpointError where there is no such thing, or a run without a finished model.
    """
    if word in WORDS:
        return Origin(word)
    path = Path(word).expanduser()
    if path.suffix in SAFE + PICKLED and not path.is_dir():
        if not path.is_file():
            raise CheckpointError(
                found="no such file", expected="a file of weights", fix="correct the source's path", path=path,
                code="weights-missing",
            )  # fmt: skip
        return Origin(word, file=path)
    run = find_run(word, runs)
    state = run.manifest().state
    if state != "finished" or not run.model.is_file():
        raise CheckpointError(
            found=f"a run that is not finished ({state})", expected="a run that was trained to its end",
            fix=f"seg train --resume {run.folder}; or name its file: --from {run.model}", path=run.folder,
            code="source-unfinished",
        )  # fmt: skip
    return Origin(word, run, run.model)


def find_origins(settings: Settings) -> tuple[Origin, ...]:
    """Every source of the settings; UsageError where several cannot be used together."""
    origins = tuple(find_origin(word, Path(settings.runs.folder)) for word in settings.transfer.source)
    if len(origins) > 1:
        alone = [origin.word for origin in origins if origin.run is None]
        if alone or len({origin.organs for origin in origins}) > 1:
            raise UsageError(
                found=f"the sources {', '.join(settings.transfer.source)}",
                expected="one source, or several runs that were trained for the same organs",
                fix="name one source, or go through an organ with --via", code="several-sources",
            )  # fmt: skip
    return origins


def taken_over(origin: Origin) -> dict[str, Any]:
    """The settings that a network must share with its source, as plain text values."""
    if origin.run is None:
        return {"model": {"weights": origin.word}} if origin.word in WORDS else {}
    settings = origin.run.settings()
    model = settings.model.model_dump(
        mode="json", include={"encoder", "decoder_channels", "edge_head", "edge_width_px"}
    )
    return {"model": model, "prepare": {"neighbours": settings.prepare.neighbours}}


def start_network(settings: Settings, plan: Plan, origins: Sequence[Origin]) -> tuple[SegNetwork, WeightReport]:
    """The network a training starts from; the first source gives the weights, without one `model.weights` does."""
    first = origins[0] if origins else None
    if first is None or first.file is None:
        word = settings.model.weights if first is None else first.word
        model = settings.model.model_copy(update={"weights": word})
        return build_network(model, len(settings.organ), plan.input_channels)
    blank = settings.model.model_copy(update={"weights": "none"})
    network, _ = build_network(blank, len(settings.organ), plan.input_channels)
    report = load_source(
        network, first.file, parts=settings.transfer.parts, source_organs=first.organs, organs=settings.organ
    )
    if first.run is not None:
        _refuse_changed_model(first.run, report)
    return network, report


def _refuse_changed_model(run: Run, report: WeightReport) -> None:
    expected = run.manifest().results.get("model_sha256")
    if expected not in (None, report.sha256):
        raise CheckpointError(
            found=f"sha256 {report.sha256[:12]}...", expected=f"{expected[:12]}..., as the manifest says",
            fix="restore the file; it changed since the source was trained", path=run.model, code="model-changed",
        )  # fmt: skip


def source_model(origins: Sequence[Origin]) -> Source | None:
    """The first source as a model that segments; None where it is not one of our runs."""
    run = origins[0].run if origins else None
    if run is None:
        return None

    def load() -> SegNetwork:
        plan, model = read_plan(run), run.settings().model.model_copy(update={"weights": "none"})
        network, _ = build_network(model, max(1, len(plan.organs)), plan.input_channels)
        load_run_weights(network, run)
        return network.eval().requires_grad_(False)

    return Source(run.manifest().organs, load)


def source_cases(origins: Sequence[Origin], plan: Plan, settings: Settings, progress: Stage) -> list[PreparedCase]:
    """The training scans of every source run on the target's grid, with masks of the source's own organs.

    Test and validation patients of the sources are left out. Where only one side knows millimetres, or neither,
    pixels are compared with pixels at the spacing the source was trained at.
    Raises UsageError where a source's scans cannot be had or read like the target's.
    """
    found: list[PreparedCase] = []
    for origin in origins:
        if origin.run is not None:
            found.extend(_cases_of(origin.run, plan, settings, progress))
    return found


def _checked_source(run: Run, own: Settings, progress: Stage) -> Checked:
    try:
        return check_and_split(own, progress, run.folder / "split.json")
    except DataError as error:
        raise DataError(
            found=f"the scans of the source {run.name} cannot be used: {error.found}", expected=error.expected,
            fix=f"put them back to {own.data.root or 'the synthetic abdomen'}, as seen from the current folder; "
            "or choose a strategy without source scans", path=error.path, code=error.code,
        ) from error  # fmt: skip


def _cases_of(run: Run, plan: Plan, settings: Settings, progress: Stage) -> list[PreparedCase]:
    own, theirs = run.settings(), read_plan(run)
    if theirs.input_channels != plan.input_channels:
        raise UsageError(
            found=f"source scans of {theirs.input_channels} input channels, target scans of {plan.input_channels}",
            expected="scans that one network can read", fix="use a strategy that needs no source scans",
            code="source-channels",
        )  # fmt: skip
    checked = _checked_source(run, own, progress)
    spacing = plan.spacing if plan.unit == theirs.unit == "mm" else theirs.spacing
    common = replace(theirs, spacing=spacing, size_px=plan.size_px, neighbours=plan.neighbours)
    listener, prepared = progress("preparing the source"), []
    cases = checked.cases(checked.split.train)
    for number, case in enumerate(cases):
        folder = cache_folder(settings) / "cases"
        prepared.append(prepare_case(case, checked.data_set, checked.sources, common, own.data, folder))
        listener(number + 1, len(cases), case.name)
    return prepared
