from torch import nn

from seg.transfer._source_norms import normalise_alike


def _network(norms: int) -> nn.Sequential:
    return nn.Sequential(*(nn.BatchNorm2d(2) for _ in range(norms)), nn.Dropout())


def test_norms_take_the_mode_of_their_counterparts_and_nothing_else_does() -> None:
    source, network = _network(2).eval(), _network(2).train()
    network[1].eval()
    normalise_alike(source, network)
    assert [module.training for module in source] == [True, False, False]
    normalise_alike(source, network.eval())
    assert not any(module.training for module in source)


def test_norms_without_counterparts_stay_as_they_are() -> None:
    source = _network(2).eval()
    normalise_alike(source, _network(3).train())
    assert not any(module.training for module in source)
