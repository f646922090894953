from typing import Annotated, Literal

import pytest
from pydantic import Field, model_validator

from seg.config import Section
from seg.errors import UsageError
from seg.knobs import component_settings


class Knobs(Section):
    """Some of every kind."""

    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.01
    """Of the term."""
    stages: Literal["all"] | Annotated[int, Field(ge=1)] = "all"
    """How many."""
    low: float = 0.0
    """Lower bound."""
    high: float = 1.0
    """Upper bound."""

    @model_validator(mode="after")
    def _ordered(self) -> "Knobs":
        if self.low >= self.high:
            raise ValueError("low below high")
        return self


def _refused(**knobs: object) -> UsageError:
    with pytest.raises(UsageError) as refused:
        component_settings(Knobs, "pull", knobs)
    return refused.value


@pytest.mark.parametrize(
    ("knob", "value", "allowed", "default"),
    [
        ("weight", "-1", "a number at least 0", "0.01"),
        ("weight", "much", "a number at least 0", "0.01"),
        ("stages", "0", "one of all, or a whole number at least 1", "all"),
    ],
)
def test_a_value_out_of_range_is_answered_with_the_range_and_the_default(knob, value, allowed, default):
    error = _refused(**{knob: value})
    assert (error.code, error.found, error.expected) == ("bad-value", f"pull.{knob}={value}", allowed)
    assert error.fix == f"give pull.{knob} such a value, or leave it out: {default} is the default"


def test_values_that_do_not_go_together_are_told_in_the_components_own_words():
    error = _refused(low="2")
    assert (error.expected, error.fix) == ("low below high", "give pull such a value")


def test_an_unknown_knob_gets_the_nearest():
    error = _refused(wieght="1")
    assert error.code == "unknown-setting"
    assert error.fix == "correct its name. Did you mean 'pull.weight'?"
    assert "pull.stages" in error.expected


def test_what_is_right_has_its_type():
    assert component_settings(Knobs, "pull", {"weight": "1e-3", "stages": "2"}).stages == 2
