"""The commands of docs/many-processes.md are ones that work."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from seg.overrides import resolve

PAGE = (Path(__file__).parent.parent / "docs" / "many-processes.md").read_text()
_SCONTROL = """#!/bin/bash
if [[ $1 == show ]]; then echo first; echo second; else echo "$@" >> requeued; fi
"""
# As many tasks as SLURM would start, and the largest of their exit codes.
_SRUN = """#!/bin/bash
shift
largest=0
for SLURM_PROCID in 0 1 2 3; do
    SLURM_LOCALID=$((SLURM_PROCID % 2)) SLURM_PROCID=$SLURM_PROCID "$@"
    code=$?
    if ((code > largest)); then largest=$code; fi
done
exit "$largest"
"""
_SEG = """#!/bin/bash
echo "$RANK $LOCAL_RANK $WORLD_SIZE $MASTER_ADDR $MASTER_PORT $1" >> started
if [[ $RANK == 2 ]]; then exit "$CODE"; fi
"""


@pytest.mark.parametrize(("code", "requeued"), [(0, ""), (7, ""), (143, "requeue 123456\n")])
def test_the_slurm_script_gives_every_process_its_number_and_queues_again_after_143(
    tmp_path: Path, code: int, requeued: str
) -> None:
    for name, text in {"scontrol": _SCONTROL, "srun": _SRUN, "seg": _SEG}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    script = re.search(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    assert script is not None
    slurm = {"SLURM_JOB_ID": "123456", "SLURM_JOB_NODELIST": "any[1-2]", "SLURM_NTASKS": "4", "CODE": str(code)}
    ended = subprocess.run(
        [shutil.which("bash") or "bash", "-c", script[1]], cwd=tmp_path, check=False,
        env={**os.environ, **slurm, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert ended.returncode == code
    assert (tmp_path / "started").read_text().splitlines() == [
        f"{rank} {rank % 2} 4 first 23456 train" for rank in range(4)
    ]
    found = tmp_path / "requeued"
    assert (found.read_text() if found.exists() else "") == requeued


def test_every_setting_of_the_page_is_one() -> None:
    lines = re.findall(r"seg train (.*)", PAGE)
    assert len(lines) == 3
    for line in lines:
        assert resolve(line.split()).runs.name == "liver"
