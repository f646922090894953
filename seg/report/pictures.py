"""The outlines of two masks over an image: the image as grey PNG, the outlines as lines that stay sharp at any size."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seg.report.page import Picture

_LARGEST_SIDE_PX = 640


@dataclass(frozen=True)
class Outlines:
    """What the page needs to draw one picture, in pixels of the original image."""

    width: int
    height: int
    image: str
    """data: URI of an 8-bit grey PNG."""
    reference: str
    """SVG path data; empty where the mask is."""
    prediction: str
    """SVG path data; empty where the mask is."""


def outlines(picture: Picture) -> Outlines:
    """The parts of that picture; an image with a side over 640 pixels is shown at 640."""
    height, width = picture.image.shape
    return Outlines(
        width, height, image_uri(picture.image), outline_path(picture.reference), outline_path(picture.prediction)
    )


def image_uri(image: NDArray[np.uint8]) -> str:
    """The (y, x) grey image as data: URI of a PNG."""
    grey = Image.fromarray(np.ascontiguousarray(image))
    largest = max(grey.size)
    if largest > _LARGEST_SIDE_PX:
        shrink = _LARGEST_SIDE_PX / largest
        width, height = (max(1, round(side * shrink)) for side in grey.size)
        grey = grey.resize((width, height), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    grey.save(stream, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def outline_path(mask: NDArray[np.bool_]) -> str:
    """The borders of the (y, x) mask, holes included, half-way between the pixels' centres, as SVG path data.

    Pixel (y, x) has its centre at (x + 0.5, y + 0.5), so lines and image fit at any size.
    """
    from matplotlib.figure import Figure

    if not mask.any():
        return ""
    # Zeros all around close the outlines of organs that touch the picture's edge.
    padded = np.pad(mask, 1).astype(np.float32)
    lines = Figure().add_subplot().contour(padded, levels=[0.5])
    polygons = (polygon for path in lines.get_paths() for polygon in path.to_polygons(closed_only=False))
    return "".join(_path_data(_without_middles(np.asarray(polygon) - 0.5)) for polygon in polygons)


def _without_middles(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The (x, y) points without those half-way along a straight line."""
    steps = np.diff(points, axis=0)
    turns = np.any(steps[1:] != steps[:-1], axis=1)
    return points[np.concatenate(([True], turns, [True]))]


def _path_data(points: NDArray[np.float64]) -> str:
    first, *others = (f"{x:g} {y:g}" for x, y in points)
    return f"M{first}L{' '.join(others[:-1])}Z"
