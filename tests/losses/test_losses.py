import pytest
import torch

from seg.errors import UsageError
from seg.losses import load_loss
from seg.losses._pixels import mean_over_valid


def test_an_unknown_loss_gets_the_nearest_name():
    with pytest.raises(UsageError, match="Did you mean 'tversky'"):
        load_loss("tverski")


def test_what_losses_share_is_not_offered_as_a_loss():
    with pytest.raises(UsageError, match="dice_cross_entropy"):
        load_loss("_pixels")


def test_the_mean_counts_valid_pixels_of_every_organ():
    values = torch.arange(8.0).reshape(1, 2, 2, 2)
    valid = torch.tensor([[[[True, False], [False, True]]]])
    assert float(mean_over_valid(values, valid)) == pytest.approx((0 + 3 + 4 + 7) / 4)
    assert float(mean_over_valid(values, torch.zeros_like(valid))) == 0.0
