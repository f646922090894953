"""One batch over several processes: each passes its own rows through the network, and all see what came of every row.

Every process then computes the same loss of the whole batch, so that no loss has to know that there are several. The
gradients that they sum are those of one process: what a process computes from its own rows counts in full, what all
compute alike counts once.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import Any, overload

import torch
from torch import Tensor

from seg.models.network import Output
from seg.models.whole_batch_norm import WholeBatchNorms

_SEED_STEP = 0x9E3779B97F4A7C15
"""The golden ratio's digits: seeds of processes and passes lie far from those of other steps."""


class Sharing:
    """The processes that share a batch; abstract, with the answers of a process that is alone."""

    number = 0
    """This process, from 0."""
    count = 1
    """Processes in all."""
    group: Any = None
    """What `torch.distributed` calls them together."""

    def rows(self, own: Tensor) -> Tensor:
        """The rows of all processes, in their order, each having as many."""
        return own

    def total(self, own: Tensor) -> Tensor:
        """Sum over the processes; may be `own` itself."""
        return own

    def own(self, rows: int) -> slice:
        """Which of so many rows are this process's."""
        share = rows // self.count
        return slice(self.number * share, (self.number + 1) * share)


ALONE = Sharing()


class OwnPasses:
    """Passes of own rows through a network, as one process would pass all of them.

    Norms normalise by the whole batch. Dropout draws otherwise than in the other processes, whose images are others.
    """

    def __init__(self, sharing: Sharing) -> None:
        """No pass yet; two passes of one step draw differently."""
        self._sharing = sharing
        self._passes = 0

    @contextmanager
    def one(self, device: torch.device) -> Iterator[None]:
        """While a pass runs on that device."""
        if self._sharing.count == 1:
            yield
            return
        seed = torch.initial_seed() + _SEED_STEP * (1 + self._passes * self._sharing.count + self._sharing.number)
        self._passes += 1
        with ExitStack() as stack:
            stack.enter_context(torch.random.fork_rng(devices=[device] if device.type == "cuda" else []))
            torch.manual_seed(seed % 2**63)
            stack.enter_context(WholeBatchNorms(self._sharing))
            yield


def whole_rows(own: Tensor, sharing: Sharing) -> Tensor:
    """The rows of all processes, differentiable: every process must make the same of them."""
    if sharing.count == 1:
        return own
    whole: Tensor = _WholeRows.apply(own, sharing)
    return whole


class _WholeRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, sharing: Sharing) -> Tensor:
        ctx.sharing = sharing
        return sharing.rows(own)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        # Each process backpropagates its part of the loss, 1 / count, through rows that only it has computed.
        return gradient[ctx.sharing.own(len(gradient))] * ctx.sharing.count, None


class WholeOutput(Output):
    """The output for the whole batch; what nobody looks at is never exchanged."""

    def __init__(self, own: Output, sharing: Sharing) -> None:
        """`own` is the output for own rows."""
        self._own, self._sharing = own, sharing

    @cached_property
    def masks(self) -> Tensor:  # type: ignore[override]
        """As in Output."""
        return whole_rows(self._own.masks, self._sharing)

    @cached_property
    def edges(self) -> Tensor | None:  # type: ignore[override]
        """As in Output."""
        return None if self._own.edges is None else whole_rows(self._own.edges, self._sharing)

    @cached_property
    def features(self) -> Sequence[Tensor]:  # type: ignore[override]
        """As in Output."""
        return WholeMaps(self._own.features, self._sharing)

    @cached_property
    def decoded(self) -> Tensor:  # type: ignore[override]
        """As in Output."""
        return whole_rows(self._own.decoded, self._sharing)


class WholeMaps(Sequence[Tensor]):
    """Maps of the whole batch, each exchanged when it is first looked at."""

    def __init__(self, own: Sequence[Tensor], sharing: Sharing) -> None:
        """`own` are those of own rows."""
        self._own, self._sharing = own, sharing
        self._whole: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self._own)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...

    @overload
    def __getitem__(self, index: slice) -> list[Tensor]: ...

    def __getitem__(self, index: int | slice) -> Tensor | list[Tensor]:
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        number = range(len(self))[index]
        if number not in self._whole:
            self._whole[number] = whole_rows(self._own[number], self._sharing)
        return self._whole[number]


def over_rows(passes: OwnPasses, sharing: Sharing, function: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """`function(rows)`, each process passing its own rows."""
    with passes.one(rows.device):
        return whole_rows(function(rows[sharing.own(len(rows))]), sharing)
