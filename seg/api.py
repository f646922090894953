"""The verbs as functions. The command line calls these and nothing else; each imports what it needs when it is called.

Settings are given as a mapping of Python values, nested or dotted, or as the words of the command line:
`{"optim": {"lr": 1e-3}}`, `{"optim.lr": 1e-3}` and `["optim.lr=1e-3"]` mean the same.
"""

from collections.abc import Callable, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from seg.errors import UsageError
from seg.progress import Progress, silent
from seg.recipes.given import AnyPath, Given, resolved_settings, words_of
from seg.recipes.given import transfer_settings as transfer_settings
from seg.recipes.given import transfer_words as transfer_words

if TYPE_CHECKING:
    from seg.config import Settings
    from seg.data.checks.check import CheckReport
    from seg.recipes.listing import Table
    from seg.recipes.predict import PredictOutcome
    from seg.recipes.prepare import Prepared
    from seg.records import Evaluation
    from seg.runs import Run

    RunLike: TypeAlias = Run | str | PathLike[str]


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
    resume: "RunLike | bool | None" = None,
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
        going_on = _unfinished(runs) if resume is True else _run(resume, runs)
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
) -> "Run | None":
    """Train `target` from what `source` knows, and score it like `train`; interrupted runs go on as those of `train`.

        run = seg.transfer("liver", "pancreas", {"data.root": "scans"}, strategy=["finetune", "edge"])

    `source` is an organ (its best finished run), a run's name or folder, a weight file, `imagenet` or `none`; several
    runs for the same organs may be listed. `strategy` defaults to `finetune` for a model and `supervised` otherwise.
    Raises a SegError child as `train` does, and where the strategy lacks what it needs.
    """
    words = transfer_words(source, target, given, strategy, via)
    resolved = transfer_settings(words, config)
    _require_room(resolved.runs.folder, dry_run)
    from seg.recipes import transfer as recipe

    return recipe.transfer(resolved, dry_run=dry_run, new=new)


def predict(run: "RunLike", source: AnyPath, output: AnyPath, given: Given = ()) -> "PredictOutcome":
    """Segment every scan below `source`, in any layout; masks lie on the scans' own grids below `output`.

        outcome = seg.predict("liver", "new-scans", "predictions", {"predict.probabilities": True})
        outcome.done, outcome.skipped, outcome.failed

    `run` is a run, its folder, its name, or an organ: then its best finished run. Finished predictions are skipped;
    a bad scan is reported in `failed`, the others are done.
    """
    words = words_of((), given)
    found = _run(run, resolved_settings(words).runs.folder)
    from seg.recipes import predict as recipe

    return recipe.predict(found.folder, Path(source), Path(output), words)


def evaluate(
    prediction: AnyPath, reference: AnyPath, output: AnyPath, given: Given = (), *, progress: Progress = silent
) -> "Evaluation":
    """Score the masks below `prediction` against those below `reference`; cases.csv, evaluation.json and report.html.

        result = seg.evaluate("predictions", "scans", "scores", {"organ": "liver"})
        result.summary["liver"]["dice"].mean

    Without an organ in `given`, the names on either side decide. A missing prediction counts with the worst value;
    masks on another grid than their reference are reported at the end, when the others have been scored.
    """
    words = words_of((), given)
    resolved = resolved_settings(words)
    organs_given = any(word.startswith("organ=") for word in words)
    from seg.recipes import evaluate as recipe

    return recipe.evaluate(Path(prediction), Path(reference), Path(output), resolved, organs_given, progress)


def report(run: "RunLike", *, runs: AnyPath = "runs") -> Path:
    """Write a run's report.html again from what the run holds; returns its path.

    seg.report("liver")
    """
    found = _run(run, runs)
    from seg.recipes import report as recipe

    return recipe.report(found)


def check(organ: str | Sequence[str] = (), given: Given = (), *, progress: Progress = silent) -> "CheckReport":
    """Find everything that can be wrong with a data set before training; raises only where it cannot be looked at.

    found = seg.check("liver", {"data.root": "scans"})
    for finding in found.errors: print(finding.path, finding.found, finding.fix)
    """
    resolved = resolved_settings(words_of(organ, given))
    from seg.recipes import check as recipe

    return recipe.check(resolved, progress)


def prepare(
    organ: str | Sequence[str] = (), given: Given = (), *, stages: Callable[[str], Progress] = lambda stage: silent
) -> "Prepared":
    """Bring every scan to the network's grid and intensities and keep it on disk; a training then starts at once.

    seg.prepare("liver", {"data.root": "scans"}).plan
    """
    resolved = resolved_settings(words_of(organ, given), on_this_machine=True)
    from seg.recipes import prepare as recipe

    return recipe.prepare(resolved, stages)


def phantom(
    output: AnyPath,
    *,
    layout: str = "decathlon",
    labelled: int = 10,
    unlabelled: int = 0,
    seed: int = 0,
    scanner: Literal["a", "b"] = "a",
    progress: Progress = silent,
) -> Path:
    """Write synthetic abdomens with known organs in any layout (`seg.listing("formats")`); returns `output`.

    seg.phantom("phantoms", layout="nnunet", labelled=20, unlabelled=5)
    """
    from seg.recipes import phantom as recipe

    counts = {"labelled": labelled, "unlabelled": unlabelled, "seed": seed}
    return recipe.phantom(Path(output), layout, **counts, scanner=scanner, progress=progress)


def listing(kind: str, *, runs: AnyPath = "runs") -> "Table":
    """What there is of a kind: organs, strategies, formats, metrics, losses, encoders, presets, settings or runs.

    [row[0] for row in seg.listing("organs").rows]
    """
    from seg.recipes import listing as recipe

    return recipe.listing(kind, Path(runs))


def _require_room(folder: AnyPath, dry_run: bool) -> None:
    """A place that cannot be written is said at once, before seconds of imports."""
    from seg.atomic import require_writable

    if not dry_run:
        require_writable(Path(folder))


def _unfinished(runs: AnyPath) -> "Run":
    from seg.recipes.unfinished import newest_unfinished

    return newest_unfinished(Path(runs))


def _run(run: "RunLike", runs: AnyPath) -> "Run":
    from seg.runs import Run, find_run

    return run if isinstance(run, Run) else find_run(fspath(run), Path(runs))
