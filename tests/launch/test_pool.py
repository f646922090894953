import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from seg.launch import pool
from seg.launch.job import Job
from seg.launch.pool import run_in
from seg.launch.tries import untold
from seg.train.interrupt import Interrupted


class _Place:
    """Jobs that end as told, in the order in which they began; those that are not told of run on."""

    def __init__(self, *reasons: str) -> None:
        self._reasons = list(reasons)
        self._running: list[Job] = []
        self.seen: list[str] = []

    def start(self, job: Job, log: Path) -> None:
        self._running.append(job)
        self.seen.append(f"{job.name} to {log}")

    def ended(self) -> Sequence[tuple[Job, str]]:
        if not self._reasons:
            os.kill(os.getpid(), signal.SIGTERM) if "stop" not in self.seen else None
            return []
        self.seen.append(f"{len(self._running)} at a time")
        return [(self._running.pop(0), self._reasons.pop(0))]

    def stop(self) -> None:
        self.seen.append("stop")

    def kill(self) -> None:
        self.seen.append("kill")


JOBS = [Job(name, print) for name in ("one", "two", "three")]


def test_so_many_run_at_a_time_and_a_job_that_failed_is_the_next() -> None:
    place = _Place("no luck", "", "", "")
    assert run_in(place, JOBS, 2, Path("logs"), untold) == ()
    assert place.seen == [
        "one to logs/one.log", "two to logs/two.log", "2 at a time", "one to logs/one.log", "2 at a time",
        "three to logs/three.log", "2 at a time", "1 at a time", "kill",
    ]  # fmt: skip


def test_a_place_that_no_longer_answers_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_ENDED_WITHIN_S", 0.1)
    place = _Place("")
    with pytest.raises(Interrupted) as ended:
        run_in(place, JOBS, 1, Path("logs"), untold)
    assert ended.value.code == 143
    assert place.seen[-2:] == ["stop", "kill"]
    assert "three to logs/three.log" not in place.seen
