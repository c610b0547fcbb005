"""What every layer answers to a photo."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from explorer import capture
from explorer.capture import Layer

if TYPE_CHECKING:
    from PIL import Image
    from torch import nn

    from explorer.models import Model


@dataclass(frozen=True)
class FeatureMaps:
    """The output of one layer for one photo.

    Attributes:
        layer: its name.
        values: float32 (C, H, W), in the layer's own units; a vector is (C, 1, 1). Not writable.
    """

    layer: str
    values: np.ndarray

    @cached_property
    def minimum(self) -> np.ndarray:
        """Smallest value of each channel, (C,)."""
        return self.values.min(axis=(1, 2))

    @cached_property
    def maximum(self) -> np.ndarray:
        """Largest value of each channel, (C,)."""
        return self.values.max(axis=(1, 2))

    @cached_property
    def mean(self) -> np.ndarray:
        """Mean of each channel, (C,), summed in float64."""
        return self.values.mean(axis=(1, 2), dtype=np.float64).astype(np.float32)

    @cached_property
    def strength(self) -> np.ndarray:
        """Mean absolute value of each channel, (C,): how strongly it answers, whatever its sign."""
        return np.abs(self.values).mean(axis=(1, 2), dtype=np.float64).astype(np.float32)

    @cached_property
    def zeros(self) -> np.ndarray:
        """Share of exact zeros in each channel, (C,), 0 to 1."""
        return (self.values == 0).mean(axis=(1, 2), dtype=np.float64).astype(np.float32)

    @property
    def dead(self) -> np.ndarray:
        """Which channels are zero everywhere on this photo, (C,) of bool."""
        return self.zeros == 1

    @cached_property
    def contrast(self) -> np.ndarray:
        """Standard deviation over the positions of each channel, (C,): how much it tells places apart."""
        return self.values.std(axis=(1, 2), dtype=np.float64).astype(np.float32)

    def strongest(self) -> np.ndarray:
        """Channel indices by strength, strongest first; equal ones in their own order."""
        return np.argsort(-self.strength, kind="stable")


_layers: WeakKeyDictionary[nn.Module, tuple[Layer, ...]] = WeakKeyDictionary()


def layers(model: Model) -> tuple[Layer, ...]:
    """The layers of ``model`` that can be shown as maps or vectors, in the order in which they finish."""
    with model.lock:
        if model.module not in _layers:
            side = model.preprocessing.crop
            _layers[model.module] = capture.layers(model.module, (1, len(model.preprocessing.mean), side, side))
        return _layers[model.module]


def default_layer(model: Model) -> Layer:
    """The last layer that still has positions, the input of the global pooling, where Grad-CAM looks by default.

    Of modules inside each other it is the outermost one that does not hold the whole trunk: ResNet's ``layer4``,
    EfficientNet's ``features.8``.
    """
    spatial = [layer for layer in layers(model) if layer.spatial]
    return next(layer for layer in reversed(spatial) if not _holds(layer, spatial[0]))


def resolutions(model: Model) -> tuple[Layer, ...]:
    """One layer for each resolution, from fine to coarse: the last one, at the outermost level there is."""
    spatial = [layer for layer in layers(model) if layer.spatial]
    best: dict[tuple[int, ...], Layer] = {}
    for layer in spatial:
        size = layer.shape[1:]
        if not _holds(layer, spatial[0]) and (size not in best or _depth(layer) <= _depth(best[size])):
            best[size] = layer
    return tuple(best.values())


def _holds(layer: Layer, other: Layer) -> bool:
    return other.name.startswith(f"{layer.name}.")


def _depth(layer: Layer) -> int:
    return layer.name.count(".")


def feature_maps(model: Model, image: Image.Image, layers: Iterable[str] | None = None) -> dict[str, FeatureMaps]:
    """The outputs of ``layers`` for ``image``, by name; of all layers if None.

    Raises:
        UnknownLayer: the network has no such layer.
    """
    names = [layer.name for layer in _all(model)] if layers is None else list(dict.fromkeys(layers))
    inputs = model.preprocess(image)
    with model.lock:
        outputs = capture.outputs(model.module, inputs, names)
    return {name: FeatureMaps(name, _values(output.cpu().numpy())) for name, output in outputs.items()}


_all = layers  # under another name where a parameter is called layers


def _values(output: np.ndarray) -> np.ndarray:
    values = output[0].astype(np.float32, copy=False)
    values = values.reshape(*values.shape, 1, 1) if values.ndim == 1 else values
    values.flags.writeable = False
    return values
