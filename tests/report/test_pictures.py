import base64
import dataclasses
import io
import re

import numpy as np
from PIL import Image

from seg.report.page import Picture
from seg.report.pictures import image_uri, outline_path, outlines


def _image(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,"))))


def _points(path: str) -> list[tuple[float, float]]:
    numbers = [float(number) for number in re.findall(r"[\d.]+", path)]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def test_the_image_comes_back_pixel_for_pixel(picture: Picture) -> None:
    assert np.array_equal(np.asarray(_image(outlines(picture).image)), picture.image)


def test_the_picture_keeps_its_own_coordinates(picture: Picture) -> None:
    drawn = outlines(picture)
    assert (drawn.width, drawn.height) == (64, 48)


def test_a_large_image_is_made_smaller_in_proportion() -> None:
    assert _image(image_uri(np.zeros((1280, 320), dtype=np.uint8))).size == (160, 640)


def test_an_image_that_is_a_view_can_be_shown(picture: Picture) -> None:
    turned = dataclasses.replace(picture, image=picture.image[::-1, ::2])
    assert _image(outlines(turned).image).size == (32, 48)


def test_the_outline_lies_on_the_border_of_the_mask() -> None:
    mask = np.zeros((12, 14), dtype=bool)
    mask[3:7, 5:10] = True
    points = _points(outline_path(mask))
    xs, ys = {x for x, _ in points}, {y for _, y in points}
    assert (min(xs), max(xs), min(ys), max(ys)) == (5.0, 10.0, 3.0, 7.0)
    assert len(points) == 8


def test_an_organ_at_the_edge_of_the_picture_has_a_closed_outline() -> None:
    points = _points(outline_path(np.ones((4, 6), dtype=bool)))
    assert {0.0, 6.0} <= {x for x, _ in points}
    assert {0.0, 4.0} <= {y for _, y in points}


def test_parts_and_holes_each_have_an_outline() -> None:
    mask = np.zeros((20, 20), dtype=bool)
    mask[2:10, 2:10] = True
    mask[5:7, 5:7] = False
    mask[14:17, 14:17] = True
    path = outline_path(mask)
    assert path.count("M") == path.count("Z") == 3


def test_an_empty_mask_has_no_outline() -> None:
    assert outline_path(np.zeros((8, 8), dtype=bool)) == ""
