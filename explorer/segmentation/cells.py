"""Microscopy-like pictures from a seed, with exact masks: what the small U-Net is trained on, and tested on.

Blobs, bright or dark, lie on unevenly lit ground and may touch. Their mask is known before any light falls on them:
contours are drawn by a formula, and light, texture, blur and noise come after.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from explorer.errors import ExplorerError

FIRST_TRAINING_SEED = 1_000_000
"""Seeds from here on are for training; the small U-Net has never seen a picture of a smaller one."""
SMALLEST = 64
_WAVES = 4  # of a contour: 2 to 5 lobes; more look like gears

_Values = npt.NDArray[np.float32]
_Random = np.random.Generator


class IllegalCells(ExplorerError):
    """No such picture can be made."""


@dataclass(frozen=True)
class Cells:
    """A made picture and all that is known about it.

    Attributes:
        seed: gives the same picture again.
        image: grey values, uint8 (H, W).
        labels: 0 for the ground, 1 to ``count`` for the blobs, int32 (H, W); no blob touches the border.
        count: number of blobs.
    """

    seed: int
    image: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int32]
    count: int

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """Which pixels belong to a blob, (H, W)."""
        return self.labels > 0


def cells(seed: int, side: int = 256) -> Cells:
    """Makes the picture of ``seed``.

    Args:
        seed: 0 or greater; below `FIRST_TRAINING_SEED` the shipped network has never seen it.
        side: of the square picture, pixels; another side gives another picture.

    Raises:
        IllegalCells: a negative seed, or a picture too small for blobs.
    """
    if seed < 0:
        raise IllegalCells(f"A seed is 0 or greater, not {seed}; choose another.")
    if side < SMALLEST:
        raise IllegalCells(f"Blobs need a picture of at least {SMALLEST} pixels a side, not {side}; make it larger.")
    random = np.random.default_rng((seed, side))
    labels, inside, scale = _contours(random, side)
    image = _photographed(random, _lit(random, labels, inside, scale))
    return Cells(seed, image, labels, int(labels.max()))


def _contours(random: _Random, side: int) -> tuple[npt.NDArray[np.int32], _Values, float]:
    """Labels, how far a pixel is from its blob's middle (0) to its contour (1), both (H, W), and the typical radius."""
    scale = float(np.exp(random.uniform(np.log(8), np.log(40))))
    spread = random.uniform(0.05, 0.35)
    wobble = random.choice([0.0, 0.03, 0.08, 0.16]) / np.arange(1, _WAVES + 1)
    stretch, gap, cover = random.uniform(0, 0.3), random.uniform(0.82, 1.25), random.uniform(0.03, 0.5)

    centres: list[tuple[float, float, float]] = []
    area = 0.0
    for _ in range(400):  # most tries fail once the picture fills up
        radius = float(np.clip(scale * np.exp(random.normal(0, spread)), 4, side / 4))
        reach = radius * (1 + stretch) * (1 + wobble.sum()) + 2
        y, x = random.uniform(reach, side - reach, 2)
        if all(np.hypot(y - v, x - u) > gap * (radius + other) * (1 + stretch / 2) for v, u, other in centres):
            centres.append((y, x, radius))
            area += np.pi * radius**2
        if area > cover * side**2:
            break

    y, x, radius = (column[:, None, None] for column in np.array(centres, np.float32).T)
    count = len(centres)
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    angle = random.uniform(0, np.pi, (count, 1, 1)).astype(np.float32)
    longer = 1 + random.uniform(0, stretch, (count, 1, 1)).astype(np.float32)
    down, right = rows - y, columns - x
    along, across = right * np.cos(angle) + down * np.sin(angle), down * np.cos(angle) - right * np.sin(angle)
    turn = np.arctan2(across, along)
    contour = radius * np.ones_like(turn)
    for wave, height in enumerate(wobble, start=2):
        heights = (height * random.normal(0, 0.6, (count, 1, 1))).clip(-height, height).astype(np.float32)
        contour += (
            radius * heights * np.cos(wave * turn + random.uniform(0, 2 * np.pi, (count, 1, 1)).astype(np.float32))
        )
    distance = np.hypot(along / longer, across) / contour  # (blobs, H, W)
    nearest = distance.argmin(axis=0)
    inside = distance.min(axis=0)
    labels = np.where(inside < 1, nearest + 1, 0).astype(np.int32)
    return labels, inside, scale


def _field(random: _Random, side: int, sigma: float) -> _Values:
    """Smooth noise of mean 0 and deviation 1, (H, W)."""
    coarse = max(1, int(sigma / 2))  # what varies slowly needs few points
    few = -(-side // coarse) + 8
    noise = ndimage.gaussian_filter(random.standard_normal((few, few), np.float32), sigma / coarse)
    if coarse > 1:
        noise = ndimage.zoom(noise, coarse, order=1)
    noise = noise[:side, :side]
    return np.asarray((noise - noise.mean()) / (noise.std() + 1e-6), np.float32)


def _relief(random: _Random, side: int, sigma: float) -> _Values:
    """Smooth noise as a landscape lit from one side: strokes and edges as on a coin, (H, W)."""
    down, right = np.gradient(_field(random, side, sigma))
    angle = random.uniform(0, 2 * np.pi)
    lit = np.cos(angle) * right + np.sin(angle) * down
    return np.asarray((lit / (lit.std() + 1e-6)).clip(-2.5, 2.5), np.float32)


def _lit(random: _Random, labels: npt.NDArray[np.int32], inside: _Values, scale: float) -> _Values:
    """The blobs on their ground, before any camera, about 0 to 1, (H, W)."""
    side, count, mask = len(labels), int(labels.max()), labels > 0
    ground = random.uniform(0.15, 0.75)
    contrast = random.uniform(0.12, 0.55)
    kind = random.choice(["bright", "bright", "dark", "mixed"])
    signs = {"bright": np.ones(count), "dark": -np.ones(count)}.get(kind, random.choice([-1, 1], count))
    steps = signs * contrast * random.uniform(0.7, 1.3, count)
    step = np.concatenate([[0], steps]).astype(np.float32)[labels]

    surface = random.uniform(0, 0.5) * contrast * _field(random, side, max(1.0, scale * random.uniform(0.1, 0.5)))
    surface += random.uniform(0, 0.9) * contrast * _relief(random, side, max(0.8, scale * random.uniform(0.05, 0.2)))
    rim = np.exp(-(((inside - random.uniform(0.8, 0.97)) / random.uniform(0.05, 0.15)) ** 2))
    core = np.exp(-((inside / random.uniform(0.3, 0.7)) ** 4))
    surface += (
        np.sign(step) * contrast * (random.choice([0, 0, -0.4, 0.6]) * rim + random.choice([0, 0, -0.6, 0.5]) * core)
    )
    angle = random.uniform(0, 2 * np.pi)

    rows, columns = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j].astype(np.float32)
    slope = random.uniform(0, 0.35) * (np.cos(angle) * columns + np.sin(angle) * rows)
    vignette = random.choice([0, random.uniform(-0.2, 0.2)]) * (rows**2 + columns**2 - 0.7)
    uneven = slope + vignette + random.uniform(0, 0.08) * _field(random, side, side / 6)
    paper = ground + random.uniform(0, 0.12) * contrast * _relief(random, side, random.uniform(0.7, 3))
    paper += random.choice([0, random.uniform(-0.6, 0.4)]) * contrast * _halo(random, mask, scale)
    scene = paper + np.where(mask, step + surface, 0)
    # Light falls on everything, or a haze lies over everything.
    return np.asarray(scene * (1 + 1.5 * uneven) if random.random() < 0.5 else scene + uneven, np.float32)


def _halo(random: _Random, mask: npt.NDArray[np.bool_], scale: float) -> _Values:
    """A soft glow or shadow around the blobs, moved a little to one side, 0 to 1, (H, W)."""
    wide = max(1.5, scale * random.uniform(0.1, 0.35))
    shift = random.uniform(-0.15, 0.15, 2) * scale
    return np.asarray(ndimage.gaussian_filter(ndimage.shift(mask.astype(np.float32), shift, order=1), wide), np.float32)


def _photographed(random: _Random, scene: _Values) -> npt.NDArray[np.uint8]:
    """What a camera makes of it: blur, shot and read noise, gamma, 8 bits."""
    seen = ndimage.gaussian_filter(scene, random.uniform(0.4, 1.6))
    low, high = np.percentile(seen, (0.5, 99.5))
    low, high = min(float(low), 0.1), max(float(high), 0.9)  # nothing much is clipped
    seen = ((seen - low) / (high - low)).clip(0, 1)
    seen += random.uniform(0, 0.05) * np.sqrt(seen + 0.05) * random.standard_normal(seen.shape, np.float32)
    seen += random.uniform(0.003, 0.03) * random.standard_normal(seen.shape, np.float32)
    seen = seen.clip(0, 1) ** np.exp(random.uniform(-0.5, 0.5))
    return np.rint(seen * 255).astype(np.uint8)
