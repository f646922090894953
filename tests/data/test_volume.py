from pathlib import Path

import nibabel
import numpy as np
import pytest

from seg.config import Data
from seg.data.files.picture import write_picture
from seg.data.organs import OrganSource
from seg.data.volume import IGNORE, read_image, read_masks
from seg.errors import DataError
from seg.records import Case

LIVER = OrganSource("liver", (1, 2), ())


def _volume(path: Path, voxels: np.ndarray, affine: np.ndarray | None = None) -> str:
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([-1.0, -1, 3, 1]) if affine is None else affine), path)
    return str(path)


def _case(*channels: str, label: str = "") -> Case:
    return Case("a", "a", "volume", tuple((file,) for file in channels), {"": (label,)} if label else {})


def test_a_volume_is_read_as_planes_with_its_spacing(tmp_path: Path) -> None:
    voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    image = read_image(_case(_volume(tmp_path / "a.nii.gz", voxels)), Data())
    assert (len(image), image.shape, image.spacing_mm) == (4, (4, 3, 2), (3.0, 1.0, 1.0))
    assert image.plane(1)[0, 2, 1] == voxels[1, 2, 1]


def test_channels_of_one_case_are_stacked(tmp_path: Path) -> None:
    files = [_volume(tmp_path / f"{n}.nii.gz", np.full((2, 2, 2), n, np.int16)) for n in (3, 9)]
    assert read_image(_case(*files), Data()).plane(0)[:, 0, 0].tolist() == [3, 9]


def test_channels_on_different_grids_are_refused(tmp_path: Path) -> None:
    one = _volume(tmp_path / "1.nii.gz", np.zeros((4, 4, 4), np.int16))
    moved = np.diag([-1.0, -1, 3, 1])
    moved[0, 3] = 2
    other = _volume(tmp_path / "2.nii.gz", np.zeros((4, 4, 4), np.int16), moved)
    with pytest.raises(DataError) as refused:
        read_image(_case(one, other), Data())
    assert refused.value.code == "affine-differs"


def test_label_values_are_united_and_the_ignored_value_is_marked(tmp_path: Path) -> None:
    labels = np.array([[[0], [1]], [[2], [9]]], dtype=np.uint8)
    case = _case(_volume(tmp_path / "i.nii.gz", labels.astype(np.int16)), label=_volume(tmp_path / "l.nii.gz", labels))
    (mask,) = read_masks(case, read_image(case, Data()), [LIVER], 9, Data())
    assert mask[0].tolist() == [[0, 1], [1, IGNORE]]


def test_a_label_turned_another_way_is_brought_to_the_image(tmp_path: Path) -> None:
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1, 2, 3] = 1
    image = _volume(tmp_path / "i.nii.gz", labels.astype(np.int16))
    turned = nibabel.as_closest_canonical(nibabel.Nifti1Image(labels, np.diag([-1.0, -1, 3, 1])))
    nibabel.save(turned, tmp_path / "l.nii.gz")
    case = _case(image, label=str(tmp_path / "l.nii.gz"))
    masks = np.stack(read_masks(case, read_image(case, Data()), [LIVER], None, Data()))
    assert np.argwhere(masks[:, 0] == 1).tolist() == [[3, 2, 1]]


def test_a_label_of_another_shape_is_refused(tmp_path: Path) -> None:
    image = _volume(tmp_path / "i.nii.gz", np.zeros((4, 4, 4), np.int16))
    case = _case(image, label=_volume(tmp_path / "l.nii.gz", np.zeros((4, 4, 3), np.uint8)))
    with pytest.raises(DataError) as refused:
        read_masks(case, read_image(case, Data()), [LIVER], None, Data())
    assert refused.value.code == "shape-differs"


def test_pictures_of_one_patient_may_differ_in_size_and_have_no_spacing(tmp_path: Path) -> None:
    files, labels = [], []
    for number, side in enumerate((6, 9)):
        write_picture(tmp_path / f"i{number}.png", np.full((side, side), 50, np.uint8))
        write_picture(tmp_path / f"l{number}.png", np.eye(side, dtype=np.uint8))
        files.append(str(tmp_path / f"i{number}.png"))
        labels.append(str(tmp_path / f"l{number}.png"))
    case = Case("p", "p", "slices", (tuple(files),), {"": tuple(labels)})
    image = read_image(case, Data())
    assert (image.shape, image.spacing_mm, image.contiguous) == ((2, 9, 9), None, False)
    assert [mask.sum() for mask in read_masks(case, image, [LIVER], None, Data())] == [6, 9]
    assert read_image(case, Data(spacing_mm=(0.7, 0.8))).spacing_mm == (1.0, 0.7, 0.8)


def test_a_picture_label_of_another_size_is_refused(tmp_path: Path) -> None:
    write_picture(tmp_path / "i.png", np.zeros((6, 6), np.uint8))
    write_picture(tmp_path / "l.png", np.zeros((6, 5), np.uint8))
    case = Case("p", "p", "slices", ((str(tmp_path / "i.png"),),), {"": (str(tmp_path / "l.png"),)})
    with pytest.raises(DataError) as refused:
        read_masks(case, read_image(case, Data()), [LIVER], None, Data())
    assert refused.value.code == "shape-differs"
