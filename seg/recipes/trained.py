"""A finished run as something that predicts: network, plan and decided post-processing, loaded together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from seg.config import Organ, Settings
from seg.data.plan import Plan, plan_from_json
from seg.data.volume import CaseImage
from seg.errors import CheckpointError, UsageError
from seg.evaluate.largest import keep_largest
from seg.evaluate.predict import Inference, Probabilities, label_plane, predict_case
from seg.models.network import SegNetwork, build_network
from seg.models.weight_files import read_weight_file
from seg.overrides import load_organ
from seg.runs import Run
from seg.train.precision import Precision, choose_device, choose_precision, set_tf32


@dataclass(frozen=True)
class Trained:
    """What turns a scan into organ masks the way the run was trained."""

    network: SegNetwork
    plan: Plan
    organs: tuple[Organ, ...]
    keep_largest: dict[str, bool]
    """Per organ whether only its largest parts are kept."""
    inference: Inference


def load_trained(run: Run, settings: Settings) -> Trained:
    """The run's best model; CheckpointError where its files are missing or do not fit together.

    Raises UsageError for a run that predicts no organ.
    """
    manifest = run.manifest()
    plan = read_plan(run)
    if not plan.organs:
        raise UsageError(
            found="a pretraining, which predicts no organ", expected="a run that was trained for an organ",
            fix=f"teach it one: seg transfer --from {run.name} --to ORGAN", path=run.folder, code="no-organ",
        )  # fmt: skip
    model = settings.model.model_copy(update={"weights": "none"})
    network, _ = build_network(model, len(plan.organs), plan.input_channels)
    load_run_weights(network, run)
    decided = {organ: bool(kept) for organ, kept in manifest.results.get("keep_largest", {}).items()}
    return Trained(
        network=network,
        plan=plan,
        organs=tuple(load_organ(name) for name in plan.organs),
        keep_largest=decided_or_told(plan, decided, settings),
        inference=make_inference(network, settings),
    )


def load_run_weights(network: SegNetwork, run: Run, path: Path | None = None) -> None:
    """Every tensor of the run's best model, or of its file `path`, into the network.

    Raises CheckpointError where one does not fit, or the model changed.
    """
    file = read_weight_file(path or run.model)
    expected = run.manifest().results.get("model_sha256") if path in (None, run.model) else None
    if expected not in (None, file.sha256):
        raise CheckpointError(
            found=f"sha256 {file.sha256[:12]}...", expected=f"{expected[:12]}..., as the manifest says",
            fix="restore the file; it changed since the training", path=run.model, code="model-changed",
        )  # fmt: skip
    try:
        network.load_state_dict(file.tensors)
    except RuntimeError as error:
        raise CheckpointError(
            found=" ".join(str(error).split())[:300], expected="the weights of this run's network",
            fix="train again; config.yaml and the file do not belong together", path=path or run.model,
            code="weights-do-not-fit",
        ) from None  # fmt: skip


def read_plan(run: Run) -> Plan:
    """The plan the run was trained with."""
    path = run.folder / "plan.json"
    try:
        return plan_from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            found=str(error), expected="the plan of a run", fix="train again; the run is not complete",
            path=path, code="not-a-run",
        ) from None  # fmt: skip


def decided_or_told(plan: Plan, decided: dict[str, bool], settings: Settings) -> dict[str, bool]:
    """`predict.keep_largest` where it says yes or no, else what the validation patients decided."""
    told = {"yes": True, "no": False}.get(settings.predict.keep_largest)
    return {organ: decided.get(organ, False) if told is None else told for organ in plan.organs}


def make_inference(network: SegNetwork, settings: Settings) -> Inference:
    """Move the network to the device of the settings and say how slices go through it."""
    device = choose_device(settings.train.device)
    set_tf32(settings.train.tf32)
    network.to(device).to(memory_format=_layout(settings))
    precision = Precision(choose_precision(settings.train.precision, device), device, None)
    return Inference(device, precision.autocast, settings.predict.batch_size, settings.predict.flips)


def _layout(settings: Settings) -> torch.memory_format:
    return torch.channels_last if settings.train.channels_last else torch.contiguous_format


def predict_labels(
    trained: Trained, image: CaseImage, probabilities: list[Probabilities] | None = None
) -> list[NDArray[np.uint16]]:
    """Per slice (y, x) label values on the scan's own grid; appends to `probabilities` where a list is given."""
    planes = []
    for plane in predict_case(trained.network, image, trained.plan, trained.inference):
        planes.append(label_plane(plane, trained.plan.organ_values))
        if probabilities is not None:
            probabilities.append(plane)
    kept = [organ for organ in trained.organs if trained.keep_largest[organ.name]]
    return largest_parts(planes, kept, trained.plan, image.contiguous)


def largest_parts(
    planes: list[NDArray[np.uint16]], organs: Sequence[Organ], plan: Plan, contiguous: bool
) -> list[NDArray[np.uint16]]:
    """The planes with only the largest parts of `organs`; lone slices are treated one by one."""
    for organ in organs:
        value = plan.organ_values[plan.organs.index(organ.name)]
        groups = [planes] if contiguous else [[plane] for plane in planes]
        planes = [plane for group in groups for plane in _without_small_parts(np.stack(group), value, organ.components)]
    return planes


def _without_small_parts(labels: NDArray[np.uint16], value: int, components: int) -> NDArray[np.uint16]:
    inside = labels == value
    labels[inside & ~keep_largest(inside, components)] = 0
    return labels
