"""What of a training is kept on disk: checkpoints to go on from, best and last weights to predict with."""

from collections.abc import Callable, Mapping

from torch import Tensor

from seg.atomic import atomic_file, put_link
from seg.errors import CheckpointError
from seg.runs import Run
from seg.train.checkpoint import Checkpoint, load_checkpoint, newest_sound
from seg.train.moments import load_optimizer_tensors, optimizer_tensors
from seg.train.tensor_file import write_tensors
from seg.train.training import Progress, Training

BEST = "best"
"""The tensor group of the best weights so far, as a plain network of the settings can load them."""


def moment(training: Training, progress: Progress) -> Checkpoint:
    """Everything that a resume needs, except for the best weights; the tensors are the training's own, no copies."""
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
    return Checkpoint(progress.step, tensors, numbers)


def restore(training: Training, run: Run, progress: Progress, say: Callable[[str], None] = lambda _: None) -> Progress:
    """Load the newest checkpoint that verifies into the training; `progress` unchanged where there is none.

    The run's model becomes the best one of that moment again, since a training that goes on elsewhere than it went
    before may never come to a later one. `say` is told of damaged checkpoints. The first of several processes chooses;
    CheckpointError in one that finds its choice damaged, since none may start elsewhere than the others.
    """
    place = training.ranks.same("choosing a checkpoint", lambda: newest_sound(run.checkpoints, say))
    if place is None:
        return progress
    checkpoint = load_checkpoint(place)
    tensors, saved = checkpoint.tensors, Progress(**checkpoint.state["progress"])
    training.set_length(saved.total_steps)
    try:
        training.network.load_state_dict(tensors["network"])
        load_optimizer_tensors(training.optimizer, tensors["optimizer"])
        if training.ema is not None:
            training.ema.load_state_dict(tensors["ema"])
    except (KeyError, IndexError, RuntimeError) as error:
        raise CheckpointError(
            found=str(error).splitlines()[0], expected="a checkpoint of these settings", code="checkpoint-settings",
            fix="resume with the settings the run was started with", path=run.checkpoints,
        ) from None  # fmt: skip
    for number, component in enumerate(training.components):
        component.load_state_dict(tensors.get(f"component-{number}", {}))
    training.precision.load_state(checkpoint.state["precision"])
    if BEST in tensors and training.ranks.leads:
        put_link(place / f"{BEST}.safetensors", run.model)
    return saved


def write_last(training: Training, run: Run) -> None:
    """Keep the predicting weights as the run's last ones; they are the model too where nothing was validated.

    Beside a teacher's, the student's are kept as well.
    """
    with atomic_file(run.last) as temporary:
        write_tensors(temporary, _on_cpu(training.exported()))
    if training.teaches:
        with atomic_file(run.student) as temporary:
            write_tensors(temporary, _on_cpu(training.exported("student")))
    if not training.validation or not run.model.exists():
        with atomic_file(run.model) as temporary:
            write_tensors(temporary, _on_cpu(training.exported()))


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu() for name, tensor in tensors.items()}
