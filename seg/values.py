"""The kinds of values a setting can have, each with its range."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field


def _rising(window: tuple[float, float]) -> tuple[float, float]:
    if window[0] >= window[1]:
        raise ValueError("two numbers, the lower one first")
    return window


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names or "" in names or len(set(names)) < len(names):
        raise ValueError("at least one name, and none twice")
    return names


def _file_name(text: str) -> str:
    if not re.fullmatch(r"([A-Za-z0-9_][A-Za-z0-9_.-]{0,99})?", text):
        raise ValueError("letters, digits, dots, hyphens and underscores, a letter or digit first, at most 100")
    return text


Positive = Annotated[int, Field(ge=1, le=10**9)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Names = Annotated[tuple[str, ...], AfterValidator(_distinct)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
AboveZero = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Window = Annotated[tuple[Finite, Finite], AfterValidator(_rising)]
Written = Annotated[str, Field(min_length=1)]
FileName = Annotated[str, AfterValidator(_file_name)]
