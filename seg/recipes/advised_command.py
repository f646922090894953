"""The command that an advice comes to, as a person types it."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from seg.advise.strategy import Choice
from seg.config import Settings
from seg.overrides import resolve
from seg.recipes.source import Origin
from seg.schema import TABLES, as_text, flatten

_OF_THE_ADVICE = ("organ", "preset", "strategy", "components", "transfer.", "advise.", "runs.name")
_OF_THE_SOURCE = ("model.encoder", "model.decoder_channels", "model.edge_", "prepare.neighbours")
_PRESETS_OF_THE_MACHINE = ("auto", "cpu", "gpu")


def transfer_command(settings: Settings, origin: Origin, choice: Choice, via: Mapping[str, str] | None = None) -> str:
    """`seg transfer` with what a person said of the target, and what was chosen; `via` are organs and their scans."""
    target = ",".join(settings.organ)
    options = ["--from", origin.word, *(["--via", ",".join(via)] if via else []), "--to", target]
    roots = {organ: root for organ, root in (via or {}).items() if root}
    said = [f"transfer.via_roots={as_text(roots)}"] if roots else []
    chosen = ["--strategy", ",".join(choice.strategy)]
    own = [word for word in said_of_target(settings, origin) if word.partition("=")[0] not in _names(choice.words)]
    parts = ["seg", "transfer", *options, *chosen, *own, *said, *choice.words]
    return " ".join(shlex.quote(part) for part in parts)


def said_of_target(settings: Settings, origin: Origin) -> tuple[str, ...]:
    """The words that lead to these settings from their defaults; what comes from the source is left out."""
    preset = () if settings.preset in _PRESETS_OF_THE_MACHINE else (f"preset={settings.preset}",)
    usual = resolve([f"organ={','.join(settings.organ)}", f"preset={settings.preset}"])
    # Beside a run `model.weights` is what the guard of a transfer falls back on; elsewhere it would be a second start.
    left_out = (*_OF_THE_ADVICE, *(("model.weights",) if origin.run is None else _OF_THE_SOURCE))
    defaults = dict(flatten(usual.model_dump(mode="json")))
    return (
        *preset,
        *(
            f"{name}={_written(name, value)}"
            for name, value in flatten(settings.model_dump(mode="json"))
            if not name.startswith(left_out) and value != defaults.get(name)
        ),
    )


def _written(name: str, value: Any) -> str:
    several = isinstance(value, list | tuple) and name not in TABLES
    return ",".join(map(str, value)) if several else as_text(value)


def _names(words: Sequence[str]) -> set[str]:
    return {word.partition("=")[0] for word in words}
