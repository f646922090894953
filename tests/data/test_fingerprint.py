from pathlib import Path

import numpy as np
import pytest

from seg.config import Data, Organ, Prepare
from seg.data.files.picture import write_picture
from seg.data.fingerprint import Fingerprint, take_fingerprint
from seg.data.organs import OrganSource
from seg.data.plan import Plan, make_plan, plan_from_json, plan_to_json
from seg.errors import DataError, UsageError
from seg.records import Case, DataSet

SOURCE = (OrganSource("liver", (1,), ()),)
ORGAN = Organ(name="liver", window_hu=(-100, 200))


def _pictures(folder: Path, dtype: type = np.uint8, level: int = 80) -> Case:
    folder.mkdir(parents=True, exist_ok=True)
    image = np.full((40, 60), 5, dtype)
    image[10:20, 10:30] = level
    write_picture(folder / "p_1.png", image)
    write_picture(folder / "l_1.png", (image == level).astype(np.uint8))
    return Case("p", "p", "slices", ((str(folder / "p_1.png"),),), {"": (str(folder / "l_1.png"),)})


def _volume(folder: Path, minimum: int = -1000, spacing: tuple[float, float, float] = (0.8, 1.2, 5.0)) -> Case:
    import nibabel

    folder.mkdir(parents=True, exist_ok=True)
    voxels = np.full((30, 20, 4), minimum, np.int16)
    voxels[5:15, 5:15, 1:3] = 60
    affine = np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
    nibabel.save(nibabel.Nifti1Image(voxels, affine), folder / "v.nii.gz")
    nibabel.save(nibabel.Nifti1Image((voxels == 60).astype(np.uint8), affine), folder / "l.nii.gz")
    return Case("v", "v", "volume", ((str(folder / "v.nii.gz"),),), {"": (str(folder / "l.nii.gz"),)})


def _taken(*cases: Case, names: tuple[str, ...] = (), **settings: object) -> Fingerprint:
    data_set = DataSet("root", "nifti", cases, channel_names=names)
    return take_fingerprint(data_set, cases, SOURCE, Data(**settings))


def _plan(fingerprint: Fingerprint, **settings: object) -> Plan:
    return make_plan(fingerprint, [ORGAN], [1], Prepare(**settings))


def test_a_volume_is_described_in_millimetres_and_millilitres(tmp_path: Path) -> None:
    found = _taken(_volume(tmp_path))
    assert (found.unit, found.shapes_yx, found.slices) == ("mm", ((20, 30),), (4,))
    assert found.spacings_yx[0] == pytest.approx((1.2, 0.8))
    assert found.organ_sizes["liver"][0] == pytest.approx(200 * 0.8 * 1.2 * 5 / 1000)
    assert found.foreground_mean_std[0] == (60.0, 0.0)


def test_a_picture_is_described_in_pixels_and_shares(tmp_path: Path) -> None:
    found = _taken(_pictures(tmp_path))
    assert (found.unit, found.modalities, found.type_maximum) == ("px", ("picture",), (255.0,))
    assert found.organ_sizes["liver"] == (200 / 2400,)


@pytest.mark.parametrize(
    ("minimum", "names", "settings", "expected"),
    [
        (-1000, (), {}, "ct"),
        (0, (), {}, "mr"),
        (0, ("CT",), {}, "ct"),
        (-1000, ("T2",), {}, "mr"),
        (-1000, (), {"modality": "mr"}, "mr"),
    ],
)
def test_the_modality_is_told_declared_or_seen(tmp_path, minimum, names, settings, expected) -> None:
    assert _taken(_volume(tmp_path, minimum), names=names, **settings).modalities == (expected,)


@pytest.mark.parametrize("spacing", [1e-5, 400.0])
def test_a_spacing_that_cannot_be_meant_is_refused(tmp_path: Path, spacing: float) -> None:
    with pytest.raises(UsageError, match=r"prepare\.spacing=.*which makes slices of"):
        _plan(_taken(_volume(tmp_path)), spacing=spacing)


def test_scans_with_and_without_spacing_do_not_mix(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        _taken(_volume(tmp_path / "v"), _pictures(tmp_path / "p"))
    assert refused.value.code == "mixed-spacing"


def test_no_labelled_training_case_is_refused() -> None:
    with pytest.raises(DataError) as refused:
        _taken()
    assert refused.value.code == "no-training-case"


def test_cases_without_labels_tell_everything_but_what_is_inside_organs(tmp_path: Path) -> None:
    case = _volume(tmp_path)
    bare = Case("v", "v", "volume", case.channels, {})
    labelled, found = _taken(case), _taken(bare)
    for fact in ("unit", "shapes_yx", "spacings_yx", "slices", "modalities", "type_maximum"):
        assert getattr(found, fact) == getattr(labelled, fact)
    assert found.organ_sizes == {}
    assert found.foreground_mean_std == ((0.0, 1.0),)
    assert _plan(found) == _plan(labelled)


def test_pictures_without_labels_are_described_too(tmp_path: Path) -> None:
    case = _pictures(tmp_path)
    found = _taken(Case("p", "p", "slices", case.channels, {}))
    assert (found.unit, found.modalities, found.organ_sizes) == ("px", ("picture",), {})


def test_cases_with_different_channels_are_refused(tmp_path: Path) -> None:
    one, two = _volume(tmp_path / "1"), _volume(tmp_path / "2")
    double = Case("d", "d", "volume", (two.channels[0], two.channels[0]), two.labels)
    with pytest.raises(DataError) as refused:
        _taken(one, double)
    assert refused.value.code == "channel-count"


def test_an_organ_that_no_case_shows_leaves_harmless_percentiles(tmp_path: Path) -> None:
    case = _volume(tmp_path)
    data_set = DataSet("root", "nifti", (case,))
    found = take_fingerprint(data_set, [case], [OrganSource("liver", (7,), ())], Data())
    assert found.foreground_percentiles == ((0.0, 1.0),)


def test_auto_spacing_fits_the_median_slice_and_is_never_finer_than_the_scans(tmp_path: Path) -> None:
    found = _taken(_volume(tmp_path))
    assert _plan(found, size_px=32).spacing == pytest.approx(0.8)
    assert _plan(_taken(_pictures(tmp_path / "p")), size_px=32).spacing == pytest.approx(60 / 32)


def test_native_and_told_spacings_are_taken_as_they_are(tmp_path: Path) -> None:
    found = _taken(_volume(tmp_path))
    assert _plan(found, spacing="native").spacing == pytest.approx(0.8)
    assert _plan(found, spacing=2.5).spacing == 2.5


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ("window", -100.0, 200.0)),
        ({"window_hu": (-50.0, 90.0)}, ("window", -50.0, 90.0)),
        ({"intensity": "zscore"}, ("zscore", -3.0, 3.0)),
        ({"intensity": "percentiles"}, ("percentiles", 60.0, 60.000001)),
    ],
)
def test_intensities_follow_the_settings(tmp_path, settings, expected) -> None:
    (intensity,) = _plan(_taken(_volume(tmp_path)), **settings).intensities
    assert (intensity.kind, intensity.low, pytest.approx(intensity.high)) == expected


def test_sixteen_bit_pictures_use_their_whole_range(tmp_path: Path) -> None:
    found = _taken(_pictures(tmp_path, np.uint16, 40_000), modality="picture")
    assert _plan(found).intensities[0].high == 65_535.0


def test_a_plan_survives_json(tmp_path: Path) -> None:
    plan = _plan(_taken(_volume(tmp_path)))
    assert plan_from_json(plan_to_json(plan)) == plan
    assert plan.input_channels == 3


def test_the_full_range_is_refused_for_scans_that_are_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="range"):
        _plan(_taken(_volume(tmp_path)), intensity="range")
