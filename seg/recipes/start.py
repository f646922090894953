"""The network that a training starts from: which source or weights give it, and whether they can."""

from collections.abc import Sequence
from typing import Any

from seg.config import Settings
from seg.data.plan import Plan
from seg.errors import CheckpointError
from seg.models.network import SegNetwork, build_network
from seg.models.source_weights import load_source
from seg.models.weights import WeightReport
from seg.recipes.source import WORDS, Origin
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
