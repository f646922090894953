"""Several processes on one training, as torchrun starts them: equal to one process, and of one mind."""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn
from torch.nn import functional as F

from seg.data.dataset import Item, SliceDataset
from seg.errors import CheckpointError, DataError, DeviceError, UsageError
from seg.models.encoders import Parts
from seg.models.network import SegNetwork
from seg.models.weights import WeightReport
from seg.overrides import resolve
from seg.recipes.prepare import prepare
from seg.recipes.train import make_training
from seg.runs import Run
from seg.train import manifest
from seg.train import ranks as module
from seg.train.checkpoint import save_checkpoint
from seg.train.follower import log_of
from seg.train.interrupt import Interrupted
from seg.train.loop import fit
from seg.train.meeting import OtherFailedError
from seg.train.ranks import Ranks, current, together
from seg.train.saved import moment, restore
from seg.train.training import Progress, Training
from seg.transfer.component import Component

STEPS = 20
AlongSide = Callable[..., list[Any]]
Weights = dict[str, NDArray[Any]]


class _Encoder(nn.Module):
    """Two convolutions: a network so small that rounding errors stay what they are.

    In a deep one that starts from random numbers they grow: in a ResNet-18, 20 steps of AdamW on the rows of each batch
    in another order, in one process, end 1e-2 apart.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())

    def forward(self, images: Tensor) -> list[Tensor]:
        first = self.first(images)
        return [images, first, self.second(first)]


class _Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.joined = nn.Sequential(nn.Conv2d(24, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())

    def forward(self, maps: list[Tensor]) -> Tensor:
        decoded: Tensor = self.joined(torch.cat([maps[1], F.interpolate(maps[2], scale_factor=2.0)], 1))
        return decoded


class _StopAt(Component):
    """Sends one of the processes a signal after a step."""

    def __init__(self, step: int) -> None:
        self._step = step

    def after_step(self, network: SegNetwork, step: int) -> None:
        if step + 1 == self._step and together().number == together().count - 1:
            os.kill(os.getpid(), signal.SIGTERM)


class _Signalled(Component):
    """Sends its process a signal a moment after the third step."""

    def after_step(self, network: SegNetwork, step: int) -> None:
        if step == 2:
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()


@pytest.fixture(scope="module")
def ready(phantoms: Path, cache: Path) -> Callable[..., Training]:
    """A supervised training of 20 steps, of 6 slices each, with averaged weights and two validation patients."""

    def made(*further: Component) -> Training:
        settings = resolve([
            "organ=liver", f"data.root={phantoms}", f"prepare.cache={cache}", "prepare.size_px=32",
            "model.weights=none", f"train.steps={STEPS}", "train.batch_size=6", "train.validations=2",
            "train.precision=fp32", "train.tensorboard=false", "split.validation_fraction=0.3",
        ])  # fmt: skip
        torch.manual_seed(0)
        parts = Parts(_Encoder(), _Decoder(), width=8, scale=2, plain_transformer=False)
        network = SegNetwork(parts, 1, [0.5] * 3, [0.25] * 3, edge_head=True)
        training = make_training(settings, prepare(settings), network, WeightReport("none"))
        training.components = [*training.components, *further]
        return training

    return made


def _train(training: Training, folder: Path) -> tuple[Weights, Progress]:
    training.ranks = together()
    run = Run(folder)
    progress = restore(training, run, Progress(training.total_steps))
    with log_of(training, run, progress, Console(quiet=True)) as log, suppress(Interrupted):
        fit(training, run, log, progress)
    return {name: tensor.numpy().copy() for name, tensor in training.network.state_dict().items()}, progress


@pytest.fixture(scope="module")
def trained(
    ready: Callable[..., Training], side_by_side: AlongSide, tmp_path_factory: pytest.TempPathFactory
) -> dict[int, tuple[list[tuple[Weights, Progress]], Path]]:
    """By number of processes what each of them ended with, and the run's folder."""
    found = {}
    for count in (1, 2, 3):
        folder = tmp_path_factory.mktemp(f"run-{count}")
        found[count] = side_by_side(count, _train, ready(), folder), folder
    return found


def _furthest(one: Weights, other: Weights, *, running: bool = False) -> float:
    names = [name for name in one if ("running" in name) == running]
    return max(float(np.abs(one[name] - other[name]).max()) for name in names)


@pytest.mark.parametrize("count", [2, 3])
def test_many_processes_come_to_the_weights_of_one(trained, count):
    ((alone, _),), _ = trained[1]
    shared, _ = trained[count]
    assert _furthest(alone, shared[0][0]) <= 1e-6
    # Variances of up to 8, to seven digits.
    assert _furthest(alone, shared[0][0], running=True) <= 5e-6
    assert all(np.array_equal(one, shared[0][0][name]) for each, _ in shared for name, one in each.items())


@pytest.mark.parametrize("count", [2, 3])
def test_all_see_the_same_validation_and_one_process_writes(trained, count):
    ((_, alone),), folder = trained[1]
    shared, shared_folder = trained[count]
    for _, progress in shared:
        assert progress.best_dice == pytest.approx(alone.best_dice, abs=1e-4)
        assert (progress.step, progress.best_step) == (STEPS, alone.best_step)
    written = [sorted(str(path.relative_to(place)) for path in place.rglob("*")) for place in (folder, shared_folder)]
    assert written[0] == written[1]
    assert len(Run(shared_folder).curve_rows()) == len(Run(folder).curve_rows())


def test_a_signal_to_one_stops_all_and_any_number_of_processes_goes_on(ready, trained, side_by_side, tmp_path):
    stopped = side_by_side(2, _train, ready(_StopAt(7)), tmp_path)
    assert [progress.step for _, progress in stopped] == [7, 7]
    assert [place.name for place in Run(tmp_path).checkpoints.iterdir()] == ["step-00000007"]
    (going_on, progress), _, _ = side_by_side(3, _train, ready(), tmp_path)
    assert progress.step == STEPS
    assert _furthest(trained[1][0][0][0], going_on) <= 1e-6


def _hang(ready: Callable[..., Training], folder: Path) -> tuple[int, list[str], float]:
    """Train with loading processes, of which that of the last training process hangs; both are sent a signal."""
    main, load, start = os.getpid(), SliceDataset.__getitem__, time.monotonic()

    def hangs(self: SliceDataset, position: int) -> Item:
        if position == 4 * 6 - 1 and os.getpid() != main:
            time.sleep(100)
        return load(self, position)

    SliceDataset.__getitem__ = hangs  # type: ignore[method-assign]
    training = ready(_Signalled())
    data = training.settings.data.model_copy(update={"workers": 1})
    training.settings = training.settings.model_copy(update={"data": data})
    _, progress = _train(training, folder)
    return progress.step, sorted(place.name for place in Run(folder).checkpoints.iterdir()), time.monotonic() - start


def test_a_signal_ends_all_where_one_waits_for_a_loading_process_that_hangs(ready, side_by_side, tmp_path):
    stopped = side_by_side(2, _hang, ready, tmp_path)
    assert [found[:2] for found in stopped] == [(3, ["step-00000003"])] * 2
    assert max(took_s for _, _, took_s in stopped) < 10


def _restored(ready: Callable[..., Training], folder: Path, blind: int) -> tuple[int, list[str], str]:
    """Where a process starts when the one of that number reads other bytes of the newest checkpoint."""
    training, said = ready(), list[str]()
    training.ranks = together()
    if training.ranks.number == blind:
        read = manifest.file_sha256
        manifest.file_sha256 = lambda path: "0" if "step-00000002" in str(path) else read(path)
    try:
        progress = restore(training, Run(folder), Progress(STEPS), said.append)
    except CheckpointError as error:
        return -1, said, error.code
    return progress.step, said, ""


def test_all_start_from_the_checkpoint_that_the_first_one_chose(ready, side_by_side, tmp_path):
    for step in (1, 2):
        save_checkpoint(tmp_path / "checkpoints", moment(ready(), Progress(STEPS, step=step)))
    (first, said, _), second = side_by_side(2, _restored, ready, tmp_path, 0)
    assert (first, second) == (1, (1, [], ""))
    assert [sentence.split("(")[0] for sentence in said] == ["Checkpoint step-00000002 is damaged "]
    # One that cannot read what was chosen says so, which ends all, and starts nowhere else.
    assert side_by_side(2, _restored, ready, tmp_path, 1) == [(2, [], ""), (-1, [], "checkpoint-damaged")]


def _each(counts: tuple[int, ...]) -> list[tuple[list[str], list[str]]]:
    found = []
    for count in counts:
        own: list[str] = []
        names = [f"case-{number}" for number in range(count)]

        def work(name: str, own: list[str] = own) -> str:
            own.append(name)
            return f"score of {name}"

        found.append((together().each("judging", names, str, work), own))
    return found


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_every_case_is_scored_once_and_all_get_the_scores(side_by_side, processes):
    counts = (1, 2, 5, 7)
    by_process = side_by_side(processes, _each, counts)
    for number, count in enumerate(counts):
        names = [f"case-{case}" for case in range(count)]
        for scores, _ in (found[number] for found in by_process):
            assert scores == [f"score of {name}" for name in names]
        assert sorted(name for found in by_process for name in found[number][1]) == names


def test_two_cases_of_one_name_are_no_silent_loss():
    with pytest.raises(RuntimeError, match="1 results by name for 2 cases"):
        Ranks().each("judging", ["a", "a"], str, str)


def _agree(folder: Path) -> dict[str, Any]:
    ranks = together()
    made: list[str] = []

    def make() -> str:
        # What works together with all elsewhere works alone here, where the others wait.
        made.append(current().same("inner", lambda: f"by {ranks.number}"))
        return made[-1]

    def refuse() -> None:
        made.append("refused")
        raise DataError(found="a broken scan", expected="a sound one", fix="mend it", code="gzip-crc")

    def leave() -> bool:
        before = (folder / "left").exists()
        (folder / "left").write_text("left")
        return before

    found: dict[str, Any] = {"same": ranks.same("outer", make), "largest": ranks.largest(10 * ranks.number)}
    try:
        ranks.same("refusing", refuse)
    except DataError as error:
        found["refused"] = (error.code, str(error))
    found["left before"] = ranks.in_turn("leaving", leave)
    found["everywhere"] = (ranks.everywhere(True), ranks.everywhere(ranks.number == 0))
    found["made"] = made
    gradient = torch.nn.Parameter(torch.zeros(3, dtype=torch.float64))
    gradient.grad = torch.full((3,), float(ranks.number + 1), dtype=torch.float64)
    without = torch.nn.Parameter(torch.zeros(2))
    ranks.sum_gradients([without, gradient])
    found["gradients"] = (gradient.grad.tolist(), without.grad)
    return found


def test_what_one_decides_all_know(side_by_side, tmp_path):
    first, second = side_by_side(2, _agree, tmp_path)
    assert (first["same"], second["same"]) == ("by 0", "by 0")
    assert (first["made"], second["made"]) == (["by 0", "refused"], [])
    assert first["refused"] == second["refused"]
    assert first["refused"][0] == "gzip-crc"
    assert (first["largest"], second["largest"]) == (10, 10)
    assert (first["left before"], second["left before"]) == (False, True)
    assert first["everywhere"] == second["everywhere"] == (True, False)
    assert first["gradients"] == second["gradients"] == ([3.0, 3.0, 3.0], None)


def _fail_alone() -> tuple[str, int, float]:
    ranks, start = together(), time.monotonic()
    try:
        if ranks.number == 1:
            ranks.first_failure(3, "found a broken scan")
            os._exit(3)
        ranks.meet("judging")
    except OtherFailedError as error:
        return error.found, error.exit_code, time.monotonic() - start
    return "", 0, 0.0


def test_who_waits_hears_of_a_failure_and_takes_its_exit_code(side_by_side):
    (said, exit_code, took_s), other = side_by_side(2, _fail_alone)
    assert (said, exit_code, other) == ("process 1 failed: found a broken scan", 3, 3)
    assert took_s < 5


def _be_killed() -> tuple[str, str]:
    ranks = together()
    ranks.largest(0)
    if ranks.number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        ranks.total(torch.ones(1))
    except DeviceError as error:
        return error.code, error.found
    return "", ""


def test_a_killed_process_is_noticed_in_the_next_exchange(side_by_side):
    (code, found), other = side_by_side(2, _be_killed)
    assert (code, other) == ("process-lost", -signal.SIGKILL)
    assert "no contact with another process" in found
    assert "GLHF" not in found


def test_alone_nothing_is_exchanged(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    together.cache_clear()
    ranks = together()
    assert (ranks.number, ranks.count, ranks.leads, ranks.group) == (0, 1, True, None)
    assert not torch.distributed.is_initialized()
    assert ranks.gathered("all", 5) == [5]
    assert ranks.first_failure(2, "why").exit_code == 2


def test_processes_without_a_meeting_place_are_told_how_to_start(monkeypatch):
    for name, value in {"WORLD_SIZE": "2", "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    together.cache_clear()
    with pytest.raises(UsageError) as refused:
        together()
    assert (refused.value.code, "torchrun" in refused.value.fix) == ("ranks-environment", True)


def test_processes_that_do_not_come_are_an_error(monkeypatch):
    place = {"WORLD_SIZE": "2", "RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    for name, value in place.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(module, "_TIMEOUT", timedelta(seconds=1))
    together.cache_clear()
    with pytest.raises(DeviceError) as lost:
        together()
    assert lost.value.expected == "2 processes at 127.0.0.1:1"
