import signal

import pytest

from seg.data.loading_errors import Loading, died, slice_error
from seg.errors import DataError, ResourceError

PROCESS = Loading(1, 4, 77, "case a, slice 3")


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (OSError("gone"), DataError, "loader-failed"),
        (MemoryError(), ResourceError, "loader-memory"),
        (DataError(found="a hole", expected="none", fix="mend it", path="x.nii", code="hole"), DataError, "hole"),
    ],
)
def test_whatever_goes_wrong_with_a_slice_names_it(error, kind, code) -> None:
    found = slice_error(error, "case a, slice 3")
    assert type(found) is kind
    assert found.code == code
    assert "case a, slice 3" in found.found


@pytest.mark.parametrize(
    ("exit_code", "how", "remedy"),
    [
        (-signal.SIGKILL, "SIGKILL", "took back memory"),
        (-signal.SIGBUS, "SIGBUS", "remove that folder"),
        (-signal.SIGSEGV, "SIGSEGV", "use fewer data.workers"),
        (1, "exit code 1", "use fewer data.workers"),
        (None, "exit code None", "use fewer data.workers"),
    ],
)
def test_how_a_process_ended_decides_what_to_do(exit_code, how, remedy) -> None:
    error = died(PROCESS, exit_code)
    assert error.found.startswith(f"loading process 2 of 4 (process 77) ended by {how} at case a, slice 3; ")
    assert remedy in error.fix
    assert "seg train --resume" in error.fix
