"""What every test needs: no network, one thread, and no results outside the test's own folder."""

import importlib
import multiprocessing
import os
import socket
import traceback
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# The same examples every time: a change is not to fail on what it did not touch.
settings.register_profile("same", derandomize=True)
settings.load_profile("same")

# Before torch or albumentations are imported, because they read these once.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths such as `runs` end in a folder of the test, never in the checkout."""
    monkeypatch.chdir(tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight small labelled and two unlabelled synthetic abdomens, in the Decathlon layout."""
    from seg.data.phantom.layouts import write_phantoms

    root = tmp_path_factory.mktemp("phantoms") / "abdomen"
    return write_phantoms(root, "decathlon", labelled=8, unlabelled=2, size=(10, 64, 64))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared cases that tests share; its entries are keyed by content, so sharing changes nothing."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def small_words(phantoms: Path, cache: Path, tmp_path: Path) -> list[str]:
    """Settings of a training of seconds."""
    return [
        "organ=liver", f"data.root={phantoms}", f"prepare.cache={cache}", f"runs.folder={tmp_path / 'runs'}",
        "prepare.size_px=64", "model.encoder=resnet18", "model.weights=none", "model.decoder_channels=32,16,16,8,8",
        "train.steps=4", "train.batch_size=4", "train.validations=2", "train.threads=1", "train.precision=fp32",
        "train.tensorboard=false", "evaluate.bootstrap_samples=100",
    ]  # fmt: skip


@pytest.fixture(scope="session")
def side_by_side() -> Callable[..., list[Any]]:
    """Run a function in several processes, as torchrun would: side_by_side(2, function, ...) gives what each returned.

    They are forked, so that nothing is imported again. A process that ended without a result gives its exit code.
    """
    importlib.import_module("seg.train.ranks")

    def run(count: int, function: Callable[..., Any], *given: Any) -> list[Any]:
        context = multiprocessing.get_context("fork")
        port, pipes, processes = _free_port(), [context.Pipe() for _ in range(count)], []
        for number, (_, there) in enumerate(pipes):
            place = {"RANK": number, "LOCAL_RANK": number, "WORLD_SIZE": count, "MASTER_PORT": port}
            processes.append(context.Process(target=_one_of_several, args=(there, place, function, given)))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside other threads
                processes[-1].start()
            there.close()
        # The first process, where all meet, ends last.
        found = [_result(here, process) for (here, _), process in reversed(list(zip(pipes, processes, strict=True)))]
        return found[::-1]

    return run


def _one_of_several(
    there: Connection, place: dict[str, int], function: Callable[..., Any], given: tuple[Any, ...]
) -> None:
    os.environ.update({name: str(value) for name, value in place.items()}, MASTER_ADDR="127.0.0.1")
    from seg.train.ranks import together

    together.cache_clear()
    try:
        there.send(function(*given))
        there.recv()
    except BaseException:
        traceback.print_exc()
        raise
    # Without what an interpreter does at its end, which belongs to the process of the tests.
    os._exit(0)


def _result(here: Connection, process: Any) -> Any:
    wait([here, process.sentinel], timeout=60)
    try:
        found = here.recv() if here.poll() else None
    except EOFError:
        found = None
    if found is not None:
        here.send("end")
    process.join(20)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode if found is None else found


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
