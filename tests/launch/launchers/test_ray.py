import os
import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from seg.launch.job import Job
from seg.launch.launcher import open_launcher
from seg.launch.launchers.ray import _cluster, _share_of_gpus
from seg.train.interrupt import Interrupted

ray = pytest.importorskip("ray")
WORK = Path(__file__).parents[1] / "work"
# Beside much other work it takes a minute.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def _open_cluster():
    """One cluster for all tests, whose workers are not told how many threads there are; it costs seconds."""
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", str(WORK))
            patch.delenv("OMP_NUM_THREADS", raising=False)
            patch.delenv("RAY_ADDRESS", raising=False)
            stack.enter_context(_cluster(2))
        yield


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.txt")}


@pytest.mark.usefixtures("_open_cluster")
def test_two_workers_leave_the_same_files_as_this_process(work, mixed, tmp_path, monkeypatch) -> None:
    # Neither what the cluster's processes have nor the one that Ray gives its workers.
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    here, beside, logs = tmp_path / "a", tmp_path / "b", tmp_path / "logs"
    for folder in (here, beside):
        folder.mkdir()
    for what in ("killed", "worker"):
        work.first_time(here, what)  # the process of the tests is not to be killed
    heard: list[tuple[str, str]] = []

    def jobs(folder: Path) -> list[Job]:
        # A worker of the cluster that is killed takes with it the job that it does.
        return [*mixed(folder)[:3], Job("worker killed once", work.worker_killed_once, (folder,))]

    alone = open_launcher("in_process").run(jobs(here))
    failed = open_launcher("ray", 2, logs).run(jobs(beside), lambda job, state: heard.append((job.name, state)))
    assert _files(beside) == _files(here)
    assert len(_files(here)) == 3
    assert [each.job.name for each in failed] == ["in vain"]
    assert failed[0].reason == alone[0].reason.replace("/a/", "/b/")
    assert ("killed once", "again: killed by signal 9") in heard
    assert any(name == "worker killed once" and state.startswith("again: WorkerCrashed") for name, state in heard)
    assert "the square of 3 is 9" in (logs / "first.log").read_text()


@pytest.mark.skipif(
    "SEG_RAY_SIGNALS" not in os.environ, reason="a cluster that others have used may start one job alone"
)
@pytest.mark.usefixtures("_open_cluster")
def test_a_signal_ends_all_jobs_with_what_they_have_saved(work, tmp_path) -> None:
    def interrupt_when_both_run() -> None:
        while len(list(tmp_path.glob("*.started"))) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=interrupt_when_both_run, daemon=True).start()
    jobs = [Job(name, work.wait_for_signal, (tmp_path, name)) for name in ("one", "two", "three")]
    with pytest.raises(Interrupted) as ended:
        open_launcher("ray", 2, tmp_path / "logs").run(jobs)
    assert ended.value.code == 143
    assert {path.stem: path.read_text() for path in tmp_path.glob("*.saved")} == {"one": "143", "two": "143"}


@pytest.mark.parametrize(("gpus", "workers", "share"), [(0, 4, 0.0), (2, 4, 0.5), (4, 4, 1.0), (8, 2, 1.0)])
def test_jobs_share_the_gpus_of_the_cluster_evenly_and_get_one_at_most(gpus, workers, share) -> None:
    assert _share_of_gpus({"CPU": 8.0, **({"GPU": gpus} if gpus else {})}, workers) == share


def test_a_cluster_of_this_machine_is_opened_for_the_jobs_and_closed_after_them(monkeypatch, work, tmp_path) -> None:
    """Without the seconds that it takes."""
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    called: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr(ray, "init", lambda **given: called.append(("init", given)))
    monkeypatch.setattr(ray, "cluster_resources", lambda: {})
    monkeypatch.setattr(ray, "shutdown", lambda: called.append(("shutdown", {})))
    assert open_launcher("ray", 3, tmp_path).run([]) == ()
    assert [name for name, _ in called] == ["init", "shutdown"]
    assert called[0][1]["num_cpus"] == 3
    assert called[0][1]["include_dashboard"] is False
    monkeypatch.setenv("RAY_ADDRESS", "ray.example:6379")
    open_launcher("ray", 3, tmp_path).run([])
    assert "num_cpus" not in called[2][1]
