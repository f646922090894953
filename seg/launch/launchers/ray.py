"""Jobs on a Ray cluster: the one that RAY_ADDRESS names, else one of this machine alone."""

import os
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seg.launch.child import run_alone
from seg.launch.job import Failed, Job
from seg.launch.launcher import Launcher, LauncherInfo, require_package
from seg.launch.pool import run_in
from seg.launch.tries import Told, untold

_LOOK_S = 0.5
_STORE_BYTES = 100_000_000
"""Shared memory of a cluster of this machine: jobs exchange nothing. Source: Ray wants at least 75 MiB."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class Ray(Launcher):
    """A CPU for every job and its share of the GPUs; folders must be seen from every machine of the cluster."""

    workers: int
    logs: Path

    def run(self, jobs: Sequence[Job], done: Told = untold) -> tuple[Failed, ...]:
        """See `Launcher.run`."""
        with _cluster(self.workers) as ray:
            return run_in(_Tasks(ray, self.workers), jobs, self.workers, self.logs, done)


@contextmanager
def _cluster(workers: int) -> Iterator[Any]:
    """The cluster that is open already stays open."""
    # Before Ray is imported, which would send statistics to the internet, warn of a change to come, and let workers
    # wait for everything else on the machine.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")
    import ray

    if ray.is_initialized():
        yield ray
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        if os.environ.get("RAY_ADDRESS"):
            ray.init(log_to_driver=False, logging_level="ERROR")
        else:
            ray.init(
                address="local", num_cpus=workers, include_dashboard=False, object_store_memory=_STORE_BYTES,
                log_to_driver=False, logging_level="ERROR",
            )  # fmt: skip
        _restore(before)
        yield ray
    finally:
        ray.shutdown()
        _restore(before)


def _restore(handler: Any) -> None:
    """Ray puts a handler of its own in the place of ours; only the main thread may take it back."""
    with suppress(ValueError):
        signal.signal(signal.SIGTERM, handler)


class _Tasks:
    def __init__(self, ray: Any, workers: int) -> None:
        self._ray = ray
        gpus = _share_of_gpus(ray.cluster_resources(), workers)
        self._task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=0)(_task)
        self._running: dict[Any, Job] = {}

    def start(self, job: Job, log: Path) -> None:
        self._running[self._task.remote(job, log, Path.cwd(), os.environ.get(_THREADS))] = job

    def ended(self) -> list[tuple[Job, str]]:
        ready, _ = self._ray.wait(list(self._running), timeout=_LOOK_S)
        return [(self._running.pop(reference), self._reason(reference)) for reference in ready]

    def _reason(self, reference: Any) -> str:
        try:
            return str(self._ray.get(reference))
        except self._ray.exceptions.RayError as error:
            # A worker that died is explained from the first line on, an exception at the end of a coloured traceback.
            line = -1 if isinstance(error, self._ray.exceptions.RayTaskError) else 0
            return f"{type(error).__name__}: {_COLOUR.sub('', str(error)).strip().splitlines()[line]}"

    def stop(self) -> None:
        for reference in self._running:
            self._ray.cancel(reference, force=False)

    def kill(self) -> None:
        for reference in self._running:
            self._ray.cancel(reference, force=True)


def _share_of_gpus(resources: Mapping[str, float], workers: int) -> float:
    """What one job gets of the cluster's GPUs: one at most."""
    return min(1.0, resources.get("GPU", 0.0) / workers)


def _task(job: Job, log: Path, folder: Path, threads: str | None) -> str:
    """What a worker of the cluster does. Ray gives its workers one thread; the job gets what it has everywhere."""
    os.environ.pop(_THREADS, None)
    if threads is not None:
        os.environ[_THREADS] = threads
    return run_alone(job, log, folder)


def _open(workers: int, logs: Path) -> Launcher:
    require_package("ray", "ray")
    return Ray(workers, logs)


LAUNCHER = LauncherInfo(
    name="ray",
    title="Ray",
    looks_like="the cluster that RAY_ADDRESS names, else this machine; one CPU and a share of the GPUs for each job",
    extra="ray",
    open=_open,
)
