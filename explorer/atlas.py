"""All channels of a layer on one sheet: values become levels of a colour scale, and a picture to keep."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from explorer import palettes
from explorer.activations import FeatureMaps
from explorer.errors import ExplorerError

SCALES = ("channel", "layer", "symmetric")
ORDERS = ("index", "strength")
# What a browser gets at once: more than 512 maps are too small to see, and 4 MB arrive in a fraction of a second.
_MAPS_A_SHEET = 512
_BYTES_A_SHEET = 4 << 20


class UnknownScale(ExplorerError):
    """No colour scale has this name."""


@dataclass(frozen=True)
class Levels:
    """Channels as levels of a colour scale; value = low + level / 255 * (high - low).

    Attributes:
        channels: which channels, (N,) of int, in the order shown.
        levels: uint8 (N, H, W).
        low: the value of level 0 for each channel, float32 (N,).
        high: the value of level 255, float32 (N,).
    """

    channels: np.ndarray
    levels: np.ndarray
    low: np.ndarray
    high: np.ndarray


def quantise(maps: FeatureMaps, channels: np.ndarray, scale: str = "channel") -> Levels:
    """Levels of ``channels``.

    Args:
        maps: of one layer.
        channels: indices, (N,).
        scale: 'channel' stretches each between its own extremes, 'layer' all between the layer's, 'symmetric' puts
            zero in the middle and the layer's largest absolute value at both ends.

    Raises:
        UnknownScale: another name.
    """
    if scale not in SCALES:
        raise UnknownScale(f"There is no colour scale {scale!r}; choose one of {', '.join(SCALES)}.")
    values = maps.values[channels]
    count = len(channels)
    if scale == "channel":
        low, high = maps.minimum[channels], maps.maximum[channels]
    elif scale == "layer":
        low, high = np.full(count, maps.minimum.min()), np.full(count, maps.maximum.max())
    else:
        peak = max(abs(float(maps.minimum.min())), abs(float(maps.maximum.max())))
        low, high = np.full(count, -peak, np.float32), np.full(count, peak, np.float32)
    spread = (high - low)[:, None, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(spread > 0, (values - low[:, None, None]) / spread, 0.5 if scale == "symmetric" else 0.0)
    return Levels(np.asarray(channels), np.rint(share * 255).astype(np.uint8), low, high)


def order(maps: FeatureMaps, by: str = "index") -> np.ndarray:
    """All channel indices, by 'index' or by 'strength': strongest first; single numbers by their value."""
    if by != "strength":
        return np.arange(len(maps.values))
    if maps.values.shape[1:] == (1, 1):
        return np.argsort(-maps.mean, kind="stable")
    return maps.strongest()


def sheets(maps: FeatureMaps) -> int:
    """How many channels fit on one sheet."""
    _, height, width = maps.values.shape
    return max(1, min(_MAPS_A_SHEET, _BYTES_A_SHEET // (height * width)))


def picture(levels: Levels, symmetric: bool = False, gap: int = 1, enlarge: int = 1) -> np.ndarray:
    """The sheet as a picture, uint8 (height, width, 3), white lines of ``gap`` pixels between the maps."""
    count, height, width = levels.levels.shape
    columns = math.ceil(math.sqrt(count * height / width))
    rows = math.ceil(count / columns)
    cell_height, cell_width = height * enlarge + gap, width * enlarge + gap
    sheet = np.full((rows * cell_height - gap, columns * cell_width - gap, 3), 255, np.uint8)
    table = palettes.DIVERGING if symmetric else palettes.SEQUENTIAL
    for position, level in enumerate(levels.levels):
        top, left = position // columns * cell_height, position % columns * cell_width
        tile = table[level].repeat(enlarge, axis=0).repeat(enlarge, axis=1)
        sheet[top : top + height * enlarge, left : left + width * enlarge] = tile
    return sheet
