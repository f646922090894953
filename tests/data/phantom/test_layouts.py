import json
from pathlib import Path

import pytest

from seg.data.phantom import layouts as phantom_layouts
from seg.data.phantom.abdomen import PHANTOM_LABELS
from seg.data.phantom.layouts import PHANTOM_LAYOUTS, embedded_data, write_phantoms
from seg.errors import ResourceError, UsageError

SIZE = (12, 32, 40)
SPACING = (14.0, 11.0, 9.0)


def _write(folder: Path, layout: str, **options: object) -> set[str]:
    settings = {"labelled": 2, "unlabelled": 1, "size": SIZE, "spacing_mm": SPACING} | options
    root = write_phantoms(folder / layout, layout, **settings)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


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


@pytest.mark.parametrize("layout", PHANTOM_LAYOUTS)
def test_writing_twice_gives_the_same_bytes(tmp_path: Path, layout: str) -> None:
    contents = []
    for folder in ("one", "two"):
        files = _write(tmp_path / folder, layout, labelled=1, unlabelled=0)
        contents.append({name: (tmp_path / folder / layout / name).read_bytes() for name in files})
    assert contents[0] == contents[1]


def test_progress_counts_every_patient(tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    _write(tmp_path, "nifti", progress=lambda done, of, name: seen.append((done, of, name)))
    assert seen == [(1, 3, "phantom000"), (2, 3, "phantom001"), (3, 3, "phantom002")]


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


def test_embedded_data_of_a_faster_process_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(root: Path, *_: object, **__: object) -> None:
        root.mkdir()
        faster = tmp_path / root.name.rsplit("-", 1)[0]
        faster.mkdir()
        (faster / "dataset.json").write_text("theirs")

    monkeypatch.setattr(phantom_layouts, "write_phantoms", slow)
    root = embedded_data(tmp_path)
    assert (root / "dataset.json").read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [root]


def test_a_cache_folder_that_cannot_take_the_data_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phantom_layouts, "write_phantoms", lambda *_, **__: None)
    with pytest.raises(ResourceError, match="phantoms-v"):
        embedded_data(tmp_path)
