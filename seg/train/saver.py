"""Checkpoints and weights, written beside the loop, which waits only while they are copied."""

from types import TracebackType

from safetensors.torch import load_file
from torch import Tensor

from seg.atomic import put_link
from seg.errors import CheckpointError, ResourceError
from seg.runs import Run
from seg.train.checkpoint import Checkpoint, keep_newest, save_checkpoint
from seg.train.interrupt import Interrupted
from seg.train.log import TrainingLog
from seg.train.room import checkpoint_bytes, require_room
from seg.train.saved import BEST, moment, write_last
from seg.train.snapshot import Snapshot, size_bytes
from seg.train.training import Progress, Training
from seg.train.writer import Writer


class Saver:
    """Keeps a training on disk: one moment at a time is written, and the next one waits for it.

    A moment that cannot be written (full disk) is said and tried again with the next one; those before it stay. Its
    copy takes as much of the computer's memory as a checkpoint: five times the network with AdamW and averages.
    """

    def __init__(self, training: Training, run: Run, log: TrainingLog, progress: Progress) -> None:
        """Entering it raises ResourceError where the run's folder has no room or cannot be written."""
        self._training = training
        self._run = run
        self._log = log
        self._has_best = progress.best_step > 0
        self._writer = Writer()
        self._moment, self._best_of_all = Snapshot(training.device), Snapshot(training.device)
        self._best: dict[str, Tensor] = {}
        self._new_best = False
        self._checkpoint: Checkpoint | None = None
        self._failed: ResourceError | CheckpointError | None = None

    def __enter__(self) -> "Saver":
        require_room(self._training, self._run)
        # Memory for all that is copied later, since to get it takes the loop longer than to copy.
        self._moment.reserve(checkpoint_bytes(self._training))
        self._best_of_all.reserve(size_bytes(self._training.network.state_dict().values()))
        if self._has_best and self._run.model.exists():
            self._best = self._best_of_all.take({BEST: load_file(self._run.model)})[BEST]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After a second signal nobody wants to wait: what is half-written is removed when the run goes on.
        if not isinstance(error, SystemExit) or isinstance(error, Interrupted):
            self._writer.join()

    def keep_best(self, candidate: str) -> None:
        """Copy the weights of that candidate; they become the run's model when the next moment was written.

        Not before, so that the run's model is never a better one than its checkpoints know of.
        """
        self._writer.wait()
        self._best = self._best_of_all.take({BEST: self._training.exported(candidate)})[BEST]
        self._new_best = True

    def save(self, progress: Progress) -> None:
        """Copy everything that a resume needs, and write it while the training goes on."""
        if self._checkpoint is not None and self._checkpoint.step == progress.step:
            return
        self._writer.wait()
        now = moment(self._training, progress)
        tensors = self._moment.take(now.tensors)
        self._checkpoint = Checkpoint(now.step, {**tensors, **({BEST: self._best} if self._best else {})}, now.state)
        self._writer.start(self._write)

    def finish(self) -> None:
        """Return when everything is on the disk, the last weights too; raises where it cannot be."""
        self._writer.wait()
        if self._failed is not None:
            self._write()
        if self._failed is not None:
            raise self._failed
        write_last(self._training, self._run)
        if self._checkpoint is not None and self._checkpoint.step >= self._training.total_steps:
            # Nothing is left to be lost: from now on a resume only looks whether there is something left to do.
            keep_newest(self._run.checkpoints, 1)

    def _write(self) -> None:
        checkpoint = self._checkpoint
        if checkpoint is None:
            return
        try:
            self._log.sync()
            place = save_checkpoint(self._run.checkpoints, checkpoint)
            if self._new_best:
                put_link(place / f"{BEST}.safetensors", self._run.model)
                self._new_best = False
            self._failed = None
        except (ResourceError, CheckpointError) as error:
            self._failed = error
            self._log.say(f"What step {checkpoint.step} came to is not saved: {error}. Earlier checkpoints are whole.")
