"""The arms of a proof: what is trained side by side, read from the words that a person gives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seg.errors import UsageError, nearest
from seg.models.weight_files import PICKLED, SAFE
from seg.overrides import config_names
from seg.recipes.earlier import run_name
from seg.recipes.lineage import named
from seg.recipes.source import Origin, find_origin, run_of

WARM_UP = "heads_first"
"""The strategy that every arm begins with: a head that knows nothing yet would hide what the start is worth."""
SCRATCH, IMAGENET, AUTO = "scratch", "imagenet", "auto"
_LONGEST_RUN_NAME = 60


@dataclass(frozen=True)
class Arm:
    """One way to train the target."""

    name: str
    """What sentences and tables call it."""
    source_word: str
    """As a person said it; `none` and `imagenet` stand for themselves."""
    source: str
    """Where that was found: a folder, a file, `imagenet` or `none`."""
    strategy: tuple[str, ...]
    """Without the warm-up that all arms share."""
    transfers: bool
    """False for a baseline, against which the others are judged."""
    meaning: str
    """In words, for the page."""
    run: str
    """How the names of its runs begin; an arm that is the same training as another one has that one's runs."""
    knobs: tuple[str, ...] = ()
    """Further words `<component>.<knob>=value` of this arm alone."""

    @property
    def training(self) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
        """What makes two arms the same training."""
        return self.source, self.strategy, self.knobs


@dataclass(frozen=True)
class Choice:
    """What the advice would do."""

    source: str
    strategy: tuple[str, ...]
    knobs: tuple[str, ...] = ()


def read_arms(
    words: Sequence[str], source: str, runs: Path, choose: Callable[[], Choice], known: Sequence[Arm] = ()
) -> tuple[Arm, ...]:
    """The arms that words such as `scratch`, `finetune+edge` or `spleen:finetune` mean, `known` ones first.

    A strategy alone starts from `source`; `choose` is asked for `auto`. A word that a known arm had means that arm
    again, whatever its source would be taken for today.

    Raises:
        UsageError: a word that means nothing, or one said twice, or two arms of one name.
    """
    refuse_repeated(words, "--arms")
    arms = list(known)
    for word in words:
        if not any(_means(word, arm) for arm in known):
            arms.append(_shared(_read(word, source, runs, choose), arms))
    _refuse_clashes(arms)
    return tuple(arms)


def asked_names(words: Sequence[str]) -> tuple[str, ...]:
    """What the arms of these words are called."""
    return tuple(_name_of(word) for word in words)


def refuse_unjudged(arms: Sequence[Arm]) -> None:
    """Raise UsageError where there is nothing to judge, or nothing to judge it against."""
    for there, what, such in (
        (any(arm.transfers for arm in arms), "an arm that transfers", "finetune, SOURCE:STRATEGY or auto"),
        (any(not arm.transfers for arm in arms), "an arm without transfer", "scratch, imagenet or a weight file"),
    ):
        if not there:
            raise UsageError(
                found=f"the arms {', '.join(arm.name for arm in arms)}", expected=f"{what} among them",
                fix=f"add one to --arms: {such}", code="one-sided-proof",
            )  # fmt: skip


def refuse_repeated(words: Sequence[str], option: str) -> None:
    """Raise UsageError for an option without a word, or with one twice."""
    twice = next((word for number, word in enumerate(words) if word in words[:number]), None)
    if twice is not None or not all(words) or not words:
        found = f"{twice!r} twice" if twice else "an empty word" if words else "no word"
        raise UsageError(
            found=f"{found} in {option}", expected="different words, separated by commas", fix="correct the list",
            code="repeated-word",
        )  # fmt: skip


def _read(word: str, source: str, runs: Path, choose: Callable[[], Choice]) -> Arm:
    if word == SCRATCH:
        return scratch()
    if word == IMAGENET:
        meaning = "from ImageNet weights of the encoder"
        return Arm(word, "imagenet", "imagenet", ("supervised",), False, meaning, word)
    if _is_file(word):
        return _from_file(word, runs)
    if word == AUTO:
        choice = choose()
        return _transferring(AUTO, choice.source, choice.strategy, runs, choice.knobs)
    before, colon, strategies = word.rpartition(":")
    if colon and not before:
        raise _no_arm(word)
    return _transferring(_name_of(word), before or source, _strategies(word, strategies), runs)


def scratch() -> Arm:
    """The training from nothing."""
    return Arm(SCRATCH, "none", "none", ("supervised",), False, "from random weights", SCRATCH)


def _means(word: str, arm: Arm) -> bool:
    before = word if _is_file(word) else word.rpartition(":")[0]
    return arm.name == _name_of(word) and before in ("", arm.source_word)


def _name_of(word: str) -> str:
    if _is_file(word):
        return Path(word).stem
    before, colon, strategies = word.rpartition(":")
    return f"{named(before)}{colon}{strategies}"


def _is_file(word: str) -> bool:
    return Path(word).suffix in SAFE + PICKLED


def _from_file(word: str, runs: Path) -> Arm:
    origin = find_origin(word, runs)
    run = run_of(Path(word).expanduser())
    if run is not None:
        raise UsageError(
            found=f"a file of the run {run.name} as an arm", expected="weights that this program did not train",
            fix=f"a run is a source, so say how it is used: {run.folder}:finetune", path=word, code="arm-of-a-run",
        )  # fmt: skip
    name = Path(word).stem
    return Arm(name, word, origin.place, ("supervised",), False, f"from the weights {name}", _run_prefix(name))


def _transferring(name: str, source: str, strategy: tuple[str, ...], runs: Path, knobs: tuple[str, ...] = ()) -> Arm:
    origin = find_origin(source, runs)
    said = f"{' and '.join(strategy)} from {_spoken(origin)}"
    meaning = f"what the advice chose: {said}" if name == AUTO else said
    return Arm(name, source, origin.place, strategy, True, meaning, _run_prefix(name), knobs)


def _spoken(origin: Origin) -> str:
    if origin.run is None:
        return named(origin.word)
    return f"{origin.run.name} ({', '.join(origin.organs)})"


def _strategies(word: str, text: str) -> tuple[str, ...]:
    names, known = tuple(text.split("+")), config_names("strategy")
    wrong = next((name for name in names if name not in known or name == WARM_UP), None)
    if wrong == WARM_UP:
        raise UsageError(
            found=f"{WARM_UP} in the arm {word}", expected="the strategies that make it differ from the others",
            fix=f"leave {WARM_UP} out, since every arm begins with it", code="arm-warm-up",
        )  # fmt: skip
    if wrong is not None:
        raise _no_arm(word, wrong)
    refuse_repeated(names, f"the arm {word}")
    return names


def _no_arm(word: str, wrong: str = "") -> UsageError:
    close = nearest(wrong or word, [SCRATCH, IMAGENET, AUTO, *config_names("strategy")])
    return UsageError(
        found=f"the arm {word!r}",
        expected="scratch, imagenet, a weight file, auto, a strategy or several joined by +, or SOURCE:STRATEGY",
        fix=f"correct it (seg list strategies).{close}", code="unknown-arm",
    )  # fmt: skip


def _shared(arm: Arm, others: Sequence[Arm]) -> Arm:
    """The arm with the runs of another one that is the same training."""
    same = next((other for other in others if other.training == arm.training), None)
    return arm if same is None else replace(arm, run=same.run)


def _run_prefix(name: str) -> str:
    return run_name(name)[:_LONGEST_RUN_NAME] or "arm"


def _refuse_clashes(arms: Sequence[Arm]) -> None:
    for number, arm in enumerate(arms):
        for other in arms[:number]:
            if arm.name == other.name or (arm.run == other.run and arm.training != other.training):
                raise UsageError(
                    found=f"two arms called {arm.name}" if arm.name == other.name
                    else f"the arms {other.name} and {arm.name}, whose runs would have one name",
                    expected="a name for each", code="arm-clash",
                    fix="rename the file or folder of one of them, or begin another proof: --name NAME",
                )  # fmt: skip
