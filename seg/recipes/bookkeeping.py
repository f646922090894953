"""What a run's manifest says of its beginning, its training and its end."""

import dataclasses
import json
import resource
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from seg.atomic import write_text
from seg.data.organs import overlapping
from seg.data.plan import plan_to_json
from seg.data.splits import save_split
from seg.digest import file_sha256
from seg.errors import DataError
from seg.models.weights import WeightReport, WeightRow
from seg.processes import ignore_launcher, leads
from seg.recipes.judge import Judged
from seg.recipes.lineage import in_first_mode, keep_source_curves, lineage_of
from seg.recipes.pictures import save_pictures
from seg.recipes.prepare import Prepared
from seg.recipes.scans_place import FROM_RUN, way_from
from seg.recipes.source import Origin
from seg.recipes.together import by_first
from seg.records import to_json
from seg.report.tables import cases_csv
from seg.runs import Run, new_manifest
from seg.train.outcome import Outcome, tensor_outcomes
from seg.train.training import Progress, Training


def note_start(
    run: Run, training: Training, prepared: Prepared, origins: Sequence[Origin] = (),
    more: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Plan, split, the models before it with `more` about them, and all else that is known before the first step."""
    checked, weights = prepared.checked, training.start
    write_text(run.folder / "plan.json", plan_to_json(prepared.plan))
    save_split(checked.split, run.folder / "split.json")
    outcomes = tensor_outcomes(in_first_mode(training), weights, training.groups)
    write_text(run.folder / "weights.csv", weights_csv(weights, outcomes))
    keep_source_curves(run, origins)
    manifest = new_manifest(run, "train", training.settings)
    run.write_manifest(
        dataclasses.replace(
            manifest,
            data={**data_facts(prepared), FROM_RUN: way_from(run, checked.data_set.root)},
            lineage={**lineage_of(training, origins), **(more or {})},
            notes=(
                *filter(None, [training.settings.transfer.advised]),
                *weights.notes,
                checked.split.how,
                *told(prepared),
            ),
        )
    )


def weights_csv(weights: WeightReport, outcomes: Mapping[str, Outcome]) -> str:
    """Every tensor of the network and of the file: loaded, adapted, missing (starts from nothing) or unused.

    What a strategy put into the network is missing in the file too. `frozen` is empty for constants.
    """
    rows = {row.name: row for row in weights.rows if row.status != "unused"}
    added = {
        name: WeightRow(name, outcome.status, None, outcome.shape)
        for name, outcome in outcomes.items()
        if name not in rows
    }
    unused = [row for row in weights.rows if row.status == "unused"]
    lines = [_weights_line(row, outcomes.get(row.name)) for row in (*rows.values(), *added.values())]
    lines += [_weights_line(row, None) for row in unused]
    heading = "tensor,status,shape in the file,shape in the network,frozen,learning rate factor"
    return "\n".join([heading, *lines]) + "\n"


def _weights_line(row: WeightRow, outcome: Outcome | None) -> str:
    frozen = "" if outcome is None or outcome.frozen is None else ("yes" if outcome.frozen else "no")
    factor = "" if outcome is None or outcome.lr_factor is None else f"{outcome.lr_factor:g}"
    return f"{row.name},{row.status},{_shape(row.found)},{_shape(row.expected)},{frozen},{factor}"


def _shape(shape: tuple[int, ...] | None) -> str:
    return "" if shape is None else " x ".join(map(str, shape))


def refuse_other_data(run: Run, prepared: Prepared) -> None:
    """Raise DataError where the scans or labels are not those the run was started with: its plan would not fit them."""
    then, now = run.manifest().data, json.loads(json.dumps(data_facts(prepared)))
    old, new = then.get("prepared", {}), now["prepared"]
    changed = sorted(case for case in {**old, **new} if old.get(case) != new.get(case))
    plan = (run.folder / "plan.json").read_text(encoding="utf-8")
    if changed or plan != plan_to_json(prepared.plan):
        raise DataError(
            found="another plan than when the run was started" if plan != plan_to_json(prepared.plan)
            else f"{len(changed)} changed scans or labels ({', '.join(changed[:5])})",
            expected="the scans and labels the run was started with",
            fix="restore them, or start anew with --new or another runs.name",
            path=prepared.checked.data_set.root, code="resume-data",
        )  # fmt: skip


def data_facts(prepared: Prepared) -> dict[str, Any]:
    """What the data looked like, and hashes of every case that trained or chose: of its voxels, and as prepared."""
    checked, fingerprint = prepared.checked, prepared.fingerprint
    split = checked.split
    seen = {*split.train, *split.validation, *split.unlabelled}
    cases = (*prepared.train, *prepared.validation, *prepared.unlabelled)
    return {
        "root": checked.data_set.root,
        "format": checked.data_set.format,
        "patients": {side: len(patients) for side, patients in split.sides().items()},
        "training_slices": int(sum(len(case) for case in prepared.train)),
        "unit": fingerprint.unit,
        "spacing_yx": [float(value) for value in np.median(fingerprint.spacings_yx, axis=0)],
        "shape_yx": [int(value) for value in np.median(fingerprint.shapes_yx, axis=0)],
        "slices_per_case": [int(f(fingerprint.slices)) for f in (np.min, np.median, np.max)],
        "modalities": list(fingerprint.modalities),
        "foreground_percentiles": [list(pair) for pair in fingerprint.foreground_percentiles],
        "foreground_mean_std": [list(pair) for pair in fingerprint.foreground_mean_std],
        "organ_sizes": {organ: [float(np.min(s)), float(np.median(s)), float(np.max(s))]
                        for organ, s in fingerprint.organ_sizes.items()},
        "label_values": {source.organ: list(source.values) or list(source.files) for source in checked.sources},
        "case_sha256": {f.case: f.voxel_sha256 for f in checked.report.facts if f.patient in seen},
        "prepared": {case.name: case.folder.name for case in cases},
    }  # fmt: skip


def told(prepared: Prepared) -> tuple[str, ...]:
    """What the check noted, what was guessed and where organs overlap; without names, since reports show it."""
    checked, modalities = prepared.checked, prepared.fingerprint.modalities
    counts = Counter(f.code for f in checked.report.findings if f.severity != "error" and f.code != "tolerated")
    noted = [f"The check noted `{code}` {count} times; `seg check` lists where." for code, count in counts.items()]
    guessed = [
        f"Channel {number + 1} was taken for {modality} by its values; data.modality can say otherwise."
        for number, modality in enumerate(modalities)
        if prepared.modality_guessed and number >= len(checked.data_set.channel_names)
    ]
    return (*checked.data_set.tolerated, *overlapping(checked.sources), *guessed, *noted)


@by_first("noting what the training came to")
def note_training(run: Run, training: Training, progress: Progress) -> None:
    """What the loop came to."""
    run.change_manifest(
        results={
            "steps": progress.step,
            "best_step": progress.best_step or progress.step,
            "best_of": progress.best_of or next(iter(training.candidates)),
            "validation_dice": progress.best_dice if progress.best_dice >= 0 else None,
            "training_s": round(progress.elapsed_s, 1),
            "precision": training.precision.name,
            "skipped_steps": training.precision.skipped_steps,
            "tf32": training.settings.train.tf32 and training.device.type == "cuda",
            "compiled": training.settings.train.compile,
            "device": training.device.type,
            "processes": training.ranks.count,
            "peak_memory_mb": peak_memory_mb(training.device),
            "model_sha256": file_sha256(run.model),
        }
    )


@by_first("noting the scores")
def note_finish(run: Run, judged: Judged) -> None:
    """Scores, pictures and the state `finished`."""
    if judged.evaluation is not None:
        show_names = run.settings().evaluate.show_names
        write_text(run.folder / "evaluation.json", to_json(judged.evaluation))
        write_text(run.folder / "cases.csv", cases_csv(judged.evaluation, show_names))
    save_pictures(run.folder / "pictures.npz", judged.pictures)
    run.change_manifest(state="finished")


@by_first("noting what the run is")
def note_verb(run: Run, verb: str) -> None:
    """That the run is no plain training."""
    run.change_manifest(verb=verb)


def note_state(run: Run, state: str) -> None:
    """How the run ended."""
    if leads():
        run.change_manifest(state=state)


@by_first("noting what was decided")
def note_results(run: Run, more: Mapping[str, Any]) -> None:
    """Further results beside those of the training."""
    run.change_manifest(results={**run.manifest().results, **more})


def note_failure(run: Run, error: Exception) -> None:
    """The state `failed` and the error's first line."""
    if not leads():
        return
    ignore_launcher()
    manifest = run.manifest()
    run.change_manifest(state="failed", results={**manifest.results, "error": str(error).split("\n")[0][:500]})


def peak_memory_mb(device: torch.device) -> int:
    """Most memory the process held, on the GPU where it trained there, else in RAM."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device) / 1e6)  # gpu-only
    unit = 1 if sys.platform == "darwin" else 1024
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)
