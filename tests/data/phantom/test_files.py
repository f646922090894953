import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from seg.data.phantom.abdomen import make_phantom
from seg.data.phantom.layouts import write_phantoms

SIZE = (12, 32, 40)
SPACING = (14.0, 11.0, 9.0)


def _write(folder: Path, layout: str, **options: object) -> set[str]:
    settings = {"labelled": 2, "unlabelled": 1, "size": SIZE, "spacing_mm": SPACING} | options
    root = write_phantoms(folder / layout, layout, **settings)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_pictures_are_eight_bit_with_labels_for_labelled_patients_only(tmp_path: Path) -> None:
    files = _write(tmp_path, "pictures")
    images = {name.removeprefix("images/") for name in files if name.startswith("images/")}
    labels = {name.removeprefix("labels/") for name in files if name.startswith("labels/")}
    assert {name.split("_")[0] for name in images} == {"phantom000", "phantom001", "phantom002"}
    assert labels == {name for name in images if not name.startswith("phantom002")}
    with Image.open(tmp_path / "pictures" / "images" / min(images)) as picture:
        assert (picture.mode, picture.size) == ("L", (40, 32))


def test_pictures_show_the_windowed_slice_and_its_labels(tmp_path: Path) -> None:
    _write(tmp_path, "pictures")
    phantom = make_phantom(0, size=SIZE, spacing_mm=SPACING)
    path = min((tmp_path / "pictures" / "images").iterdir())
    index = int(path.stem.split("_")[1])
    expected = np.clip((phantom.hu[index] + 160.0) / 400 * 255, 0, 255)
    assert np.abs(np.asarray(Image.open(path)) - expected).max() <= 0.5
    labels = np.asarray(Image.open(tmp_path / "pictures" / "labels" / path.name))
    assert np.array_equal(labels, phantom.labels[index])


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "LAS", "PIR"])
def test_a_volume_keeps_its_place_in_the_patient_in_any_orientation(tmp_path: Path, orientation: str) -> None:
    _write(tmp_path, "nifti", orientation=orientation)
    image = nib.load(tmp_path / "nifti" / "images" / "phantom000.nii.gz")
    assert nib.aff2axcodes(image.affine) == tuple(orientation)
    phantom = make_phantom(0, size=SIZE, spacing_mm=SPACING)
    plain = nib.Nifti1Image(phantom.hu.transpose(2, 1, 0), phantom.affine)
    for one, other in ((nib.as_closest_canonical(image), nib.as_closest_canonical(plain)),):
        assert np.array_equal(np.asarray(one.dataobj), np.asarray(other.dataobj))
        assert np.allclose(one.affine, other.affine, atol=1e-3)


def test_an_oblique_grid_is_tilted_without_shear(tmp_path: Path) -> None:
    _write(tmp_path, "nifti", orientation="RAS", oblique_deg=20.0)
    image = nib.load(tmp_path / "nifti" / "images" / "phantom000.nii.gz")
    axes = image.affine[:3, :3] / np.linalg.norm(image.affine[:3, :3], axis=0)
    assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-5)
    assert np.degrees(np.arccos(axes[2, 2])) == pytest.approx(20, abs=0.1)
    assert np.allclose(image.header.get_zooms(), (9, 11, 14), atol=1e-3)
    assert np.allclose(image.get_qform(), image.get_sform(), atol=1e-3)


def test_volumes_state_millimetres_and_integer_types(tmp_path: Path) -> None:
    _write(tmp_path, "nifti")
    image = nib.load(tmp_path / "nifti" / "images" / "phantom000.nii.gz")
    label = nib.load(tmp_path / "nifti" / "labels" / "phantom000.nii.gz")
    assert image.header.get_xyzt_units()[0] == "mm"
    assert (image.get_data_dtype(), label.get_data_dtype()) == (np.int16, np.uint8)


@pytest.mark.parametrize("layout", ["pictures", "decathlon", "nnunet"])
def test_one_organ_alone_becomes_value_one(tmp_path: Path, layout: str) -> None:
    files = _write(tmp_path, layout, organ="pancreas")
    name = min(name for name in files if name.startswith("label"))
    path = tmp_path / layout / name
    values = np.asarray(Image.open(path)) if layout == "pictures" else np.asarray(nib.load(path).dataobj)
    assert set(np.unique(values)) <= {0, 1}
    if layout == "nnunet":
        content = json.loads((tmp_path / layout / "dataset.json").read_text())
        assert content["labels"] == {"background": 0, "pancreas": 1}


def test_a_scan_without_liver_and_pancreas_still_gives_pictures(tmp_path: Path) -> None:
    files = _write(tmp_path, "pictures", labelled=1, unlabelled=0, size=(8, 16, 16), spacing_mm=(0.5, 0.5, 0.5))
    assert len(files) >= 2
