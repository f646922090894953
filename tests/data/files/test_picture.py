import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from seg.data.files import picture
from seg.data.files.picture import read_picture, write_picture
from seg.errors import DataError, ResourceError


@pytest.fixture
def grey():
    return np.random.default_rng(3).integers(0, 256, (40, 50)).astype(np.uint8)


def save(path, array, mode=None, **options):
    image = Image.fromarray(array) if mode is None else Image.fromarray(array).convert(mode)
    image.save(path, **options)
    return path


def png(width, height, depth, colour_type, rows, extra=b""):
    """A PNG made by hand, for pixel types that Pillow does not write."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def refused(path, **options):
    with pytest.raises(DataError) as caught:
        read_picture(path, **options)
    assert caught.value.path == str(path)
    return caught.value.code


@pytest.mark.parametrize("ending", ["png", "tif", "TIFF"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_is_read_as_stored(tmp_path, grey, ending, dtype):
    array = grey.astype(dtype) * (1 if dtype == np.uint8 else 250)
    read = read_picture(save(tmp_path / f"a.{ending}", array))
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, array)


def test_jpeg_is_read_as_an_image_and_refused_as_a_label(tmp_path, grey):
    path = save(tmp_path / "a.jpg", np.full_like(grey, 77))
    np.testing.assert_array_equal(read_picture(path), 77)
    assert refused(path, labels=True) == "lossy-label"


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_grey_in_colour_channels_is_collapsed(tmp_path, grey, mode):
    np.testing.assert_array_equal(read_picture(save(tmp_path / "a.png", grey, mode)), grey)


def test_one_bit_pictures_hold_zero_and_one(tmp_path, grey):
    np.testing.assert_array_equal(read_picture(save(tmp_path / "a.png", grey > 99)), (grey > 99).astype(np.uint8))


@pytest.mark.parametrize(("depth", "packed"), [(2, 0b00011011), (4, 0x1A)])
def test_grey_of_few_bits_is_not_stretched(tmp_path, depth, packed):
    path = tmp_path / "a.png"
    path.write_bytes(png(8 // depth, 1, depth, 0, [bytes([packed])]))
    expected = [0, 1, 2, 3] if depth == 2 else [1, 10]
    assert read_picture(path)[0].tolist() == expected


def test_palette_labels_are_their_indices_and_palette_images_their_grey(tmp_path):
    path = tmp_path / "a.png"
    palette = b"\0\0\0" + b"\x40\x40\x40" + b"\x80\x80\x80"
    extra = struct.pack(">I", 9) + b"PLTE" + palette + struct.pack(">I", zlib.crc32(b"PLTE" + palette))
    path.write_bytes(png(3, 1, 8, 3, [b"\0\1\2"], extra))
    assert read_picture(path, labels=True)[0].tolist() == [0, 1, 2]
    assert read_picture(path)[0].tolist() == [0, 64, 128]


def test_true_colours_are_refused(tmp_path, grey):
    colour = np.stack([grey, grey, 255 - grey], axis=-1)
    assert refused(save(tmp_path / "a.png", colour)) == "colour"
    assert refused(save(tmp_path / "b.tif", grey.astype(np.float32))) == "colour"
    assert refused(save(tmp_path / "c.tif", grey.astype(np.int32) - 300)) == "colour"


def test_colour_of_16_bits_is_refused_before_it_is_cut(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(1, 1, 16, 2, [b"\1\2\1\2\1\2"]))
    assert refused(path) == "colour"


def test_transparent_pixels_are_refused(tmp_path, grey):
    array = np.stack([grey, grey, grey, grey], axis=-1)
    assert refused(save(tmp_path / "a.png", array)) == "transparent"


@pytest.mark.parametrize("name", [b"IHDR", b"IDAT", b"IEND"])
def test_a_flipped_bit_in_any_png_chunk_is_refused(tmp_path, grey, name):
    content = bytearray(save(tmp_path / "a.png", grey).read_bytes())
    place = content.index(name) + 4
    content[place if name != b"IEND" else place + 1] ^= 4
    (tmp_path / "a.png").write_bytes(bytes(content))
    assert refused(tmp_path / "a.png") == "png-crc"


@pytest.mark.parametrize("cut", [3, 12, 13, 300])
def test_a_truncated_png_is_refused(tmp_path, grey, cut):
    path = save(tmp_path / "a.png", grey)
    path.write_bytes(path.read_bytes()[:-cut])
    assert refused(path) == "png-truncated"


def test_a_png_without_header_or_with_a_tail_is_refused(tmp_path, grey):
    path = save(tmp_path / "a.png", grey)
    content = path.read_bytes()
    path.write_bytes(content[:8])
    assert refused(path) == "png-truncated"
    path.write_bytes(content + b"tail")
    assert refused(path) == "png-trailing"


@pytest.mark.parametrize("ending", ["jpg", "tif"])
def test_a_truncated_jpeg_or_tiff_is_refused(tmp_path, grey, ending):
    path = save(tmp_path / f"a.{ending}", grey)
    path.write_bytes(path.read_bytes()[:200])
    assert refused(path) == "damaged-picture"


def test_several_pages_are_refused(tmp_path, grey):
    page = Image.fromarray(grey)
    page.save(tmp_path / "a.tif", save_all=True, append_images=[page])
    assert refused(tmp_path / "a.tif") == "many-pages"


def test_an_orientation_tag_is_refused(tmp_path, grey):
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[274] = 6
    assert refused(save(tmp_path / "a.tif", grey, tiffinfo=tags)) == "orientation-tag"


def test_too_many_pixels_are_refused_before_they_are_unpacked(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(30000, 30000, 8, 0, [b"\0"]))
    assert refused(path) == "too-large"
    path.write_bytes(png(12000, 9000, 8, 0, [b"\0"]))
    assert refused(path) == "too-large"


def test_a_huge_file_is_not_opened(tmp_path, grey, monkeypatch):
    monkeypatch.setattr(picture, "MAX_FILE_BYTES", 10)
    assert refused(save(tmp_path / "a.png", grey)) == "too-large"


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"", "a.png", "empty-file"),
        (b"<!doctype html>", "a.png", "html"),
        (b"version https://git-lfs.github.com/spec/v1", "a.jpg", "git-lfs"),
        (b"\xff\xd8\xff\xe0", "a.png", "wrong-extension"),
        (b"\x89PNG\r\n\x1a\n", "a.tif", "wrong-extension"),
        (b"hello", "a.png", "not-a-picture"),
        (b"hello", "a.bmp", "wrong-extension"),
    ],
)
def test_a_file_that_is_something_else_is_named_as_what_it_is(tmp_path, content, name, code):
    path = tmp_path / name
    path.write_bytes(content)
    assert refused(path) == code


def test_a_missing_file_a_folder_and_a_pipe_are_refused(tmp_path):
    assert refused(tmp_path / "nowhere.png") == "cannot-open"
    assert refused(tmp_path) == "not-a-file"
    os.mkfifo(tmp_path / "pipe.png")
    assert refused(tmp_path / "pipe.png") == "not-a-file"


@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
def test_no_damaged_picture_ends_in_anything_but_a_data_error(tmp_path, grey, ending):
    path = save(tmp_path / f"a.{ending}", grey)
    content, sound = path.read_bytes(), read_picture(path)
    rng = np.random.default_rng(5)
    for _ in range(150):
        place, bit = int(rng.integers(len(content))), 1 << int(rng.integers(8))
        path.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
        try:
            read = read_picture(path)
        except DataError:
            continue
        assert ending != "png" or np.array_equal(read, sound)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_written_picture_is_read_back(tmp_path, grey, dtype):
    write_picture(tmp_path / "new" / "a.png", grey.T.astype(dtype))
    read = read_picture(tmp_path / "new" / "a.png", labels=True)
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, grey.T)


def test_what_is_no_grey_picture_is_not_written(tmp_path, grey):
    with pytest.raises(ValueError, match="no grey picture"):
        write_picture(tmp_path / "a.png", grey.astype(np.float32))
    with pytest.raises(ValueError, match="no grey picture"):
        write_picture(tmp_path / "a.png", grey[None])


def test_a_folder_that_cannot_be_written_is_a_resource_error(tmp_path, grey):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ResourceError):
        write_picture(tmp_path / "file" / "a.png", grey)
