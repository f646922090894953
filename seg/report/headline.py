"""The part that opens a page: one sentence per organ, and the numbers behind it."""

from seg.records import Evaluation, Interval
from seg.report.attention import organs_of
from seg.report.guarded import with_verdict
from seg.report.names import Names
from seg.report.numbers import HEADLINE, count_text, interval_text, leading_metric, look_of, number_text, range_text
from seg.report.page import Page
from seg.report.restored import restored_sentence
from seg.report.section import Section


def headline(page: Page, names: Names) -> Section:
    """What a reader should take away, or that nothing was evaluated yet."""
    evaluation = page.evaluation
    cards: list[tuple[str, list[dict[str, str | int]]]] = []
    if evaluation is None and page.restoration is not None:
        sentences = [restored_sentence(page.restoration)]
    elif evaluation is None or not evaluation.cases:
        sentences = ["No predictions have been evaluated yet."]
    else:
        sentences = [_sentence(page, evaluation, organ) for organ in organs_of(evaluation)]
        cards = [(page.organ_title(organ), _cards(evaluation, organ)) for organ in organs_of(evaluation)]
    said = [names.masked(sentence) for sentence in with_verdict(page, sentences)]
    return Section("headline", "", {"sentences": said, "organs": cards})


def _sentence(page: Page, evaluation: Evaluation, organ: str) -> str:
    patients = len({score.patient for score in evaluation.cases if score.organ == organ})
    title = page.organ_title(organ)
    # Acronyms and proper abbreviations keep their capitals.
    spoken = title if title[1:] != title[1:].lower() else title.lower()
    subject = f"the {spoken} model reaches" if page.lineage else f"the {spoken} prediction reaches"
    group = f"On {count_text(patients, 'patient')}{f' {page.split_words}' if page.split_words else ''}"
    metric = leading_metric(evaluation)
    interval = evaluation.summary.get(organ, {}).get(metric or "")
    if metric is None or interval is None or interval.mean is None:
        return f"{group}, no quality can be stated for the {spoken}: no metric has a value."
    look = look_of(metric)
    value = interval_text(interval, look, look.unit(evaluation.distance_unit)).replace(" %", "\N{NO-BREAK SPACE}%")
    return f"{group}, {subject} a mean {look.title} of {value}."


def _cards(evaluation: Evaluation, organ: str) -> list[dict[str, str | int]]:
    summary = evaluation.summary.get(organ, {})
    chosen = [metric for metric in HEADLINE if metric in summary] or list(summary)[:4]
    return [card(evaluation, metric, summary[metric]) for metric in chosen]


def card(evaluation: Evaluation, metric: str, interval: Interval) -> dict[str, str | int]:
    """One metric of one organ, in words and numbers."""
    look = look_of(metric)
    unit = look.unit(evaluation.distance_unit) if interval.mean is not None else ""
    return {
        "title": look.title,
        "value": number_text(interval.mean, look),
        "unit": unit,
        "range": range_text(interval, look),
        "count": _count(interval),
        "n": interval.n,
        "n_undefined": interval.n_undefined,
        "meaning": look.meaning,
    }


def _count(interval: Interval) -> str:
    undefined = f", {interval.n_undefined} undefined" if interval.n_undefined else ""
    return f"{count_text(interval.n, 'patient')}{undefined}"
