"""The seam: what a strategy component may change.

A component never owns the loop; it answers questions about data, network, learning and keeping, each with a default.
It is one file of this package with `COMPONENT`, a ComponentInfo. Components combine by being listed.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from seg.config import Section, Settings
from seg.data.cache import PreparedCase
from seg.data.dataset import Batch
from seg.data.plan import Plan
from seg.models.network import Output, SegNetwork
from seg.models.norms import statistics_held
from seg.models.sharing import ALONE, OwnPasses, Sharing, WholeMaps, WholeOutput, over_rows
from seg.models.weights import WeightReport

Level = Literal["structure", "feature", "parameter", "instance", "relation", "none"]
Need = Literal["labels", "unlabelled", "weights", "source model", "source scans", "teacher"]


@dataclass(frozen=True)
class Taught:
    """What the teacher says of a stream's images, pixel by pixel as the learning network sees them; no gradients."""

    probabilities: Tensor
    """(batch, organ, y, x), fp32."""
    seen: Tensor
    """(batch, 1, y, x) bool: where both look at the same part of the scan."""
    again: Callable[[int], Tensor]
    """Probabilities of one more look, the number of which is given, at images with noise and with dropout."""


class Forward:
    """One step's passes through the networks: each stream at most once, however many terms need it."""

    def __init__(
        self,
        network: SegNetwork,
        batches: Mapping[str, Batch],
        progress: float = 0.0,
        components: Sequence["Component"] = (),
        teacher: SegNetwork | None = None,
        sharing: Sharing = ALONE,
        total_steps: int = 1,
    ) -> None:
        """`batches` are on the network's device already; `progress` is the share of `total_steps` that is done.

        `components` are asked what is taught; `teacher` is the averaged network, in evaluation mode. Batches and
        outputs are whole, however many processes share the passes.
        """
        self.network = network
        self.batches = batches
        self.progress = progress
        self.total_steps = total_steps
        self.teacher = teacher
        self._components = components
        self._sharing, self._passes = sharing, OwnPasses(sharing)
        self._outputs: dict[str, Output] = {}
        self._taught: dict[str, Taught | None] = {}
        self._trust: dict[str, Tensor | None] = {}

    @property
    def target(self) -> str:
        """The stream of the target domain that is there: `labelled`, else `unlabelled`, else `source` alone."""
        return next(stream for stream in ("labelled", "unlabelled", "source") if stream in self.batches)

    def output(self, stream: str) -> Output:
        """The network's output for a stream's images.

        Only the target's stream moves running norm statistics: predictions are made on target scans, and a mixture
        with the source's statistics would fit neither.
        """
        if stream not in self._outputs:
            with statistics_held(self.network, stream != self.target):
                self._outputs[stream] = self._pass(self.batches[stream])
        return self._outputs[stream]

    def taught(self, stream: str) -> Taught | None:
        """What a component's teacher says of a stream's images; None where nobody teaches on it."""
        if stream not in self._taught:
            opinions = (component.taught(self, stream) for component in self._components)
            self._taught[stream] = next((opinion for opinion in opinions if opinion is not None), None)
        return self._taught[stream]

    def trust(self, stream: str) -> Tensor | None:
        """(batch, organ or 1, y, x) weights, 0 to 1, of what is taught: the product over components; None for 1."""
        if stream not in self._trust:
            weights: Tensor | None = None
            for component in self._components:
                own = component.trust(self, stream)
                if own is not None:
                    weights = own if weights is None else weights * own
            self._trust[stream] = weights
        return self._trust[stream]

    def over_rows(self, function: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
        """`function(rows)` by parts: with several processes, each computes some of the rows, and all get all.

        For passes beside `output` that are worth it; `function` must treat every row alike, as networks do.
        """
        return over_rows(self._passes, self._sharing, function, rows)

    def encoded(self, network: SegNetwork, images: Tensor) -> Sequence[Tensor]:
        """`network.encode(images)` by parts likewise; with several processes, only maps that are looked at travel."""
        with self._passes.one(images.device):
            maps = network.encode(images[self._sharing.own(len(images))])
        return maps if self._sharing.count == 1 else WholeMaps(maps, self._sharing)

    def _pass(self, batch: Batch) -> Output:
        own = self._sharing.own(len(batch.images))
        with self._passes.one(batch.images.device):
            if batch.features is None:
                found: Output = self.network(batch.images[own])
            else:
                found = self.network.read([_computable(feature[own]) for feature in batch.features])
        return found if self._sharing.count == 1 else WholeOutput(found, self._sharing)


def _computable(feature: Tensor) -> Tensor:
    """A map that was kept in half precision, in the precision of the step."""
    device = feature.device.type
    kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
    # Through float32, since on a CPU that takes half as long as from one 16-bit type to the other.
    return feature.float().to(kind)


@dataclass(frozen=True)
class Averaging:
    """How fast averaged weights follow the learning ones."""

    half_life: float
    """As a share of the steps."""
    decay: float | None = None
    """Per step, in the place of the half-life."""


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that learn alike."""

    name: str
    parameters: Sequence[torch.nn.Parameter]
    lr_factor: float = 1.0
    """Times `optim.lr`."""
    weight_decay: bool = True


@dataclass(frozen=True)
class Source:
    """The model that knowledge comes from, where it is one that segments."""

    organs: tuple[str, ...]
    """What its heads predict, in order; empty for a model that predicts no organ."""
    load: Callable[[], SegNetwork]
    """A new copy on the CPU, in evaluation mode, without gradients."""


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


@dataclass(frozen=True)
class Task:
    """What a component is made for; everything that is known before the first step."""

    settings: Settings
    plan: Plan
    cases: Mapping[str, Sequence[PreparedCase]]
    """Every stream there is data for: `labelled`, `unlabelled`, `source`."""
    source: Source | None
    source_organs: tuple[str, ...]
    """What the masks of the `source` stream show, in order."""
    cache: Path
    """Folder for what is costly to make again; entries are keyed by content."""
    say: Callable[[str], None] = _say
    """Takes lines for the person who waits, before and during costly preparations."""


class Component:
    """One part of a strategy; abstract, with a default answer to every question."""

    def streams(self) -> tuple[str, ...]:
        """Data: which streams the loader must deliver."""
        return ()

    def batches(self, stream: str, steps: range, batch_size: int) -> Iterator[Batch] | None:
        """Data: own batches of a stream for these steps; None leaves them to the loader."""
        return None

    def change(self, batches: dict[str, Batch], step: int) -> dict[str, Batch]:
        """Data: the batches of a step, on the device, before the network sees them; random by (seed, step) only."""
        return batches

    def prepare(self, network: SegNetwork, start: WeightReport) -> None:
        """Network: change or remember what is there before the first step; also called before a resume."""

    def groups(self, network: SegNetwork, start: WeightReport) -> list[ParameterGroup] | None:
        """Network: what learns at which rate; None leaves it to the others. The last component listed decides."""
        return None

    def regroup(self, groups: list[ParameterGroup]) -> list[ParameterGroup]:
        """Network: the groups that `groups` decided on, changed where that must hold whichever component decided."""
        return groups

    def own_groups(self) -> list[ParameterGroup]:
        """Network: parameters of the component's own, such as a discriminator's."""
        return []

    def set_mode(self, network: SegNetwork, progress: float) -> None:
        """Network: called after `network.train()` before every step; what is frozen has to be said here again."""

    def averaging(self) -> Averaging | None:
        """Network: averaged weights that the component learns from; they and the learning ones may then predict."""
        return None

    def taught(self, forward: Forward, stream: str) -> Taught | None:
        """Learning: what the teacher says of a stream's images, where the component has it teach on them."""
        return None

    def trust(self, forward: Forward, stream: str) -> Tensor | None:
        """Learning: (batch, organ or 1, y, x) weights from 0 to 1 of what is taught on a stream."""
        return None

    def losses(self, forward: Forward, step: int) -> dict[str, Tensor]:
        """Learning: loss terms by name, weighted; the loop sums, logs and checks them."""
        return {}

    def readings(self) -> dict[str, float]:
        """Learning: what else to log of the last step, by name, that is no loss; asked for when a row is logged."""
        return {}

    def after_step(self, network: SegNetwork, step: int) -> None:
        """Learning: what follows an optimiser step that was taken; never called for a skipped one."""

    def exported(self, network: torch.nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Keeping: `tensors` of the predicting `network` as a plain SegNetwork of the settings can load them."""
        return tensors

    def state_dict(self) -> dict[str, Tensor]:
        """Keeping: everything a resume must restore, its own modules included."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Keeping: restore what `state_dict` gave."""


class NoSettings(Section):
    """For components without knobs."""


@dataclass(frozen=True)
class ComponentInfo:
    """What `seg list strategies` tells of a component, and how to make one."""

    title: str
    level: Level
    moves: str
    """What moves from the source."""
    learns: str
    """What learns on the target."""
    needs: tuple[Need, ...]
    paper: str
    make: Callable[[Task, Any], Component]
    """From the task and the component's own settings, an instance of `settings`."""
    settings: type[Section] = NoSettings
    """Its knobs: written `<component>.<knob>=value` on the command line."""
    gives: tuple[Need, ...] = ()
    """Needs of other components that it meets."""
