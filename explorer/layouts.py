"""How modules lay out what they compute: which axis is the channels, which are the positions.

Convolutional networks hand on (B, C, H, W). Swin and the inside of a ConvNeXt block hold the channels last; a vision
transformer holds a list of tokens. Nothing in a tensor says which it is, so it is followed through the network.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Any, NamedTuple

import torch
from torch import nn


class Call(NamedTuple):
    """A module that has just answered: its path, how often it has been called, itself, its inputs and its output."""

    path: str
    number: int
    module: nn.Module
    inputs: tuple[Any, ...]
    output: torch.Tensor


class Layout(Enum):
    """Axes of an output."""

    MAPS = "B C H W"
    CHANNELS_LAST = "B H W C"
    TOKENS = "B N C"
    VECTOR = "B C"

    def shape(self, output: torch.Tensor) -> tuple[int, ...]:
        """The output for one image as (C, H, W) or (C,); a class token, which lies nowhere, is not counted."""
        size = tuple(output.shape[1:])
        if self is Layout.CHANNELS_LAST:
            return size[2], size[0], size[1]
        if self is Layout.TOKENS:
            side = math.isqrt(size[0])
            return size[1], side, side
        return size


# Modules whose output has its channels in a known place, whatever came in.
_CHANNELS_SECOND = (
    nn.Conv2d,
    nn.ConvTranspose2d,
    nn.BatchNorm2d,
    nn.GroupNorm,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
)

# MaxViT cuts its maps into windows and puts them together again; known by name, so that torchvision is not imported.
_WINDOWS = {"WindowPartition": None, "SwapAxes": None, "WindowDepartition": Layout.MAPS}


class Layouts:
    """Follows the layout from module to module during one forward pass.

    Args:
        square: whether the input is square; then all maps are, and what is not square is no map.
    """

    def __init__(self, square: bool) -> None:
        self._square = square
        self._known: dict[int, Layout | None] = {}
        self._alive: list[torch.Tensor] = []  # an id may be given again only once its tensor is gone

    def of(self, call: Call) -> Layout | None:
        """The layout of the call's output; None where it is neither maps nor a vector."""
        layout = self._judged(call)
        self._known[id(call.output)] = layout
        self._alive.append(call.output)
        return layout

    def _judged(self, call: Call) -> Layout | None:
        output = call.output
        if output.ndim == 2:
            return Layout.VECTOR
        if output.ndim == 3:
            # One token for each patch of a square, and perhaps one more for the class.
            tokens = output.shape[1]
            return Layout.TOKENS if tokens >= 4 and tokens - math.isqrt(tokens) ** 2 in (0, 1) else None
        if output.ndim != 4:
            return None
        layout = self._of_four_axes(call)
        height, width = layout.shape(output)[1:] if layout is not None else (0, 0)
        return layout if height == width or not self._square else None

    def _of_four_axes(self, call: Call) -> Layout | None:
        module, output = call.module, call.output
        if isinstance(module, nn.Softmax):
            return None  # attention: a matrix for each head
        if type(module).__name__ in _WINDOWS:
            return _WINDOWS[type(module).__name__]
        if isinstance(module, nn.Linear) or type(module) is nn.LayerNorm:  # some subclasses turn the axes and back
            return Layout.CHANNELS_LAST
        if isinstance(module, _CHANNELS_SECOND):
            return Layout.MAPS
        turned = {(0, 2, 3, 1): Layout.CHANNELS_LAST, (0, 3, 1, 2): Layout.MAPS}
        dims = getattr(module, "dims", None)
        if isinstance(dims, (list, tuple)) and tuple(dims) in turned:
            return turned[tuple(dims)]
        if id(output) in self._known:  # a container hands on what its last part computed
            return self._known[id(output)]
        given = next((part for part in call.inputs if isinstance(part, torch.Tensor)), None)
        if given is not None and given.ndim == 4 and id(given) in self._known:
            return self._known[id(given)]
        return Layout.MAPS
