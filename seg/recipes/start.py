"""The network that a training starts from: which source or weights give it, and whether they can."""

from collections.abc import Sequence
from typing import Any

from seg.config import Settings
from seg.data.plan import Plan
from seg.errors import CheckpointError, UsageError
from seg.models.network import SegNetwork, build_network
from seg.models.source_weights import load_source
from seg.models.weights import WeightReport, require_weights
from seg.recipes.source import WORDS, Origin
from seg.recipes.together import in_turn
from seg.runs import Run


def taken_over(origin: Origin) -> dict[str, Any]:
    """The settings that a network must share with its source, as plain text values."""
    if origin.run is None:
        return {"model": {"weights": origin.word}} if origin.word in WORDS else {}
    settings = origin.run.settings()
    model = settings.model.model_dump(
        mode="json", include={"encoder", "decoder_channels", "edge_head", "edge_width_px"}
    )
    return {"model": model, "prepare": {"neighbours": settings.prepare.neighbours}}


def start_weights(settings: Settings, origins: Sequence[Origin]) -> str:
    """What `model.weights` comes to: the source's word where it is one, `none` where a source's file gives them."""
    if not origins:
        return settings.model.weights
    return "none" if origins[0].file else origins[0].word


def refuse_bad_start(settings: Settings, origins: Sequence[Origin]) -> None:
    """Raise, before any scan is read, where the start's weights cannot be had or are of another network."""
    if origins and origins[0].run is not None:
        _refuse_other_network(settings, origins[0].run)
    require_weights(settings.model.model_copy(update={"weights": start_weights(settings, origins)}))


def refuse_two_starts(settings: Settings, origins: Sequence[Origin]) -> None:
    """Raise UsageError where `--from` and `model.weights` name different published weights."""
    said, meant = settings.model.weights, start_weights(settings, origins)
    if origins and origins[0].file is None and said != meant:
        raise UsageError(
            found=f"model.weights={said} beside the source {meant}", expected="one start",
            fix=f"leave model.weights out, or write model.weights={meant}; or name {said} as the source",
            code="two-starts",
        )  # fmt: skip


def _refuse_other_network(settings: Settings, run: Run) -> None:
    theirs, ours = run.settings().model, settings.model
    ways_out = {"encoder": "train a source with it first"}
    if settings.transfer.parts != "encoder":
        ways_out["decoder_channels"] = "take the encoder alone: transfer.parts=encoder"
    for name, way_out in ways_out.items():
        source, own = (_written(model.model_dump()[name]) for model in (theirs, ours))
        if source != own:
            raise UsageError(
                found=f"model.{name}={own}, where the source {run.name} has {source}", expected="the source's network",
                fix=f"leave model.{name} out, since it comes from the source, or write model.{name}={source}; "
                f"or {way_out}", code="other-network",
            )  # fmt: skip


def _written(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


@in_turn("building the network")
def start_network(settings: Settings, plan: Plan, origins: Sequence[Origin]) -> tuple[SegNetwork, WeightReport]:
    """The network a training starts from; the first source gives the weights, without one `model.weights` does."""
    start = settings.model.model_copy(update={"weights": start_weights(settings, origins)})
    network, report = build_network(start, len(settings.organ), plan.input_channels)
    first = origins[0] if origins else None
    if first is None or first.file is None:
        return network, report
    report = load_source(
        network, first.file, parts=settings.transfer.parts, source_organs=first.organs, organs=settings.organ
    )
    if first.run is not None and first.file == first.run.model:
        _refuse_changed_model(first.run, report)
    return network, report


def _refuse_changed_model(run: Run, report: WeightReport) -> None:
    expected = run.manifest().results.get("model_sha256")
    if expected not in (None, report.sha256):
        raise CheckpointError(
            found=f"sha256 {report.sha256[:12]}...", expected=f"{expected[:12]}..., as the manifest says",
            fix="restore the file; it changed since the source was trained", path=run.model, code="model-changed",
        )  # fmt: skip
