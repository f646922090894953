import pytest
import torch

from seg.losses.focal import focal


def test_an_easy_pixel_is_looked_away_from():
    valid = torch.ones(1, 1, 1, 1, dtype=torch.bool)
    easy = float(focal(torch.full((1, 1, 1, 1), 3.0), torch.ones(1, 1, 1, 1), valid))
    hard = float(focal(torch.full((1, 1, 1, 1), -3.0), torch.ones(1, 1, 1, 1), valid))
    # (1 - q)^2 log q with q = sigmoid(3) and sigmoid(-3)
    assert easy == pytest.approx(0.047426**2 * 0.048587, rel=1e-3)
    assert hard == pytest.approx(0.952574**2 * 3.048587, rel=1e-3)
