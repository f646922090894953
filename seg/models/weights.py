"""What a network starts from: ImageNet, nothing, or a file; and a table of what fitted."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from seg import config
from seg.digest import file_sha256
from seg.errors import CheckpointError, UsageError, nearest
from seg.models.encoders import build_parts, check_encoder_name
from seg.models.hub import Published, cache_only, cached_file, published_weights, why_unreachable
from seg.models.matching import adapted, first_convolution, match_names
from seg.models.weight_files import PICKLED, SAFE, read_weight_file

WORDS = ("imagenet", "none", "auto")
ENOUGH = 0.9
"""Share of the encoder's tensors that must fit; fewer mean that the file is of another network."""
OWN_PARTS = ("encoder.", "decoder.", "mask_head.")
SHOWN = 8


@dataclass(frozen=True)
class WeightRow:
    """One tensor."""

    name: str
    """In the network; in the file for unused ones."""
    status: Literal["loaded", "adapted", "missing", "unused"]
    found: tuple[int, ...] | None
    """Shape in the file; None where the file lacks it."""
    expected: tuple[int, ...] | None
    """Shape in the network; None where the network lacks it."""


@dataclass(frozen=True)
class WeightReport:
    """What a network's weights came from."""

    source: str
    """`none`, `imagenet (<repository>)`, or the file's path."""
    sha256: str = ""
    """Of the file; empty without one."""
    rows: tuple[WeightRow, ...] = ()
    notes: tuple[str, ...] = ()
    """What a person should know, such as `auto` having gone on without weights."""

    @property
    def matched_fraction(self) -> float:
        """Share of the encoder's tensors that were loaded or adapted; 0 for random weights."""
        wanted = [row for row in self.rows if row.name.startswith("encoder.") and row.status != "unused"]
        return sum(row.status in ("loaded", "adapted") for row in wanted) / max(len(wanted), 1)

    def summary(self) -> str:
        """One line, such as `318 loaded, 1 adapted, 2 unused`."""
        counts = Counter(row.status for row in self.rows)
        return ", ".join(f"{counts[status]} {status}" for status in counts) or "random weights"


def require_weights(settings: config.Model) -> None:
    """Raise at once, before long work, what `load_weights` would raise for an encoder or weights that are not there."""
    check_encoder_name(settings.encoder)
    if settings.weights == "imagenet":
        published = published_weights(settings.encoder)
        if published is None:
            raise _unavailable(settings.encoder, "none are published")
        if cached_file(published) is None and (reason := why_unreachable(published)):
            raise _unavailable(settings.encoder, reason)
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
    published = published_weights(settings.encoder)
    if published is None:
        raise _unavailable(settings.encoder, "none are published")
    encoder = _published_encoder(published, settings, channels)
    network.get_submodule("encoder").load_state_dict(encoder.state_dict())
    file = cached_file(published)
    rows = tuple(_loaded_row(f"encoder.{name}", tensor) for name, tensor in encoder.state_dict().items())
    what = published.argument if isinstance(published.argument, str) else "imagenet"
    notes = () if what == "imagenet" else (f"{settings.encoder} has no imagenet weights; took {what}",)
    return WeightReport(f"{what} ({published.place})", file_sha256(file) if file else "", rows, notes)


def _published_encoder(published: Published, settings: config.Model, channels: int) -> nn.Module:
    reason = why_unreachable(published)
    if reason and cached_file(published) is None:
        raise _unavailable(settings.encoder, reason)
    try:
        arguments = (settings.encoder, channels, settings.decoder_channels)
        if not reason:
            return build_parts(*arguments, pretrained=published.argument).encoder
        with cache_only():
            return build_parts(*arguments, pretrained=published.argument).encoder
    except Exception as error:  # every network library underneath has errors of its own
        raise _unavailable(settings.encoder, " ".join(str(error).split())[:200]) from error


def _unavailable(encoder: str, reason: str) -> CheckpointError:
    return CheckpointError(
        found=f"no ImageNet weights of {encoder}: {reason}",
        expected="a network, or the weights in the cache of an earlier download",
        fix="connect, or choose model.weights=none (start from nothing), auto (go on without) or <file>",
        code="weights-offline",
    )


def load_weight_file(network: nn.Module, path: Path) -> WeightReport:
    """Put what fits of a file into `network`; a file of our own runs loads all parts, any other one the encoder.

    Raises CheckpointError as `load_weights` does.
    """
    file = read_weight_file(path)
    whole = all(any(name.startswith(part) for name in file.tensors) for part in OWN_PARTS)
    state = network.state_dict()
    expected = {name: tensor for name, tensor in state.items() if whole or name.startswith("encoder.")}
    names = (
        {name: name for name in expected if name in file.tensors} if whole else _encoder_names(expected, file.tensors)
    )
    first = first_convolution(expected)
    fitting = {
        name: adapted(name, file.tensors[found], expected[name], first=name == first) for name, found in names.items()
    }
    rows = _rows(expected, file.tensors, names, fitting)
    report = WeightReport(str(path), file.sha256, rows, _notes(rows, whole))
    if report.matched_fraction < ENOUGH:
        raise _does_not_fit(report, path)
    network.load_state_dict({**state, **{name: tensor for name, tensor in fitting.items() if tensor is not None}})
    return report


def _encoder_names(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> dict[str, str]:
    bare = {name.removeprefix("encoder."): tensor for name, tensor in expected.items()}
    return {f"encoder.{name}": theirs for name, theirs in match_names(bare, found).items()}


def _rows(
    expected: Mapping[str, Tensor],
    found: Mapping[str, Tensor],
    names: Mapping[str, str],
    fitting: Mapping[str, Tensor | None],
) -> tuple[WeightRow, ...]:
    rows = []
    for name, tensor in expected.items():
        theirs = found.get(names.get(name, ""))
        if theirs is None and name.endswith("num_batches_tracked"):
            continue  # a counter that old files lack and nothing reads
        got = fitting.get(name) is not None
        status: Literal["loaded", "adapted", "missing"] = "missing"
        if got and theirs is not None:
            status = "loaded" if theirs.shape == tensor.shape else "adapted"
        rows.append(WeightRow(name, status, None if theirs is None else tuple(theirs.shape), tuple(tensor.shape)))
    used = set(names.values())
    unused = (
        WeightRow(name, "unused", tuple(tensor.shape), None) for name, tensor in found.items() if name not in used
    )
    return (*rows, *unused)


def _loaded_row(name: str, tensor: Tensor) -> WeightRow:
    return WeightRow(name, "loaded", tuple(tensor.shape), tuple(tensor.shape))


def _notes(rows: tuple[WeightRow, ...], whole: bool) -> tuple[str, ...]:
    adapted_names = [row.name for row in rows if row.status == "adapted"]
    lacking = [row.name for row in rows if row.status == "missing"]
    notes = [f"adapted to this network's shapes: {', '.join(adapted_names)}"] if adapted_names else []
    if lacking:
        notes.append(f"{len(lacking)} tensors start from nothing: {', '.join(lacking[:SHOWN])}")
    if not whole:
        notes.append("decoder and heads start from nothing")
    return tuple(notes)


def _does_not_fit(report: WeightReport, path: Path) -> CheckpointError:
    wrong = [row for row in report.rows if row.status == "missing"]
    listed = "; ".join(f"{row.name} {row.found or 'absent'}, expected {row.expected}" for row in wrong[:SHOWN])
    return CheckpointError(
        found=f"{report.matched_fraction:.0%} of the encoder's tensors ({report.summary()}). Did not fit: {listed}",
        expected=f"at least {ENOUGH:.0%}",
        fix="choose the model.encoder the file was made for, or another file",
        path=path,
        code="weights-do-not-fit",
    )
