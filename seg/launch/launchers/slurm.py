"""Jobs on a SLURM cluster, by submitit. What sbatch reads from its environment, such as SBATCH_PARTITION, counts."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from seg.errors import UsageError
from seg.launch.child import run_alone
from seg.launch.job import Failed, Job
from seg.launch.launcher import Launcher, LauncherInfo, require_package
from seg.launch.pool import run_in
from seg.launch.tries import Told, untold

_LOOK_S = 0.5
_TIME_MIN = 24 * 60
"""A day for every job, where SBATCH_TIMELIMIT says nothing else; submitit's own default is five minutes."""


@dataclass(frozen=True)
class Slurm(Launcher):
    """One SLURM job for every job, so many queued or running at a time; folders must be seen from every machine."""

    workers: int
    logs: Path
    cluster: Literal["slurm", "local"] = "slurm"
    """`local` runs what would be submitted as processes of this machine."""

    def run(self, jobs: Sequence[Job], done: Told = untold) -> tuple[Failed, ...]:
        """See `Launcher.run`."""
        import submitit

        executor = submitit.AutoExecutor(folder=self.logs / "slurm", cluster=self.cluster)
        executor.update_parameters(name="seg", timeout_min=_TIME_MIN)
        return run_in(_Queue(executor), jobs, self.workers, self.logs, done)


class _Queue:
    def __init__(self, executor: Any) -> None:
        self._executor = executor
        self._running: list[tuple[Job, Any]] = []
        self._stopped = False

    def start(self, job: Job, log: Path) -> None:
        self._running.append((job, self._executor.submit(run_alone, job, log, Path.cwd())))

    def ended(self) -> list[tuple[Job, str]]:
        ended = [each for each in self._running if each[1].done()]
        if not ended:
            time.sleep(_LOOK_S)
        self._running = [each for each in self._running if each not in ended]
        # Of a cancelled job submitit would wait for the result in vain.
        return [(job, "" if self._stopped else _reason(submitted)) for job, submitted in ended]

    def stop(self) -> None:
        self._stopped = True
        for _, submitted in self._running:
            submitted.cancel(check=False)

    kill = stop


def _reason(submitted: Any) -> str:
    from submitit.core.utils import FailedJobError, UncompletedJobError

    try:
        return str(submitted.result())
    except (UncompletedJobError, FailedJobError) as error:
        return f"SLURM job {submitted.job_id}: {str(error).strip().partition(chr(10))[0]}"


def _open(workers: int, logs: Path) -> Launcher:
    require_package("submitit", "slurm")
    if shutil.which("srun") is None:
        raise UsageError(
            found="launcher slurm on a machine without srun", expected="a machine that can submit SLURM jobs",
            fix="run it on the login node of the cluster, or choose another launcher", code="no-slurm",
        )  # fmt: skip
    return Slurm(workers, logs)


LAUNCHER = LauncherInfo(
    name="slurm",
    title="SLURM",
    looks_like="one SLURM job each, submitted from a login node; SBATCH_PARTITION, SBATCH_GPUS, ... say on what",
    extra="slurm",
    open=_open,
)
