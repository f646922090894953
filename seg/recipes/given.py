"""What a person gives, on a command line or from Python, as words and as settings; imports when called."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from seg.config import Settings

Given: TypeAlias = Mapping[str, Any] | Sequence[str]
AnyPath: TypeAlias = str | PathLike[str]


def transfer_words(
    source: str | Sequence[str], target: str | Sequence[str], given: Given = (),
    strategy: str | Sequence[str] = (), via: str | Sequence[str] = (), *, guard: bool = True,
) -> tuple[str, ...]:  # fmt: skip
    """The words of the command line that a transfer means."""
    named = {"transfer.source": source, "strategy": strategy, "transfer.via": via}
    named |= {} if guard else {"transfer.guard": "false"}
    joined = {key: value if isinstance(value, str) else ",".join(value) for key, value in named.items()}
    from seg.overrides import refuse_said_twice

    refuse_said_twice(words_of((), given), ["organ", *(key for key, text in joined.items() if text)])
    return (*words_of(target, ()), *(f"{key}={text}" for key, text in joined.items() if text), *words_of((), given))


def transfer_settings(words: Sequence[str], config: Sequence[AnyPath] = ()) -> "Settings":
    """Every setting of a transfer; what the network shares with its source comes from there. Knobs are read last."""
    from seg.knobs import is_knob

    first = resolved_settings([word for word in words if not is_knob(word.partition("=")[0])], config)
    from seg.recipes.source import find_origins
    from seg.recipes.start import taken_over

    origins = find_origins(first)
    chosen = any(word.startswith("strategy=") for word in words) or first.strategy != ("supervised",)
    from_model = bool(first.transfer.via) or any(origin.file for origin in origins)
    default = ("strategy=finetune",) if not chosen and from_model else ()
    source = taken_over(origins[0]) if origins else {}
    return resolved_settings((*default, *words), config, on_this_machine=True, source=source)


def words_of(organ: str | Sequence[str], given: Given) -> tuple[str, ...]:
    """Settings in any form, and organs, as the words of a command line."""
    from seg.overrides import to_words

    words = to_words(given) if isinstance(given, Mapping) else tuple(given)
    names = organ if isinstance(organ, str) else ",".join(organ)
    return (f"organ={names}", *words) if names else words


def resolved_settings(
    words: Sequence[str],
    config: Sequence[AnyPath] = (),
    *,
    on_this_machine: bool = False,
    source: Mapping[str, Any] | None = None,
) -> "Settings":
    """Every setting; UsageError, with the nearest known name, for a name or value that cannot be meant.

    `on_this_machine` decides `preset=auto`, which means importing torch; mistakes are found before that.
    `source` is what a transfer takes over from the settings of its source.
    """
    from seg.overrides import resolve
    from seg.registry import COMPONENTS, FORMATS, LOSSES, METRICS

    files = [Path(path) for path in config]
    resolved = resolve(words, files, source=source)
    chosen = (
        (FORMATS, [] if resolved.data.format == "auto" else [resolved.data.format]),
        (LOSSES, [resolved.loss.mask, resolved.loss.edge]),
        (METRICS, resolved.evaluate.metrics),
        (COMPONENTS, resolved.components),
    )
    for point, names in chosen:
        for name in names:
            point.require(name)
    if on_this_machine and resolved.preset == "cpu" and has_gpu():
        resolved = resolve(words, files, "gpu", source)
    return resolved


def has_gpu() -> bool:
    """Whether torch sees a GPU."""
    import torch

    return torch.cuda.is_available()
