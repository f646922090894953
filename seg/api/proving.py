"""Verbs around a transfer: advice before it, proof after it, runs side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seg.recipes.given import AnyPath, Given, words_of

if TYPE_CHECKING:
    from seg.recipes.prove import Outcome


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


def _listed(words: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(words.split(",")) if isinstance(words, str) else tuple(words)
