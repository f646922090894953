"""The run that a command writes into: the one it is to go on with, the one it began before, or a new one."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from seg.atomic import TEMPORARY, require_writable
from seg.config import Settings
from seg.errors import ResourceError, SegError, UsageError
from seg.lock import NAME as LOCK
from seg.lock import held, holder
from seg.overrides import to_yaml
from seg.recipes.components import with_knobs
from seg.recipes.lineage import CURVES
from seg.recipes.together import by_first
from seg.runs import Run, create_run
from seg.schema import as_text, flatten

_BEFORE_THE_FIRST_STEP = {
    LOCK, "config.yaml", "asked.yaml", "plan.json", "split.json", "weights.csv", CURVES,
}  # fmt: skip
_SHOWN = 8


class Opened(NamedTuple):
    """A run that this process holds."""

    run: Run
    resumed: bool
    """Whether it goes on; else it is empty yet."""


@contextmanager
def opened(
    settings: Settings, resume: Run | None, console: Console, *, own_name: str = "", new: bool = False
) -> Iterator[Opened]:
    """Hold the run of these settings until the block ends; the first of several processes does it for all.

    An unfinished run that the same settings began goes on, unless `new`. Of a new one nothing stays where the block
    ends before the run has begun. Raises ResourceError for a run in use, UsageError for a name that is taken.
    """

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    with ExitStack() as stack:

        @by_first("opening the run")
        def open_it() -> Opened:
            require_writable(Path(settings.runs.folder) if resume is None else resume.folder)
            if resume is not None:
                dead = stack.enter_context(held(resume.folder))
                return _go_on(resume, dead, "", say)
            if settings.runs.name:
                return _open_named(stack, settings, say, new)
            return (None if new else _begun_before(stack, settings, say)) or _created(stack, settings, own_name, say)

        found = open_it()
        _refuse_unshared(found.run)
        yield found


def _refuse_unshared(run: Run) -> None:
    if not run.folder.is_dir():
        raise ResourceError(
            found=f"no such folder on {socket.gethostname()}", expected="a folder that every machine sees",
            fix="put runs.folder and prepare.cache on a file system that the machines share", path=run.folder,
            code="run-not-shared",
        )  # fmt: skip


def _created(stack: ExitStack, settings: Settings, own_name: str, say: Callable[[str], None]) -> Opened:
    stack.callback(_remove_if_empty, Path(settings.runs.folder), Path(settings.runs.folder).exists())
    run = create_run(settings, own_name)
    dead = stack.enter_context(held(run.folder))
    return _begin(stack, run, settings, dead, say)


def _begin(stack: ExitStack, run: Run, settings: Settings, dead: str, say: Callable[[str], None]) -> Opened:
    stack.callback(_remove_unbegun, run)
    for left in (run.folder / "config.yaml", run.folder / "asked.yaml"):
        # Of a process that died before it began anything.
        left.unlink(missing_ok=True)
    run.write_settings(settings)
    _say_dead(run, dead, say)
    return Opened(run, resumed=False)


def _go_on(run: Run, dead: str, how_anew: str, say: Callable[[str], None]) -> Opened:
    if _state(run) != "finished":
        _say_dead(run, dead, say)
    if how_anew:
        say(f"Going on with {run.folder}, which the same command began; {how_anew} starts anew.")
    return Opened(run, resumed=True)


def _say_dead(run: Run, dead: str, say: Callable[[str], None]) -> None:
    if dead:
        say(f"Taken over from dead {dead}: {run.folder}")


def _open_named(stack: ExitStack, settings: Settings, say: Callable[[str], None], new: bool) -> Opened:
    run = Run(Path(settings.runs.folder) / settings.runs.name)
    if not run.folder.exists():
        with suppress(FileExistsError):  # another process was faster; one of the two gets the lock
            return _created(stack, settings, "", say)
    if not is_unbegun(run) and _state(run) in ("", "finished"):
        refuse_taken(run, settings)
    dead = stack.enter_context(held(run.folder))
    # Only now nobody else changes what is there.
    if is_unbegun(run):
        return _begin(stack, run, settings, dead, say)
    refuse_taken(run, settings, new=new)
    return _go_on(run, dead, "another runs.name", say)


def _begun_before(stack: ExitStack, settings: Settings, say: Callable[[str], None]) -> Opened | None:
    """The newest unfinished run of these settings that nobody holds."""
    wished = to_yaml(settings)
    for path in sorted(Path(settings.runs.folder).glob("*/config.yaml"), reverse=True):
        run = Run(path.parent)
        ended = _state(run) in ("", "finished") and not is_unbegun(run)
        if ended or run.asked_file.read_text(encoding="utf-8") != wished:
            continue
        if process := holder(run.folder):
            say(f"The same command is at work in {run.folder} ({process}); this is a run beside it.")
            continue
        dead = stack.enter_context(held(run.folder))
        return _begin(stack, run, settings, dead, say) if is_unbegun(run) else _go_on(run, dead, "--new", say)
    return None


def is_unbegun(run: Run) -> bool:
    """Whether a folder holds nothing but what a process leaves that is killed before the run has a manifest."""
    if not run.folder.is_dir():
        return False
    names = {path.name for path in run.folder.iterdir() if not path.name.startswith(TEMPORARY)}
    return names <= _BEFORE_THE_FIRST_STEP


def refuse_taken(run: Run, settings: Settings, *, new: bool = False) -> None:
    """Raise UsageError where the settings cannot have this run: it is none, finished, or was begun with others."""
    state = _state(run)
    if not state:
        found, fix = ("a folder" if run.folder.is_dir() else "a file") + " of that name, which is no run", ""
    elif state == "finished":
        found, fix = "a finished run of that name", f", or look at {run.report}"
    elif other := differences(run, settings):
        shown = [f"{name}={was}, now {now}" for name, (was, now) in list(other.items())[:_SHOWN]]
        more = f" and {len(other) - _SHOWN} more" if len(other) > _SHOWN else ""
        found = f"an unfinished run of that name with other settings ({'; '.join(shown)}{more})"
        fix = f", give its settings, or go on with them: {run.going_on}"
    elif new:
        found, fix = "an unfinished run of that name", ", or leave --new out to go on with it"
    else:
        return
    raise UsageError(
        found=found, expected="a new name", fix=f"choose another runs.name{fix}", path=run.folder, code="run-exists"
    )


def differences(run: Run, settings: Settings) -> dict[str, tuple[str, str]]:
    """Settings that the run was not begun with, each as it was and as it is now."""
    try:
        then, now = _flat(with_knobs(run.asked())), _flat(with_knobs(settings))
    except SegError as error:
        return {"config.yaml": (error.found, "")}
    names = dict.fromkeys([*then, *now])
    return {
        name: (as_text(then.get(name)), as_text(now.get(name))) for name in names if then.get(name) != now.get(name)
    }


def _flat(settings: Settings) -> dict[str, Any]:
    tree = settings.model_dump(mode="json")
    components = tree.pop("components")
    return dict(flatten(tree)) | dict(flatten(components))


def _state(run: Run) -> str:
    try:
        return run.manifest().state
    except SegError:
        return ""


def _remove_unbegun(run: Run) -> None:
    if not is_unbegun(run):
        return
    with suppress(OSError):
        for path in run.folder.iterdir():
            path.unlink()
        run.folder.rmdir()


def _remove_if_empty(folder: Path, was_there: bool) -> None:
    if not was_there:
        with suppress(OSError):
            folder.rmdir()
