from pathlib import Path

import numpy as np
import pytest

from seg.config import Data, Organ
from seg.data.discover import find_data
from seg.data.organs import organ_sources
from seg.data.phantom.abdomen import PHANTOM_LABELS
from seg.data.phantom.layouts import write_phantoms
from seg.data.plan import Intensity, Plan
from seg.data.prepare import prepared_planes, resize, resize_masks, shown_plane, stack_neighbours
from seg.data.volume import IGNORE, CaseImage, read_image, read_masks
from seg.errors import DataError
from seg.evaluate.predict import label_plane
from seg.recipes.written import write_prediction


def _image(*planes: np.ndarray, spacing: tuple[float, float, float] | None = (5.0, 1.0, 1.0)) -> CaseImage:
    return CaseImage(channels=(list(planes),), spacing_mm=spacing, contiguous=True, scan=None)


def _plan(spacing: float = 1.0, unit: str = "mm", kind: str = "window", low: float = 0, high: float = 100) -> Plan:
    return Plan(("liver",), (1,), spacing, unit, 32, 1, (Intensity(kind, low, high),))


def test_a_window_clips_and_scales_to_zero_and_one() -> None:
    plane = np.array([[-50.0, 0.0], [50.0, 500.0]])
    (found,) = prepared_planes(_image(plane), _plan())
    assert found[0].tolist() == [[0.0, 0.0], [0.5, 1.0]]


def test_z_scores_centre_each_case_on_its_own_body() -> None:
    random = np.random.default_rng(0)
    dark, bright = random.normal(100, 10, (64, 64)), random.normal(900, 90, (64, 64))
    found = [next(prepared_planes(_image(p), _plan(kind="zscore", low=-3, high=3))) for p in (dark, bright)]
    assert found[0].mean() == pytest.approx(0.5, abs=0.02)
    assert found[1].mean() == pytest.approx(0.5, abs=0.02)


def test_a_constant_case_does_not_divide_by_zero() -> None:
    (found,) = prepared_planes(_image(np.full((8, 8), 7.0)), _plan(kind="zscore", low=-3, high=3))
    assert np.isfinite(found).all()


def test_pictures_of_another_depth_than_the_plan_knows_are_refused() -> None:
    plan = _plan(kind="range", high=255.0, unit="px")
    eight, sixteen = np.full((8, 8), 200, np.uint8), np.full((8, 8), 200, np.uint16)
    assert next(prepared_planes(_image(eight, spacing=None), plan)).max() == pytest.approx(200 / 255)
    with pytest.raises(DataError, match="uint16") as refused:
        next(prepared_planes(_image(eight, sixteen, spacing=None), plan))
    assert refused.value.code == "intensity-range"


def test_numbers_above_the_planned_range_are_refused_whatever_their_type() -> None:
    with pytest.raises(DataError, match="intensities up to 300"):
        next(prepared_planes(_image(np.full((8, 8), 300.0)), _plan(kind="range", high=255.0)))


def test_a_case_with_other_channels_than_the_plan_is_refused() -> None:
    plane = np.zeros((8, 8))
    image = CaseImage(channels=([plane], [plane]), spacing_mm=(5.0, 1.0, 1.0), contiguous=True, scan=None)
    with pytest.raises(DataError, match="2 channels"):
        next(prepared_planes(image, _plan()))


def test_planes_come_to_the_planned_spacing_over_the_same_field_of_view() -> None:
    (found,) = prepared_planes(_image(np.zeros((60, 90)), spacing=(5.0, 2.0, 1.0)), _plan(spacing=1.5))
    assert found.shape == (1, 80, 60)


def test_a_scan_without_spacing_is_refused_by_a_plan_in_millimetres() -> None:
    with pytest.raises(DataError) as refused:
        next(prepared_planes(_image(np.zeros((8, 8)), spacing=None), _plan()))
    assert refused.value.code == "spacing-unit"


def test_shrinking_averages_and_growing_back_keeps_the_mean() -> None:
    planes = np.random.default_rng(1).random((2, 64, 48)).astype(np.float32)
    small = resize(planes, (32, 24))
    assert small[0, 0, 0] == pytest.approx(planes[0, :2, :2].mean(), abs=1e-6)
    assert resize(small, (64, 48)).shape == planes.shape


def test_masks_are_inside_where_half_of_the_pixel_is_and_ignored_pixels_stay_so() -> None:
    masks = np.zeros((1, 8, 8), np.uint8)
    masks[0, :4], masks[0, 6:] = 1, IGNORE
    small = resize_masks(masks, (4, 4))
    assert small[0, :, 0].tolist() == [1, 1, 0, IGNORE]


def test_neighbours_stand_in_order_and_repeat_at_the_ends() -> None:
    planes = [np.full((1, 2, 2), z, np.float32) for z in range(4)]
    assert stack_neighbours(planes, 0, 1, True)[:, 0, 0].tolist() == [0, 0, 1]
    assert stack_neighbours(planes, 2, 1, True)[:, 0, 0].tolist() == [1, 2, 3]
    assert stack_neighbours(planes, 3, 2, True)[:, 0, 0].tolist() == [1, 2, 3, 3, 3]


def test_a_lone_slice_is_repeated_instead_of_mixed_with_its_neighbours() -> None:
    planes = [np.full((1, 2, 2), z, np.float32) for z in range(4)]
    assert stack_neighbours(planes, 2, 1, False)[:, 0, 0].tolist() == [2, 2, 2]


def test_channels_stay_together_when_neighbours_are_stacked() -> None:
    planes = [np.stack([np.full((2, 2), z), np.full((2, 2), 10 + z)]).astype(np.float32) for z in range(3)]
    assert stack_neighbours(planes, 1, 1, True)[:, 0, 0].tolist() == [0, 1, 2, 10, 11, 12]


def test_a_picture_for_people_is_windowed_to_eight_bits() -> None:
    shown = shown_plane(_image(np.array([[-10.0, 50.0, 200.0]])), _plan(), 0)
    assert shown.tolist() == [[0, 128, 255]]


# 1.7 mm is what prepare.spacing=auto plans here for 192 px; 2.6 mm is coarser than the scan along both axes.
@pytest.mark.parametrize(
    ("orientation", "spacing_mm", "least"),
    [("RAS", 1.7, 0.99), ("LPI", 1.7, 0.99), ("PIR", 1.7, 0.99), ("PIR", 2.6, 0.97)],
)
def test_labels_sent_to_the_network_grid_and_back_return_to_their_place(
    tmp_path: Path, orientation: str, spacing_mm: float, least: float
) -> None:
    spacing = (4.0, 2.4, 1.7)
    root = write_phantoms(
        tmp_path / "in", "decathlon", labelled=1, unlabelled=0, size=(20, 110, 150), spacing_mm=spacing,
        orientation=orientation, oblique_deg=14.0,
    )  # fmt: skip
    data_set = find_data(root, Data())
    case, organ = data_set.cases[0], Organ(name="liver", label_names=("liver",))
    sources = organ_sources(data_set, [organ], Data())
    image = read_image(case, Data())
    masks = read_masks(case, image, sources, None, Data())
    plan = _plan(spacing=spacing_mm)
    labels = []
    for mask in masks:
        sent = resize((mask == 1).astype(np.float32), plan.plane_shape(mask.shape[1:], image.spacing_mm[1:]))
        labels.append(label_plane(resize(sent, mask.shape[1:]), (PHANTOM_LABELS["liver"],)))
    write_prediction(tmp_path / "out", case, image, labels)

    import nibabel

    own = nibabel.load(case.labels[""][0])
    back = nibabel.load(tmp_path / "out" / f"{case.name}.nii.gz")
    scan = nibabel.load(case.channels[0][0])
    assert back.shape == scan.shape
    assert np.array_equal(back.affine, scan.affine)
    assert back.header.get_xyzt_units() == scan.header.get_xyzt_units()
    reference = np.asarray(own.dataobj) == PHANTOM_LABELS["liver"]
    restored = np.asarray(back.dataobj) == PHANTOM_LABELS["liver"]
    assert 2 * (reference & restored).sum() / (reference.sum() + restored.sum()) >= least
