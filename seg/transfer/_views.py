"""A strong view of slices: what is done to their grey values and to their geometry, and how maps follow."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

WEAK = "weak"
"""Key of the unlabelled slices as they were loaded, where a strong view of them took the place of `unlabelled`."""


@dataclass(frozen=True)
class Strength:
    """How far a strong view may be from the slice; shares are of the default amount, 0 leaves it out."""

    intensity: float = 1.0
    geometry: float = 1.0
    holes: float = 1.0


_BRIGHTNESS = 0.15
_CONTRAST = 0.3
_GAMMA = 0.4
_NOISE = 0.05
"""Amounts at strength 1, for images from 0 to 1, on top of the ordinary augmentation: up to 1.6 times as much again.

A choice of this project, not tuned. Source of the idea, jitter for the strong view alone: Yang et al. 2023 (UniMatch),
section 3.
"""
_ROTATION_DEG = 15.0
_SCALE = 0.15
_SHIFT = 0.1
"""Amounts at strength 1: degrees, share of the size, share of the side; about those of the ordinary augmentation."""
_HOLE = 0.35
"""Longest side of the hole at strength 1, as a share of the slice's. Source: DeVries & Taylor 2017 (Cutout) cover a
quarter to a half of the side."""
_LEFT = 0.9999
"""A pixel counts as seen where so much of what it is interpolated from lies inside the slice."""


class StrongView:
    """A random change of each slice of a batch, to be applied to images and, geometry only, to maps of them.

    `theta` is a (batch, 2, 3) affine map from the view's coordinates to the slice's, both from -1 to 1.
    """

    def __init__(self, count: int, strength: Strength, seed: int, flips: tuple[int, ...] = ()) -> None:
        """Drawn on the CPU, so that every device sees the same; `flips` are the axes (2 for y, 3 for x) to mirror."""
        self._random = torch.Generator().manual_seed(seed)
        self._strength = strength
        self._seed = seed
        self.theta = self._affine(count, flips)
        self._grey = self._uniform(count, 4)

    def images(self, images: Tensor) -> Tensor:
        """What the view shows of (b, channel, y, x) images in [0, 1]: other grey values, a hole, other geometry."""
        grey = self._grey.to(images.device)[:, :, None, None, None]
        amount = self._strength.intensity
        changed = images.float()
        if amount > 0:
            middle = changed.mean(dim=(1, 2, 3), keepdim=True)
            changed = (changed - middle) * (1 + _CONTRAST * amount * grey[:, 0]) + middle
            changed = (changed + _BRIGHTNESS * amount * grey[:, 1]).clamp(0, 1)
            changed = changed ** torch.exp(_GAMMA * amount * grey[:, 2])
            random = torch.Generator(images.device).manual_seed(self._seed)
            noise = torch.randn(changed.shape, device=images.device, generator=random)
            changed = (changed + _NOISE * amount * grey[:, 3].abs() * noise).clamp(0, 1)
        return self._with_holes(self.warped(changed)).to(images)

    def warped(self, maps: Tensor) -> Tensor:
        """(b, channel, y, x) floating maps of the slices as the view shows them; zero beyond the slice."""
        if self._strength.geometry == 0:
            return maps
        grid = F.affine_grid(self.theta.to(maps), list(maps.shape), align_corners=False)
        return F.grid_sample(maps, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    def seen(self, images: Tensor) -> Tensor:
        """(b, 1, y, x) bool: where the view shows the slice and not what is beyond its border."""
        return self.warped(torch.ones_like(images[:, :1], dtype=torch.float32)) > _LEFT

    def _uniform(self, *shape: int) -> Tensor:
        """From -1 to 1."""
        return torch.rand(*shape, generator=self._random) * 2 - 1

    def _affine(self, count: int, flips: tuple[int, ...]) -> Tensor:
        amount = self._strength.geometry
        angle = self._uniform(count) * math.radians(_ROTATION_DEG) * amount
        zoom = torch.exp(self._uniform(count) * math.log1p(_SCALE) * amount)
        shift = self._uniform(count, 2) * 2 * _SHIFT * amount
        cosine, sine = angle.cos() * zoom, angle.sin() * zoom
        turned = torch.stack([torch.stack([cosine, -sine], dim=1), torch.stack([sine, cosine], dim=1)], dim=1)
        mirrored = torch.ones(count, 2)
        for axis in flips:
            mirrored[:, 3 - axis] = torch.where(self._uniform(count) > 0, 1.0, -1.0)
        return torch.cat([turned * mirrored[:, None, :], shift[:, :, None]], dim=2)

    def _with_holes(self, images: Tensor) -> Tensor:
        """One rectangle of each slice in the slice's mean grey, so that the organ is told from what is around it."""
        side = _HOLE * self._strength.holes
        if side == 0:
            return images
        sides, centres = self._uniform(len(images), 2).abs() * side, self._uniform(len(images), 2)
        inside = torch.ones(len(images), 1, 1, 1, dtype=torch.bool, device=images.device)
        for axis, extent in enumerate(images.shape[2:]):
            place = torch.linspace(-1, 1, extent, device=images.device)
            shape = [1, extent, 1] if axis == 0 else [1, 1, extent]
            centre, half = (value[:, axis, None].to(images.device) for value in (centres, sides))
            inside = inside & ((place - centre).abs() <= half).reshape(len(images), *shape)
        return torch.where(inside, images.mean(dim=(2, 3), keepdim=True), images)
