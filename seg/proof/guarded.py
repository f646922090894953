"""What the guard of a transfer found: plain numbers that survive JSON, and the sentence they come to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Literal

from seg.runs import Run

KEY = "guard"
"""In the lineage of a run's manifest."""
BEGUN = 0.1
"""Mean Dice below which a training has not yet found the organ. What lies below on both sides, or on the fallback's
alone, tells which start is quicker, not which is better: from nothing and from ImageNet weights a decoder takes long to
find anything, and then overtakes a source that hurts (docs/results.md, negative transfer)."""
Said = Literal["helped", "hurt", "no evidence", "cannot say"]


@dataclass(frozen=True)
class Probed:
    """What short trainings from one start reached on target patients that they did not learn from."""

    words: str
    """What was trained from where, such as `finetune from liver-1`."""
    patients: dict[str, float] = field(default_factory=dict)
    """Held-out patient to Dice, mean over organs; patients with neither organ nor prediction are left out."""
    steps: int = 0
    """Of each training."""
    trainings: int = 0
    """One for every fold."""
    seconds: float = 0.0
    """That all of them took."""


@dataclass(frozen=True)
class Guarded:
    """A transfer beside what would be trained without it. Differences are transfer minus fallback, in Dice (0 to 1)."""

    transfer: Probed
    fallback: Probed
    verdict: Said
    judged: str
    """On whom, such as `12 validation patients`, or why nothing could be judged."""
    margin: float
    """Below which a difference does not count, however certain."""
    estimate: float | None = None
    """Mean over the patients that both have; None without any."""
    low: float | None = None
    """Of the 95 % interval over patients; None for fewer than two."""
    high: float | None = None

    @property
    def hurt(self) -> bool:
        """Whether the fallback is trained in the transfer's place."""
        return self.verdict == "hurt"

    @property
    def common(self) -> tuple[str, ...]:
        """The patients that the verdict rests on."""
        return tuple(sorted({*self.transfer.patients} & {*self.fallback.patients}))

    def dice(self, arm: Probed) -> float | None:
        """Mean over the common patients; None without any."""
        return fmean(arm.patients[patient] for patient in self.common) if self.common else None

    @property
    def steps(self) -> int:
        """Of all short trainings."""
        return sum(arm.steps * arm.trainings for arm in (self.transfer, self.fallback))

    @property
    def seconds(self) -> float:
        """That all short trainings took."""
        return self.transfer.seconds + self.fallback.seconds

    def sentence(self) -> str:
        """Verdict, figures and what was done about it, for a reader of the model's page."""
        ours, theirs = (self.dice(arm) for arm in (self.transfer, self.fallback))
        if ours is None or theirs is None or self.estimate is None:
            return f"The guard cannot say whether {self.transfer.words} helps or hurts: {self.judged}."
        side = "better" if self.estimate >= 0 else "worse"
        found = (
            f"In short trainings of {self.transfer.steps} steps, judged on {self.judged}, it reaches a mean Dice of "
            f"{ours:.3f}, {self.fallback.words} {theirs:.3f}: {abs(100 * self.estimate):.1f} Dice points {side}"
            f"{self._interval()}"
        )
        if self.verdict == "cannot say" and theirs < BEGUN:
            found += f"; below {BEGUN} it has hardly begun to learn, so transfer.probe_steps should be raised"
        return f"{self._said()}. {found}.{self._done()}"

    def _said(self) -> str:
        words = self.transfer.words
        return {
            "helped": f"The guard found that {words} helps early on",
            "hurt": f"Negative transfer: {words} hurts",
            "no evidence": f"The guard found no evidence that {words} helps or hurts",
            "cannot say": f"The guard cannot say whether {words} helps or hurts",
        }[self.verdict]

    def _interval(self) -> str:
        if self.low is None or self.high is None or self.estimate is None:
            return ", and one patient says nothing about others"
        low, high = (self.low, self.high) if self.estimate >= 0 else (-self.high, -self.low)
        return f" (95 % interval {100 * low:.1f} to {100 * high:.1f})"

    def _done(self) -> str:
        return f" So this model is made by {self.fallback.words} instead." if self.hurt else ""


def guard_of(run: Run) -> Guarded | None:
    """What the guard said before this run was trained; None where it was not asked."""
    kept = run.manifest().lineage.get(KEY)
    return None if kept is None else guarded_from(kept)


def guarded_from(raw: Mapping[str, Any]) -> Guarded:
    """What `dataclasses.asdict` made of it, and JSON after that."""
    arms = {name: Probed(**raw[name]) for name in ("transfer", "fallback")}
    return Guarded(**{**raw, **arms})
