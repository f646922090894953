"""What would be submitted runs as processes of this machine, and once through programs that take SLURM's place."""

import os
import signal
import sys
import threading
import time

import pytest

from seg.launch.job import Job
from seg.launch.launcher import open_launcher
from seg.launch.launchers.slurm import Slurm
from seg.train.interrupt import Interrupted

pytest.importorskip("submitit")
pytestmark = pytest.mark.timeout(600)


def test_what_is_submitted_leaves_the_same_files_as_this_process(work, mixed, tmp_path) -> None:
    here, beside, logs = tmp_path / "a", tmp_path / "b", tmp_path / "logs"
    for folder in (here, beside):
        folder.mkdir()
    work.first_time(here, "killed")  # the process of the tests is not to be killed
    heard: list[tuple[str, str]] = []
    alone = open_launcher("in_process").run(mixed(here)[:3])
    failed = Slurm(2, logs, "local").run(mixed(beside)[:3], lambda job, state: heard.append((job.name, state)))
    files = {folder: {path.name: path.read_bytes() for path in folder.glob("*.txt")} for folder in (here, beside)}
    assert files[here] == files[beside]
    assert len(files[here]) == 2
    assert [(each.job.name, each.reason) for each in failed] == [
        (each.job.name, each.reason.replace("/a/", "/b/")) for each in alone
    ]
    assert ("killed once", "again: killed by signal 9") in heard
    assert "the square of 3 is 9" in (logs / "first.log").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_signal_ends_all_jobs_with_what_they_have_saved(work, tmp_path) -> None:
    def interrupt_when_both_run() -> None:
        while len(list(tmp_path.glob("*.started"))) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=interrupt_when_both_run, daemon=True).start()
    jobs = [Job(name, work.wait_for_signal, (tmp_path, name)) for name in ("one", "two", "three")]
    with pytest.raises(Interrupted) as ended:
        Slurm(2, tmp_path / "logs", "local").run(jobs)
    assert ended.value.code == 143
    assert {path.stem: path.read_text() for path in tmp_path.glob("*.saved")} == {"one": "143", "two": "143"}


_SBATCH = """#!/bin/sh
folder=$(dirname "$0"); number=$(ls "$folder" | grep -c log); cp "$1" "$folder/submitted.sh"
SLURM_JOB_ID=$$ SLURM_PROCID=0 SLURM_NTASKS=1 SLURM_LOCALID=0 SLURM_NODEID=0 SLURM_JOB_NUM_NODES=1 \\
    sh "$1" > "$folder/log$number" 2>&1 &
echo "Submitted batch job $$"
"""
_SRUN = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do case $1 in --output | --error) shift ;; esac; shift; done
exec "$@"
"""
_SACCT = """#!/bin/sh
echo "JobID|State|NodeList"
"""


def test_a_cluster_gets_a_job_of_a_day_for_each_job(work, tmp_path, monkeypatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {"sbatch": _SBATCH, "srun": _SRUN, "sacct": _SACCT}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    assert open_launcher("slurm", 1, tmp_path / "logs").run([Job("first", work.square, (tmp_path, 3))]) == ()
    assert (tmp_path / "square-3.txt").exists()
    submitted = (programs / "submitted.sh").read_text()
    assert "#SBATCH --time=1440" in submitted
    assert "#SBATCH --job-name=seg" in submitted
