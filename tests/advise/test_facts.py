from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from seg.advise.facts import DataFacts, differences, take_facts
from seg.advise.organ_shape import OrganShape
from seg.data.cache import PreparedCase
from seg.data.fingerprint import Fingerprint
from seg.data.plan import Intensity, Plan

CaseOf = Callable[..., PreparedCase]
PLAN = Plan(("liver",), (1,), 2.0, "mm", 64, 1, (Intensity("window", -160, 240),))
LIVER = DataFacts(
    organs=("liver",),
    modalities=("ct",),
    patients=40,
    labelled_slices=900,
    pixel=0.8,
    unit="mm",
    intensities=(0.5, 0.65, 0.7),
    surroundings=(0.0, 0.3, 0.8),
    organ_size=1500.0,
    shape=OrganShape(9000.0, 1.0, 1.3, 0.9),
)
PANCREAS = replace(LIVER, organs=("pancreas",), organ_size=75.0, shape=OrganShape(900.0, 1.0, 2.6, 0.8))


def _fingerprint(**changes: object) -> Fingerprint:
    facts = {
        "unit": "mm",
        "shapes_yx": ((512, 512),) * 3,
        "spacings_yx": ((0.7, 0.7), (0.8, 0.8), (0.9, 1.0)),
        "slices": (100,) * 3,
        "modalities": ("ct",),
        "foreground_percentiles": ((0.0, 1.0),),
        "foreground_mean_std": ((0.5, 0.1),),
        "type_maximum": (32767.0,),
        "organ_sizes": {"liver": (1400.0, 1500.0, 1700.0)},
    }
    return Fingerprint(**{**facts, **changes})


def test_facts_are_taken_from_fingerprint_and_prepared_scans(case_of: CaseOf) -> None:
    cases = [case_of(name="a"), case_of(name="bb", shown=range(3, 8))]
    found = take_facts(_fingerprint(), PLAN, cases)
    assert (found.organs, found.modalities, found.patients, found.labelled_slices) == (("liver",), ("ct",), 2, 13)
    assert (found.pixel, found.unit, found.organ_size) == (0.8, "mm", 1500.0)
    inside = np.concatenate(
        [np.asarray(c.image[z, 0], float)[c.masks[z, 0] == 1] for c in cases for z in c.organ_slices]
    )
    assert found.intensities == pytest.approx(tuple(np.quantile(inside, [0.05, 0.5, 0.95])), abs=1e-3)
    assert found.surroundings[1] < found.intensities[0]
    assert found.shape is not None
    assert found.shape.area == pytest.approx(4 * np.pi * 50, rel=0.1)


def test_the_sizes_of_several_organs_are_added_case_by_case(case_of: CaseOf) -> None:
    plan = replace(PLAN, organs=("liver", "spleen"), organ_values=(1, 2))
    sizes = {"liver": (1000.0, 1500.0, 1800.0), "spleen": (300.0, 100.0, 200.0)}
    assert take_facts(_fingerprint(organ_sizes=sizes), plan, [case_of(organs=2)]).organ_size == 1600.0


def test_a_data_set_without_labels_has_no_organ_facts(case_of: CaseOf) -> None:
    unlabelled = replace(case_of(), labelled=False, organ_slices=())
    found = take_facts(_fingerprint(organ_sizes={}), PLAN, [unlabelled])
    assert (found.labelled_slices, found.organ_size, found.shape) == (0, None, None)


def test_differences_are_told_in_words() -> None:
    told = differences(LIVER, PANCREAS)
    assert told[0] == "Modality: both ct."
    assert told[1] == "Labels: 900 slices of 40 patients, target 900 of 40."
    assert "Pixel size: 0.8 mm, target 0.8 mm, alike." in told
    assert "Organ size: 1,500 ml, target 75 ml, 0.05 times as large." in told
    assert "Length by width in a slice: 1.3, target 2.6, 2 times as large." in told
    assert "Parts of the organ per slice: 1, target 1, alike." in told
    assert any(line.startswith("Intensities of the organ (5 / 50 / 95 %): 0.50 / 0.65 / 0.70") for line in told)
    assert all(line.endswith(".") for line in told)


def test_intensities_that_lie_apart_are_told_by_how_much() -> None:
    darker = replace(PANCREAS, intensities=(0.2, 0.4, 0.6))
    assert any("up to 0.30 of the range apart" in line for line in differences(LIVER, darker))


def test_what_cannot_be_compared_is_said() -> None:
    picture = replace(PANCREAS, modalities=("picture",), unit="px", pixel=1.0, shape=None)
    told = differences(LIVER, picture)
    assert told[0] == "Modality: ct, target picture: another kind of scan."
    assert "Pixel size: cannot be compared, the target's is not known." in told
    assert "Organ size: cannot be compared." in told
    assert told[-1].startswith("Organ shape: cannot be compared")
    assert "Pixel size: cannot be compared, the source's is not known." in differences(picture, LIVER)
    assert "Pixel size: not known of either." in differences(picture, picture)


def test_a_share_of_the_slice_is_compared_where_nobody_knows_millimetres() -> None:
    source = replace(LIVER, unit="px", organ_size=0.1)
    told = differences(source, replace(source, organ_size=0.02))
    assert "Organ size: 0.1 of a slice, target 0.02 of a slice, 0.2 times as large." in told
    assert "Organ size: 0.1 of a slice, target 0 of a slice." in differences(source, replace(source, organ_size=0.0))
