"""NIfTI files made by hand, so that every byte of them is known."""

import gzip

import nibabel as nib
import numpy as np
import pytest

OBLIQUE = np.array([[-0.79, 0.06, 0.1, 70.0], [0.05, 0.81, -0.5, -60.0], [0.11, 0.12, 2.45, -30.0], [0, 0, 0, 1.0]])


def _straight(affine):
    """The affine with its axes at right angles."""
    left, _, right = np.linalg.svd(affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0))
    straight = affine.copy()
    straight[:3, :3] = (left @ right) * np.linalg.norm(affine[:3, :3], axis=0)
    return straight


def _nifti_bytes(voxels, affine=None, *, version=1, order="<", packed=True, codes=(1, 1), **fields):
    """A whole file; `fields` overwrite header fields at the very end."""
    affine = np.diag([1.0, 1.0, 2.0, 1.0]) if affine is None else affine
    header = (nib.Nifti1Header if version == 1 else nib.Nifti2Header)(endianness=order)
    header.set_data_shape(voxels.shape)
    header.set_data_dtype(voxels.dtype)
    header.set_qform(affine, codes[1])
    header.set_sform(affine, codes[0])
    header["magic"] = b"n+1" if version == 1 else b"n+2"
    header["scl_slope"], header["scl_inter"] = 1.0, 0.0
    header["vox_offset"] = 352 if version == 1 else 544
    header["xyzt_units"] = 2
    for name, value in fields.items():
        header[name] = value
    body = voxels.astype(voxels.dtype.newbyteorder(order)).tobytes(order="F")
    content = header.binaryblock + bytes(4) + body
    return gzip.compress(content, 6, mtime=0) if packed else content


@pytest.fixture
def nifti_bytes():
    """Function (voxels, affine, version, order, packed, codes, **header fields) -> bytes of the file."""
    return _nifti_bytes


@pytest.fixture
def oblique():
    """An oblique, anisotropic, left-handed affine without shear."""
    return _straight(OBLIQUE)
