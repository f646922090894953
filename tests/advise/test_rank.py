from collections.abc import Callable, Mapping

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from seg.advise.evidence import Evidence, Seen
from seg.advise.rank import Ranking, Vote, patient_draws, rank_sources, votes_of

SeenOf = Callable[..., Seen]


def _measured(**sources: Mapping[Vote, float]) -> dict[str, dict[Vote, NDArray]]:
    """Sources whose values do not depend on the patients drawn."""
    return {name: {vote: np.full(11, value) for vote, value in votes.items()} for name, votes in sources.items()}


def _order(ranking: Ranking) -> list[str]:
    return [standing.source for standing in ranking.standings]


def _with_noise(value: float, noise: float, seed: int) -> NDArray:
    """A value over all patients, and 200 draws around it."""
    return np.append(value, value + noise * np.random.default_rng(seed).normal(size=200))


def test_a_source_that_wins_everywhere_comes_first_whichever_way_a_measure_points() -> None:
    good = {("a_distance", "whole"): 0.3, ("log_me", "whole"): -0.1, ("leep", "whole"): -0.2}
    bad = {("a_distance", "whole"): 1.3, ("log_me", "whole"): -0.8, ("leep", "whole"): -0.6}
    ranking = rank_sources(_measured(bad=bad, good=good), 8)
    assert _order(ranking) == ["good", "bad"]
    assert [(standing.beaten, standing.share) for standing in ranking.standings] == [(1.0, 1.0), (0.0, 0.0)]
    assert ranking.told_apart


def test_a_question_counts_once_however_many_measures_ask_it() -> None:
    # One wins both domain distances, the other features and heads.
    near = {("a_distance", "whole"): 0.3, ("mmd", "whole"): 0.1, ("log_me", "whole"): -0.8, ("leep", "whole"): -0.6}
    apt = {("a_distance", "whole"): 1.3, ("mmd", "whole"): 0.9, ("log_me", "whole"): -0.1, ("leep", "whole"): -0.2}
    ranking = rank_sources(_measured(near=near, apt=apt), 8)
    assert [standing.share for standing in ranking.standings] == pytest.approx([2 / 3, 1 / 3])
    assert _order(ranking) == ["apt", "near"]


def test_places_share_the_vote_of_their_measure_and_measures_that_of_their_question() -> None:
    one = {("h_score", "whole"): 0.9, ("h_score", "boundary"): 0.1, ("log_me", "whole"): -0.1}
    other = {("h_score", "whole"): 0.1, ("h_score", "boundary"): 0.9, ("log_me", "whole"): -0.8}
    ranking = rank_sources(_measured(one=one, other=other), 8)
    assert [standing.share for standing in ranking.standings] == [0.75, 0.25]


def test_values_that_are_alike_are_no_reason_to_prefer_one() -> None:
    ranking = rank_sources(_measured(a={("leep", "whole"): -0.69}, b={("leep", "whole"): -0.68}), 8)
    assert [(standing.beaten, standing.share) for standing in ranking.standings] == [(0.5, 0.5), (0.5, 0.5)]
    assert not ranking.told_apart


def test_sources_are_compared_by_what_both_have() -> None:
    run = {("a_distance", "whole"): 0.3, ("h_score", "whole"): 0.4}
    file = {("h_score", "whole"): 0.7}
    nothing: dict[Vote, float] = {}
    standings = rank_sources(_measured(run=run, file=file, nothing=nothing), 8).standings
    assert [standing.source for standing in standings] == ["file", "nothing", "run"]
    assert [standing.share for standing in standings] == [0.75, 0.5, 0.25]
    assert standings[1].votes == ()


def test_who_beats_the_others_one_by_one_stands_before_who_gets_more_votes() -> None:
    # The weights of a file lack scans and heads, so that it never loses those votes.
    run = {("mmd", "whole"): 0.9, ("log_me", "whole"): -0.4, ("h_score", "whole"): 0.4, ("cc_fv", "whole"): -8.0}
    best = {("mmd", "whole"): 0.1, ("log_me", "whole"): -0.1, ("h_score", "whole"): 0.8, ("cc_fv", "whole"): -7.5}
    file = {("log_me", "whole"): -0.8, ("h_score", "whole"): 0.1, ("cc_fv", "whole"): -7.0}
    best, run, file = rank_sources(_measured(run=run, best=best, file=file), 8).standings
    assert (best.source, run.source, file.source) == ("best", "run", "file")
    assert file.share == run.share == pytest.approx(1 / 3)
    assert (best.beaten, run.beaten, file.beaten) == (1.0, 0.5, 0.0)


def test_the_interval_and_the_first_place_are_those_of_the_draws() -> None:
    vote: Vote = ("h_score", "whole")
    measured = {
        "first": {vote: _with_noise(0.6, 0.3, 0)},
        "second": {vote: _with_noise(0.5, 0.3, 1)},
        "last": {vote: _with_noise(-9.0, 0.3, 2)},
    }
    ranking = rank_sources(measured, 8)
    assert _order(ranking) == ["first", "second", "last"]
    assert not ranking.told_apart
    assert ranking.standings[0].rank_interval == (1.0, 2.0)
    assert ranking.standings[2].rank_interval == (3.0, 3.0)
    won = measured["first"][vote][1:] - measured["second"][vote][1:] > 0.02
    assert ranking.first_beats_second == pytest.approx(won.mean())
    assert sum(standing.first for standing in ranking.standings) == pytest.approx(1)
    assert "cannot be told apart" in ranking.sentence()


def test_the_sentence_says_who_promises_most_and_how_often() -> None:
    vote: Vote = ("h_score", "whole")
    ranking = rank_sources({"liver": {vote: _with_noise(0.9, 0.01, 0)}, "none": {vote: _with_noise(0.1, 0.01, 1)}}, 8)
    assert ranking.sentence() == (
        "liver promises most: it stands before none in 100% of 200 draws of the 8 target patients."
    )
    assert rank_sources({"liver": {vote: np.array([0.5])}}, 8).sentence() == "liver is the only source."


def test_undefined_draws_count_for_nobody() -> None:
    vote: Vote = ("h_score", "whole")
    ranking = rank_sources({"a": {vote: np.array([0.9, np.nan])}, "b": {vote: np.array([0.1, 0.1])}}, 8)
    assert _order(ranking) == ["a", "b"]
    assert ranking.first_beats_second == 0


def test_without_draws_the_order_stands_alone() -> None:
    vote: Vote = ("h_score", "whole")
    ranking = rank_sources({"b": {vote: np.array([0.9])}, "a": {vote: np.array([0.1])}}, 8)
    assert _order(ranking) == ["b", "a"]
    assert (ranking.draws, ranking.first_beats_second) == (0, 1.0)


def test_draws_are_of_patients_with_all_their_cases_and_begin_with_everybody() -> None:
    draws = patient_draws(["a", "b", "a", "c"], 50, 0)
    assert_array_equal(draws[0], [0, 1, 2, 3])
    for draw in draws[1:]:
        counts = np.bincount(draw, minlength=4)
        assert counts[0] == counts[2]
        assert counts[0] + counts[1] + counts[3] == 3
    assert_array_equal(np.concatenate(draws), np.concatenate(patient_draws(["a", "b", "a", "c"], 50, 0)))
    assert np.any(np.concatenate(draws[1:])[:20] != np.concatenate(patient_draws(["a", "b", "a", "c"], 50, 1)[1:])[:20])


def test_votes_are_every_measure_that_the_evidence_allows(seen_of: SeenOf) -> None:
    target, source = seen_of(cases=4), seen_of(cases=4, seed=1)
    draws = patient_draws(target.patients, 5, 0)
    everything = votes_of(Evidence(target, source, heads=True), draws)
    assert len(everything) == 12
    assert {len(values) for values in everything.values()} == {6}
    bare = votes_of(Evidence(target), draws)
    assert {name for name, _ in bare} == {"log_me", "h_score", "cc_fv"}
    assert_array_equal(bare["h_score", "whole"], everything["h_score", "whole"])
