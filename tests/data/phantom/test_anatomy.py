import numpy as np
import pytest
from scipy import ndimage

from seg.data.phantom.abdomen import PHANTOM_LABELS, make_phantom
from seg.data.phantom.patient import TISSUE_HU, draw_patient


@pytest.mark.parametrize("patient", range(3))
def test_every_solid_organ_is_one_piece(patient: int) -> None:
    phantom = make_phantom(patient, seed=5)
    for organ in ("liver", "pancreas", "spleen", "kidney_right", "kidney_left", "stomach"):
        mask = phantom.labels == PHANTOM_LABELS[organ]
        parts, _ = ndimage.label(mask, np.ones((3, 3, 3)))
        assert np.bincount(parts.ravel())[1:].max() > 0.93 * mask.sum(), organ


def test_vessels_and_lesions_inside_the_liver_belong_to_the_liver() -> None:
    phantom = make_phantom(0, spacing_mm=(4, 3, 3))
    liver = phantom.labels == PHANTOM_LABELS["liver"]
    for index in np.flatnonzero(liver.any(axis=(1, 2))):
        holes = ndimage.binary_fill_holes(liver[index]) & ~liver[index]
        assert set(np.unique(phantom.labels[index][holes])) <= {
            0,
            PHANTOM_LABELS["inferior_vena_cava"],
            PHANTOM_LABELS["portal_vein_and_splenic_vein"],
            PHANTOM_LABELS["gallbladder"],
            PHANTOM_LABELS["kidney_right"],
            PHANTOM_LABELS["duodenum"],
        }


def test_some_patients_have_no_gallbladder_but_all_have_a_pancreas() -> None:
    found = [set(np.unique(make_phantom(n, size=(16, 48, 48)).labels)) for n in range(12)]
    assert all(PHANTOM_LABELS["pancreas"] in values for values in found)
    assert not all(PHANTOM_LABELS["gallbladder"] in values for values in found)


def test_a_thin_slab_shows_a_part_of_the_liver() -> None:
    thin = make_phantom(0, size=(8, 64, 64), spacing_mm=(1.0, 5.5, 5.5))
    whole = make_phantom(0, size=(32, 64, 64), spacing_mm=(6.0, 5.5, 5.5))
    assert (thin.labels == 1).sum() * 1.0 < 0.5 * (whole.labels == 1).sum() * 6.0


def test_patients_differ_in_size_fat_phase_and_brightness() -> None:
    patients = [draw_patient(number, 0) for number in range(60)]
    assert np.std([patient.scale[0] for patient in patients]) > 0.03
    assert np.std([patient.visceral_mm for patient in patients]) > 1
    assert np.std([patient.hu["liver"] for patient in patients]) > 10
    assert all(set(patient.hu) == set(TISSUE_HU) for patient in patients)


def test_a_patient_is_drawn_from_seed_and_number_alone() -> None:
    assert draw_patient(3, 1) == draw_patient(3, 1)
    assert draw_patient(3, 1) != draw_patient(3, 2)


def test_steatosis_darkens_some_livers_below_the_spleen() -> None:
    portal = [patient for number in range(80) if (patient := draw_patient(number, 0)).phase == "portal"]
    darker = np.mean([patient.hu["liver"] < patient.hu["spleen"] - 20 for patient in portal])
    assert 0.1 < darker < 0.6
