"""Verbs that make a model: `settings`, `train`, `pretrain`, `transfer`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seg.api.run_like import RunLike, meant_run
from seg.errors import UsageError
from seg.recipes.given import AnyPath, Given, resolved_settings, transfer_words, words_of
from seg.recipes.given import transfer_settings as settings_of_words

if TYPE_CHECKING:
    from seg.config import Settings
    from seg.runs import Run


def settings(organ: str | Sequence[str] = (), given: Given = (), *, config: Sequence[AnyPath] = ()) -> "Settings":
    """Every setting, resolved: defaults, then preset, organ file, `config` files in order, then `given`.

    `organ` is one name or several; without one `given` decides, else it is the liver.

        seg.settings("liver", {"train.steps": 800}).train.steps

    Raises UsageError, with the nearest known name, for a name or value that cannot be meant.
    """
    return resolved_settings(words_of(organ, given), config, on_this_machine=True)


def train(
    organ: str | Sequence[str] = (),
    given: Given = (),
    *,
    config: Sequence[AnyPath] = (),
    dry_run: bool = False,
    resume: RunLike | bool | None = None,
    runs: AnyPath = "runs",
    new: bool = False,
) -> "Run | None":
    """Train a model and score it on patients kept back until the end; returns the run, a folder with everything.

        run = seg.train("liver", {"data.root": "scans", "preset": "gpu"})
        run = seg.train(["liver", "spleen"], ["optim.lr=3e-4"])
        run = seg.train(resume="runs/liver-20260101-120000")
        print(run.folder, run.report)

    `dry_run` checks the data, builds the model, tries a few batches, prints the plan and returns None.
    `resume` goes on with an interrupted run under the settings it was started with, so none may be given beside it;
    a name is looked up in the folder `runs`, and True means the newest unfinished run there.
    An unfinished run that the same settings began goes on by itself, unless `new`.
    Raises a SegError child for settings, data, weights, devices or a loss that went wrong.
    """
    words = words_of(organ, given)
    if resume and (words or config or new):
        raise UsageError(
            found=f"settings beside a run to resume: {' '.join([*words, *map(str, config), *['--new'] * new])}",
            expected="the run alone, which goes on under its own settings",
            fix="leave the settings out, or start a new run with them",
            code="resume-settings",
        )
    if resume:
        going_on = _unfinished(runs) if resume is True else meant_run(resume, runs)
        _require_room(going_on.folder, dry_run)
        from seg.recipes import resume as resumption

        return resumption.resume(going_on, dry_run=dry_run)
    resolved = resolved_settings(words, config, on_this_machine=True)
    _require_room(resolved.runs.folder, dry_run)
    from seg.recipes import train as recipe

    return recipe.train(resolved, dry_run=dry_run, new=new)


def pretrain(
    given: Given = (), *, config: Sequence[AnyPath] = (), dry_run: bool = False, new: bool = False
) -> "Run | None":
    """Learn the looks of scans without labels by restoring damaged ones; the run is a source for `transfer`.

        run = seg.pretrain({"data.root": "scans", "organ": "pancreas"})
        seg.transfer(run.name, "pancreas", {"data.root": "labelled"})

    Labels at `data.root` are not looked at; the organs only say through which CT window the scans are seen. Patients
    that a training on the same data would test are held back. An interrupted run goes on as one of `train` does.
    Raises a SegError child as `train` does.
    """
    resolved = resolved_settings(("strategy=restoration", *words_of((), given)), config, on_this_machine=True)
    _require_room(resolved.runs.folder, dry_run)
    from seg.recipes import pretrain as recipe

    return recipe.pretrain(resolved, dry_run=dry_run, new=new)


def transfer(
    source: str | Sequence[str],
    target: str | Sequence[str],
    given: Given = (),
    *,
    strategy: str | Sequence[str] = (),
    via: str | Sequence[str] = (),
    config: Sequence[AnyPath] = (),
    dry_run: bool = False,
    new: bool = False,
    guard: bool = True,
) -> "Run | None":
    """Train `target` from what `source` knows, and score it like `train`; interrupted runs go on as those of `train`.

        run = seg.transfer("liver", "pancreas", {"data.root": "scans"}, strategy=["finetune", "edge"])

    `source` is an organ (its best finished run), a run's name or folder, a weight file, `imagenet` or `none`; several
    runs for the same organs may be listed. `strategy` defaults to `finetune` for a model and `supervised` otherwise;
    `auto` does what `advise` says of these sources, or of all there are where `source` is `auto` too.
    With `guard`, short trainings with and without the source come first; where it hurts, the run is trained without it,
    as `run.manifest().lineage["guard"]` says.
    Raises a SegError child as `train` does, and where the strategy lacks what it needs.
    """
    words = transfer_words(source, target, given, strategy, via, guard=guard)
    resolved = transfer_settings(words, config)
    _require_room(resolved.runs.folder, dry_run)
    from seg.recipes import transfer as recipe

    return recipe.transfer(resolved, dry_run=dry_run, new=new)


def transfer_settings(words: Sequence[str], config: Sequence[AnyPath] = ()) -> "Settings":
    """The settings that words of `transfer_words` mean; `strategy=auto` asks for advice, which looks at scans."""
    from seg.recipes.advised_transfer import with_advice

    return settings_of_words(with_advice(words, config), config)


def _require_room(folder: AnyPath, dry_run: bool) -> None:
    """A place that cannot be written is said at once, before seconds of imports."""
    from seg.atomic import require_writable

    if not dry_run:
        require_writable(Path(folder))


def _unfinished(runs: AnyPath) -> "Run":
    from seg.recipes.unfinished import newest_unfinished

    return newest_unfinished(Path(runs))
