"""The sections that say what to keep in mind and how the experiment was made."""

from collections.abc import Iterable, Iterator

from seg.proof.verdict import Verdict
from seg.report.attention import FEW_PATIENTS
from seg.report.names import Names
from seg.report.numbers import count_text
from seg.report.proved.page import ProofPage
from seg.report.proved.words import size_text
from seg.report.section import Section


def attention(page: ProofPage, names: Names) -> Section | None:
    """What to know before trusting the words: warnings from the verdicts, then the given notes."""
    hurt = _hurt(page.verdicts) if page.transfer else ()
    warnings = [names.masked(sentence) for sentence in (*hurt, *warnings_of(page.verdicts))]
    notes = [names.masked(note) for note in page.notes]
    if not warnings and not notes:
        return None
    return Section("attention", "Worth your attention", {"warnings": warnings, "notes": notes})


def warnings_of(verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    """What weakens any conclusion, each once."""
    every = tuple(verdicts)
    return tuple(dict.fromkeys((*_few(every), *_left_out(every))))


def _hurt(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """A sentence per arm and baseline."""
    found: dict[tuple[str, str], list[str]] = {}
    for verdict in verdicts:
        if verdict.negative_transfer:
            where = f"with {size_text(verdict.size)}" if verdict.size else ""
            what = "" if verdict.verdict == "hurt" else "in some measure, though not on the whole"
            said = found.setdefault((verdict.arm, verdict.baseline), [])
            said.append(" ".join(part for part in (where, what) if part))
    for (arm, baseline), places in found.items():
        listed = ", ".join(place for place in places if place)
        yield f"Negative transfer: {arm} hurt beside {baseline}{f' {listed}' if listed else ''}."


def _few(verdicts: tuple[Verdict, ...]) -> Iterator[str]:
    rows = [row for verdict in verdicts for row in verdict.measures]
    cases, seeds = min((row.cases for row in rows), default=0), min((row.seeds for row in rows), default=0)
    if 0 < cases < FEW_PATIENTS:
        yield f"Only {count_text(cases, 'patient')} could be compared: the intervals are rough."
    if seeds == 1:
        yield "Arms with one training each: of other trainings, with another draw or order, nothing is known."


def _left_out(verdicts: tuple[Verdict, ...]) -> Iterator[str]:
    undefined = max((verdict.undefined for verdict in verdicts), default=0)
    if undefined:
        yield f"{count_text(undefined, 'patient')} left out, because Dice has no value there in some evaluation."
    for verdict in verdicts:
        if verdict.unpaired:
            seeds = ", ".join(map(str, verdict.unpaired))
            yield f"Seed {seeds} left out of {verdict.arm} beside {verdict.baseline}: only one of both has it."


def data(page: ProofPage, names: Names) -> Section | None:
    """How it was made, as given."""
    rows = [(names.masked(what), names.masked(value)) for what, value in page.facts]
    return Section("data", "How it was done", {"rows": rows}) if rows else None


def origin(page: ProofPage, names: Names) -> Section | None:
    """Settings and versions."""
    if not (page.settings_yaml or page.versions):
        return None
    versions = sorted((page.versions or {}).items())
    content = {"lineage": [], "settings": names.masked(page.settings_yaml), "versions": versions}
    return Section("origin", "Settings and versions", content)
