"""A thousand damaged files: each is refused with a DataError, or read exactly as it is meant.

Packed files: damage of the stream is always noticed, so a file that is still read has the original's voxels and affine.
A header that was changed before packing, and every uncompressed file, has a true length and checksum or none at all:
there a file that is read must mean exactly what it now says, which nibabel, as an independent reader, decides.
Flipped voxels of an uncompressed file cannot be known by anyone; only their number and place in the file can.
"""

import gzip
import time

import nibabel as nib
import numpy as np
import pytest

from seg.data.files.nifti import read_nifti
from seg.errors import DataError

SLOWEST_S = 10.0
FAMILIES = {
    "packed, one bit flipped": 300,
    "packed, one byte replaced": 50,
    "packed, truncated": 100,
    "packed, trailer damaged": 100,
    "header bit flipped, then packed": 150,
    "header fields swapped, then packed": 50,
    "plain, header byte replaced": 100,
    "plain, truncated or lengthened": 75,
    "plain, voxel bit flipped": 75,
}


def flip(content, rng, first=0, last=None):
    place = int(rng.integers(first, len(content) if last is None else last))
    return content[:place] + bytes([content[place] ^ (1 << int(rng.integers(8)))]) + content[place + 1 :]


def replace(content, rng, last):
    place = int(rng.integers(last))
    return content[:place] + bytes([int(rng.integers(256))]) + content[place + 1 :]


def truncate(content, rng):
    return content[: int(rng.integers(len(content)))]


def damage_trailer(content, rng):
    kind = int(rng.integers(4))
    if kind == 0:
        return flip(content, rng, len(content) - 8)
    if kind == 1:
        return content[: -int(rng.integers(1, 9))]
    if kind == 2:
        return content[:-8] + rng.bytes(8)
    return content + rng.bytes(int(rng.integers(1, 20)))


def swap_fields(content, rng):
    size = int(rng.choice([2, 4, 8]))
    one, other = sorted(int(place) * size for place in rng.choice(348 // size, 2, replace=False))
    middle = content[one + size : other]
    return content[:one] + content[other : other + size] + middle + content[one : one + size] + content[other + size :]


def change_length(content, rng):
    return truncate(content, rng) if rng.integers(2) else content + rng.bytes(int(rng.integers(1, 50)))


def mutate(family, plain, packed, rng):
    """The damaged bytes of one file."""
    makers = {
        "packed, one bit flipped": lambda: flip(packed, rng),
        "packed, one byte replaced": lambda: replace(packed, rng, len(packed)),
        "packed, truncated": lambda: truncate(packed, rng),
        "packed, trailer damaged": lambda: damage_trailer(packed, rng),
        "header bit flipped, then packed": lambda: gzip.compress(flip(plain, rng, 0, 352), 1),
        "header fields swapped, then packed": lambda: gzip.compress(swap_fields(plain, rng), 1),
        "plain, header byte replaced": lambda: replace(plain, rng, 352),
        "plain, truncated or lengthened": lambda: change_length(plain, rng),
        "plain, voxel bit flipped": lambda: flip(plain, rng, 352),
    }
    return makers[family]()


@pytest.fixture
def original(nifti_bytes, oblique):
    z, y, x = np.mgrid[:16, :16, :16]
    voxels = (30 * np.sin(x / 3) * np.cos(y / 4) + 10 * z + np.random.default_rng(1).normal(0, 5, x.shape)).astype("i2")
    return nifti_bytes(voxels, oblique, packed=False), nifti_bytes(voxels, oblique)


def read_or_refuse(path):
    """The scan, or None where it was refused in time and in the right way."""
    start, scan, refusal = time.perf_counter(), None, None
    try:
        scan = read_nifti(path)
    except DataError as error:
        refusal = error
    assert time.perf_counter() - start < SLOWEST_S
    assert scan is not None or (refusal.code and refusal.path == str(path))
    return scan


def assert_same(scan, voxels, affine):
    np.testing.assert_array_equal(scan.voxels, voxels)
    np.testing.assert_allclose(scan.grid.affine, affine, rtol=0, atol=1e-9)


def means_what_nibabel_reads(scan, path):
    reference = nib.load(path)
    values = np.asanyarray(reference.dataobj).astype(scan.voxels.dtype)
    np.testing.assert_allclose(scan.voxels, values.reshape(scan.voxels.shape), rtol=1e-5)
    known = [form for form in (reference.get_sform(coded=True), reference.get_qform(coded=True)) if form[1] > 0]
    tolerance = 1e-9 if not scan.notes else 0.02
    np.testing.assert_allclose(scan.grid.affine, known[0][0], rtol=0, atol=tolerance)


def test_there_are_a_thousand_files():
    assert sum(FAMILIES.values()) == 1000


def test_the_undamaged_file_is_read(tmp_path, original):
    for name, content in zip(("a.nii", "a.nii.gz"), original, strict=True):
        path = tmp_path / name
        path.write_bytes(content)
        means_what_nibabel_reads(read_nifti(path), path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", FAMILIES)
def test_no_damaged_file_is_read_wrongly(tmp_path, original, family):
    plain, packed = original
    stream_is_checked = family.startswith("packed")
    name = "scan.nii.gz" if "packed" in family else "scan.nii"
    path = tmp_path / name
    path.write_bytes(packed if "packed" in family else plain)
    sound = read_nifti(path)
    refused = 0
    for seed in range(FAMILIES[family]):
        path.write_bytes(mutate(family, plain, packed, np.random.default_rng([seed, sum(family.encode())])))
        scan = read_or_refuse(path)
        refused += scan is None
        if scan is not None and stream_is_checked:
            assert_same(scan, sound.voxels, sound.grid.affine)
        elif scan is not None:
            means_what_nibabel_reads(scan, path)
    expected_at_least = {
        "packed, one bit flipped": 280,
        "packed, one byte replaced": 45,
        "packed, truncated": 100,
        "packed, trailer damaged": 100,
        "plain, truncated or lengthened": 75,
    }.get(family, 0)
    assert refused >= expected_at_least, f"only {refused} refused"


def test_every_bit_of_the_stream_is_guarded(tmp_path, nifti_bytes):
    packed = nifti_bytes(np.arange(64, dtype=np.int16).reshape(4, 4, 4))
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(packed)
    sound, harmless = read_nifti(path), 0
    for place in range(10, len(packed)):
        for bit in range(8):
            path.write_bytes(packed[:place] + bytes([packed[place] ^ (1 << bit)]) + packed[place + 1 :])
            scan = read_or_refuse(path)
            if scan is not None:
                assert_same(scan, sound.voxels, sound.grid.affine)
                harmless += 1
    # The bits that fill up the last byte of the deflate stream mean nothing.
    assert harmless < 8
