"""What a network starts from: ImageNet, nothing, or a file; and a table of what fitted."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from seg import config
from seg.errors import CheckpointError, UsageError, nearest
from seg.models.encoders import check_encoder_name
from seg.models.fitting import HEADS, PREFIXES, Fitted, OrganRows, fitted
from seg.models.matching import first_convolution
from seg.models.published import published_encoder, require_published
from seg.models.weight_files import PICKLED, SAFE, WeightFile, read_weight_file

WORDS = ("imagenet", "none", "auto")
ENOUGH = 0.9
"""Share of the encoder's tensors that must fit; fewer mean that the file is of another network."""
OWN_PARTS = ("encoder.", "decoder.", "mask_head.")
SHOWN = 8
_COUNTER = "num_batches_tracked"
"""Ends the names of counters that old files lack and nothing reads."""
_TITLES = {"decoder.": "decoder", "mask_head.": "mask head", "edge_head.": "edge head"}
_SPOKEN = {"loaded": "loaded", "adapted": "adapted", "missing": "from nothing", "unused": "unused"}


@dataclass(frozen=True)
class WeightRow:
    """One tensor."""

    name: str
    """In the network; in the file for unused ones."""
    status: Literal["loaded", "adapted", "missing", "unused"]
    """`adapted`: brought to another shape or order; `missing`: not taken from the file, so it starts from nothing."""
    found: tuple[int, ...] | None
    """Shape in the file; None where the file lacks it."""
    expected: tuple[int, ...] | None
    """Shape in the network; None where the network lacks it."""


@dataclass(frozen=True)
class WeightReport:
    """What a network's weights came from."""

    source: str
    """`none`, `imagenet (<repository>)`, or the file's name."""
    sha256: str = ""
    """Of the file; empty without one."""
    rows: tuple[WeightRow, ...] = ()
    """Every tensor of the network in its own order, then the unused ones of the file; empty for random weights."""
    notes: tuple[str, ...] = ()
    """What a person should know, such as `auto` having gone on without weights."""

    @property
    def matched_fraction(self) -> float:
        """Share of the encoder's tensors that were loaded or adapted; 0 for random weights."""
        wanted = [row for row in self._told() if row.name.startswith("encoder.") and row.status != "unused"]
        return sum(row.status in ("loaded", "adapted") for row in wanted) / max(len(wanted), 1)

    def summary(self) -> str:
        """One line, such as `318 loaded, 1 adapted, 2 unused`."""
        counts = Counter[str](row.status for row in self._told())
        told = [f"{counts[status]} {spoken}" for status, spoken in _SPOKEN.items() if counts[status]]
        return ", ".join(told) or "random weights"

    def _told(self) -> tuple[WeightRow, ...]:
        return tuple(row for row in self.rows if row.status != "missing" or not row.name.endswith(_COUNTER))


def require_weights(settings: config.Model) -> None:
    """Raise at once, before long work, what `load_weights` would raise for an encoder or weights that are not there."""
    check_encoder_name(settings.encoder)
    if settings.weights == "imagenet":
        require_published(settings.encoder)
    elif settings.weights not in WORDS and not _weights_path(settings.weights).is_file():
        raise CheckpointError(
            found="no such file", expected="a .safetensors or .pth file", fix="correct model.weights",
            path=settings.weights, code="weights-missing",
        )  # fmt: skip


def load_weights(network: nn.Module, settings: config.Model, channels: int) -> WeightReport:
    """Put the weights that `settings.weights` names into `network`, a SegNetwork on the CPU.

    Raises:
        UsageError: The word is none of the choices and no file.
        CheckpointError: The weights cannot be had, cannot be read, or fit less than 90 % of the encoder. The network
            is untouched then.
    """
    word = settings.weights
    if word == "none":
        return WeightReport("none")
    if word == "imagenet":
        return _load_published(network, settings, channels)
    if word == "auto":
        try:
            return _load_published(network, settings, channels)
        except CheckpointError as error:
            return WeightReport("none", notes=(f"auto: went on without ImageNet weights: {error.found}",))
    return load_weight_file(network, _weights_path(word))


def _weights_path(word: str) -> Path:
    path = Path(word).expanduser()
    if not path.is_file() and path.suffix not in SAFE + PICKLED:
        raise UsageError(
            found=f"model.weights={word}", expected="imagenet, none, auto, or a .safetensors or .pth file",
            fix=f"choose one of these.{nearest(word, WORDS)}", code="weights-word",
        )  # fmt: skip
    return path


def _load_published(network: nn.Module, settings: config.Model, channels: int) -> WeightReport:
    encoder = published_encoder(settings, channels)
    network.get_submodule("encoder").load_state_dict(encoder.tensors)
    state = network.state_dict()
    rows = tuple(_published_row(name, tensor, first_convolution(state), channels) for name, tensor in state.items())
    return WeightReport(encoder.source, encoder.sha256, rows, encoder.notes)


def _published_row(name: str, tensor: Tensor, first: str, channels: int) -> WeightRow:
    shape = tuple(tensor.shape)
    if not name.startswith(PREFIXES["encoder"]):
        return WeightRow(name, "missing", None, shape)
    if channels == 3 or not (name == first or name.startswith("input_")):
        return WeightRow(name, "loaded", shape, shape)
    published = (3,) if name.startswith("input_") else (shape[0], 3, *shape[2:])
    return WeightRow(name, "adapted", published, shape)


def load_weight_file(network: nn.Module, path: Path) -> WeightReport:
    """Put what fits of a file into `network`; a file of our own runs loads all parts, any other one the encoder.

    Heads are taken where they have as many organs as the network's.
    Raises CheckpointError as `load_weights` does.
    """
    file = read_weight_file(path)
    whole = all(any(name.startswith(part) for name in file.tensors) for part in OWN_PARTS)
    parts = PREFIXES["all" if whole else "encoder"]
    return put_into(network, path, file, parts, rows_by_position(network, file))


def rows_by_position(network: nn.Module, file: WeightFile) -> OrganRows:
    """The file's organs in their order where there are as many as in the network, else none of them."""
    organs = len(network.state_dict()["mask_head.out.bias"])
    theirs = file.tensors.get("mask_head.out.bias")
    agree = theirs is not None and theirs.shape == (organs,)
    return tuple(range(organs)) if agree else (None,) * organs


def put_into(
    network: nn.Module, path: Path, file: WeightFile, prefixes: tuple[str, ...], rows: OrganRows
) -> WeightReport:
    """Put what fits of a file into the parts of `network` with these prefixes.

    Raises CheckpointError, and leaves the network as it is, where less than 90 % of the encoder fits.
    """
    state = network.state_dict()
    found = fitted(state, file.tensors, prefixes, rows)
    table = _rows(state, file.tensors, found)
    report = WeightReport(path.name, file.sha256, table, _notes(table, prefixes))
    if report.matched_fraction < ENOUGH:
        raise _does_not_fit(report, path)
    network.load_state_dict({**state, **found.tensors})
    return report


def _rows(expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor], found: Fitted) -> tuple[WeightRow, ...]:
    rows = []
    for name, tensor in expected.items():
        theirs, taken = tensors.get(found.names.get(name, "")), found.tensors.get(name)
        status: Literal["loaded", "adapted", "missing"] = "missing"
        if taken is not None:
            # What was made to fit is a new tensor, even where an order of organs alone changed.
            status = "loaded" if taken is theirs else "adapted"
        rows.append(WeightRow(name, status, None if theirs is None else tuple(theirs.shape), tuple(tensor.shape)))
    used = set(found.names.values())
    unused = (
        WeightRow(name, "unused", tuple(tensor.shape), None) for name, tensor in tensors.items() if name not in used
    )
    return (*rows, *unused)


def _notes(rows: Sequence[WeightRow], prefixes: tuple[str, ...]) -> tuple[str, ...]:
    untouched = [
        part
        for part in _TITLES
        if {row.status for row in rows if row.name.startswith(part) and row.expected is not None} == {"missing"}
    ]
    shaped = [row.name for row in rows if row.status == "adapted" and not row.name.startswith(HEADS)]
    lacking = [
        row.name
        for row in rows
        if row.status == "missing"
        and row.name.startswith(prefixes)
        and not row.name.startswith((*untouched, "input_"))
        and not row.name.endswith(_COUNTER)
    ]
    notes = [f"adapted to this network's shapes: {', '.join(shaped)}"] if shaped else []
    if lacking:
        notes.append(f"{len(lacking)} tensors start from nothing: {', '.join(lacking[:SHOWN])}")
    if untouched:
        notes.append(f"start from nothing: {', '.join(_TITLES[part] for part in untouched)}")
    return tuple(notes)


def _does_not_fit(report: WeightReport, path: Path) -> CheckpointError:
    wrong = [
        row
        for row in report.rows
        if row.status == "missing" and row.name.startswith("encoder.") and not row.name.endswith(_COUNTER)
    ]
    listed = "; ".join(f"{row.name} {row.found or 'absent'}, expected {row.expected}" for row in wrong[:SHOWN])
    return CheckpointError(
        found=f"{report.matched_fraction:.0%} of the encoder's tensors ({report.summary()}). Did not fit: {listed}",
        expected=f"at least {ENOUGH:.0%}",
        fix="choose the model.encoder the file was made for, or another file",
        path=path,
        code="weights-do-not-fit",
    )
