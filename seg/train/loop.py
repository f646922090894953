"""The training loop, from top to bottom: batch, losses, step, log, validate, save."""

import time
from contextlib import closing

import torch
from torch import Tensor

from seg.data.streams import Batches
from seg.runs import Run
from seg.train.batches import training_batches
from seg.train.finite import not_finite, require_finite
from seg.train.follower import saver_of
from seg.train.interrupt import Interrupt, Interrupted
from seg.train.log import TrainingLog, duration
from seg.train.memory import step_memory, validation_memory
from seg.train.saver import Saver
from seg.train.schedule import set_learning_rate
from seg.train.training import Progress, Training
from seg.train.validate import validation_dice
from seg.train.watched_curve import watched_row, watched_steps
from seg.transfer.component import Forward

_LOGGED_EVERY = 10

_TIMED_STEPS = range(5, 25)
"""Steps that are timed before a time budget is turned into steps; the first ones are slower."""


def fit(training: Training, run: Run, log: TrainingLog, progress: Progress) -> Progress:
    """Train from `progress` to the end; Interrupted, with everything saved, when a signal asked to stop.

    Raises TrainingError that names step, terms and cases where a loss or gradient is not finite; nothing moved then.
    Raises ResourceError that says what would fit where memory ran out, or which slice a loading process died at.
    Raises ResourceError before the first step where the run's disk is too small, and at the end where the last
    checkpoint or the weights cannot be written; in between, a checkpoint that cannot be written is only said.
    """
    clock, interrupt, first = _Clock(progress), Interrupt(), progress.step
    loaded = training_batches(training, range(first, training.total_steps), lambda: interrupt.requested)
    with interrupt, saver_of(training, run, log, progress) as saver, closing(loaded):
        if progress.step == 0:
            _watch(training, log, progress)
        for batches in loaded:
            # Looked at before a step, since a resumed run may have ended before the settings' last step.
            if progress.step >= progress.total_steps or _out_of_patience(training, log, progress):
                break
            taken, skipped = _taken(training, progress.step), training.precision.skipped_steps
            rate = set_learning_rate(training.optimizer, training.settings.optim, taken, progress.total_steps)
            with step_memory(training):
                terms = take_step(training, batches, progress.step)
            progress.step += 1
            clock.tick()
            _say_skipped(training, log, progress, batches, skipped)

            if progress.step % _LOGGED_EVERY == 0 or progress.step == 1:
                _log_step(training, log, progress, clock, terms, rate)
            _keep_budget(training, log, progress, clock)
            due, leaving = _saving_due(training, progress), _exit_code(training, interrupt) > 0
            if due or leaving:
                require_finite(training.network.state_dict(), progress.step)
            if due and training.validation:
                _validate(training, saver, log, progress)
            _watch(training, log, progress)
            if due or leaving:
                clock.stop(progress)
                saver.save(progress)
            if leaving:
                break
        clock.stop(progress)
        _save_what_waited(training, saver, interrupt, progress, first)
        saver.finish()
        training.ranks.meet("writing the last weights")
        if exit_code := _exit_code(training, interrupt):
            log.say(f"Interrupted after step {progress.step}. To go on: {run.going_on}")
            raise Interrupted(exit_code)
    return progress


def _exit_code(training: Training, interrupt: Interrupt) -> int:
    """Of the signal that any of the processes got; 0 for none."""
    return training.ranks.largest(interrupt.exit_code or 0)


def _save_what_waited(
    training: Training, saver: Saver, interrupt: Interrupt, progress: Progress, first_step: int
) -> None:
    """After a signal that came while a batch was waited for, the last step is not saved yet."""
    if progress.step > first_step and _exit_code(training, interrupt):
        require_finite(training.network.state_dict(), progress.step)
        saver.save(progress)


def take_step(training: Training, batches: Batches, step: int) -> dict[str, Tensor]:
    """Forward, losses, backward and update; returns the detached terms as `loss/<name>` and their sum as `loss`.

    Nothing has moved after an error or a skipped step, running statistics of norms included.
    """
    network = training.network.train()
    progress = _taken(training, step) / training.total_steps
    layout = torch.channels_last if training.settings.train.channels_last else torch.contiguous_format
    batches = {name: batch.to(training.device, layout) for name, batch in batches.items()}
    training.statistics.keep()
    taken = False
    try:
        for component in training.components:
            component.set_mode(network, progress)
            batches = component.change(batches, step)
        # Dropout draws from torch's global random numbers; tied to the step, a resumed run repeats them.
        torch.manual_seed(training.settings.train.seed * 1_000_003 + step)
        batches = {name: batch.to(training.device, layout) for name, batch in batches.items()}
        forward = Forward(
            network, batches, progress, training.components, training.teacher, training.ranks, training.total_steps
        )
        terms = _losses(training, forward, step)
        taken = _update(training, terms, batches, step)
    finally:
        if not taken:
            training.statistics.restore()
    if taken:
        if training.ema is not None:
            training.ema.update(network)
        for component in training.components:
            component.after_step(network, step)
    return {name: term.detach() for name, term in terms.items()}


def _losses(training: Training, forward: Forward, step: int) -> dict[str, Tensor]:
    terms: dict[str, Tensor] = {}
    with training.precision.autocast():
        for component in training.components:
            terms.update(component.losses(forward, step))
    total = torch.stack([term.float() for term in terms.values()]).sum()
    return {**{f"loss/{name}": term for name, term in terms.items()}, "loss": total}


def _update(training: Training, terms: dict[str, Tensor], batches: Batches, step: int) -> bool:
    """Whether the optimiser's step was taken; one that overflowed in fp16 is not."""
    # Images too: a pass that only moves norm statistics has no term that would show what is wrong with them.
    seen = [torch.isfinite(batch.images).all() for batch in batches.values()]
    if not training.ranks.everywhere(bool(torch.stack([torch.isfinite(terms["loss"]), *seen]).all())):
        raise not_finite("a loss", terms, batches, step)
    training.precision.backward(terms["loss"] / training.ranks.count)
    training.ranks.sum_gradients(parameter for group in training.groups for parameter in group.parameters)
    try:
        return training.precision.step(training.optimizer)
    except FloatingPointError:
        raise not_finite("a gradient", terms, batches, step) from None


def _taken(training: Training, step: int) -> int:
    """The step that the learning rate and all that rises or falls with it is at: skipped ones do not move them."""
    return step - training.precision.skipped_steps


def _say_skipped(training: Training, log: TrainingLog, progress: Progress, batches: Batches, before: int) -> None:
    if training.precision.skipped_steps > before:
        slices = "; ".join(where for batch in batches.values() for where in batch.where)
        log.say(
            f"Step {progress.step} is skipped: a gradient overflowed in fp16 on {slices}. Nothing moved; the loss is "
            f"scaled by {training.precision.scale:g} from now on."
        )


def _log_step(
    training: Training, log: TrainingLog, progress: Progress, clock: "_Clock", terms: dict[str, Tensor], rate: float
) -> None:
    values = {name: float(term) for name, term in terms.items()}
    for component in training.components:
        values.update(component.readings())
    if training.precision.name == "fp16":
        values["skipped_steps"] = training.precision.skipped_steps
    images_per_s = sum(training.batch_sizes.values()) / clock.step_s
    log.row(progress.step, {**values, "lr": rate, "images_per_s": images_per_s})
    left_s = (progress.total_steps - progress.step) * clock.step_s
    best = f"Dice {progress.best_dice:.3f}  " if progress.best_dice >= 0 else ""
    log.progress(
        progress.step, f"loss {values['loss']:.3f}  {best}{images_per_s:.1f} images/s  {duration(left_s)} left"
    )


def _keep_budget(training: Training, log: TrainingLog, progress: Progress, clock: "_Clock") -> None:
    budget_min = training.settings.train.time_budget_min
    if budget_min is None or progress.budgeted or progress.step < _TIMED_STEPS.stop:
        return
    progress.budgeted = True
    # At least one more, after which even the averaged weights have seen a step.
    affordable = max(progress.step + 1, int(budget_min * 60 / clock.step_s))
    affordable = training.ranks.exchanged(affordable)[0]
    if affordable < progress.total_steps:
        progress.total_steps = affordable
        training.set_length(affordable)
        log.total(affordable)
        log.say(f"{affordable} steps fit into the time budget of {budget_min:g} min.")


def _saving_due(training: Training, progress: Progress) -> bool:
    """After each of `train.validations` equal parts of the run, whether or not there is a patient to validate on."""
    parts, total = training.settings.train.validations, progress.total_steps
    return progress.step * parts // total > (progress.step - 1) * parts // total


def _validate(training: Training, saver: Saver, log: TrainingLog, progress: Progress) -> None:
    with validation_memory(training):
        scores = {
            name: validation_dice(network, training.validation, training.plan, training.inference, training.ranks)
            for name, network in training.candidates.items()
        }
    chosen = max(scores, key=lambda name: scores[name]["mean"])
    dice = scores[chosen]
    row = {f"val/dice/{organ}": value for organ, value in dice.items()}
    apart = {f"val/{name}/dice": score["mean"] for name, score in scores.items()} if len(scores) > 1 else {}
    log.row(progress.step, {**row, **apart})
    better = dice["mean"] > progress.best_dice
    if better:
        progress.best_dice, progress.validations_since_best = dice["mean"], 0
    else:
        progress.validations_since_best += 1
    # Where nothing was found yet, the longer training is the better guess.
    if better or progress.best_dice == 0:
        progress.best_step, progress.best_of = progress.step, chosen
        saver.keep_best(chosen)
    of_whom = f" of the {chosen}" if apart else ""
    mark = ", the best so far" if better else ""
    log.say(f"step {progress.step} of {progress.total_steps}: validation Dice {dice['mean']:.4f}{of_whom}{mark}")


def _watch(training: Training, log: TrainingLog, progress: Progress) -> None:
    """Score the test patients where it is their turn; nothing but a row of the curve comes of it."""
    if progress.step in watched_steps(training.settings, progress.total_steps) and training.watched:
        with validation_memory(training):
            log.row(progress.step, watched_row(training))


def _out_of_patience(training: Training, log: TrainingLog, progress: Progress) -> bool:
    patience = training.settings.train.patience
    if patience is None or progress.validations_since_best < patience:
        return False
    log.say(f"Stopped early: {patience} validations without a better one.")
    return True


class _Clock:
    """Seconds per step as a running mean, and the time spent over all sessions of a run."""

    def __init__(self, progress: Progress) -> None:
        self._before_s = progress.elapsed_s
        self._start = self._last = time.perf_counter()
        self._ticks = 0
        self.step_s = 1.0

    def tick(self) -> None:
        """A step ended."""
        now = time.perf_counter()
        took, self._last, self._ticks = now - self._last, now, self._ticks + 1
        share = max(1 / self._ticks, 0.05) if self._ticks > _TIMED_STEPS.start else 1.0
        self.step_s += share * (took - self.step_s)

    def stop(self, progress: Progress) -> None:
        """Note the time spent; what happens until the next step ends is not counted as a step."""
        progress.elapsed_s = self._before_s + time.perf_counter() - self._start
        self._last = time.perf_counter()
