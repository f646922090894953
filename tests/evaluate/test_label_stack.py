import nibabel as nib
import numpy as np
import pytest

from seg.config import Data
from seg.data.files.picture import write_picture
from seg.errors import DataError
from seg.evaluate.label_stack import check_grids, read_slices_like, read_stack


def test_a_volume_stored_the_other_way_round_is_the_same_stack(tmp_path, write_labels, filled):
    filled[1, 2, 2] = False
    plain = read_stack({"": [write_labels(tmp_path / "a.nii.gz", filled)]}, Data())
    turned = read_stack({"": [write_labels(tmp_path / "b.nii.gz", filled, turned=True)]}, Data())
    assert np.array_equal(plain.arrays[""], filled)
    assert np.array_equal(turned.arrays[""], filled)
    check_grids(turned.grid, "b", plain.grid, "a")
    assert plain.spacing_mm(Data()) == pytest.approx((2.0, 1.0, 0.5))


def test_grids_that_lie_apart_are_refused_with_both_files(tmp_path, write_labels, filled):
    plain = read_stack({"": [write_labels(tmp_path / "a.nii.gz", filled)]}, Data()).grid
    near = read_stack({"": [write_labels(tmp_path / "b.nii.gz", filled, offset_mm=0.045)]}, Data()).grid
    far = read_stack({"": [write_labels(tmp_path / "c.nii.gz", filled, offset_mm=0.055)]}, Data()).grid
    small = read_stack({"": [write_labels(tmp_path / "d.nii.gz", filled[1:])]}, Data()).grid
    check_grids(near, "b", plain, "a")
    with pytest.raises(DataError, match=r"/c: found .* 0.11 voxels against /a") as caught:
        check_grids(far, "/c", plain, "/a")
    assert caught.value.code == "affine-differs"
    with pytest.raises(DataError, match=r"/d: found shape 3 x 6 x 8 .*expected shape 4 x 6 x 8 .*, as in /a") as caught:
        check_grids(small, "/d", plain, "/a")
    assert caught.value.code == "shape-differs"


def test_the_masks_of_a_case_must_share_their_grid(tmp_path, write_labels, filled):
    files = {
        "liver": [write_labels(tmp_path / "liver.nii.gz", filled)],
        "spleen": [write_labels(tmp_path / "spleen.nii.gz", filled, offset_mm=1.0)],
    }
    with pytest.raises(DataError, match=r"spleen.*liver"):
        read_stack(files, Data())


def test_pictures_of_different_sizes_are_framed(tmp_path, write_slice):
    files = [write_slice(tmp_path / "1.png", np.ones((2, 5))), write_slice(tmp_path / "2.png", np.ones((4, 3)))]
    stack = read_stack({"": files}, Data())
    assert stack.arrays[""].shape == (2, 4, 5)
    assert stack.arrays[""].sum() == 2 * 5 + 4 * 3
    assert stack.slice_shapes == ((2, 5), (4, 3))
    assert stack.grid is None
    assert stack.spacing_mm(Data()) is None
    assert stack.spacing_mm(Data(spacing_mm=(0.8, 0.7))) == (1.0, 0.8, 0.7)


def test_a_slice_without_prediction_is_empty_and_one_of_another_size_is_refused(tmp_path, write_slice):
    names = [tmp_path / "1.png", tmp_path / "2.png"]
    reference = read_stack({"": [write_slice(name, np.ones((3, 4))) for name in names]}, Data())
    found = read_slices_like([None, names[0]], reference, ["r1", "r2"])
    assert found.arrays[""].sum(axis=(1, 2)).tolist() == [0, 12]
    wrong = write_slice(tmp_path / "wrong.png", np.ones((4, 4)))
    with pytest.raises(DataError, match=r"wrong.png: found 4 x 4 pixels; expected 4 x 3, as in r2"):
        read_slices_like([None, wrong], reference, ["r1", "r2"])


def test_a_scan_is_not_taken_for_a_mask(tmp_path):
    write_picture(tmp_path / "grey.png", np.arange(256, dtype=np.uint8).reshape(16, 16))
    nib.save(nib.Nifti1Image(np.arange(512, dtype=np.int16).reshape(8, 8, 8), np.eye(4)), tmp_path / "ct.nii.gz")
    for name in ("grey.png", "ct.nii.gz"):
        with pytest.raises(DataError) as refused:
            read_stack({"": [tmp_path / name]}, Data())
        assert refused.value.code == "not-a-mask"
        assert name in str(refused.value)
