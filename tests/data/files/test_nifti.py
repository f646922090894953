import gzip
import os
import struct

import nibabel as nib
import numpy as np
import pytest

from seg.data.files import nifti, nifti_header
from seg.data.files.nifti import read_nifti, write_nifti
from seg.errors import DataError, ResourceError


@pytest.fixture
def voxels():
    return np.random.default_rng(7).integers(-1000, 1000, (5, 6, 7)).astype(np.int16)


@pytest.fixture
def put(tmp_path):
    def write(content, name="scan.nii.gz"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def refused(path, **options):
    with pytest.raises(DataError) as caught:
        read_nifti(path, **options)
    assert caught.value.path == str(path)
    return caught.value.code


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "f4", "f8"])
def test_voxels_and_affine_are_read_bit_by_bit(put, nifti_bytes, oblique, voxels, version, order, packed, dtype):
    stored = voxels.astype(dtype)
    content = nifti_bytes(stored, oblique, version=version, order=order, packed=packed)
    path = put(content, "scan.nii.gz" if packed else "scan.nii")
    scan = read_nifti(path)
    assert scan.voxels.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(scan.voxels, stored)
    np.testing.assert_array_equal(scan.grid.affine, nib.load(path).affine)
    assert len(scan.header) == (348 if version == 1 else 540)
    assert scan.notes == ()


def test_several_gzip_members_are_one_file(put, nifti_bytes, voxels):
    content = nifti_bytes(voxels, packed=False)
    scan = read_nifti(put(gzip.compress(content[:400]) + gzip.compress(content[400:])))
    np.testing.assert_array_equal(scan.voxels, voxels)


def test_scaled_numbers_become_float32(put, nifti_bytes, voxels):
    scan = read_nifti(put(nifti_bytes(voxels, scl_slope=0.5, scl_inter=-3.0)))
    assert scan.voxels.dtype == np.float32
    np.testing.assert_array_equal(scan.voxels, voxels * 0.5 - 3.0)


@pytest.mark.parametrize("slope", [0.0, np.nan])
def test_an_unset_slope_is_no_scaling(put, nifti_bytes, voxels, slope):
    scan = read_nifti(put(nifti_bytes(voxels, scl_slope=slope, scl_inter=np.nan)))
    assert scan.voxels.dtype == np.int16
    np.testing.assert_array_equal(scan.voxels, voxels)


@pytest.mark.parametrize("fields", [{"scl_slope": np.inf}, {"scl_slope": 1e30}, {"scl_inter": np.nan}])
def test_absurd_scaling_is_refused(put, nifti_bytes, voxels, fields):
    assert refused(put(nifti_bytes(voxels, **fields))) == "scaling"


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 1), (5, 6, 1, 1, 1)])
def test_one_slice_is_a_volume_of_depth_one(put, nifti_bytes, shape):
    scan = read_nifti(put(nifti_bytes(np.ones(shape, np.uint8))))
    assert scan.voxels.shape == scan.grid.shape == (5, 6, 1)


def test_a_flat_file_without_thickness_is_read_with_a_note(put, nifti_bytes):
    content = nifti_bytes(np.ones((5, 6), np.uint8), codes=(0, 1), pixdim=[1, 0.5, 0.5, 0, 0, 0, 0, 0])
    scan = read_nifti(put(content))
    assert scan.grid.spacing_mm == (1.0, 0.5, 0.5)
    assert "thickness" in scan.notes[0]


def test_a_gzip_with_any_flipped_payload_bit_is_refused(put, nifti_bytes, voxels):
    content = bytearray(nifti_bytes(voxels))
    content[len(content) // 2] ^= 8
    assert refused(put(bytes(content))) in ("gzip-crc", "gzip-truncated")


@pytest.mark.parametrize("place", [-1, -5])
def test_a_wrong_crc_or_length_is_refused(put, nifti_bytes, voxels, place):
    content = bytearray(nifti_bytes(voxels))
    content[place] ^= 1
    assert refused(put(bytes(content))) == "gzip-crc"


@pytest.mark.parametrize("cut", [1, 8, 100])
def test_a_truncated_gzip_is_refused(put, nifti_bytes, voxels, cut):
    assert refused(put(nifti_bytes(voxels)[:-cut])) == "gzip-truncated"


@pytest.mark.parametrize("rest", [b"\0", b"garbage behind", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03?"])
def test_bytes_behind_the_gzip_stream_are_refused(put, nifti_bytes, voxels, rest):
    assert refused(put(nifti_bytes(voxels) + rest)) in ("gzip-trailing", "gzip-crc", "gzip-truncated")


@pytest.mark.parametrize("packed", [True, False])
def test_the_file_must_be_as_long_as_its_header_says(put, nifti_bytes, voxels, packed):
    content = nifti_bytes(voxels, packed=False)
    name, pack = ("scan.nii.gz", gzip.compress) if packed else ("scan.nii", bytes)
    assert refused(put(pack(content[:-1]), name)) == "too-short"
    assert refused(put(pack(content + b"\0"), name)) == "too-long"


def test_a_gzip_bomb_is_stopped_at_the_announced_size(put, nifti_bytes, voxels):
    content = nifti_bytes(voxels, packed=False)
    path = put(gzip.compress(content + bytes(50_000_000), 9))
    assert refused(path) == "too-long"


def test_a_header_that_announces_terabytes_is_refused_before_allocation(put, nifti_bytes, voxels):
    assert refused(put(nifti_bytes(voxels, dim=[3, 32767, 32767, 32767, 1, 1, 1, 1]))) == "too-large"
    assert refused(put(nifti_bytes(voxels, dim=[3, 1000, 1000, 1000, 1, 1, 1, 1]))) == "too-short"


def test_too_little_memory_is_said_with_the_amount(put, nifti_bytes, voxels, monkeypatch):
    def no_room(*arguments):
        raise MemoryError

    monkeypatch.setattr(nifti, "gunzip", no_room)
    with pytest.raises(ResourceError, match="GB") as caught:
        read_nifti(put(nifti_bytes(voxels)))
    assert caught.value.code == "no-memory"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"dim": [3, 5, 0, 7, 1, 1, 1, 1]}, "dimensions"),
        ({"dim": [3, 5, -6, 7, 1, 1, 1, 1]}, "dimensions"),
        ({"dim": [9, 5, 6, 7, 1, 1, 1, 1]}, "dimensions"),
        ({"dim": [1, 210, 1, 1, 1, 1, 1, 1]}, "not-3d"),
        ({"dim": [4, 5, 6, 1, 7, 1, 1, 1]}, "not-3d"),
        ({"dim": [5, 5, 6, 1, 1, 7, 1, 1]}, "not-3d"),
        ({"datatype": 128, "bitpix": 24}, "voxel-type"),
        ({"datatype": 32, "bitpix": 64}, "voxel-type"),
        ({"datatype": 1792, "bitpix": 128}, "voxel-type"),
        ({"datatype": 99}, "data-type"),
        ({"datatype": 0}, "data-type"),
        ({"bitpix": 8}, "data-type"),
        ({"vox_offset": 0}, "offset"),
        ({"vox_offset": 1e9}, "offset"),
        ({"vox_offset": 352.5}, "offset"),
        ({"vox_offset": np.nan}, "offset"),
        ({"xyzt_units": 1}, "units"),
        ({"xyzt_units": 3}, "units"),
        ({"xyzt_units": 5}, "units"),
        ({"pixdim": [1, 0, 1, 2, 1, 1, 1, 1]}, "spacing"),
        ({"pixdim": [1, 1, -1, 2, 1, 1, 1, 1]}, "spacing"),
        ({"pixdim": [1, 1, 1, np.nan, 1, 1, 1, 1]}, "spacing"),
        ({"srow_x": [0, 0, 0, 0]}, "spacing"),
        ({"srow_x": [np.nan, 0, 0, 0]}, "spacing"),
        ({"srow_x": [1, 0.5, 0, 0]}, "shear"),
        ({"quatern_b": 0.9, "quatern_c": 0.9}, "qform"),
        ({"sform_code": 0, "qform_code": 0}, "no-orientation"),
        ({"sform_code": 91}, "form-code"),
        ({"qform_code": -1}, "form-code"),
        ({"srow_x": [1, 0, 0, 3.0]}, "forms-disagree"),
        ({"magic": b"ni1"}, "nifti-pair"),
        ({"magic": b"xyz"}, "not-nifti"),
        ({"sizeof_hdr": 0}, "not-nifti"),
    ],
)
def test_a_header_that_cannot_be_true_is_refused(put, nifti_bytes, voxels, fields, code):
    assert refused(put(nifti_bytes(voxels, **fields))) == code


def test_the_trusted_form_settles_a_disagreement_and_says_so(put, nifti_bytes, voxels):
    path = put(nifti_bytes(voxels, srow_x=[1, 0, 0, 3.0]))
    assert read_nifti(path, trust="sform").grid.affine[0, 3] == 3.0
    believed = read_nifti(path, trust="qform")
    assert believed.grid.affine[0, 3] == 0.0
    assert "qform was believed" in believed.notes[0]


def test_an_sform_that_contradicts_the_voxel_size_needs_trust(put, nifti_bytes, voxels):
    path = put(nifti_bytes(voxels, codes=(1, 0), pixdim=[1, 1, 1, 3, 1, 1, 1, 1]))
    assert refused(path) == "forms-disagree"
    assert refused(path, trust="qform") == "forms-disagree"
    assert read_nifti(path, trust="sform").grid.spacing_mm == (2.0, 1.0, 1.0)


@pytest.mark.parametrize("codes", [(1, 0), (0, 1), (2, 1)])
def test_one_coded_form_is_enough(put, nifti_bytes, oblique, voxels, codes):
    path = put(nifti_bytes(voxels, oblique, codes=codes))
    np.testing.assert_allclose(read_nifti(path).grid.affine, nib.load(path).affine, atol=1e-9)


def test_gaps_are_refused_with_count_and_first_index(put, nifti_bytes, voxels):
    broken = voxels.astype(np.float32)
    broken[2, 3, 4], broken[4, 0, 0] = np.nan, np.inf
    path = put(nifti_bytes(broken))
    with pytest.raises(DataError, match=r"2 voxels .* \(2, 3, 4\)") as caught:
        read_nifti(path)
    assert caught.value.code == "not-finite"
    mended = read_nifti(path, nan_to=-1000.0)
    assert mended.voxels[2, 3, 4] == mended.voxels[4, 0, 0] == -1000.0
    assert "2 voxels" in mended.notes[0]


def test_labels_come_in_the_smallest_unsigned_type(put, nifti_bytes):
    labels = np.array([0, 1, 300, 2, 0, 0, 0, 1], np.int32).reshape(2, 2, 2)
    assert read_nifti(put(nifti_bytes(labels)), labels=True).voxels.dtype == np.uint16
    scan = read_nifti(put(nifti_bytes(labels.clip(0, 2).astype(np.float64))), labels=True)
    assert scan.voxels.dtype == np.uint8
    assert scan.notes == ()
    np.testing.assert_array_equal(scan.voxels, labels.clip(0, 2))


def test_labels_nearly_whole_are_rounded_and_said(put, nifti_bytes):
    labels = np.full((4, 4, 4), 2.0, np.float32)
    labels[0, 0, 0] = 0.9998
    scan = read_nifti(put(nifti_bytes(labels)), labels=True)
    assert scan.voxels[0, 0, 0] == 1
    assert "rounded" in scan.notes[0]


@pytest.mark.parametrize(
    ("value", "dtype", "code"),
    [(0.5, "f4", "fractional-label"), (-1, "i2", "negative-label"), (70000, "i4", "label-range")],
)
def test_labels_that_are_no_labels_are_refused(put, nifti_bytes, value, dtype, code):
    labels = np.zeros((4, 4, 4), dtype)
    labels[1, 1, 1] = value
    assert refused(put(nifti_bytes(labels)), labels=True) == code


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"", "a.nii.gz", "empty-file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a.nii.gz", "git-lfs"),
        (b"/annex/objects/SHA256E-s1--2.nii.gz\n", "a.nii.gz", "git-annex"),
        (b"\n <!DOCTYPE html><html></html>", "a.nii.gz", "html"),
        (b"<HTML>", "a.nii", "html"),
        (b"PK\x03\x04rest", "a.nii.gz", "wrong-extension"),
        (b"\x89PNG\r\n", "a.nii", "wrong-extension"),
        (bytes(128) + b"DICM" + bytes(200), "a.nii", "wrong-extension"),
        (gzip.compress(b"x", mtime=0), "a.nii", "wrong-extension"),
        (b"plain text", "a.nii.gz", "not-gzip"),
        (gzip.compress(b"text", mtime=0), "a.nii.gz", "not-nifti"),
        (b"\x1f\x8b\x08\x00damage", "a.nii.gz", "gzip-truncated"),
        (b"\x1f\x8b\x08\x00\0\0\0\0\0\xff" + bytes(range(255, 0, -1)), "a.nii.gz", "gzip-crc"),
        (b"plain text", "a.nii", "not-nifti"),
    ],
)
def test_a_file_that_is_something_else_is_named_as_what_it_is(put, content, name, code):
    assert refused(put(content, name)) == code


def test_a_missing_file_a_folder_and_a_pipe_are_refused(tmp_path):
    assert refused(tmp_path / "nowhere.nii") == "cannot-open"
    assert refused(tmp_path) == "not-a-file"
    os.mkfifo(tmp_path / "pipe.nii")
    assert refused(tmp_path / "pipe.nii") == "not-a-file"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
@pytest.mark.parametrize("name", ["out.nii", "out.nii.gz"])
@pytest.mark.parametrize("version", [1, 2])
def test_what_is_written_has_the_grid_of_its_scan_bit_by_bit(
    put, nifti_bytes, oblique, voxels, dtype, name, version, tmp_path
):
    like = read_nifti(put(nifti_bytes(voxels, oblique, version=version, order=">", codes=(4, 1), xyzt_units=10)))
    values = np.abs(voxels).astype(dtype)
    write_nifti(tmp_path / "deep" / name, values, like)
    written, original = nib.load(tmp_path / "deep" / name), nib.load(tmp_path / "scan.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(written.dataobj), values)
    np.testing.assert_array_equal(written.affine, original.affine)
    for field in ("sform_code", "qform_code", "quatern_b", "srow_y", "pixdim", "dim", "xyzt_units"):
        np.testing.assert_array_equal(written.header[field], original.header[field])
    assert written.get_data_dtype() == dtype
    np.testing.assert_array_equal(read_nifti(tmp_path / "deep" / name).voxels, values)


def test_free_text_about_the_patient_is_left_behind(put, nifti_bytes, voxels, tmp_path):
    secret = {"descrip": b"CANARY", "aux_file": b"CANARY", "intent_name": b"CANARY", "db_name": b"CANARY"}
    like = read_nifti(put(nifti_bytes(voxels, **secret)))
    write_nifti(tmp_path / "out.nii", voxels, like)
    assert b"CANARY" not in (tmp_path / "out.nii").read_bytes()


def test_equal_voxels_make_equal_files_whatever_their_memory_order(put, nifti_bytes, voxels, tmp_path):
    like = read_nifti(put(nifti_bytes(voxels)))
    write_nifti(tmp_path / "one.nii.gz", voxels, like)
    write_nifti(tmp_path / "two.nii.gz", np.asfortranarray(voxels), like)
    assert (tmp_path / "one.nii.gz").read_bytes() == (tmp_path / "two.nii.gz").read_bytes()


def test_slabs_join_without_a_seam(put, nifti_bytes, voxels, tmp_path, monkeypatch):
    monkeypatch.setattr(nifti, "_SLAB_BYTES", 130)
    like = read_nifti(put(nifti_bytes(voxels)))
    write_nifti(tmp_path / "out.nii.gz", voxels, like)
    np.testing.assert_array_equal(read_nifti(tmp_path / "out.nii.gz").voxels, voxels)


def test_voxels_that_do_not_fit_the_grid_are_not_written(put, nifti_bytes, voxels, tmp_path):
    like = read_nifti(put(nifti_bytes(voxels)))
    with pytest.raises(ValueError, match="cannot be written"):
        write_nifti(tmp_path / "out.nii", voxels[1:], like)
    with pytest.raises(ValueError, match="cannot be written"):
        write_nifti(tmp_path / "out.nii", voxels.astype(np.int64), like)
    assert not (tmp_path / "out.nii").exists()


def test_a_failed_write_leaves_the_old_file(put, nifti_bytes, voxels, tmp_path, monkeypatch):
    like = read_nifti(put(nifti_bytes(voxels)))
    path = put(b"old", "out.nii.gz")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nifti, "_write", full)
    with pytest.raises(ResourceError, match="No space"):
        write_nifti(path, voxels, like)
    assert path.read_bytes() == b"old"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["out.nii.gz", "scan.nii.gz"]


def test_header_extensions_are_skipped(put, nifti_bytes, voxels):
    content = nifti_bytes(voxels, packed=False, vox_offset=368)
    extended = content[:348] + b"\1\0\0\0" + struct.pack("<ii8s", 16, 6, b"CANARY") + content[352:]
    np.testing.assert_array_equal(read_nifti(put(gzip.compress(extended))).voxels, voxels)


def test_the_limits_stand_where_the_documentation_says():
    assert nifti_header.MAX_VOXELS == 1_500_000_000
