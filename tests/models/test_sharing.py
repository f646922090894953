import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from seg.models.network import Output
from seg.models.sharing import ALONE, OwnPasses, Sharing, WholeMaps, WholeOutput, over_rows, whole_rows


class _Second(Sharing):
    """The second of two processes; the first one has the same rows, 100 larger."""

    number, count = 1, 2

    def __init__(self) -> None:
        self.asked = 0

    def rows(self, own: Tensor) -> Tensor:
        self.asked += 1
        return torch.cat([own + 100, own])


class _First(_Second):
    number = 0


def _output() -> Output:
    maps = [torch.full((2, 1), float(level)) for level in range(3)]
    return Output(masks=torch.ones(2, 1), edges=None, features=maps, decoded=torch.zeros(2, 4))


def test_rows_are_divided_in_their_order():
    assert ALONE.own(6) == slice(0, 6)
    assert (_First().own(6), _Second().own(6)) == (slice(0, 3), slice(3, 6))


def test_a_loss_of_all_rows_gives_own_rows_their_full_gradient():
    own = torch.tensor([[1.0], [2.0]], requires_grad=True)
    whole = whole_rows(own, _Second())
    # Each of the two processes backpropagates half of the loss they both compute.
    (whole.square().sum() / 2).backward()
    assert whole[:, 0].tolist() == [101.0, 102.0, 1.0, 2.0]
    assert own.grad[:, 0].tolist() == [2.0, 4.0]


def test_what_nobody_looks_at_is_not_exchanged():
    sharing = _Second()
    output = WholeOutput(_output(), sharing)
    assert sharing.asked == 0
    assert output.masks[:, 0].tolist() == [101.0, 101.0, 1.0, 1.0]
    assert output.masks is output.masks
    assert output.edges is None
    assert sharing.asked == 1
    assert output.features[-1][:, 0].tolist() == [102.0, 102.0, 2.0, 2.0]
    assert output.features[-1] is output.features[2]
    assert sharing.asked == 2
    assert [len(one) for one in output.features] == [4, 4, 4]
    assert output.decoded.shape == (4, 4)


def test_maps_are_a_sequence():
    maps = WholeMaps(_output().features, _Second())
    assert len(maps) == 3
    assert [float(one[-1]) for one in maps[1:]] == [1.0, 2.0]
    with pytest.raises(IndexError):
        maps[3]


def test_processes_and_passes_drop_differently_and_draw_alike_afterwards():
    drawn = []
    for sharing in (_First(), _Second()):
        torch.manual_seed(5)
        passes = OwnPasses(sharing)
        masks = []
        for _ in range(2):
            with passes.one(torch.device("cpu")):
                masks.append(F.dropout(torch.ones(64), 0.5))
        drawn.append((masks, torch.rand(4)))
    (first, after_first), (second, after_second) = drawn
    assert len({tuple(mask.tolist()) for mask in (*first, *second)}) == 4
    assert torch.equal(after_first, after_second)


def test_alone_a_pass_draws_as_ever():
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    with OwnPasses(ALONE).one(torch.device("cpu")):
        assert torch.equal(torch.rand(4), expected)


def test_a_function_of_rows_is_computed_by_parts():
    sharing, rows = _Second(), torch.arange(4.0)[:, None]
    seen: list[int] = []

    def doubled(own: Tensor) -> Tensor:
        seen.append(len(own))
        return 2 * own

    assert over_rows(OwnPasses(sharing), sharing, doubled, rows)[:, 0].tolist() == [104.0, 106.0, 4.0, 6.0]
    assert seen == [2]
    assert over_rows(OwnPasses(ALONE), ALONE, doubled, rows)[:, 0].tolist() == [0.0, 2.0, 4.0, 6.0]
