"""The kinds of values a setting can have, each with its range, and the group of settings they stand in."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """A group of settings; abstract. Unknown names are refused, `null` means None."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_none(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for key, value in values.items():
                if isinstance(value, str) and any(ord(letter) < 32 for letter in value):
                    raise ValueError(f"{key} without control characters")
            return {key: None if value == "null" else value for key, value in values.items()}
        return values


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
