from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.testing import assert_array_equal

from seg.advise.evidence import Draw
from seg.advise.pixels import draw_pixels, spread_slices
from seg.data.cache import PreparedCase
from seg.data.volume import IGNORE
from seg.models.edges import boundary_band

CaseOf = Callable[..., PreparedCase]


def test_slices_are_spread_evenly_over_those_that_show_an_organ(case_of: CaseOf) -> None:
    case = case_of(slices=20, shown=range(4, 16))
    assert spread_slices(case, 4) == (5, 8, 11, 14)
    assert spread_slices(case, 1) == (10,)
    assert spread_slices(case, 12) == spread_slices(case, 100) == tuple(range(4, 16))


def test_every_pixel_is_what_it_was_drawn_for(case_of: CaseOf) -> None:
    case = case_of(organs=2)
    slices = spread_slices(case, 3)
    pixels = draw_pixels(case, slices, 20, 2)
    shown = np.stack([case.masks[z] == 1 for z in slices])
    bands = boundary_band(torch.from_numpy(shown).float(), 2).amax(dim=1).numpy() > 0
    rows, columns = pixels.places.T
    organ = shown[pixels.slices, :, rows, columns]
    band = bands[pixels.slices, rows, columns]
    for number in (1, 2):
        assert organ[(pixels.draws == Draw.ORGAN) & (pixels.organs == number), number - 1].all()
    assert not organ[pixels.draws == Draw.OTHER].any()
    assert band[pixels.draws == Draw.BAND].all()
    assert not band[pixels.draws == Draw.BEYOND].any()
    assert not pixels.organs[pixels.draws != Draw.ORGAN].any()


def test_there_are_so_many_of_each_kind_per_slice_and_no_pixel_twice(case_of: CaseOf) -> None:
    case = case_of(organs=2)
    pixels = draw_pixels(case, spread_slices(case, 3), 20, 2)
    for number in range(3):
        for draw in Draw:
            chosen = (pixels.slices == number) & (pixels.draws == draw)
            assert chosen.sum() == (40 if draw == Draw.ORGAN else 20)
    one_kind = (pixels.draws == Draw.ANY) & (pixels.slices == 0)
    assert len(np.unique(pixels.places[one_kind], axis=0)) == 20


def test_pixels_to_be_ignored_are_drawn_for_no_label(case_of: CaseOf, tmp_path: Path) -> None:
    case = case_of()
    masks = np.array(case.masks)
    masks[:, :, :, :24] = IGNORE
    np.save(case.folder / "masks.npy", masks)
    again = PreparedCase(case.name, case.patient, case.folder, True, True, case.organ_slices)
    pixels = draw_pixels(again, spread_slices(again, 2), 200, 2)
    labelled = pixels.draws != Draw.ANY
    assert (pixels.places[labelled][:, 1] >= 24).all()
    assert (pixels.places[~labelled][:, 1] < 24).any()


def test_the_content_of_a_case_alone_draws_its_pixels(case_of: CaseOf) -> None:
    case, other = case_of(), case_of(name="other")
    first, again, different = (draw_pixels(each, (5, 6), 10, 2) for each in (case, case, other))
    assert_array_equal(first.places, again.places)
    assert np.any(first.places != different.places)
