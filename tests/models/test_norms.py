import pytest
import torch
from torch import nn

from seg.models.norms import KeptStatistics


def _network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.InstanceNorm2d(4, track_running_stats=True))


@pytest.mark.parametrize("spoiled", [float("nan"), float("inf"), 1e30])
def test_statistics_come_back_bit_by_bit_whatever_a_batch_did_to_them(spoiled: float) -> None:
    torch.manual_seed(0)
    network = _network()
    network(torch.rand(2, 3, 4, 4))
    kept = KeptStatistics(network)
    network(torch.rand(2, 3, 4, 4))
    kept.keep()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert before["1.num_batches_tracked"] == 2
    network(torch.full((2, 3, 4, 4), spoiled))
    assert not torch.equal(network.state_dict()["1.running_var"], before["1.running_var"])
    kept.restore()
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_network_without_norms_has_nothing_to_keep() -> None:
    network = nn.Conv2d(3, 4, 1)
    kept = KeptStatistics(network)
    kept.keep()
    kept.restore()
    assert kept._groups == []
