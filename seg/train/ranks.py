"""The processes that train one network together, as torchrun starts them; the only place that knows torch.distributed.

A process that is alone never touches it. Everything that all must agree on (the length of a run, whether a number is
finite, when to stop) is decided once and told, never found out by each.
"""

import atexit
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from seg.errors import DeviceError, SegError, UsageError
from seg.models.sharing import Sharing
from seg.processes import process_count
from seg.train.meeting import Failure, Meeting, OtherFailedError, Store, lost

Found = TypeVar("Found")
Item = TypeVar("Item")

_TIMEOUT = timedelta(minutes=10)
"""Of one exchange; longer waits are for `Meeting`."""
_BUCKET = 2**24
"""Numbers that are exchanged at once: 64 MB, enough for the full speed of a network card."""
_LAST_WORDS_S = 3.0
"""How long a process that lost another one waits for what that one says."""


class Ranks(Sharing):
    """All processes, with the answers of one that is alone."""

    @property
    def leads(self) -> bool:
        """Whether this process writes the run's folder and speaks."""
        return self.number == 0

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace the gradients by their sums over the processes, in float32 or better."""

    def largest(self, value: int) -> int:
        """The largest of the processes' values."""
        return value

    def everywhere(self, yes: bool) -> bool:
        """Whether all say yes."""
        return not self.largest(int(not yes))

    def gathered(self, what: str, own: Found) -> list[Found]:
        """What each process has, in their order, when the last one has it; `what` is for messages."""
        return [own]

    def exchanged(self, own: Found) -> list[Found]:
        """As `gathered`, where all are at the same place already."""
        return [own]

    def same(self, what: str, make: Callable[[], Found]) -> Found:
        """What the first process makes, or raises what it raised; meanwhile it works alone."""
        return make()

    def in_turn(self, what: str, make: Callable[[], Found]) -> Found:
        """What each makes for itself, alone, the first process before all others, for what it leaves in caches."""
        return make()

    def meet(self, what: str) -> None:
        """Wait until all are here."""

    def first_failure(self, exit_code: int, sentence: str) -> Failure:
        """Tell the others that this process failed; what the first one to fail said, which may be this one."""
        return Failure(self.number, exit_code, sentence)

    def each(
        self, what: str, items: Sequence[Item], name: Callable[[Item], str], work: Callable[[Item], Found]
    ) -> list[Found]:
        """`work` of every item, each done by one process; all get all results, in the order of the items."""
        own = {name(item): work(item) for item in items[self.number :: self.count]}
        found: dict[str, Found] = {}
        for part in self.gathered(what, own):
            found.update(part)
        if len(found) != len(items):
            raise RuntimeError(f"{what}: {len(found)} results by name for {len(items)} cases")
        return [found[name(item)] for item in items]


class _Several(Ranks):
    """Real ones."""

    def __init__(self, store: Store, number: int, count: int) -> None:
        self.number, self.count = number, count
        self.group = torch.distributed.group.WORLD
        # torchrun holds it itself; without torchrun the first process does.
        held_elsewhere = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        self._meeting = Meeting(store, number, count, holds_store=number == 0 and not held_elsewhere)
        self._meeting.watch()

    def rows(self, own: Tensor) -> Tensor:
        own = own.detach().contiguous()
        whole = own.new_empty((self.count * len(own), *own.shape[1:]))
        with self._in_contact():
            torch.distributed.all_gather(list(whole.chunk(self.count)), own)
        return whole

    def total(self, own: Tensor) -> Tensor:
        with self._in_contact():
            torch.distributed.all_reduce(own)
        return own

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        for bucket in _buckets(parameter.grad for parameter in parameters):
            flat = self.total(torch.cat([_precise(gradient).flatten() for gradient in bucket]))
            parts = torch.split(flat, [gradient.numel() for gradient in bucket])
            for gradient, part in zip(bucket, parts, strict=True):
                gradient.copy_(part.view_as(gradient))

    def largest(self, value: int) -> int:
        # On the CPU, so that no process waits for its GPU.
        shared = torch.tensor(value)
        with self._in_contact():
            torch.distributed.all_reduce(shared, torch.distributed.ReduceOp.MAX)
        return int(shared)

    def gathered(self, what: str, own: Found) -> list[Found]:
        self.meet(what)
        return self.exchanged(own)

    def exchanged(self, own: Found) -> list[Found]:
        found: list[Found | None] = [None] * self.count
        with self._in_contact():
            torch.distributed.all_gather_object(found, own)
        return [one for one in found if one is not None]

    def same(self, what: str, make: Callable[[], Found]) -> Found:
        made: list[Found] = []
        raised: SegError | None = None
        if self.leads:
            try:
                with _working_alone():
                    made = [make()]
            except SegError as error:
                raised = error
        self.meet(what)
        told = [(made, raised)]
        with self._in_contact():
            torch.distributed.broadcast_object_list(told)
        if told[0][1] is not None:
            raise raised or told[0][1]
        return made[0] if self.leads else told[0][0][0]

    def in_turn(self, what: str, make: Callable[[], Found]) -> Found:
        made: list[Found] = []

        def work() -> None:
            with _working_alone():
                made.append(make())

        self._meeting.lead(what, work)
        return made[0]

    def meet(self, what: str) -> None:
        self._meeting.wait_for_all(what)

    def first_failure(self, exit_code: int, sentence: str) -> Failure:
        return self._meeting.first_failure(exit_code, sentence)

    @contextmanager
    def _in_contact(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            failure = self._meeting.heard(_LAST_WORDS_S)
            if failure is not None:
                raise OtherFailedError(failure) from None
            raise lost(error) from None


def _precise(gradient: Tensor) -> Tensor:
    return gradient.to(torch.promote_types(gradient.dtype, torch.float32))


def _buckets(gradients: Iterable[Tensor | None]) -> Iterator[list[Tensor]]:
    bucket: list[Tensor] = []
    for gradient in gradients:
        if gradient is not None:
            bucket.append(gradient)
        if sum(one.numel() for one in bucket) >= _BUCKET:
            yield bucket
            bucket = []
    if bucket:
        yield bucket


_alone = False


@contextmanager
def _working_alone() -> Iterator[None]:
    """While this process does what the others wait for, or have done already, it must not wait for them."""
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


def current() -> Ranks:
    """The processes that this one works with at the moment."""
    return Ranks() if _alone else together()


@cache
def together() -> Ranks:
    """The processes that this one was started with; contact is made at the first call.

    Raises UsageError where the environment does not say where they meet, DeviceError where they do not come.
    """
    count = process_count()
    if count == 1:
        return Ranks()
    place_on_gpu(int(os.environ.get("LOCAL_RANK", os.environ.get("RANK", "0"))))
    try:
        store, number, count = next(rendezvous("env://", timeout=_TIMEOUT))
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        within = PrefixStore("group", store)
        torch.distributed.init_process_group(backend, store=within, rank=number, world_size=count, timeout=_TIMEOUT)
    except ValueError as error:
        raise UsageError(
            found=f"WORLD_SIZE={count}, but {error}", expected="RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT together",
            fix="start the processes with torchrun, or unset WORLD_SIZE", code="ranks-environment",
        ) from None  # fmt: skip
    except RuntimeError as error:
        raise DeviceError(
            found=f"no contact with the other processes ({str(error).splitlines()[0]})",
            expected=f"{count} processes at {os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}",
            fix="see that all were started and that no firewall is between them", code="process-lost",
        ) from None  # fmt: skip
    atexit.register(torch.distributed.destroy_process_group)
    return _Several(PrefixStore("seg", store), number, count)


def place_on_gpu(local_number: int) -> None:
    """Let `cuda` mean this process's own GPU; UsageError where a machine has more processes than GPUs."""
    gpus = torch.cuda.device_count()
    if gpus == 0:
        return
    if local_number >= gpus > 1:  # gpu-only
        raise UsageError(
            found=f"process {local_number + 1} on a machine with {gpus} GPUs", expected="one process per GPU",
            fix=f"start fewer: torchrun --nproc-per-node {gpus}", code="too-few-gpus",
        )  # fmt: skip
    # Where the system shows each process its own GPU only, that one has the number 0.
    torch.cuda.set_device(local_number if gpus > 1 else 0)  # gpu-only
