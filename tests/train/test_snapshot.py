import pytest
import torch

from seg.train.snapshot import Snapshot, size_bytes

CPU = torch.device("cpu")


def _groups() -> dict[str, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    return {
        "network": {
            "weight": torch.randn(8, 4, 3, 3).to(memory_format=torch.channels_last),
            "count": torch.tensor(7),
            "half": torch.randn(5).bfloat16(),
            "flags": torch.tensor([True, False, True]),
            "nothing": torch.zeros(0, 3),
        },
        "optimizer": {"every second": torch.arange(20.0)[::2], "one for all": torch.ones(1).expand(3, 2)},
    }


def test_copies_hold_the_moment_whatever_becomes_of_the_originals() -> None:
    groups, expected = _groups(), _groups()
    copies = Snapshot(CPU).take(groups)
    for tensors in groups.values():
        for name in tensors:
            tensors[name].data = torch.zeros_like(tensors[name])
    for tensors, copied in zip(expected.values(), copies.values(), strict=True):
        assert list(tensors) == list(copied)
        for name, tensor in tensors.items():
            assert copied[name].dtype == tensor.dtype
            assert torch.equal(copied[name], tensor)


def test_a_copy_lies_in_memory_as_its_original() -> None:
    copies = Snapshot(CPU).take(_groups())
    assert copies["network"]["weight"].is_contiguous(memory_format=torch.channels_last)


def test_the_same_memory_is_used_again_also_for_less_and_grows_for_more() -> None:
    snapshot = Snapshot(CPU)
    first = snapshot.take(_groups())["network"]["weight"].data_ptr()
    assert snapshot.take(_groups())["network"]["weight"].data_ptr() == first
    less = snapshot.take({"network": {"weight": torch.ones(3)}})["network"]["weight"]
    assert less.data_ptr() == first
    more = torch.randn(1000, 1000)
    assert torch.equal(snapshot.take({"network": {"weight": more}})["network"]["weight"], more)


def test_reserved_memory_is_what_the_copies_lie_in() -> None:
    snapshot, groups = Snapshot(CPU), _groups()
    snapshot.reserve(size_bytes(tensor for tensors in groups.values() for tensor in tensors.values()))
    reserved = snapshot._block.data_ptr()
    snapshot.take(groups)
    assert snapshot._block.data_ptr() == reserved


@pytest.mark.parametrize(("shape", "expected"), [((), 64), ((16,), 64), ((17,), 128), ((0,), 0)])
def test_sizes_are_whole_lines_of_the_cache(shape: tuple[int, ...], expected: int) -> None:
    assert size_bytes([torch.zeros(shape)]) == expected


def test_no_tensors_are_copied_to_no_tensors() -> None:
    assert Snapshot(CPU).take({"component-0": {}}) == {"component-0": {}}
