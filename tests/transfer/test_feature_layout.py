import torch

from seg.transfer._feature_layout import Layout

LAYOUT = Layout((2, 4, 6), ((3, 4, 6), (0, 2, 3), (5, 1, 2)))


def _maps(batch: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    torch.manual_seed(0)
    return torch.rand(batch, *LAYOUT.image), [torch.randn(batch, *shape) for shape in LAYOUT.maps]


def test_what_was_packed_comes_out_again_rounded_to_half_precision():
    image, features = _maps(3)
    rows = LAYOUT.pack(image, features)
    assert rows.dtype == torch.float16
    assert rows.shape == (3, LAYOUT.values)
    found_image, found = LAYOUT.unpack([rows[1].numpy(), rows[0].numpy()])
    assert torch.equal(found_image, image[[1, 0]].half().float())
    assert found_image.dtype == torch.float32
    for one, other in zip(found, features, strict=True):
        assert torch.equal(one, other[[1, 0]].half())


def test_the_deepest_map_comes_first_and_the_image_last():
    image, features = _maps(1)
    (row,) = LAYOUT.pack(image, features)
    assert torch.equal(row[:10].view(1, 2, 5), features[2][0].permute(1, 2, 0).half())
    assert torch.equal(row[-48:].view(4, 6, 2), image[0].permute(1, 2, 0).half())


def test_channels_lie_innermost_as_convolutions_want_them():
    rows = LAYOUT.pack(*_maps(2))
    _, found = LAYOUT.unpack([row.numpy() for row in rows])
    assert found[0].is_contiguous(memory_format=torch.channels_last)


def test_what_is_too_large_for_half_precision_becomes_infinite():
    image, features = _maps(1)
    features[2][0, 0, 0, 0] = 65504.0
    assert bool(torch.isfinite(LAYOUT.pack(image, features)).all())
    features[2][0, 0, 0, 0] = 70_000.0
    assert int(torch.isinf(LAYOUT.pack(image, features)).sum()) == 1
