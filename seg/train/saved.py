"""What of a training is kept on disk: checkpoints to go on from, best and last weights to predict with."""

from collections.abc import Mapping

from torch import Tensor

from seg.atomic import atomic_file
from seg.errors import CheckpointError
from seg.runs import Run
from seg.train.checkpoint import (
    Checkpoint,
    load_newest,
    load_optimizer_tensors,
    optimizer_tensors,
    save_checkpoint,
    save_tensors,
)
from seg.train.training import Progress, Training


def save(training: Training, run: Run, progress: Progress) -> None:
    """Write a checkpoint of everything a resume needs."""
    tensors: dict[str, Mapping[str, Tensor]] = {
        "network": training.network.state_dict(),
        "optimizer": optimizer_tensors(training.optimizer),
    }
    if training.ema is not None:
        tensors["ema"] = training.ema.state_dict()
    for number, component in enumerate(training.components):
        if state := component.state_dict():
            tensors[f"component-{number}"] = state
    numbers = {"progress": progress.state(), "precision": training.precision.state()}
    save_checkpoint(run.checkpoints, Checkpoint(progress.step, tensors, numbers))


def restore(training: Training, run: Run, progress: Progress) -> Progress:
    """Load the newest checkpoint that verifies into the training; `progress` unchanged where there is none."""
    checkpoint = load_newest(run.checkpoints)
    if checkpoint is None:
        return progress
    tensors = checkpoint.tensors
    try:
        training.network.load_state_dict(tensors["network"])
        load_optimizer_tensors(training.optimizer, tensors["optimizer"])
        if training.ema is not None:
            training.ema.load_state_dict(tensors["ema"])
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(
            found=str(error).splitlines()[0], expected="a checkpoint of these settings", code="checkpoint-settings",
            fix="resume with the settings the run was started with", path=run.checkpoints,
        ) from None  # fmt: skip
    for number, component in enumerate(training.components):
        component.load_state_dict(tensors.get(f"component-{number}", {}))
    training.precision.load_state(checkpoint.state["precision"])
    saved = Progress(**checkpoint.state["progress"])
    training.set_length(saved.total_steps)
    return saved


def write_best(training: Training, run: Run, candidate: str = "") -> None:
    """Keep the weights of that candidate, else the predicting ones, as the run's model."""
    with atomic_file(run.model) as temporary:
        save_tensors(temporary, training.exported(candidate))


def write_last(training: Training, run: Run) -> None:
    """Keep the predicting weights as the run's last ones; they are the model too where nothing was validated.

    Beside a teacher's, the student's are kept as well.
    """
    with atomic_file(run.last) as temporary:
        save_tensors(temporary, training.exported())
    if training.teaches:
        with atomic_file(run.student) as temporary:
            save_tensors(temporary, training.exported("student"))
    if not training.validation or not run.model.exists():
        write_best(training, run)
