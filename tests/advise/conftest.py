from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from seg.advise.evidence import CaseFeatures, Draw, Seen
from seg.data.cache import PreparedCase

WIDTHS = (6, 5, 4)
"""Channels of the decoder's last layers; 7 of the deepest map."""


def _case(number: int, random: np.random.Generator, pixels: int, slices: int, shift: float, own: float) -> CaseFeatures:
    draws = np.repeat(np.array(list(Draw), np.uint8), pixels)
    inside = np.isin(draws, (Draw.ORGAN, Draw.BAND))[:, None]
    layers = tuple(
        (random.normal(size=(len(draws), width)) + inside + shift + own * random.normal(size=width)).astype(np.float32)
        for width in WIDTHS
    )
    return CaseFeatures(
        name=f"case{number}",
        patient=f"patient{number}",
        pooled=(random.normal(size=(slices, 7)) + shift).astype(np.float32),
        bands=(random.normal(size=(slices, 3)) + shift).astype(np.float32),
        layers=layers,
        masks=(random.normal(size=(len(draws), 1)) + 2 * inside).astype(np.float32),
        edges=(random.normal(size=(len(draws), 1)) + inside).astype(np.float32),
        draws=draws,
        organs=(draws == Draw.ORGAN).astype(np.uint8),
        slices=(np.arange(len(draws)) % slices).astype(np.uint8),
    )


@pytest.fixture
def seen_of() -> Callable[..., Seen]:
    """Normal features of so many cases, each of its own patient; what lies in an organ or its band is 1 higher."""

    def made(
        cases: int = 8,
        *,
        pixels: int = 16,
        slices: int = 3,
        shift: float = 0.0,
        between_cases: float = 0.3,
        seed: int = 0,
    ) -> Seen:
        random = np.random.default_rng(seed)
        return Seen(tuple(_case(number, random, pixels, slices, shift, between_cases) for number in range(cases)))

    return made


def _changed(seen: Seen, change: Callable[[NDArray], NDArray]) -> Seen:
    return Seen(
        tuple(
            replace(
                case,
                pooled=change(case.pooled),
                bands=change(case.bands),
                layers=tuple(change(layer) for layer in case.layers),
            )
            for case in seen.cases
        )
    )


@pytest.fixture
def permuted() -> Callable[[Seen], Seen]:
    """The same features with their channels in another order."""
    return lambda seen: _changed(seen, lambda vectors: vectors[:, ::-1].copy())


@pytest.fixture
def scaled() -> Callable[[Seen], Seen]:
    """The same features at four times their size."""
    return lambda seen: _changed(seen, lambda vectors: 4 * vectors)


@pytest.fixture
def case_of(tmp_path: Path) -> Callable[..., PreparedCase]:
    """A prepared case of noise with a bright disc per organ in the slices that show it."""

    def made(
        *,
        name: str = "case",
        slices: int = 12,
        shown: range = range(2, 10),
        size: tuple[int, int] = (40, 48),
        organs: int = 1,
        contiguous: bool = True,
    ) -> PreparedCase:
        rows, columns = np.mgrid[: size[0], : size[1]]
        random = np.random.default_rng(len(name))
        masks = np.zeros((slices, organs, *size), np.uint8)
        for organ in range(organs):
            masks[list(shown), organ] = (rows - 12 - 14 * organ) ** 2 + (columns - 24) ** 2 < 50
        image = random.random((slices, 1, *size)) * 0.5 + 0.5 * masks.any(axis=1, keepdims=True)
        folder = tmp_path / name
        folder.mkdir()
        np.save(folder / "image.npy", image.astype(np.float16))
        np.save(folder / "masks.npy", masks)
        return PreparedCase(name, f"patient of {name}", folder, contiguous, True, tuple(shown))

    return made
