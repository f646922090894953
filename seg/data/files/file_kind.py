"""Files that are not what their name says, told by their first bytes."""

from seg.data.files.gzip_bytes import MAGIC
from seg.errors import DataError

_KINDS = (
    (b"version https://git-lfs.github.com", "git-lfs pointer", "git-lfs", "fetch the real file with `git lfs pull`"),
    (b"/annex/objects", "git-annex pointer", "git-annex", "fetch the real file with `git annex get`"),
    (b"<!doctype", "web page (HTML)", "html", "download the file itself, not the page that shows it"),
    (b"<html", "web page (HTML)", "html", "download the file itself, not the page that shows it"),
    (b"PK\x03\x04", "zip archive", "wrong-extension", "unpack it first"),
    (b"\x89PNG", "PNG picture", "wrong-extension", "name it .png"),
    (b"\xff\xd8\xff", "JPEG picture", "wrong-extension", "name it .jpg"),
    (b"II*\0", "TIFF picture", "wrong-extension", "name it .tif"),
    (b"MM\0*", "TIFF picture", "wrong-extension", "name it .tif"),
    (b"NRRD", "NRRD file", "wrong-extension", "convert it to .nii.gz"),
    (b"\x93NUMPY", "NumPy file", "wrong-extension", "convert it to .nii.gz"),
)
_DICOM_MAGIC = slice(128, 132)


def check_not_something_else(start: bytes, packed: bool) -> None:
    """Refuse a NIfTI file that is empty, something else, or packed against its name.

    Args:
        start: the first bytes of the file, 256 where it has as many.
        packed: whether the name ends in .gz.

    Raises:
        DataError: code `empty-file`, `git-lfs`, `git-annex`, `html`, `wrong-extension` or `not-gzip`.
    """
    name_it(start, "a NIfTI file")
    if start.startswith(MAGIC) and not packed:
        raise _refuse("gzip stream", "an unpacked .nii file", "wrong-extension", "name it .nii.gz")
    if packed and not start.startswith(MAGIC):
        raise _refuse("file that is not gzip", "a gzip stream in a .gz file", "not-gzip", "name it .nii, or pack it")


def name_it(start: bytes, expected: str) -> None:
    """Refuse what the first bytes show to be empty or a known other kind of file."""
    if not start:
        raise DataError(
            found="an empty file (0 bytes)", expected=expected, fix="copy or download it again", code="empty-file"
        )
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    for magic, name, code, fix in _KINDS:
        if start.startswith(magic) or text[: len(magic)].lower() == magic:
            raise _refuse(name, expected, code, fix)
    if start[_DICOM_MAGIC] == b"DICM":
        raise _refuse("DICOM file", expected, "wrong-extension", "convert the series to .nii.gz, such as with dcm2niix")


def _refuse(name: str, expected: str, code: str, fix: str) -> DataError:
    return DataError(found=f"a {name}", expected=expected, fix=fix, code=code)
