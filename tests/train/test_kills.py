"""Trainings that are really killed; `scripts/bench kills` does the same 50 times on a larger network."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# Forty seconds where nothing else runs.
pytestmark = pytest.mark.timeout(900)
BENCH = Path(__file__).parents[2] / "scripts" / "benchmarks" / "kills.py"
KILLS, LIMITS, FLIPS = 12, 1, 50


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the programme of faults came to on trainings as small as can be."""
    words = ["--kills", KILLS, "--limits", LIMITS, "--flips", FLIPS, "--steps", 6, "--saves", 3]
    folder = tmp_path_factory.mktemp("kills")
    words += ["--encoder", "tu-test_resnet", "--folder", folder, "--records", folder / "records.jsonl"]
    done = subprocess.run(
        [sys.executable, str(BENCH), *map(str, words)], capture_output=True, text=True, timeout=880, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len((folder / "records.jsonl").read_text().splitlines()) == 1 + KILLS + LIMITS + FLIPS
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_killed_trainings_end_with_the_same_bits_as_those_nobody_disturbed(figures) -> None:
    kills = figures["kills"]
    assert kills["failures"] == []
    assert kills["identical"] == kills["kills"] == KILLS
    assert kills["aimed_inside_a_save"] == KILLS / 2
    # What really happened, by the training's own journal and by what lay there after it.
    assert kills["inside_a_save"] >= KILLS / 4
    assert kills["half_written_files_found"] >= 1
    parts = ("supervised", "mean_teacher", "finetune+mean_teacher", "fp32", "bf16", "0 workers", "2 workers")
    assert [kills[f"identical {part}"] for part in parts] == [4, 4, 4, 6, 6, 6, 6]


def test_a_disk_that_fills_up_costs_nothing_that_was_saved(figures) -> None:
    limits = figures["limits"]
    assert limits["earlier checkpoint as it was, exit code 4"] == limits["identical after resume"] == LIMITS


def test_every_flipped_bit_is_noticed(figures) -> None:
    flips = figures["flips"]
    assert flips["the one before was used, and said so"] == flips["in a checkpoint"] == FLIPS // 2
    assert flips["made again, byte for byte"] == flips["in prepared scans"] == FLIPS // 2


@pytest.mark.parametrize(
    ("signals", "code"), [("SIGTERM-once", 143), ("SIGINT-once", 130), ("SIGTERM twice while a save hangs", 143)]
)
def test_signals_end_a_training_with_their_exit_code_and_no_process_is_left(figures, signals: str, code: int) -> None:
    found = figures["signals"][signals]
    assert found["exit code"] == code
    assert not found["processes left"]
    assert found["identical after resume"]
    # The first signal saves after the step at hand, which no part of the run ends with; the second one ends at once.
    assert found.get("step", 3) == 3
    assert found.get("ended after s", 0) < 10


def test_a_programme_that_was_stopped_goes_on_with_the_same_faults(tmp_path: Path) -> None:
    specification = importlib.util.spec_from_file_location("records", BENCH.parent / "faults" / "records.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    path, about = tmp_path / "records.jsonl", {"seed": 3}
    whole = module.Records(None, about).left("kill", 4)
    first = module.Records(path, about)
    for number, _ in first.left("kill", 4)[:2]:
        first.add("kill", number, 4, {"inside": True})
    with path.open("a") as file:
        file.write('{"part": "kill", "num')
    again = module.Records(path, about)
    assert [number for number, _ in again.left("kill", 4)] == [2, 3]
    assert [draw.random() for _, draw in again.left("kill", 4)] == [draw.random() for _, draw in whole[2:]]
    again.add("kill", 2, 4, {"inside": False})
    assert module.Records(path, about).of("kill") == [{"inside": True}, {"inside": True}, {"inside": False}]
    with pytest.raises(SystemExit, match="name another file"):
        module.Records(path, {"seed": 4})
