import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from seg.data import phantom_layouts
from seg.data.phantom import PHANTOM_LABELS, make_phantom
from seg.data.phantom_layouts import PHANTOM_LAYOUTS, embedded_data, write_phantoms
from seg.errors import UsageError

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


def test_nifti_pairs_leave_unlabelled_patients_without_a_label(tmp_path: Path) -> None:
    assert _write(tmp_path, "nifti") == {
        "images/phantom000.nii.gz",
        "images/phantom001.nii.gz",
        "images/phantom002.nii.gz",
        "labels/phantom000.nii.gz",
        "labels/phantom001.nii.gz",
    }


def test_decathlon_lists_training_pairs_labels_and_test_scans(tmp_path: Path) -> None:
    files = _write(tmp_path, "decathlon")
    content = json.loads((tmp_path / "decathlon" / "dataset.json").read_text())
    assert content["labels"]["2"] == "pancreas"
    assert content["modality"] == {"0": "CT"}
    named = [pair[part] for pair in content["training"] for part in ("image", "label")] + content["test"]
    assert {name.removeprefix("./") for name in named} | {"dataset.json"} == files


def test_nnunet_names_channels_and_labels(tmp_path: Path) -> None:
    files = _write(tmp_path, "nnunet")
    content = json.loads((tmp_path / "nnunet" / "dataset.json").read_text())
    assert content["labels"] == {"background": 0} | PHANTOM_LABELS
    assert content["numTraining"] == 2
    assert {"imagesTr/phantom000_0000.nii.gz", "labelsTr/phantom000.nii.gz", "imagesTs/phantom002_0000.nii.gz"} <= files


def test_totalsegmentator_has_one_mask_per_structure(tmp_path: Path) -> None:
    files = _write(tmp_path, "totalsegmentator")
    assert {f"phantom000/segmentations/{organ}.nii.gz" for organ in PHANTOM_LABELS} <= files
    assert "phantom002/ct.nii.gz" in files
    assert not any(name.startswith("phantom002/segmentations") for name in files)


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


@pytest.mark.parametrize("layout", PHANTOM_LAYOUTS)
def test_writing_twice_gives_the_same_bytes(tmp_path: Path, layout: str) -> None:
    contents = []
    for folder in ("one", "two"):
        files = _write(tmp_path / folder, layout, labelled=1, unlabelled=0)
        contents.append({name: (tmp_path / folder / layout / name).read_bytes() for name in files})
    assert contents[0] == contents[1]


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


def test_progress_counts_every_patient(tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    _write(tmp_path, "nifti", progress=lambda done, of, name: seen.append((done, of, name)))
    assert seen == [(1, 3, "phantom000"), (2, 3, "phantom001"), (3, 3, "phantom002")]


def test_a_scan_without_liver_and_pancreas_still_gives_pictures(tmp_path: Path) -> None:
    files = _write(tmp_path, "pictures", labelled=1, unlabelled=0, size=(8, 16, 16), spacing_mm=(0.5, 0.5, 0.5))
    assert len(files) >= 2


@pytest.mark.parametrize(
    "options", [{"layout": "dicom"}, {"organ": "livre"}, {"orientation": "RAR"}, {"orientation": "XYZ"}]
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path: Path, options: dict) -> None:
    with pytest.raises(UsageError):
        _write(tmp_path, **({"layout": "nifti"} | options))
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(phantom_layouts, "make_phantom", stop)
    with pytest.raises(KeyboardInterrupt):
        write_phantoms(tmp_path / "data", "nifti", labelled=1, unlabelled=0)
    assert list(tmp_path.iterdir()) == []


def test_embedded_data_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phantom_layouts, "EMBEDDED_LABELLED", 1)
    monkeypatch.setattr(phantom_layouts, "EMBEDDED_UNLABELLED", 1)
    root = embedded_data(tmp_path)
    written = (root / "dataset.json").stat().st_mtime_ns
    assert embedded_data(tmp_path) == root
    assert (root / "dataset.json").stat().st_mtime_ns == written
    assert len(list((root / "imagesTr").iterdir())) == len(list((root / "imagesTs").iterdir())) == 1
