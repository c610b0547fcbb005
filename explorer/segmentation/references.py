"""Masks of a real picture that no network made: scikit-image's coins, by regions and by a threshold."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

GROUND, COIN = 30, 150  # grey values that are surely one or the other, of scikit-image's own example
_SPECK = 20  # pixels; a coin has a thousand


@dataclass(frozen=True)
class Coins:
    """Twenty-four coins from Pompeii and the masks of two classical methods.

    Attributes:
        image: grey values, uint8 (303, 384).
        mask: by regions: edges by Sobel's filter, flooded from what is surely coin and surely ground, holes filled.
        otsu: by one threshold for the whole picture (Otsu's), holes filled; no fair rival where light is uneven.
    """

    image: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.bool_]
    otsu: npt.NDArray[np.bool_]


def coins() -> Coins:
    """Returns the coins with both masks, computed by scikit-image (0.1 s)."""
    data, filters = _skimage("data"), _skimage("filters")
    image = np.asarray(data.coins(), np.uint8)
    otsu = ndimage.binary_fill_holes(image > filters.threshold_otsu(image))
    return Coins(image, by_regions(image), np.asarray(otsu, np.bool_))


def by_regions(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """The mask of scikit-image's example "Comparing edge-based and region-based segmentation", (H, W) bool.

    Specks of fewer than 20 pixels are left out: the coins have one, of two.
    """
    filters, segmentation = _skimage("filters"), _skimage("segmentation")
    markers = np.zeros(image.shape, np.int32)
    markers[image < GROUND] = 1
    markers[image > COIN] = 2
    flooded = segmentation.watershed(filters.sobel(image), markers) == 2
    parts, _ = ndimage.label(ndimage.binary_fill_holes(flooded))
    areas = np.bincount(parts.ravel())
    areas[0] = 0  # the ground
    return np.asarray(areas[parts] >= _SPECK, np.bool_)


def _skimage(part: str) -> Any:
    """A part of scikit-image, which has no types, imported when it is needed: it takes a while."""
    return importlib.import_module(f"skimage.{part}")
