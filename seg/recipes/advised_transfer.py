"""`--strategy auto`: the words of a transfer with what the advice says in its place."""

from collections.abc import Sequence
from pathlib import Path

from seg.errors import UsageError
from seg.knobs import is_knob
from seg.processes import several
from seg.recipes.given import AnyPath, resolved_settings

AUTO = "auto"
_OF_THE_SOURCE = ("strategy", "transfer.source")


def with_advice(words: Sequence[str], config: Sequence[AnyPath] = ()) -> tuple[str, ...]:
    """The words as they are, unless they say `strategy=auto`: then source, strategy and settings of the advice.

    Of several named sources the most promising one is taken; `auto` as a source stands for all that there are. Settings
    that a person gave are kept. What was chosen and why goes along, so that the run keeps it.
    """
    said = {word.partition("=")[0]: word.partition("=")[2] for word in words}
    strategy, sources = said.get("strategy", "").split(","), said.get("transfer.source", "").split(",")
    if AUTO not in strategy:
        _refuse_lone_source(sources)
        return tuple(words)
    _refuse_unclear(strategy, sources)
    plain = [word for word in words if not _goes(word)]
    settings = resolved_settings(plain, config, on_this_machine=True)
    from rich.console import Console

    from seg.advise.advice import chosen
    from seg.recipes.advise import advise
    from seg.recipes.advised_page import write_advice
    from seg.recipes.source import WORDS

    # Not on the standard output, which `--show-config` fills with settings.
    console = Console(stderr=True)
    advice = advise(settings, () if sources == [AUTO] else tuple(sources), console)
    page = write_advice(advice, settings)
    console.print(advice.sentences[0], f"(why: {page})", highlight=False, markup=False, soft_wrap=True)
    source, names, own = chosen(advice)
    new = [word for word in own if word.partition("=")[0] not in said]
    note = f"Chosen by --strategy auto. {' '.join(advice.sentences)} {advice.why}"
    # Weights that were among the sources, and not chosen, are no second start.
    dropped = (*_OF_THE_SOURCE, *(("model.weights",) if source in WORDS else ()))
    rest = [word for word in words if word.partition("=")[0] not in dropped]
    return (f"transfer.source={source}", f"strategy={','.join(names)}", *new, *rest, f"transfer.advised={note}")


def _goes(word: str) -> bool:
    """Whether a word has to wait for the choice: source and strategy themselves, and knobs of components."""
    name = word.partition("=")[0]
    return name in _OF_THE_SOURCE or is_knob(name)


def _refuse_unclear(strategy: Sequence[str], sources: Sequence[str]) -> None:
    if len(strategy) > 1:
        raise UsageError(
            found=f"strategy={','.join(strategy)}", expected="auto alone, or strategies without it",
            fix="leave auto out, or the others", code="auto-and-others",
        )  # fmt: skip
    if AUTO in sources and len(sources) > 1:
        raise UsageError(
            found=f"the sources {', '.join(sources)}", expected="auto alone, or sources without it",
            fix="leave auto out, or the others", code="auto-and-others",
        )  # fmt: skip
    if several():
        raise UsageError(
            found="strategy=auto for several processes", expected="a strategy that is known before they start",
            fix="ask first: seg advise --to ORGAN, and give what it says", code="auto-several",
        )  # fmt: skip


def _refuse_lone_source(sources: Sequence[str]) -> None:
    if AUTO in sources and not Path(AUTO).exists():
        raise UsageError(
            found="the source auto without --strategy auto", expected="both, or a source that is named",
            fix="add --strategy auto", code="auto-source",
        )  # fmt: skip
