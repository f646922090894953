"""The part that opens the page: the sentences, and every verdict at a glance."""

from collections.abc import Sequence

from seg.proof.verdict import Judged, Verdict
from seg.report.names import Names
from seg.report.proved.arms import baselines_of, looks
from seg.report.proved.page import ProofPage
from seg.report.proved.words import MEASURES, points_text, range_text, sign_of, size_text
from seg.report.section import Section

_LARGE = 3
"""Sentences in large letters; more of them would not be read as the finding."""
_END = ("asymptote", "final")


def headline(page: ProofPage, names: Names) -> Section:
    """What a reader should take away."""
    sentences = [names.masked(sentence) for sentence in page.sentences] or ["Nothing has been compared yet."]
    tables = [_glance(page, names, baseline) for baseline in baselines_of(page)] if len(page.verdicts) > 1 else []
    content = {
        "sentences": sentences[:_LARGE],
        "more": sentences[_LARGE:],
        "tables": tables,
        "measured": _several(page),
    }
    return Section("headline", "", content)


def end_of(verdict: Verdict) -> Judged:
    """The measure of the end, which decides."""
    return next(row for row in verdict.measures if row.measure in _END)


def _glance(page: ProofPage, names: Names, baseline: str) -> dict[str, object]:
    verdicts = [verdict for verdict in page.verdicts if verdict.baseline == baseline]
    sizes = sorted({verdict.size for verdict in verdicts})
    shown = looks(page, names)
    rows = []
    for arm in dict.fromkeys(verdict.arm for verdict in verdicts):
        own = {verdict.size: verdict for verdict in verdicts if verdict.arm == arm}
        rows.append({"arm": shown[arm].shown, "cells": [_cell(own.get(size), page) for size in sizes]})
    return {"baseline": shown[baseline].shown, "sizes": _headings(sizes), "rows": rows}


def _several(page: ProofPage) -> bool:
    return any(len(verdict.measures) > 1 for verdict in page.verdicts)


def _headings(sizes: Sequence[int]) -> list[str]:
    return [size_text(size) or "Verdict" for size in sizes]


def _cell(verdict: Verdict | None, page: ProofPage) -> dict[str, object] | None:
    if verdict is None:
        return None
    end = end_of(verdict)
    said = [MEASURES[row.measure].lower() for row in verdict.measures if row.verdict == verdict.verdict]
    of = "" if verdict.verdict == "no evidence" or len(verdict.measures) == 1 else ", ".join(said)
    return {
        "sign": sign_of(verdict.verdict, page),
        "of": of,
        "end": points_text(end.estimate),
        "range": range_text(end.low, end.high),
    }
