"""Patient and slice from a picture's file name."""

import re
from dataclasses import dataclass

from seg.errors import UsageError

_FIELDS = {"{patient}": r"(?P<patient>[^/]+)", "{slice}": r"(?P<slice>[^/]+?)"}


@dataclass(frozen=True)
class NamePattern:
    """How names are made of patient and slice; the patient takes as much as it can, so the slice is the last part."""

    text: str
    regex: re.Pattern[str]
    depth: int
    """How many folders below `images/` the files lie."""

    def parse(self, stem: str) -> tuple[str, str] | None:
        """(patient, slice) of a name without its ending, with `/` between folders; None where it does not fit.

        A pattern without `{slice}` gives an empty slice name.
        """
        match = self.regex.fullmatch(stem)
        if match is None:
            return None
        return match["patient"], match.groupdict().get("slice", "")


def read_pattern(text: str) -> NamePattern:
    """The pattern `data.patient_pattern` spells, such as `{patient}_{slice}` or `{patient}/{slice}`.

    Raises:
        UsageError: no `{patient}`, a field that stands twice, or an unknown one.
    """
    parts = re.split(r"(\{[^{}]*\})", text)
    fields = parts[1::2]
    if "{patient}" not in fields or len(set(fields)) < len(fields) or set(fields) - set(_FIELDS) or text.count("/") > 2:
        raise UsageError(
            found=f"data.patient_pattern={text}", expected="{patient} once, {slice} at most once, and plain characters",
            fix="write a pattern such as {patient}_{slice}, {patient}/{slice} or {patient}", code="patient-pattern",
        )  # fmt: skip
    regex = "".join(_FIELDS.get(part) or re.escape(part) for part in parts)
    return NamePattern(text, re.compile(regex, re.DOTALL), text.count("/"))
