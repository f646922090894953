"""What can go wrong while slices are loaded, said with the slice, the memory that is left and what to do."""

import signal
from dataclasses import dataclass

from seg.data.machine import free_memory_text
from seg.errors import DataError, ResourceError, SegError

_RESUME = "then go on with `seg train --resume`"
_FEWER = f"use fewer data.workers (0 loads without further processes) or a smaller train.batch_size; {_RESUME}"
_REMEDIES = {
    signal.SIGKILL: f"most likely the system took back memory: {_FEWER}",
    signal.SIGBUS: f"a file of prepare.cache became shorter, or its drive failed: remove that folder, {_RESUME}",
}


@dataclass(frozen=True)
class Loading:
    """A loading process and where it is."""

    number: int
    of: int
    process_id: int | None
    where: str

    def __str__(self) -> str:
        return f"loading process {self.number + 1} of {self.of} (process {self.process_id})"


def slice_error(error: Exception, where: str) -> SegError:
    """What went wrong with a slice, as an error that names it."""
    if isinstance(error, SegError):
        found = f"{error.found}, in {where}"
        return type(error)(found=found, expected=error.expected, fix=error.fix, path=error.path, code=error.code)
    if isinstance(error, MemoryError):
        return ResourceError(
            found=f"too little memory to load {where}; {free_memory_text()}", expected="room for some slices",
            fix="use fewer data.workers, or a smaller train.batch_size or prepare.size_px", code="loader-memory",
        )  # fmt: skip
    return DataError(
        found=f"{type(error).__name__}: {error}, while {where} was loaded", expected="a slice that can be read",
        fix="look at the case with `seg check`; where its files are sound, remove the folder of prepare.cache",
        code="loader-failed",
    )  # fmt: skip


def died(process: Loading, exit_code: int | None) -> SegError:
    """A loading process that ended by itself or was ended."""
    signals = {-number.value: number for number in signal.Signals}
    by = signals.get(exit_code or 0)
    how = by.name if by else f"exit code {exit_code}"
    return ResourceError(
        found=f"{process} ended by {how} at {process.where}; {free_memory_text()}",
        expected="processes that load until the training ends",
        fix=_FEWER if by is None else _REMEDIES.get(by, _FEWER),
        code="loader-died",
    )


def hung(process: Loading, timeout_s: float) -> SegError:
    """A loading process that does not get on."""
    return ResourceError(
        found=f"{process} at {process.where} for more than {timeout_s:g} s; {free_memory_text()}",
        expected="a slice in less than data.timeout_s",
        fix=f"see whether the drive of prepare.cache answers, {_RESUME}; a slow one may need a longer data.timeout_s",
        code="loader-hung",
    )  # fmt: skip


def cannot_start(error: OSError, workers: int) -> SegError:
    """The system refuses further processes or pipes."""
    return ResourceError(
        found=f"{error.strerror or error}, when {workers} loading processes were started; {free_memory_text()}",
        expected="room for as many processes as data.workers", fix="use fewer data.workers (0 needs none)",
        code="loader-start",
    )  # fmt: skip
