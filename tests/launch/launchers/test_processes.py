import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from seg.launch.job import Job
from seg.launch.launcher import open_launcher

WORK = Path(__file__).parents[1] / "work"


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.txt")}


def test_two_processes_leave_the_same_files_as_this_one(work, mixed, tmp_path) -> None:
    here, beside, logs = tmp_path / "a", tmp_path / "b", tmp_path / "logs"
    for folder in (here, beside):
        folder.mkdir()
    work.first_time(here, "killed")  # the process of the tests is not to be killed
    heard: list[tuple[str, str]] = []
    told: Callable[[Job, str], None] = lambda job, state: heard.append((job.name, state))  # noqa: E731
    expected = [job.name for job in mixed(here)]
    alone = open_launcher("in_process").run(mixed(here))
    failed = open_launcher("processes", 2, logs).run(mixed(beside), told)
    assert _files(beside) == _files(here)
    assert len(_files(here)) == 4
    assert [each.job.name for each in failed] == [each.job.name for each in alone] == ["in vain"]
    assert failed[0].reason == alone[0].reason.replace("/a/", "/b/")
    assert ("killed once", "again: killed by signal 9") in heard
    assert {name for name, state in heard if state == "finished"} == set(expected) - {"in vain"}
    assert "the square of 3 is 9" in (logs / "first.log").read_text()
    assert "DataError" in (logs / "in vain.log").read_text()


def test_a_process_that_ends_before_its_work_has_failed(work, tmp_path) -> None:
    (failed,) = open_launcher("processes", 1, tmp_path).run([Job("early", work.ends_early)])
    assert failed.reason == "its process ended with exit code 0"


_PARENT = """
import sys
from pathlib import Path
from launched_work import sleep, wait_for_signal
from seg.launch.job import Job
from seg.launch.launcher import open_launcher

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    function = {"sleep": sleep, "wait_for_signal": wait_for_signal}[sys.argv[2]]
    jobs = [Job(name, function, (folder, name)) for name in ("one", "two", "three")]
    open_launcher("processes", 2, folder / "logs").run(jobs)
"""


@pytest.fixture
def parent(tmp_path: Path) -> Callable[[str], tuple[subprocess.Popen[bytes], list[int]]]:
    """Starts a program with two jobs that run and one that waits; gives it and the processes of its jobs."""

    def started(what: str) -> tuple[subprocess.Popen[bytes], list[int]]:
        (tmp_path / "parent.py").write_text(_PARENT)
        program = [sys.executable, str(tmp_path / "parent.py"), str(tmp_path), what]
        process = subprocess.Popen(program, env={**os.environ, "PYTHONPATH": str(WORK)}, start_new_session=True)
        end = time.monotonic() + 60
        while len(found := list(tmp_path.glob("*.started"))) < 2:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        return process, [int(path.stem.rpartition("-")[2]) for path in found]

    return started


def _wait_until_gone(processes: list[int]) -> None:
    end = time.monotonic() + 20
    while any(Path(f"/proc/{process}").exists() for process in processes):
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_all_jobs_with_what_they_have_saved(parent, tmp_path, number, code) -> None:
    process, jobs = parent("wait_for_signal")
    # To the whole group, as a terminal sends it.
    os.killpg(process.pid, number)
    assert process.wait(30) == code
    _wait_until_gone(jobs)
    assert {path.stem: path.read_text() for path in tmp_path.glob("*.saved")} == {"one": "143", "two": "143"}


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_second_signal_ends_all_at_once(parent, tmp_path) -> None:
    process, jobs = parent("sleep")
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.7)
    assert process.wait(10) == 143
    _wait_until_gone(jobs)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_jobs_do_not_outlive_a_parent_that_is_killed(parent) -> None:
    process, jobs = parent("sleep")
    process.kill()
    process.wait(10)
    _wait_until_gone(jobs)
