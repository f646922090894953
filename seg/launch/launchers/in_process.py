"""Jobs in this very process, one after the other."""

import traceback
from collections.abc import Sequence
from pathlib import Path

from seg.errors import SegError
from seg.launch.job import Failed, Job, why
from seg.launch.launcher import Launcher, LauncherInfo, refuse_twins
from seg.launch.tries import Told, Tries, untold


class InProcess(Launcher):
    """What a job prints goes where everything of this process goes."""

    def run(self, jobs: Sequence[Job], done: Told = untold) -> tuple[Failed, ...]:
        """See `Launcher.run`; a signal ends the job at hand as it would without a launcher."""
        refuse_twins(jobs)
        tries = Tries(done)
        for job in jobs:
            tries.begin(job)
            while tries.end(job, _outcome(job)):
                pass
        return tries.failed


def _outcome(job: Job) -> str:
    try:
        job.function(*job.arguments)
    except Exception as error:
        if not isinstance(error, SegError):
            traceback.print_exc()
        return why(error)
    return ""


def _open(workers: int, logs: Path) -> Launcher:
    return InProcess()


LAUNCHER = LauncherInfo(
    name="in_process",
    title="this process",
    looks_like="one job after the other, whatever the number of workers; nothing beside it is needed",
    extra="",
    open=_open,
)
