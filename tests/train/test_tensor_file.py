from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from seg.digest import file_sha256
from seg.errors import CheckpointError
from seg.train import tensor_file
from seg.train.tensor_file import write_tensors


def _tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {
        "weight": torch.randn(4, 3, 5, 5).to(memory_format=torch.channels_last),
        "half": torch.randn(6).bfloat16(),
        "count": torch.tensor(3),
        "flags": torch.tensor([True, False]),
        "broken": torch.tensor([float("nan"), float("inf"), -0.0]),
    }


def test_a_file_is_the_one_the_library_writes_and_everybody_may_read_it(tmp_path: Path) -> None:
    digest = write_tensors(tmp_path / "one.safetensors", _tensors())
    save_file({name: tensor.contiguous() for name, tensor in _tensors().items()}, tmp_path / "other.safetensors")
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "other.safetensors").read_bytes()
    assert digest == file_sha256(tmp_path / "one.safetensors")
    assert (tmp_path / "one.safetensors").stat().st_mode & 0o777 == 0o644
    assert torch.equal(load_file(tmp_path / "one.safetensors")["weight"], _tensors()["weight"])


@pytest.mark.parametrize(
    ("kept", "named"),
    [
        ({**_tensors(), "half": _tensors()["half"] + 1}, "half"),
        ({**_tensors(), "half": _tensors()["half"].float()}, "half"),
        ({name: tensor for name, tensor in _tensors().items() if name != "count"}, "count"),
        ({**_tensors(), "more": torch.zeros(2)}, "more"),
    ],
)
def test_a_disk_that_gives_back_something_else_is_noticed(tmp_path: Path, monkeypatch, kept, named) -> None:
    def loses(path: Path) -> None:
        save_file({name: tensor.contiguous() for name, tensor in kept.items()}, path)

    monkeypatch.setattr(tensor_file, "sync", loses)
    with pytest.raises(CheckpointError, match=f"other bytes than were written, in {named}") as refused:
        write_tensors(tmp_path / "one.safetensors", _tensors())
    assert refused.value.code == "disk-changes-bytes"


def test_a_folder_that_is_not_there_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write_tensors(tmp_path / "missing" / "one.safetensors", _tensors())
