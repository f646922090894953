"""Take over what another model learned, part by part and organ by organ."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from seg.models.fitting import PREFIXES, OrganRows, Parts
from seg.models.weight_files import read_weight_file
from seg.models.weights import WeightReport, put_into


def load_source(
    network: nn.Module,
    path: Path,
    *,
    parts: Parts,
    source_organs: tuple[str, ...],
    organs: tuple[str, ...],
) -> WeightReport:
    """Put the parts of a source's weights that fit into `network`, a plain SegNetwork that predicts `organs`.

    With `all`, heads move too: as they are where both models have exactly one organ, else organ by organ by name.
    A file of which no organs are known, such as that of a self-supervised run, has no heads to give.
    The first convolution takes another number of channels; what else has another shape starts from nothing.

    Raises CheckpointError, and leaves the network as it is, for a file that cannot be read or fits less than 90 % of
    the encoder.
    """
    with_heads = parts == "all" and bool(source_organs)
    prefixes = PREFIXES["encoder_decoder" if parts == "all" and not with_heads else parts]
    rows = organ_rows(source_organs, organs)
    report = put_into(network, path, read_weight_file(path), prefixes, rows)
    note = _heads_note(report, rows, source_organs, organs) if with_heads else ""
    return dataclasses.replace(report, notes=(*report.notes, note)) if note else report


def organ_rows(source_organs: Sequence[str], organs: Sequence[str]) -> OrganRows:
    """Which row of the source's heads each organ gets: the only one, or that of the same name."""
    if len(source_organs) == len(organs) == 1:
        return (0,)
    return tuple(source_organs.index(organ) if organ in source_organs else None for organ in organs)


def _heads_note(report: WeightReport, rows: OrganRows, source_organs: Sequence[str], organs: Sequence[str]) -> str:
    moved = any(row.name == "mask_head.out.weight" and row.status in ("loaded", "adapted") for row in report.rows)
    if not moved or tuple(source_organs) == tuple(organs):
        return ""
    if len(source_organs) == len(organs) == 1:
        return f"both models have one organ: the heads of {source_organs[0]} go on as those of {organs[0]}"
    named = [organ for organ, row in zip(organs, rows, strict=True) if row is not None]
    fresh = [organ for organ, row in zip(organs, rows, strict=True) if row is None]
    rest = f"; from nothing: {', '.join(fresh)}" if fresh else ""
    return f"heads taken over by name: {', '.join(named)}{rest}"
