"""Digits as MNIST prepares them, from whatever a visitor brings: a drawing, a scan, a photo of a note."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from explorer.preprocessing import Preprocessing

# Of the 60,000 training digits, in [0, 1], over the 28 x 28 field; the script that trains LeNet-5 measures them.
MNIST_MEAN = 0.1307
MNIST_STD = 0.3081
FIELD = 28  # side of a digit's picture in MNIST
_DIGIT = 20  # its longer side inside the field
_FAINTEST = 0.6  # of the strongest ink; however dirty the paper, what is darker than this is a stroke
_LARGE = 512
_BLANK = 16  # of 255: a picture that varies less has nothing written on it

_Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DigitPreprocessing(Preprocessing):
    """White ink on black, fitted into 20 x 20 pixels, its centre of mass in the middle of 28 x 28, with a margin.

    This is how MNIST was made from the forms that people filled in (LeCun et al. 1998, section III.A); LeNet-5 takes it
    with two more pixels on every side. Whether a picture shows dark ink on light paper or light on dark is read off its
    border. A digit of MNIST itself comes out nearly as it went in.
    """

    resize: int = 32
    crop: int = 32
    mean: tuple[float, ...] = (MNIST_MEAN,)
    std: tuple[float, ...] = (MNIST_STD,)

    def view(self, image: Image.Image) -> Image.Image:
        """What the network sees: white on black, RGB, ``crop`` x ``crop`` pixels; black if nothing is written."""
        ink = _ink(image)
        box = _bounds(ink)
        field = Image.new("L", (self.crop, self.crop))
        if box is None:
            return field.convert("RGB")
        left, top, right, bottom = box
        digit = Image.fromarray(np.rint(ink[top:bottom, left:right] * 255).astype(np.uint8))
        scale = _DIGIT / max(digit.size)
        size = (max(1, round(digit.width * scale)), max(1, round(digit.height * scale)))
        digit = digit.resize(size, Image.Resampling.BICUBIC) if size != digit.size else digit
        x, y = _centre_of_mass(np.asarray(digit, np.float64))
        # MNIST counts whole pixels: the mean index of the ink comes to lie on index 14 of 28.
        field.paste(digit, (round(self.crop / 2 - (x - 0.5)), round(self.crop / 2 - (y - 0.5))))
        return field.convert("RGB")

    def seen(self, image: Image.Image) -> tuple[float, float, float, float]:
        """The square around the digit that becomes the field (left, top, right, bottom), pixels of ``image``."""
        ink = _ink(image)
        box = _bounds(ink)
        if box is None:
            return 0.0, 0.0, float(image.width), float(image.height)
        left, top, right, bottom = box
        x, y = _centre_of_mass(ink[top:bottom, left:right])
        half = max(right - left, bottom - top) / _DIGIT * self.crop / 2
        scale = image.width / ink.shape[1]
        x, y, half = scale * (left + x), scale * (top + y), scale * half
        return x - half, y - half, x + half, y + half


def _small(image: Image.Image) -> Image.Image:
    """At most 512 pixels a side: enough for a digit, and averaging takes most of a photo's grain away."""
    return image.reduce(-(-max(image.size) // _LARGE)) if max(image.size) > _LARGE else image


def _ink(image: Image.Image) -> _Values:
    """How much is written at each pixel, 0 to 1, (H, W)."""
    grey = np.asarray(_small(image).convert("L"), np.float64)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    paper = float(np.median(border))
    darker, lighter = paper - grey.min(), grey.max() - paper
    if max(darker, lighter) < _BLANK:
        return np.zeros_like(grey)
    ink = (paper - grey) / darker if darker > lighter else (grey - paper) / lighter
    # Grain and shadows that the border shows are no strokes elsewhere either. Three quarters of the border are enough
    # to know them (a stroke may touch it). Of normal noise that is 1.15 deviations; four times that is above all of it.
    dirt = 4 * float(np.percentile(np.abs(border - paper), 75)) / max(darker, lighter)
    return np.where(ink <= min(dirt, _FAINTEST), 0.0, ink)


def _bounds(ink: _Values) -> tuple[int, int, int, int] | None:
    """The smallest box with all the ink (left, top, right, bottom); None if there is none."""
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _centre_of_mass(ink: _Values) -> tuple[float, float]:
    """(x, y) of the ink's centre, pixels from the left and upper edge of the box."""
    total = ink.sum()
    x = (ink.sum(axis=0) * (np.arange(ink.shape[1]) + 0.5)).sum() / total
    y = (ink.sum(axis=1) * (np.arange(ink.shape[0]) + 0.5)).sum() / total
    return float(x), float(y)
