"""Random changes of photos that depend on nothing but (seed, epoch, number of the photo).

So a run can be resumed, and its photos prepared by any number of workers in any order, and every pixel is the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as change

from explorer.digits import DigitPreprocessing
from explorer.training.plan import Augmentation

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from explorer.preprocessing import Preprocessing

_RATIOS = (3 / 4, 4 / 3)  # of a crop's width to its height, as torchvision's RandomResizedCrop
_TRIES = 10  # as there
_INTERPOLATIONS = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}


@dataclass(frozen=True)
class Draw:
    """What happens to one photo.

    Attributes:
        box: (top, left, height, width) of the crop in pixels of the photo; None for the network's usual one.
        flip: whether it is mirrored.
        angle: counter-clockwise, degrees.
        brightness: factor.
        contrast: factor.
        saturation: factor.
        hue: turn of the colour circle, -0.5 to 0.5.
    """

    box: tuple[int, int, int, int] | None
    flip: bool
    angle: float
    brightness: float
    contrast: float
    saturation: float
    hue: float


def draw(augmentation: Augmentation, size: tuple[int, int], seed: int, epoch: int, index: int) -> Draw:
    """What happens to photo ``index`` of ``size`` (width, height) in ``epoch``."""
    random = np.random.default_rng((seed, epoch, index))
    box = _box(augmentation.crop, size, random)
    flip = bool(random.random() < augmentation.flip)
    angle = float(random.uniform(-augmentation.rotation, augmentation.rotation))
    brightness, contrast, saturation = (
        float(random.uniform(1 - amount, 1 + amount))
        for amount in (augmentation.brightness, augmentation.contrast, augmentation.saturation)
    )
    hue = float(random.uniform(-augmentation.hue, augmentation.hue))
    return Draw(box, flip, angle, brightness, contrast, saturation, hue)


def view(image: Image.Image, preprocessing: Preprocessing, drawn: Draw) -> Image.Image:
    """What the network sees of ``image``: RGB, `crop` x `crop` pixels.

    A digit is first brought into its field, and changed there. Corners that a rotation uncovers are black.
    """
    side, kind = preprocessing.crop, _INTERPOLATIONS[preprocessing.interpolation]
    if drawn.box is None:
        seen = preprocessing.view(image)
    else:
        source = preprocessing.view(image) if isinstance(preprocessing, DigitPreprocessing) else image.convert("RGB")
        seen = change.resized_crop(source, *drawn.box, [side, side], kind)
        if preprocessing.channels == 1:
            seen = seen.convert("L").convert("RGB")
    if drawn.flip:
        seen = change.hflip(seen)
    if drawn.angle:
        seen = change.rotate(seen, drawn.angle, InterpolationMode.BILINEAR)
    if drawn.brightness != 1:
        seen = change.adjust_brightness(seen, drawn.brightness)
    if drawn.contrast != 1:
        seen = change.adjust_contrast(seen, drawn.contrast)
    if drawn.saturation != 1:
        seen = change.adjust_saturation(seen, drawn.saturation)
    if drawn.hue:
        seen = change.adjust_hue(seen, drawn.hue)
    return seen


def augmented(
    image: Image.Image, preprocessing: Preprocessing, augmentation: Augmentation, seed: int, epoch: int, index: int
) -> Image.Image:
    """Photo ``index`` as the network sees it in ``epoch``; without augmentation, as it always sees it."""
    digit = isinstance(preprocessing, DigitPreprocessing)
    size = (preprocessing.crop, preprocessing.crop) if digit else image.size
    return view(image, preprocessing, draw(augmentation, size, seed, epoch, index))


def tensor(
    image: Image.Image, preprocessing: Preprocessing, augmentation: Augmentation, seed: int, epoch: int, index: int
) -> torch.Tensor:
    """The same as the network's input: float32 (C, crop, crop)."""
    seen = augmented(image, preprocessing, augmentation, seed, epoch, index)
    return preprocessing.normalise(np.asarray(seen))[0]


def preview(
    image: Image.Image, preprocessing: Preprocessing, augmentation: Augmentation, count: int = 6, seed: int = 0
) -> tuple[Image.Image, ...]:
    """How ``image`` would look in the first ``count`` epochs: RGB pictures, `crop` x `crop` pixels."""
    return tuple(augmented(image, preprocessing, augmentation, seed, epoch, 0) for epoch in range(count))


def _box(least: float, size: tuple[int, int], random: np.random.Generator) -> tuple[int, int, int, int] | None:
    """A crop as torchvision's RandomResizedCrop draws it, uniform in area and in the logarithm of the ratio."""
    if least >= 1:
        return None
    width, height = size
    for _ in range(_TRIES):
        area = width * height * random.uniform(least, 1)
        ratio = math.exp(random.uniform(math.log(_RATIOS[0]), math.log(_RATIOS[1])))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return int(random.integers(0, height - h + 1)), int(random.integers(0, width - w + 1)), h, w
    # A long strip: its middle, as near to the allowed ratios as can be.
    w = min(width, round(height * _RATIOS[1]))
    h = min(height, round(width / _RATIOS[0]))
    return (height - h) // 2, (width - w) // 2, h, w
