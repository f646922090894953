"""Verbs around a model: predictions, scores, pages, checks, prepared scans, lists."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from seg.api.run_like import RunLike, meant_run
from seg.progress import Progress, silent
from seg.recipes.given import AnyPath, Given, resolved_settings, words_of

if TYPE_CHECKING:
    from seg.data.checks.check import CheckReport
    from seg.recipes.listing import Table
    from seg.recipes.predict import PredictOutcome
    from seg.recipes.prepare import Prepared
    from seg.records import Evaluation


def predict(
    run: RunLike, source: AnyPath, output: AnyPath, given: Given = (), *, launcher: str = "in_process", workers: int = 1
) -> "PredictOutcome":
    """Segment every scan below `source`, in any layout; masks lie on the scans' own grids below `output`.

        outcome = seg.predict("liver", "new-scans", "predictions", {"predict.probabilities": True})
        outcome.done, outcome.skipped, outcome.failed

    `run` is a run, its folder, its name, or an organ: then its best finished run. Finished predictions are skipped;
    a bad scan is reported in `failed`, the others are done. Another `launcher` (`seg.listing("launchers")`) predicts
    `workers` parts of the scans at the same time.
    """
    words = words_of((), given)
    found = meant_run(run, resolved_settings(words).runs.folder)
    from seg.recipes import predict as recipe

    return recipe.predict(found.folder, Path(source), Path(output), words, launcher=launcher, workers=workers)


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


def report(run: RunLike, *, runs: AnyPath = "runs") -> Path:
    """Write a run's report.html again from what the run holds; returns its path.

    seg.report("liver")
    """
    found = meant_run(run, runs)
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
