"""A convolution's weights as pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explorer import capture, palettes
from explorer.errors import ExplorerError

if TYPE_CHECKING:
    from explorer.models import Model


class NoFilters(ExplorerError):
    """The layer is no convolution; the message names some that are."""


@dataclass(frozen=True, eq=False)
class Filters:
    """The weights of one convolution.

    Attributes:
        layer: its name.
        weights: float32 (C_out, C_in / groups, kh, kw), as PyTorch holds them. Not writable.
        groups: into how many the channels are divided.
    """

    layer: str
    weights: np.ndarray
    groups: int

    @property
    def colours(self) -> bool:
        """Whether the filters look at a colour photo, so that they can be shown in colour themselves."""
        return self.weights.shape[1] == 3 and self.groups == 1

    @property
    def pointwise(self) -> bool:
        """Whether each kernel is a single weight: the layer is then a matrix."""
        return self.weights.shape[2:] == (1, 1)

    def norms(self, channel: int) -> np.ndarray:
        """Length (L2 norm) of each of the channel's kernels, (C_in / groups,)."""
        return np.linalg.norm(self.weights[channel].reshape(self.weights.shape[1], -1), axis=1)


def names(model: Model) -> tuple[str, ...]:
    """The convolutions, in the order in which they were built."""
    from torch import nn

    return tuple(name for name, module in model.module.named_modules() if isinstance(module, nn.Conv2d))


def find(model: Model, layer: str) -> Filters:
    """The weights of the convolution called ``layer``, '#2' for a second call allowed.

    Raises:
        NoFilters: there is no convolution of this name.
    """
    from torch import nn

    path = capture.split(layer)[0]
    module = dict(model.module.named_modules()).get(path)
    if not isinstance(module, nn.Conv2d):
        known = names(model)
        raise NoFilters(f"{layer} is no convolution; choose one, as {', '.join(known[:3]) or 'in another network'}.")
    weights: np.ndarray = module.weight.detach().float().cpu().numpy().copy()
    weights.flags.writeable = False
    return Filters(layer, weights, module.groups)


def in_colour(filters: Filters) -> np.ndarray:
    """Every filter as a small colour picture, uint8 (C_out, kh, kw, 3): gray is zero, each has its own scale."""
    peak = np.abs(filters.weights).max(axis=(1, 2, 3), keepdims=True)
    shares = filters.weights / np.where(peak == 0, 1, peak)
    return np.rint(127.5 + 127.5 * np.moveaxis(shares, 1, 3)).astype(np.uint8)


def signed(values: np.ndarray) -> np.ndarray:
    """Weights of any shape coloured blue, white and red about zero, by the largest of them: uint8 (..., 3)."""
    peak = float(np.abs(values).max()) or 1.0
    return palettes.colour((values / peak + 1) / 2, palettes.DIVERGING)


def sheet(tiles: np.ndarray, enlarge: int, gap: int = 2, columns: int = 16) -> np.ndarray:
    """Tiles (N, h, w, 3) side by side on a transparent sheet, uint8 (H, W, 4)."""
    count, height, width = tiles.shape[:3]
    columns = min(columns, count)
    rows = -(-count // columns)
    tall, wide = height * enlarge + gap, width * enlarge + gap
    out = np.zeros((rows * tall - gap, columns * wide - gap, 4), np.uint8)
    for number, tile in enumerate(tiles):
        top, left = number // columns * tall, number % columns * wide
        large = tile.repeat(enlarge, axis=0).repeat(enlarge, axis=1)
        out[top : top + height * enlarge, left : left + width * enlarge, :3] = large
        out[top : top + height * enlarge, left : left + width * enlarge, 3] = 255
    return out
