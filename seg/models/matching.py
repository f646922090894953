"""Which tensor of a file belongs to which tensor of a network, and how the ones that almost fit are made to."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from timm.layers import resample_abs_pos_embed, resample_patch_embed
from torch import Tensor

MOST_PREFIX_TOKENS = 8


def match_names(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> dict[str, str]:
    """Expected name to found name, for all names that agree after one common prefix is taken off each side.

    The pair of prefixes under which most tensors fit is taken, whatever it is called (`state_dict.`, `module.`,
    `backbone.encoder.`). timm writes `stages_0` where the same network elsewhere has `stages.0`: both are equal here.
    """
    votes: Counter[tuple[str, str]] = Counter()
    for own in _own_prefixes(expected):
        names = _short(expected, own)
        for name, tensor in found.items():
            votes.update((own, head) for head, tail in _splits(name) if _fits(names.get(tail), tensor, expected))
    if not votes:
        return {}
    most = max(votes.values())
    own, head = min((pair for pair, count in votes.items() if count == most), key=lambda pair: len(pair[1]))
    names = _short(expected, own)
    tails = {_canonical(name)[len(head) :]: name for name in found if _canonical(name).startswith(head)}
    return {name: tails[tail] for tail, name in names.items() if tail in tails}


def _own_prefixes(expected: Mapping[str, Tensor]) -> tuple[str, ...]:
    first = {name.split(".")[0] + "." for name in expected}
    return ("", *first) if len(first) == 1 else ("",)


def _short(expected: Mapping[str, Tensor], own: str) -> dict[str, str]:
    return {_canonical(name.removeprefix(own)): name for name in expected}


def _splits(name: str) -> Iterator[tuple[str, str]]:
    parts = _canonical(name).split(".")
    for count in range(len(parts)):
        head = "".join(f"{part}." for part in parts[:count])
        yield head, ".".join(parts[count:])


def _canonical(name: str) -> str:
    return re.sub(r"_(?=\d+\.)", ".", name)


def _fits(name: str | None, tensor: Tensor, expected: Mapping[str, Tensor]) -> bool:
    return name is not None and expected[name].shape == tensor.shape


def first_convolution(expected: Mapping[str, Tensor]) -> str:
    """The name of the convolution that reads the image, in a network's own order; empty without any."""
    return next((name for name, tensor in expected.items() if tensor.ndim == 4), "")


def adapted(name: str, found: Tensor, expected: Tensor, *, first: bool) -> Tensor | None:
    """`found` in the shape of `expected`; None where there is no honest way.

    The first convolution takes another number of channels, and another patch size where it makes a transformer's
    patches; position embeddings are resampled.
    """
    if found.is_floating_point() != expected.is_floating_point() or found.ndim != expected.ndim:
        return None
    if found.shape == expected.shape:
        return found
    if first and found.ndim == 4 and found.shape[0] == expected.shape[0]:
        return _adapted_convolution(name, found.float(), expected)
    if found.ndim == 3 and name.endswith("pos_embed") and found.shape[-1] == expected.shape[-1]:
        return _adapted_positions(found.float(), expected.shape[1])
    return None


def _adapted_convolution(name: str, found: Tensor, expected: Tensor) -> Tensor | None:
    if "patch_embed" in name and found.shape[2:] != expected.shape[2:]:
        found = resample_patch_embed(found, list(expected.shape[2:]))
    if found.shape[2:] != expected.shape[2:]:
        return None
    return adapt_channels(found, expected.shape[1])


def adapt_channels(weight: Tensor, channels: int) -> Tensor:
    """A first convolution (out, in, y, x) for another number of input channels.

    One channel gets the sum, so that a grey image answers as it did as red = green = blue. More channels repeat the
    weights in turn, scaled by in / channels, so that equal channels answer as before.
    """
    if channels == 1:
        return weight.sum(1, keepdim=True)
    before = weight.shape[1]
    return weight[:, [channel % before for channel in range(channels)]] * (before / channels)


def adapt_statistics(values: Tensor, channels: int) -> Tensor | None:
    """Means or standard deviations per input channel for another number of channels, as `adapt_channels` has them.

    One channel gets the average, more channels repeat the values in turn; None for what is no list of values.
    """
    if values.ndim != 1 or not len(values):
        return None
    if len(values) == channels:
        return values
    if channels == 1:
        return values.mean(0, keepdim=True)
    return values[[channel % len(values) for channel in range(channels)]]


def copied_rows(found: Tensor, expected: Tensor, rows: Sequence[int | None]) -> Tensor | None:
    """`expected` with row n replaced by row `rows[n]` of `found`; None where there is nothing to replace.

    Rows are what a last layer has for each organ: those of organs that `found` does not know stay as they are.
    """
    known = {row for row in rows if row is not None}
    if not known or found.ndim != expected.ndim or found.shape[1:] != expected.shape[1:] or max(known) >= len(found):
        return None
    if tuple(rows) == tuple(range(len(found))):
        return found
    copied = expected.clone()
    for number, row in enumerate(rows):
        if row is not None:
            copied[number] = found[row]
    return copied


def _adapted_positions(found: Tensor, count: int) -> Tensor | None:
    for tokens in range(min(MOST_PREFIX_TOKENS + 1, found.shape[1], count)):
        old, new = math.isqrt(found.shape[1] - tokens), math.isqrt(count - tokens)
        if old**2 + tokens == found.shape[1] and new**2 + tokens == count:
            resampled: Tensor = resample_abs_pos_embed(found, [new, new], num_prefix_tokens=tokens)
            return resampled
    return None
