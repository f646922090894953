"""What can stand at the end of a half-written command line, and the scripts that make bash and zsh ask for it."""

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

VERBS = (
    "train", "transfer", "pretrain", "advise", "prove", "compare", "predict", "evaluate", "report", "check", "prepare",
    "phantom", "list", "completion",
)  # fmt: skip
OPTIONS = {
    "train": ("--config", "--show-config", "--dry-run", "--resume", "--runs", "--new"),
    "transfer": (
        "--from",
        "--to",
        "--strategy",
        "--via",
        "--no-guard",
        "--config",
        "--show-config",
        "--dry-run",
        "--new",
    ),
    "pretrain": ("--config", "--dry-run", "--new"),
    "advise": ("--to", "--from", "--config"),
    "prove": (
        "--from",
        "--to",
        "--arms",
        "--sizes",
        "--seeds",
        "--name",
        "--launcher",
        "--workers",
        "--config",
        "--recompute",
        "--dry-run",
    ),
    "compare": ("--output", "--runs", "--show-names"),
    "predict": ("--output", "--launcher", "--workers"),
    "evaluate": ("--output",),
    "phantom": ("--output", "--layout", "--labelled", "--unlabelled", "--seed", "--scanner"),
    "report": ("--runs",),
    "list": ("--runs",),
}
_PATH_SETTINGS = ("data.root", "split.file", "prepare.cache", "runs.folder", "model.weights")
_TAKES_WORDS = ("train", "transfer", "pretrain", "advise", "prove", "predict", "evaluate", "check", "prepare")
_TAKES_RUN = ("predict", "report")


def candidates(line: str) -> list[str]:
    """Whole words that can replace the last, half-written word of a line such as `seg train organ=li`.

    A candidate that ends in `=`, `.`, `,` or `/` is to be written on without a blank.
    """
    *before, word = _split(line)
    verb = next((part for part in before[1:] if not part.startswith("-")), "")
    found = _of_verb(verb, before, word) if verb else (*VERBS, "--help", "--debug")
    return sorted({each for each in found if each.startswith(word)})


def _split(line: str) -> list[str]:
    """The words of a line; an open quote counts as closed at the end."""
    for closing in ("", "'", '"'):
        try:
            words = shlex.split(line + closing)
        except ValueError:
            continue
        return words if line[-1:].strip() else [*words, ""]
    return line.split(" ")


def _of_verb(verb: str, before: list[str], word: str) -> Iterable[str]:
    if word.startswith("-"):
        return (*OPTIONS.get(verb, ()), "--help", "--debug")
    last = before[-1]
    if last in ("--config", "--output", "-o", "--runs"):
        return _paths(word)
    if last in ("--to", "--via", "--strategy"):
        return _listed(word, _names("strategies" if last == "--strategy" else "organs"))
    if last == "--arms":
        return _listed(word, ("scratch", "imagenet", "auto", *_names("strategies")))
    if last == "--from":
        return ("imagenet", "none", *_runs(word))
    if last in ("--resume", "--layout", "--scanner", "--launcher"):
        named = {"--layout": _names("formats"), "--scanner": ("a", "b"), "--launcher": _names("launchers")}
        return _runs(word) if last == "--resume" else named[last]
    if verb == "list":
        return _kinds()
    if verb == "completion":
        return tuple(SCRIPTS)
    if verb == "compare":
        return _listed(word, _runs(word.rpartition(",")[2]))
    settings = _words(word) if verb in _TAKES_WORDS else ()
    runs = _runs(word) if verb in _TAKES_RUN and last == verb else ()
    return (*settings, *runs, *(_paths(word) if verb in (*_TAKES_RUN, "evaluate") and "=" not in word else ()))


def _listed(word: str, names: Iterable[str]) -> tuple[str, ...]:
    """Names that go on a list such as `finetune,ed`, without those it has."""
    done, comma, _ = word.rpartition(",")
    return tuple(f"{done}{comma}{name}" for name in names if name not in done.split(","))


def _kinds() -> tuple[str, ...]:
    from seg.recipes.listing import KINDS

    return KINDS


def _words(word: str) -> Iterator[str]:
    """`optim.`, then `optim.lr=`, then values."""
    from seg.schema import list_names, setting_names

    key, equals, text = word.partition("=")
    if not equals:
        for name in setting_names():
            section, dot, _ = name.partition(".")
            yield f"{name}=" if not dot or "." in word else f"{section}."
        return
    done, comma, last = text.rpartition(",") if key in list_names() else ("", "", text)
    taken = done.split(",")
    for value in _values(key, last):
        if value not in taken:
            yield f"{key}={done}{comma}{value}"


def _values(key: str, text: str) -> Iterable[str]:
    from seg.schema import allowed_words

    kinds = {
        "organ": "organs", "preset": "presets", "strategy": "strategies", "data.format": "formats",
        "loss.mask": "losses", "loss.edge": "losses", "evaluate.metrics": "metrics",
    }  # fmt: skip
    extra = {"preset": ("auto",), "data.format": ("auto",), "model.weights": ("imagenet", "none", "auto")}.get(key, ())
    listed = _names(kinds[key]) if key in kinds else ()
    return (*extra, *listed, *allowed_words(key), *(_paths(text) if key in _PATH_SETTINGS else ()))


def _names(kind: str) -> tuple[str, ...]:
    """Names alone: what `seg list` shows beside them would cost seconds of imports."""
    from seg.overrides import config_names
    from seg.registry import COMPONENTS, FORMATS, LAUNCHERS, LOSSES, METRICS

    points = {"formats": FORMATS, "losses": LOSSES, "metrics": METRICS, "components": COMPONENTS}
    points["launchers"] = LAUNCHERS
    files = {"organs": "organ", "presets": "preset", "strategies": "strategy"}
    return points[kind].names() if kind in points else config_names(files[kind])


def _runs(word: str) -> tuple[str, ...]:
    names = (path.parent.name for path in Path("runs").glob("*/manifest.json"))
    return (*names, *_names("organs"), *_paths(word))


def _paths(text: str) -> Iterator[str]:
    """Files and folders that begin like `text`; folders end in a slash."""
    folder, slash, start = text.rpartition("/")
    try:
        entries = list(Path(f"{folder}{slash}").expanduser().iterdir() if slash else Path().iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(start) and (start or not entry.name.startswith(".")):
            yield f"{folder}{slash}{entry.name}{'/' if entry.is_dir() else ''}"


_BASH = r"""# Completion of seg in bash: put `source <(seg completion bash)` into ~/.bashrc.
_seg_complete() {
    local line="${COMP_LINE:0:COMP_POINT}" program="${1/#\~/$HOME}" candidate
    COMPREPLY=()
    # bash cuts words at the characters of COMP_WORDBREAKS; what stands before an `=` is on the line already.
    local cut=" ${COMP_WORDS[COMP_CWORD - 1]} ${COMP_WORDS[COMP_CWORD]} "
    while IFS= read -r candidate; do
        [[ $candidate == *[=.,/] ]] && compopt -o nospace 2>/dev/null
        [[ $COMP_WORDBREAKS == *=* && $cut == *" = "* ]] && candidate="${candidate#*=}"
        printf -v candidate '%q' "$candidate"
        # %q also escapes commas and a leading tilde, which would no longer match what is on the line.
        candidate="${candidate//\\,/,}"
        COMPREPLY+=("${candidate/#\\~/~}")
    done < <("$program" complete-line -- "$line" 2>/dev/null)
}
complete -F _seg_complete seg
"""

_ZSH = r"""#compdef seg
# Completion of seg in zsh: put `source <(seg completion zsh)` into ~/.zshrc, after compinit.
_seg() {
    local line="${(j: :)words[1,CURRENT-1]} $PREFIX" program="${(Q)words[1]}"
    local -a found open closed
    found=("${(@f)$("${program/#\~/$HOME}" complete-line -- "$line" 2>/dev/null)}")
    open=(${(M)found:#*[=.,/]})
    closed=(${found:#*[=.,/]})
    (( $#open )) && compadd -S '' -- $open
    (( $#closed )) && compadd -- $closed
}
if [[ $funcstack[1] == _seg ]]; then _seg "$@"; else compdef _seg seg; fi
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH}
