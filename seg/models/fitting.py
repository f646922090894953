"""Which tensors of a file go into a network, and in which shape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from seg.models.matching import adapt_statistics, adapted, copied_rows, first_convolution, match_names

Parts = Literal["encoder", "encoder_decoder", "all"]
OrganRows = Sequence[int | None]
"""Per organ of the network the file's row that predicts it; None where it has none."""

HEADS = ("mask_head.", "edge_head.")
_ENCODER = ("encoder.", "input_")
PREFIXES: dict[Parts, tuple[str, ...]] = {
    "encoder": _ENCODER,
    "encoder_decoder": (*_ENCODER, "decoder."),
    "all": (*_ENCODER, "decoder.", *HEADS),
}
"""Names of the tensors that are taken over; how the input is normalised goes with the encoder."""


@dataclass(frozen=True)
class Fitted:
    """What a file has for a network."""

    names: dict[str, str]
    """Name in the network to name in the file, taken or not."""
    tensors: dict[str, Tensor]
    """What is taken, by name in the network, in the shape it has there; the file's own tensor where that fits."""


def fitted(
    expected: Mapping[str, Tensor], found: Mapping[str, Tensor], prefixes: tuple[str, ...], rows: OrganRows
) -> Fitted:
    """What of `found` goes into a network whose tensors are `expected`; only names with these prefixes are taken."""
    names, first = network_names(expected, found), first_convolution(expected)
    tensors = {
        name: _fitting(name, found[theirs], expected[name], first, rows)
        for name, theirs in names.items()
        if name.startswith(prefixes)
    }
    taken = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    return Fitted(names, {name: tensor for name, tensor in taken.items() if not _orphan(name, names, taken)})


def _orphan(name: str, names: Mapping[str, str], taken: Mapping[str, Tensor]) -> bool:
    """A bias whose weight does not fit was learned for another layer."""
    weight = f"{name.removesuffix('bias')}weight"
    return name.endswith(".bias") and weight in names and weight not in taken


def _fitting(name: str, found: Tensor, expected: Tensor, first: str, rows: OrganRows) -> Tensor | None:
    if name.startswith(HEADS) and ".out." in name:
        return copied_rows(found, expected, rows)
    if name.startswith("input_"):
        return adapt_statistics(found, len(expected))
    return adapted(name, found, expected, first=name == first)


def network_names(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> dict[str, str]:
    """Name in the network to name in the file, whatever stands in front of the names there.

    The encoder is recognised by its tensors. The other parts are looked for only where it is called `encoder.` in the
    file too, under the same front: a file of a classifier has none of them.
    """
    encoder = {name: tensor for name, tensor in expected.items() if name.startswith("encoder.")}
    bare = {name.removeprefix("encoder."): tensor for name, tensor in encoder.items()}
    same = {name: name for name in encoder if name in found}
    matched = {f"encoder.{name}": theirs for name, theirs in match_names(bare, found).items()}
    names = max(same, matched, key=len)
    front = next((theirs.removesuffix(ours) for ours, theirs in names.items() if theirs.endswith(ours)), None)
    if front is None:
        return names
    return {**names, **{name: front + name for name in expected if front + name in found}}
