"""Verbs around a transfer: advice before it, proof after it, runs side by side."""

from collections.abc import Sequence
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING

from seg.atomic import require_writable
from seg.recipes.given import AnyPath, Given, resolved_settings, words_of

if TYPE_CHECKING:
    from seg.recipes.advised_page import Advised
    from seg.recipes.comparison import Comparison
    from seg.recipes.prove import Outcome


def advise(
    target: str | Sequence[str],
    source: str | Sequence[str] = (),
    given: Given = (),
    *,
    config: Sequence[AnyPath] = (),
) -> "Advised":
    """Say what to transfer to `target`, and how, before anything is trained; the runs folder keeps JSON and a page.

        advised = seg.advise("pancreas", given={"data.root": "scans"})
        print(advised.advice.sentences[0], advised.advice.command, advised.page)

    Sources are what `transfer` takes; without any all finished runs, `model.weights` and `none` are looked at. Only the
    target's labelled training patients are. Raises a SegError child where its scans, or none of the sources, can be.
    """
    resolved = resolved_settings(words_of(target, given), config, on_this_machine=True)
    require_writable(Path(resolved.runs.folder))
    from seg.recipes import advise as recipe
    from seg.recipes.advised_page import Advised, write_advice

    found = recipe.advise(resolved, _listed(source) if source else ())
    return Advised(found, write_advice(found, resolved))


def prove(
    source: str | Sequence[str],
    target: str | Sequence[str],
    given: Given = (),
    *,
    arms: str | Sequence[str] = ("scratch", "imagenet", "finetune", "auto"),
    sizes: Sequence[int] = (2, 5, 10),
    seeds: int = 3,
    name: str = "",
    launcher: str = "in_process",
    workers: int = 1,
    config: Sequence[AnyPath] = (),
    recompute: bool = False,
    dry_run: bool = False,
) -> "Outcome | None":
    """Train `target` with and without what `source` knows, and say whether that helped; the folder has every number.

        outcome = seg.prove("liver", "pancreas", {"data.root": "scans"}, arms=["scratch", "finetune"], sizes=[5])
        print(outcome.proven.sentences[0], outcome.report)

    Arms are `scratch`, `imagenet`, a weight file, a strategy or several joined by `+`, `SOURCE:STRATEGY`, and `auto`,
    what the advice says; each is trained `seeds` times with the labels of so many patients of `sizes`. The same call
    again goes on where it stopped, and may add arms, sizes and seeds. `recompute` makes verdict, table and page again
    from the saved scores. `outcome.failed` says which trainings did not end and why; `dry_run` returns None.
    Raises a SegError child before anything is trained where an arm cannot be.
    """
    from seg.recipes import proof_plan, proof_settings
    from seg.recipes import prove as recipe

    question = proof_plan.Question(
        given=proof_settings.given_for_all(target, words_of((), given), config),
        sources=_listed(source), arms=_listed(arms), sizes=tuple(sizes), seeds=seeds, name=name,
    )  # fmt: skip
    if recompute:
        return recipe.recompute(proof_plan.folder_of(question))
    return recipe.prove(question, launcher=launcher, workers=workers, dry_run=dry_run)


def compare(
    arms: Sequence[AnyPath], output: AnyPath | None = None, *, runs: AnyPath = "runs", show_names: bool = False
) -> "Comparison":
    """Say whether finished runs differ, by the statistics of a proof; the first one is the baseline.

        found = seg.compare(["scratch-1,scratch-2", "liver-1,liver-2"], "compared")
        print(found.organs[0].sentences[0])

    Each arm is a run, its folder, its name, an organ (its best run), a folder that `evaluate` wrote, or several of them
    joined by commas: trainings that differ in nothing but their seed, paired in order; `NAME=` in front names the arm.
    With `output` scores.json, verdict.json, table.csv and report.html are written, for several organs in a folder each.
    Raises DataError where the runs were not tested on the same cases.
    """
    from seg.recipes import compare as recipe

    folder = None if output is None else Path(output)
    return recipe.compare([fspath(arm) for arm in arms], Path(runs), folder, show_names)


def _listed(words: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(words.split(",")) if isinstance(words, str) else tuple(words)
