"""Domain-adversarial training: a discriminator learns to tell the domains apart, the features learn to prevent it."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from torch import Tensor

from seg.models.network import SegNetwork
from seg.models.weights import WeightReport
from seg.transfer._alignment import Alignment, AlignmentSettings
from seg.transfer._discriminator import Discriminator, domain_accuracy, domain_cross_entropy
from seg.transfer._gradient_reversal import reverse_gradient
from seg.transfer._groups import by_decay
from seg.transfer._samples import Samples
from seg.transfer.component import ComponentInfo, ParameterGroup, Task
from seg.values import AboveZero, NotNegative


class DannSettings(AlignmentSettings):
    """Knobs of `dann`."""

    weight: NotNegative = 0.1
    """Weight of the reversed gradient, from where the ramp ends."""
    hidden: Annotated[int, Field(ge=1, le=4096)] = 64
    """Width of the discriminator's hidden layer."""
    lr_factor: AboveZero = 1.0
    """Learning rate of the discriminator relative to `optim.lr`."""


class Dann(Alignment):
    """The discriminator's cross-entropy through a gradient reversal.

    The weight acts in the reversal and not on the term, so that the discriminator learns at its full rate whatever the
    features are asked for. Source: Ganin et al. 2016, section 5.2.2 (its footnote on lambda).
    """

    def __init__(self, task: Task, settings: DannSettings) -> None:
        """The discriminator is made when the network is known."""
        super().__init__("dann", task, settings)
        self._settings = settings
        self._seed = task.settings.train.seed
        self._discriminator: Discriminator
        self._accuracy: Tensor | None = None

    def prepare(self, network: SegNetwork, start: WeightReport) -> None:
        """A new discriminator that fits the features."""
        device = next(network.parameters()).device
        self._discriminator = Discriminator(self.channels(network), self._settings.hidden, self._seed).to(device)

    def own_groups(self) -> list[ParameterGroup]:
        """The discriminator's weights."""
        return by_decay("discriminator", list(self._discriminator.parameters()), self._settings.lr_factor)

    def term(self, source: Samples, target: Samples, strength: float) -> Tensor:
        """0 where a side has no sample."""
        if min(len(source.vectors), len(target.vectors)) == 0:
            self._accuracy = None
            return source.vectors.new_zeros(())
        logits = [self._discriminator(reverse_gradient(samples.vectors, strength)) for samples in (source, target)]
        self._accuracy = domain_accuracy(*(found.detach() for found in logits))
        return domain_cross_entropy(*logits)

    def readings(self) -> dict[str, float]:
        """How often the discriminator is right: towards 0.5 the domains are aligned, at 1 it is too strong."""
        return {} if self._accuracy is None else {"dann/accuracy": float(self._accuracy)}

    def state_dict(self) -> dict[str, Tensor]:
        """The discriminator's weights."""
        return dict(self._discriminator.state_dict())

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """In place: the optimiser holds these very parameters."""
        self._discriminator.load_state_dict(state)


def _make(task: Task, settings: DannSettings) -> Dann:
    return Dann(task, settings)


COMPONENT = ComponentInfo(
    title="Domain-adversarial features (DANN)",
    level="feature",
    moves="what source features look like, as far as a discriminator sees it",
    learns="features that a discriminator cannot tell apart",
    needs=("source scans",),
    paper="Ganin et al. 2016, Domain-Adversarial Training of Neural Networks",
    make=_make,
    settings=DannSettings,
)
