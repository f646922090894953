"""Pseudonyms: P01, P02, ... in the order of the sorted real names."""

import itertools
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

from seg.records import Evaluation

_SHORTEST_LETTERED = 4
_SHORTEST_NUMBER = 5
_DIRECTION_OVERRIDES = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})


@dataclass(frozen=True)
class Names:
    """What patients and cases are called on a page or in a table."""

    patients: dict[str, str]
    """Real name to shown name."""
    cases: dict[tuple[str, str], str]
    """(patient, case) to shown name."""
    known: dict[str, str] = field(default_factory=dict)
    """Every real name, of patients and cases, to its pseudonym."""
    pattern: re.Pattern[str] | None = None
    """Finds the real names in running text; None where names are shown."""

    def masked(self, text: str) -> str:
        """`text` with every real name that can be told from ordinary words replaced by its pseudonym.

        Names of fewer than four characters, or five where all are digits, stay: they would hit ordinary words.
        """
        if self.pattern is None:
            return text
        return self.pattern.sub(lambda match: self.known[match.group()], text)


def name_patients(evaluation: Evaluation | None, show_names: bool, also: Iterable[str] = ()) -> Names:
    """The shown names of all evaluated patients, then of those in `also` that were not evaluated.

    A case is called like its patient, with a number behind it where the patient has several.
    """
    scores = evaluation.cases if evaluation else ()
    evaluated = sorted({score.patient for score in scores})
    patients = [*evaluated, *sorted(set(also) - set(evaluated))]
    pairs = sorted({(score.patient, score.case) for score in scores})
    if show_names:
        return Names({name: name for name in patients}, {pair: pair[1] for pair in pairs})
    width = max(2, len(str(len(patients))))
    shown = {name: f"P{number:0{width}d}" for number, name in enumerate(patients, start=1)}
    cases = _case_names(pairs, shown)
    known = {**{case: name for (_, case), name in cases.items()}, **shown}
    return Names(shown, cases, known, _pattern(known))


def _case_names(pairs: list[tuple[str, str]], shown: dict[str, str]) -> dict[tuple[str, str], str]:
    names: dict[tuple[str, str], str] = {}
    for patient, own in itertools.groupby(pairs, key=lambda pair: pair[0]):
        several = list(own)
        for number, pair in enumerate(several, start=1):
            names[pair] = shown[patient] if len(several) == 1 else f"{shown[patient]}-{number}"
    return names


def _pattern(names: Iterable[str]) -> re.Pattern[str] | None:
    telling = {name for name in names if len(name) >= (_SHORTEST_NUMBER if name.isdigit() else _SHORTEST_LETTERED)}
    if not telling:
        return None
    longest_first = sorted(telling, key=lambda name: (-len(name), name))
    # An underscore ends a name too: slices are called {patient}_{slice}.
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, longest_first))})(?![^\W_])")


def printable(text: str) -> str:
    """`text` with a mark in place of control characters, direction overrides and undecodable bytes of file names."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _unprintable(letter) else letter for letter in text)


def _unprintable(letter: str) -> bool:
    return letter not in "\n\t" and (
        unicodedata.category(letter) in ("Cc", "Cs") or unicodedata.bidirectional(letter) in _DIRECTION_OVERRIDES
    )
