import pytest
import torch

from seg.train.moments import load_optimizer_tensors, moments_bytes, optimizer_tensors


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_an_optimiser_goes_on_exactly_where_it_was(layout: torch.memory_format) -> None:
    def stepped(weight: torch.nn.Parameter, optimizer: torch.optim.Optimizer, times: int) -> None:
        for _ in range(times):
            (weight**3).sum().backward()
            optimizer.step()
            optimizer.zero_grad()

    whole = torch.nn.Parameter(torch.arange(72.0).reshape(2, 4, 3, 3).to(memory_format=layout))
    optimizer = torch.optim.AdamW([whole], lr=0.1, fused=True)
    stepped(whole, optimizer, 3)
    tensors = {name: tensor.clone() for name, tensor in optimizer_tensors(optimizer).items()}
    resumed = torch.nn.Parameter(whole.detach().clone())
    other = torch.optim.AdamW([resumed], lr=0.1, fused=True)
    load_optimizer_tensors(other, tensors)
    stepped(whole, optimizer, 3)
    stepped(resumed, other, 3)
    assert torch.equal(whole, resumed)


def test_the_size_of_the_moments_is_known_before_they_are_there() -> None:
    weight = torch.nn.Parameter(torch.ones(10, 10))
    optimizer = torch.optim.AdamW([weight])
    expected = moments_bytes(optimizer)
    weight.sum().backward()
    optimizer.step()
    tensors = optimizer_tensors(optimizer)
    assert expected == sum(tensor.nbytes for name, tensor in tensors.items() if not name.endswith("step"))
