"""The source's labelled slices, trained beside the target's as they are."""

from seg.transfer._source_loss import WEIGHTINGS, SourceLossSettings, SourceTrained
from seg.transfer.component import Component, ComponentInfo, Task


class JointSettings(SourceLossSettings):
    """How loud the source is beside the target."""


class Joint(SourceTrained):
    """Every source slice weighs the same.

    Source and target share encoder, decoder and the edge head's hidden layer. Organs that only the source has are
    predicted by outputs of their own, so that a liver is never taught as a pancreas, nor the other way round.
    `train.source_batch_size` says how many source slices join a step.
    """


def _make(task: Task, settings: JointSettings) -> Component:
    # A weighting trains on the same slices itself; both would count every slice twice.
    weighted = any(name in task.settings.components for name in WEIGHTINGS)
    return Component() if weighted else Joint(task, settings)


COMPONENT = ComponentInfo(
    title="Joint training with the source",
    level="instance",
    moves="the source's labelled slices",
    learns="everything, from slices of both domains; beside importance or tradaboost these do it alone",
    needs=("source scans",),
    paper="Caruana 1997, Multitask learning",
    make=_make,
    settings=JointSettings,
)
