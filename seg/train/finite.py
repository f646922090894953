"""Numbers that are not finite: where they came from, said with step and cases, before anything is kept of them."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from seg.data.streams import Batches
from seg.errors import TrainingError

What = Literal["a loss", "a gradient"]

_SHOWN = 3


def not_finite(what: What, terms: Mapping[str, Tensor], batches: Batches, step: int) -> TrainingError:
    """What went wrong in a step that was not taken; an image that is not finite itself is named alone."""
    # A slice may be there twice, as it was loaded and in another view.
    spoiled = dict.fromkeys(
        where
        for batch in batches.values()
        for where, image in zip(batch.where, batch.images, strict=True)
        if not bool(torch.isfinite(image).all())
    )
    everything = dict.fromkeys(where for batch in batches.values() for where in batch.where)
    values = ", ".join(f"{name} {float(term.detach()):.4g}" for name, term in terms.items())
    source = "an image that is not finite" if spoiled else f"{what} that is not finite"
    return TrainingError(
        found=f"{source} at step {step + 1} ({values}) on {'; '.join(spoiled or everything)}",
        expected="finite numbers; the update was not made",
        fix="look at these cases with `seg check`, or lower optim.lr, or use train.precision=fp32",
        code="not-finite",
    )


def require_finite(tensors: Mapping[str, Tensor], step: int) -> None:
    """Raise TrainingError where weights or statistics that are about to be kept are not finite."""
    floating = {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}
    # One number from the GPU instead of one per tensor.
    finite = torch.stack([torch.isfinite(tensor).all() for tensor in floating.values()]).tolist()
    spoiled = [name for name, fine in zip(floating, finite, strict=True) if not fine]
    if spoiled:
        more = f" and {len(spoiled) - _SHOWN} more" if len(spoiled) > _SHOWN else ""
        raise TrainingError(
            found=f"weights that are not finite after step {step}: {', '.join(spoiled[:_SHOWN])}{more}",
            expected="finite numbers; nothing was saved, so that checkpoints and model are those of earlier steps",
            fix="train again with a lower optim.lr, or with train.precision=fp32", code="not-finite",
        )  # fmt: skip
