"""One sentence that says what an experiment showed, for people who do not read tables."""

from seg.proof.labels import LabelEfficiency
from seg.proof.power import MOST_CASES
from seg.proof.sign_flip import smallest_p
from seg.proof.verdict import LEVEL, Judged, Verdict, Word

_ORDER = ("asymptote", "final", "start", "slope")


def sentence(verdict: Verdict) -> str:
    """In Dice points (hundredths of Dice), with the intervals and the number of patients and trainings behind it."""
    if verdict.verdict == "no evidence":
        return _no_evidence(verdict)
    said = "helped" if verdict.verdict == "helped" else "hurt (negative transfer)"
    against = _clauses(verdict, "hurt" if verdict.verdict == "helped" else "helped")
    although = f", although it {against}" if against else ""
    clauses = _clauses(verdict, verdict.verdict)
    return f"{verdict.arm} {said}: {_beside(verdict)}, it {clauses}{although}{_scope(verdict)}."


def compared_sentence(verdict: Verdict) -> str:
    """The same of two finished models of which neither is a transfer of the other: better, worse or no evidence."""
    row = min(verdict.measures, key=lambda row: _ORDER.index(row.measure))
    if verdict.verdict == "no evidence":
        found = f"{_beside(verdict)}, it {_clause(row)}{_why(row, verdict)}"
        said = f"There is no evidence that {verdict.arm} is better or worse"
        return f"{said}: {found}{_scope(verdict)}{_wanted(verdict)}."
    word = "better" if verdict.verdict == "helped" else "worse"
    return f"{verdict.arm} is {word}: {_beside(verdict)}, it {_clause(row)}{_scope(verdict)}."


def labels_sentence(arm: str, baseline: str, found: LabelEfficiency) -> str:
    """How many labelled patients the arm needs for what its baseline has in the end."""
    goal = f"the Dice of {found.dice:.3f} that {baseline} has with {found.baseline:.3g}"
    if found.arm is None:
        return f"{arm} does not reach {goal}, with any number of labelled patients that was tried."
    fewest = ", the fewest that were tried," if found.bound else ""
    interval = f"95 % interval of the ratio {found.low:.1f} to {found.high:.1f}"
    return f"{arm} needs {_labelled(found.arm)}{fewest} for {goal}: {_times(found)} ({interval})."


def _labelled(number: float) -> str:
    """Interpolated numbers need not be whole."""
    return f"{number:.3g} labelled patient{'' if number == 1 else 's'}"


def _times(found: LabelEfficiency) -> str:
    if f"{found.ratio:.1f}" == "1.0":
        return "as many"
    more = f"{1 / found.ratio:.1f} times more" if found.ratio < 1 else f"{found.ratio:.1f} times fewer"
    return f"{found.bound} {more}" if found.bound else more


def _no_evidence(verdict: Verdict) -> str:
    begin = f"There is no evidence that {verdict.arm} helped or hurt"
    helped, hurt = _clauses(verdict, "helped"), _clauses(verdict, "hurt")
    if helped and hurt:
        found = f"{_beside(verdict)}, it {helped}, but it {hurt} (negative transfer)"
        return f"{begin} on the whole: {found}{_scope(verdict)}."
    row = min(verdict.measures, key=lambda row: _ORDER.index(row.measure))
    said = f"{helped or hurt}, but it " if helped or hurt else ""
    found = f"{_beside(verdict)}, it {said}{_clause(row)}{_why(row, verdict)}"
    return f"{begin}: {found}{_scope(verdict)}{_wanted(verdict)}."


def _clauses(verdict: Verdict, word: Word) -> str:
    """What that word was said of, the end first."""
    rows = sorted((row for row in verdict.measures if row.verdict == word), key=lambda row: _ORDER.index(row.measure))
    parts = [_clause(row) for row in rows]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _clause(row: Judged) -> str:
    """Such as `ended 3.1 Dice points higher (95 % interval 1.2 to 5.0)`."""
    estimate = row.estimate or 0.0
    above = estimate >= 0
    distance, interval = f"{_points(abs(estimate))} Dice points", _interval(row)
    if row.measure == "slope":
        return f"learned {'faster' if above else 'more slowly'} ({distance} by half of the way{interval})"
    verb = {"start": "started", "asymptote": "ended", "final": "was"}[row.measure]
    side = ("better" if above else "worse") if row.measure == "final" else ("higher" if above else "lower")
    return f"{verb} {distance} {side}" + (f" ({interval[2:]})" if interval else "")


def _interval(row: Judged) -> str:
    """Of the distance in the direction that the clause speaks of."""
    if row.low is None or row.high is None:
        return ""
    low, high = (row.low, row.high) if (row.estimate or 0) >= 0 else (-row.high, -row.low)
    return f", 95 % interval {_points(low)} to {_points(high)}"


def _points(dice: float) -> str:
    return f"{100 * dice:.1f}"


def _why(row: Judged, verdict: Verdict) -> str:
    """Why a difference that looks clear is none."""
    if row.low is None or row.high is None:
        return ", and one patient says nothing about others"
    if row.low <= 0 <= row.high:
        return ""
    if abs(row.estimate or 0) < verdict.margin:
        return f", which is less than the {_points(verdict.margin)} that count"
    few = smallest_p(row.cases) * len(verdict.measures) >= LEVEL
    return ", which so few patients can show by chance" if few else ", which can be chance where several are measured"


def _beside(verdict: Verdict) -> str:
    row = verdict.measures[0]
    patients = "one patient" if row.cases == 1 else f"{row.cases} patients"
    return f"compared with {verdict.baseline}, on {patients} and {_trainings(row.seeds)} of each"


def _trainings(number: int) -> str:
    return "one training" if number == 1 else f"{number} trainings"


def _scope(verdict: Verdict) -> str:
    return "; of other trainings this says nothing" if verdict.measures[0].seeds == 1 else ""


def _wanted(verdict: Verdict) -> str:
    wanted = verdict.needed
    if wanted is None:
        return ""
    found = f"; to find a true difference of {_points(wanted.difference)} in 9 of 10 such experiments"
    if wanted.cases is None:
        return f"{found}, not even {MOST_CASES:,} patients and {_trainings(wanted.seeds)} of each would be enough"
    return f"{found}, about {wanted.cases} patients and {_trainings(wanted.seeds)} of each would be needed"
