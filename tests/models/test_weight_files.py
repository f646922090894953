import json
import os
import pickle
import struct
import time
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from seg.digest import file_sha256
from seg.errors import CheckpointError
from seg.models import unpickle, weight_files
from seg.models.weight_files import read_weight_file


class Command:
    """A pickle of this runs a shell command when it is loaded carelessly."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return os.system, (f"touch {self.canary}",)


def zipped_pickle(path: Path, data: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
    return path


def hash_bomb(depth: int = 60) -> bytes:
    """A dictionary key made of tuples of the same tuple twice: 2 ** depth steps to hash."""
    nested = b")" + b"".join(b"q" + bytes([n]) + b"h" + bytes([n]) + b"\x86" for n in range(depth))
    return b"\x80\x02}" + nested + b"K\x01s."


def refusal_of(path: Path, **more) -> CheckpointError:
    with pytest.raises(CheckpointError) as refusal:
        read_weight_file(path, **more)
    assert str(path) in str(refusal.value)
    return refusal.value


@pytest.fixture
def same_process(monkeypatch):
    """Convert without a process of its own, whose start is most of the time."""

    def convert(path: Path, destination: Path, limit_s: float) -> str:
        return "a pickle that was refused" if unpickle.main(str(path), str(destination)) else ""

    monkeypatch.setattr(unpickle, "limit_memory", lambda more_bytes: None)
    monkeypatch.setattr(weight_files, "_convert", convert)


def test_a_safetensors_file_comes_back_with_its_hash(tmp_path):
    path = tmp_path / "good.safetensors"
    save_file({"a.weight": torch.arange(6.0).reshape(2, 3)}, path)
    read = read_weight_file(path)
    assert torch.equal(read.tensors["a.weight"], torch.arange(6.0).reshape(2, 3))
    assert read.sha256 == file_sha256(path)
    assert len(read.sha256) == 64


def test_a_nested_pickle_comes_back_flat(tmp_path):
    path = tmp_path / "good.pth"
    shared = torch.arange(4.0)
    values = {"a": shared, "b.c": shared[1:3], "counter": torch.tensor(3), "module": torch.ones(2, 2).t()}
    torch.save({"state_dict": values, "epoch": 3, "names": ["x"], 7: torch.ones(1)}, path)
    read = read_weight_file(path).tensors
    assert set(read) == {f"state_dict.{name}" for name in values}
    assert all(torch.equal(read[f"state_dict.{name}"], tensor) for name, tensor in values.items())


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".ckpt"])
def test_every_name_of_a_pickle_is_known(tmp_path, suffix, same_process):
    path = tmp_path / f"good{suffix}"
    torch.save({"a": torch.ones(2)}, path)
    assert torch.equal(read_weight_file(path).tensors["a"], torch.ones(2))


def test_a_pickle_that_runs_a_command_is_refused_by_the_process_too(tmp_path):
    path = zipped_pickle(tmp_path / "hostile.pth", pickle.dumps(Command(tmp_path / "canary"), protocol=2))
    found = refusal_of(path).found
    assert "posix.system" in found
    assert "weights_only" not in found
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("legacy", [True, False])
def test_a_pickle_that_runs_a_command_is_refused_and_nothing_runs(tmp_path, legacy, same_process):
    canary, path = tmp_path / "canary", tmp_path / "hostile.pth"
    data = pickle.dumps({"state_dict": Command(canary)}, protocol=2)
    if legacy:
        path.write_bytes(data)
    else:
        zipped_pickle(path, data)
    assert refusal_of(path).code == "weights-pickle"
    assert not canary.exists()


def test_a_pickle_that_never_ends_is_stopped(tmp_path):
    path = zipped_pickle(tmp_path / "bomb.pth", hash_bomb())
    start = time.monotonic()
    refusal = refusal_of(path, limit_s=1.0)
    assert refusal.found == "a pickle that cannot be read within 1 s"
    assert time.monotonic() - start < 25


def test_a_pickle_nested_deeply_is_refused(tmp_path, same_process):
    path = zipped_pickle(tmp_path / "deep.pth", b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".")
    assert refusal_of(path).code in ("weights-pickle", "weights-empty")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux can limit memory")
def test_a_pickle_that_asks_for_all_memory_is_refused(tmp_path):
    path = tmp_path / "wide.pth"
    torch.save({"wide": torch.zeros(1).expand(20_000_000_000)}, path)
    assert refusal_of(path).code == "weights-pickle"


@pytest.mark.parametrize("content", [b"", b"no pickle at all", b"PK\x03\x04 half a zip"])
def test_a_broken_pickle_is_refused(tmp_path, content, same_process):
    path = tmp_path / "broken.pth"
    path.write_bytes(content)
    assert refusal_of(path).code == "weights-pickle"


def header(tensors: dict, size: int) -> bytes:
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text + b"\0" * size


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\0",
        b"garbage " * 100,
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
        struct.pack("<Q", 1 << 60) + b"{}",
        struct.pack("<Q", 8) + b"not json",
        header({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4]}}, 4),
        header({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, 4),
        header({"a": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}}, 4),
        header({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, 4),
    ],
    ids=["empty", "short", "garbage", "lfs", "endless", "no json", "too large", "cut", "type", "negative"],
)
def test_a_broken_safetensors_file_is_refused(tmp_path, content):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    assert refusal_of(path).code == "weights-broken"


def test_a_pointer_of_git_lfs_is_named_as_such(tmp_path):
    path = tmp_path / "pointer.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n")
    assert "Git LFS" in refusal_of(path).found


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(tmp_path, value):
    path = tmp_path / "nan.safetensors"
    save_file({"conv1.weight": torch.tensor([1.0, value])}, path)
    assert "conv1.weight" in refusal_of(path).found


def test_a_file_without_tensors_is_refused(tmp_path, same_process):
    path = tmp_path / "none.pth"
    torch.save({"epoch": 3}, path)
    assert refusal_of(path).code == "weights-empty"


@pytest.mark.parametrize("name", ["missing.pth", "weights.npz", "folder.pth"])
def test_what_is_no_file_of_weights_is_refused(tmp_path, name):
    (tmp_path / "weights.npz").write_bytes(b"x")
    (tmp_path / "folder.pth").mkdir()
    assert refusal_of(tmp_path / name).code == "weights-file"


def test_a_file_larger_than_any_network_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "large.safetensors"
    save_file({"a": torch.zeros(4)}, path)
    monkeypatch.setattr(weight_files, "LARGEST_BYTES", 10)
    assert refusal_of(path).code == "weights-size"


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux can limit memory")
def test_the_limits_are_counted_from_what_the_process_has(monkeypatch):
    import resource

    limits = {}
    monkeypatch.setattr(resource, "setrlimit", lambda kind, values: limits.update({kind: values}))
    unpickle.limit_memory(1 << 30)
    soft, hard = limits[resource.RLIMIT_AS]
    assert soft == hard > (1 << 30)
    assert limits[resource.RLIMIT_FSIZE] == (1 << 30, 1 << 30)


def test_the_converter_says_in_one_line_what_it_could_not_read(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(unpickle, "limit_memory", lambda more_bytes: None)
    good, bad = tmp_path / "good.pth", tmp_path / "bad.pth"
    torch.save({"a": torch.ones(2)}, good)
    bad.write_bytes(b"x")
    assert unpickle.main(str(good), str(tmp_path / "out.safetensors")) == 0
    assert unpickle.main(str(bad), str(tmp_path / "out2.safetensors")) == 1
    seen = capsys.readouterr()
    assert seen.out.splitlines() == [unpickle.READY, unpickle.READY]
    assert len(seen.err.splitlines()) == 1
    assert not (tmp_path / "out2.safetensors").exists()


def test_pickles_are_read_in_one_place_only():
    sources = Path(weight_files.__file__).parents[1].rglob("*.py")
    assert [path.name for path in sources if "torch.load(" in path.read_text(encoding="utf-8")] == ["unpickle.py"]
    assert "weights_only=True" in Path(unpickle.__file__).read_text(encoding="utf-8")
