"""Several layers of one network on the same photo: of each its strongest channels and the mean of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explorer import activations

if TYPE_CHECKING:
    from PIL import Image

    from explorer.models import Model


@dataclass(frozen=True, eq=False)
class LayerView:
    """One layer.

    Attributes:
        layer: its name.
        kind: class of the module, or the operation of a step between modules.
        shape: of its output, (C, H, W).
        stride: pixels of the input between neighbouring units.
        channels: those with the largest mean absolute value, largest first, (N,).
        maps: float32 (N, H, W), of these channels, in the layer's own units. Not writable.
        mean: float32 (H, W), of all channels. Not writable.
    """

    layer: str
    kind: str
    shape: tuple[int, ...]
    stride: float
    channels: tuple[int, ...]
    maps: np.ndarray
    mean: np.ndarray


def spatial(model: Model) -> tuple[str, ...]:
    """Names of all layers, and of all steps between them, that have more than one position, in order."""
    return tuple(layer.name for layer in activations.nodes(model) if layer.spatial)


def views(model: Model, image: Image.Image, layers: Sequence[str], count: int = 4) -> tuple[LayerView, ...]:
    """The layers, in the order given, with ``count`` channels each.

    Raises:
        UnknownLayer: the network has no such layer.
    """
    found = activations.feature_maps(model, image, layers)
    return tuple(_view(model, found[name], count) for name in layers)


def _view(model: Model, maps: activations.FeatureMaps, count: int) -> LayerView:
    layer, chosen = activations.find(model, maps.layer), maps.strongest()[:count]
    tiles, mean = maps.values[chosen].copy(), maps.mean_map  # a few channels, not all of them, stay in memory
    for values in (tiles, mean):
        values.flags.writeable = False
    return LayerView(
        layer=maps.layer,
        kind=layer.kind,
        shape=layer.shape,
        stride=model.preprocessing.crop / layer.shape[1],
        channels=tuple(map(int, chosen)),
        maps=tiles,
        mean=mean,
    )
