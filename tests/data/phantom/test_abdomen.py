import numpy as np
import pytest

from seg.data.phantom.abdomen import PHANTOM_LABELS, Phantom, make_phantom
from seg.errors import UsageError

PATIENTS = range(5)


@pytest.fixture(scope="module")
def phantoms() -> list[Phantom]:
    return [make_phantom(patient) for patient in PATIENTS]


def _mask(phantom: Phantom, organ: str) -> np.ndarray:
    return phantom.labels == PHANTOM_LABELS[organ]


def _centre_mm(phantom: Phantom, organ: str) -> np.ndarray:
    """x, y, z in the patient's LPS millimetres."""
    z, y, x = (axis.mean() for axis in np.nonzero(_mask(phantom, organ)))
    ras = phantom.affine @ np.array([x, y, z, 1.0])
    return ras[:3] * [-1, -1, 1]


def _volume_ml(phantom: Phantom, organ: str) -> float:
    return float(_mask(phantom, organ).sum() * np.prod(phantom.spacing_mm) / 1000)


def _best_threshold_dice(phantom: Phantom, organ: str) -> float:
    """The Dice of the best of all intensity intervals, found by looking at the answer."""
    edges = np.arange(-200, 400, 5)
    mask = _mask(phantom, organ)
    hits = np.append(0, np.cumsum(np.histogram(phantom.hu[mask], edges)[0]))
    misses = np.append(0, np.cumsum(np.histogram(phantom.hu[~mask], edges)[0]))
    inside, outside = hits[None] - hits[:, None], misses[None] - misses[:, None]
    dice = 2 * inside / np.maximum(inside + outside + mask.sum(), 1)
    return float(np.triu(dice).max())


def test_the_same_patient_is_the_same_scan_bit_by_bit(phantoms: list[Phantom]) -> None:
    again = make_phantom(0)
    assert np.array_equal(again.hu, phantoms[0].hu)
    assert np.array_equal(again.labels, phantoms[0].labels)
    assert np.array_equal(again.affine, phantoms[0].affine)


def test_patients_and_seeds_are_different_people(phantoms: list[Phantom]) -> None:
    other_seed = make_phantom(0, seed=1)
    assert (other_seed.labels != phantoms[0].labels).mean() > 0.02
    assert (phantoms[1].labels != phantoms[0].labels).mean() > 0.02


def test_the_default_scan_has_the_promised_size_and_types(phantoms: list[Phantom]) -> None:
    phantom = phantoms[0]
    assert phantom.hu.shape == phantom.labels.shape == (32, 128, 128)
    assert phantom.hu.dtype == np.int16
    assert phantom.labels.dtype == np.uint8
    assert 4.5 < phantom.spacing_mm[0] < 7
    assert 320 < 128 * phantom.spacing_mm[1] < 480


def test_the_affine_turns_the_transposed_array_into_ras(phantoms: list[Phantom]) -> None:
    z, y, x = phantoms[0].spacing_mm
    assert np.allclose(phantoms[0].affine[:3, :3], np.diag([-x, -y, z]))


def test_organs_lie_on_their_side_of_the_body(phantoms: list[Phantom]) -> None:
    for phantom in phantoms:
        middle = _centre_mm(phantom, "aorta")
        assert _centre_mm(phantom, "liver")[0] < middle[0] - 20
        assert _centre_mm(phantom, "kidney_right")[0] < middle[0] - 30
        assert _centre_mm(phantom, "spleen")[0] > middle[0] + 50
        assert _centre_mm(phantom, "kidney_left")[0] > middle[0] + 30
        assert _centre_mm(phantom, "inferior_vena_cava")[0] < middle[0]


def test_the_pancreas_lies_before_the_aorta_and_points_to_the_spleen(phantoms: list[Phantom]) -> None:
    for phantom in phantoms:
        _, y, x = np.nonzero(_mask(phantom, "pancreas"))
        assert _centre_mm(phantom, "pancreas")[1] < _centre_mm(phantom, "aorta")[1]
        tail, head = y[x > np.quantile(x, 0.9)], y[x < np.quantile(x, 0.5)]
        assert tail.mean() > head.mean()
        assert np.ptp(x) * phantom.spacing_mm[2] > 70


def test_organ_volumes_are_those_of_adults(phantoms: list[Phantom]) -> None:
    plausible = {
        "liver": (800, 2200),
        "pancreas": (30, 150),
        "spleen": (50, 450),
        "kidney_right": (80, 300),
        "kidney_left": (80, 300),
        "stomach": (80, 700),
    }
    for phantom in phantoms:
        for organ, (low, high) in plausible.items():
            assert low <= _volume_ml(phantom, organ) <= high, organ


def test_tissues_have_plausible_hounsfield_units(phantoms: list[Phantom]) -> None:
    for phantom in phantoms:
        assert phantom.hu.min() < -900
        assert phantom.hu.max() > 300
        assert 10 < np.median(phantom.hu[_mask(phantom, "liver")]) < 150
        assert 0 < np.median(phantom.hu[_mask(phantom, "pancreas")]) < 140
        assert 20 < np.median(phantom.hu[_mask(phantom, "spleen")]) < 160
        assert -130 < np.median(phantom.hu[(phantom.hu > -140) & (phantom.hu < -60)]) < -70


def test_no_intensity_threshold_finds_liver_or_pancreas(phantoms: list[Phantom]) -> None:
    for phantom in phantoms:
        assert _best_threshold_dice(phantom, "liver") < 0.9
        assert _best_threshold_dice(phantom, "pancreas") < 0.25
    assert np.mean([_best_threshold_dice(phantom, "liver") for phantom in phantoms]) < 0.8


def test_boundaries_are_soft_where_a_voxel_holds_two_tissues(phantoms: list[Phantom]) -> None:
    liver = _mask(phantoms[0], "liver")
    rim = liver & ~np.roll(liver, 1, axis=0)
    assert phantoms[0].hu[rim].std() > 1.2 * phantoms[0].hu[liver & ~rim].std()


def test_the_second_scanner_sees_the_same_patient_differently(phantoms: list[Phantom]) -> None:
    same_grid = {"size": (32, 128, 128), "spacing_mm": phantoms[0].spacing_mm}
    other = make_phantom(0, scanner="b", **same_grid)
    assert np.array_equal(other.labels, phantoms[0].labels)
    assert np.abs(other.hu.astype(int) - phantoms[0].hu).mean() > 10
    assert make_phantom(0, scanner="b", size=(8, 16, 16)).spacing_mm != make_phantom(0, size=(8, 16, 16)).spacing_mm


def test_a_finer_grid_sees_the_same_anatomy(phantoms: list[Phantom]) -> None:
    z, y, x = phantoms[1].spacing_mm
    finer = make_phantom(1, size=(64, 128, 128), spacing_mm=(z / 2, y, x))
    for organ in ("liver", "spleen", "kidney_left"):
        assert _volume_ml(finer, organ) == pytest.approx(_volume_ml(phantoms[1], organ), rel=0.08)


def test_the_three_contrast_phases_all_occur() -> None:
    tiny = [make_phantom(patient, size=(8, 8, 8)) for patient in range(14)]
    assert {phantom.phase for phantom in tiny} == {"native", "arterial", "portal"}


@pytest.mark.parametrize(
    "arguments",
    [
        {"patient": -1},
        {"patient": 0, "seed": -3},
        {"patient": 0, "scanner": "c"},
        {"patient": 0, "size": (4, 64, 64)},
        {"patient": 0, "spacing_mm": (0.0, 1.0, 1.0)},
        {"patient": 0, "spacing_mm": (float("nan"), 1.0, 1.0)},
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(arguments: dict) -> None:
    with pytest.raises(UsageError):
        make_phantom(**arguments)
