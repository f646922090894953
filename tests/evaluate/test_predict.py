from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seg.data.plan import Intensity, Plan
from seg.data.volume import CaseImage
from seg.evaluate.predict import Inference, label_plane, predict_case, predict_slices
from seg.models.network import Output

CPU = torch.device("cpu")


class _Brightness(nn.Module):
    """The organ is what is brighter than a half in the middle channel; the second one is what is darker."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []

    def forward(self, images: Tensor) -> Output:
        self.seen.append(tuple(images.shape))
        middle = images[:, images.shape[1] // 2 :][:, :1]
        logits = 40 * (torch.cat([middle, 1 - middle], dim=1) - 0.5)
        return Output(logits, None, [], logits)


def _how(batch_size: int = 4, flips: tuple[str, ...] = ()) -> Inference:
    return Inference(CPU, nullcontext, batch_size, flips)


def _planes(count: int, shape: tuple[int, int] = (40, 50)) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.random((3, *shape)).astype(np.float32) for _ in range(count)]


def test_every_slice_comes_back_in_order_and_at_its_own_size() -> None:
    planes = [*_planes(5), *_planes(2, (70, 33)), *_planes(1)]
    found = list(predict_slices(_Brightness(), planes, _how()))
    assert [one.shape for one in found] == [(2, *plane.shape[1:]) for plane in planes]
    for plane, one in zip(planes, found, strict=True):
        assert np.array_equal(one[0] > 0.5, plane[1] > 0.5)


def test_slices_are_batched_and_padded_to_multiples_of_32() -> None:
    network = _Brightness()
    list(predict_slices(network, _planes(9), _how(batch_size=4)))
    assert network.seen == [(4, 3, 64, 64), (4, 3, 64, 64), (1, 3, 64, 64)]


@pytest.mark.parametrize("flips", [("left_right",), ("front_back",), ("left_right", "front_back")])
def test_flipped_copies_are_turned_back_before_they_are_averaged(flips: tuple[str, ...]) -> None:
    plain = list(predict_slices(_Brightness(), _planes(2), _how()))
    turned = list(predict_slices(_Brightness(), _planes(2), _how(flips=flips)))
    # Only the padding lies elsewhere, and a network that looks at single pixels does not see it.
    assert np.allclose(plain, turned, atol=1e-6)


@pytest.mark.parametrize(("neighbours", "contiguous"), [(0, True), (1, True), (2, True), (1, False)])
@pytest.mark.parametrize("slices", [1, 2, 7])
def test_a_case_streams_through_with_the_neighbours_training_saw(neighbours, contiguous, slices) -> None:
    from seg.data.prepare import stack_neighbours

    voxels = np.random.default_rng(1).random((slices, 32, 32)).astype(np.float32)
    plan = Plan(("a", "b"), (1, 2), 1.0, "px", 32, neighbours, (Intensity("range", 0.0, 1.0),))
    seen: list[Tensor] = []

    class _Keeps(_Brightness):
        def forward(self, images: Tensor) -> Output:
            seen.extend(images)
            return super().forward(images)

    found = list(predict_case(_Keeps(), CaseImage((voxels,), None, contiguous, None), plan, _how()))
    assert len(found) == slices
    for z, image in enumerate(seen):
        assert np.array_equal(image.numpy(), stack_neighbours(voxels[:, None], z, neighbours, contiguous))


def test_probabilities_return_to_the_scans_own_pixels() -> None:
    plane = np.zeros((60, 100), np.float32)
    plane[20:40, 30:70] = 1
    plan = Plan(("a", "b"), (1, 2), 2.0, "mm", 32, 0, (Intensity("range", 0.0, 1.0),))
    image = CaseImage((plane[None],), (5.0, 1.0, 1.0), True, None)
    (found,) = predict_case(_Brightness(), image, plan, _how())
    assert found.shape == (2, 60, 100)
    assert np.array_equal(found[0] > 0.5, plane > 0.5)


def test_the_likeliest_organ_wins_and_nothing_below_a_half_counts() -> None:
    probabilities = np.array([[[0.9, 0.6, 0.2]], [[0.1, 0.7, 0.4]]], np.float32)
    assert label_plane(probabilities, (5, 300)).tolist() == [[5, 300, 0]]
