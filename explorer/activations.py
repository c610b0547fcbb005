"""What every layer answers to a photo."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import torch

from explorer import capture, graph
from explorer.capture import Layer, UnknownLayer
from explorer.layouts import Layout

if TYPE_CHECKING:
    from PIL import Image
    from torch import nn

    from explorer.graph import Node
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

    @cached_property
    def mean_map(self) -> np.ndarray:
        """Mean of all channels at each position, (H, W), summed in float64."""
        return self.values.mean(axis=0, dtype=np.float64).astype(np.float32)

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
            _layers[model.module] = capture.layers(model.module, (1, model.preprocessing.channels, side, side))
        return _layers[model.module]


_STEPS = frozenset(  # between modules, where something new is computed and not only moved
    (
        *("add", "sub", "mul", "div", "cat", "conv2d", "batch_norm", "layer_norm", "group_norm", "local_response_norm"),
        *("relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "gelu", "silu", "mish", "sigmoid", "tanh", "softplus"),
        *("hardtanh", "hardsigmoid", "hardswish", "clamp", "interpolate", "max_pool2d", "avg_pool2d"),
        *("adaptive_max_pool2d", "adaptive_avg_pool2d"),
    )
)
_nodes: WeakKeyDictionary[nn.Module, tuple[Layer, ...]] = WeakKeyDictionary()


def nodes(model: Model) -> tuple[Layer, ...]:
    """The layers, and among them what is computed between modules: sums, concatenations, gates, ReLUs as functions.

    Such a step is called as in the network's graph, 'layer1.0.add', and can be shown, but not listened to by a hook.
    """
    with model.lock:
        if model.module not in _nodes:
            _nodes[model.module] = _with_steps(layers(model), graph.of_model(model).nodes)
        return _nodes[model.module]


def alike(twin: Model, model: Model) -> None:
    """Says that ``twin`` has the structure of ``model``, so that its layers need not be listed anew."""
    with model.lock:
        _layers[twin.module] = layers(model)
        if model.module in _nodes:
            _nodes[twin.module] = _nodes[model.module]


def _with_steps(known: tuple[Layer, ...], traced: tuple[Node, ...]) -> tuple[Layer, ...]:
    """Each step before the first layer that finishes after it."""
    finished = {}
    for layer in known:
        path = layer.name.removesuffix("#1")
        inside = [number for number, node in enumerate(traced) if f"{node.name}.".startswith(f"{path}.")]
        finished[layer.name] = max(inside, default=-1)
    merged = list(known)
    shown = _shown(traced)
    for number, node in reversed(list(enumerate(traced))):
        layout = _layout(node.shape)
        if node.name in shown and layout is not None:
            one = torch.empty(node.shape, device="meta")
            later = (at for at, layer in enumerate(merged) if finished.get(layer.name, -1) >= number)
            before = next(later, len(merged))
            merged.insert(before, Layer(node.name, node.operation, layout.shape(one), True, layout))
            finished[node.name] = number
    return tuple(merged)


def _shown(traced: tuple[Node, ...]) -> set[str]:
    """The steps that compute something for each place of the photo.

    Not so a table that is made of parameters alone, windows cut out of maps, and attention's matrices, which are as
    large as the softmax makes them.
    """
    reached, matrices = {graph.INPUT}, {node.shape for node in traced if node.operation.lower() == "softmax"}
    shown = set()
    for node in traced:
        if reached.intersection(node.inputs):
            reached.add(node.name)
            if node.operation in _STEPS and not node.module and node.shape[0] == 1 and node.shape not in matrices:
                shown.add(node.name)
    return shown


def _layout(shape: tuple[int, ...]) -> Layout | None:
    """How a step's output lies, by its shape: maps have equal sides; None for what is neither maps nor tokens."""
    if len(shape) == 4:
        if shape[2] == shape[3]:
            return Layout.MAPS
        return Layout.CHANNELS_LAST if shape[1] == shape[2] else None
    if len(shape) == 3 and math.isqrt(shape[1]) ** 2 in (shape[1], shape[1] - 1) and shape[1] > 1:
        return Layout.TOKENS
    return None


def find(model: Model, name: str) -> Layer:
    """The layer or step called ``name``.

    Raises:
        UnknownLayer: the network has none that can be shown as maps or a vector.
    """
    found = next((layer for layer in layers(model) if layer.name == name), None)
    if found is None:
        found = next((node for node in nodes(model) if node.name == name), None)
    if found is None:
        raise UnknownLayer(f"{model.card.title} has no layer {name!r} with maps for output; choose one from its list.")
    return found


def find_layer(model: Model, name: str) -> Layer:
    """The layer called ``name``, of those that a hook can listen to and change; a step between them is none.

    Raises:
        UnknownLayer: the network has no such layer.
    """
    found = next((layer for layer in layers(model) if layer.name == name), None)
    if found is None:
        step = find(model, name)
        raise UnknownLayer(
            f"{step.name!r} of {model.card.title} is a step between layers, which can be shown but not listened to; "
            "choose a layer."
        )
    return found


def default_layer(model: Model) -> Layer:
    """The last layer that still has positions, the input of the global pooling, where Grad-CAM looks by default.

    Of modules inside each other it is the outermost one that does not hold the whole trunk: ResNet's ``layer4``,
    EfficientNet's ``features.8``. Of a vision transformer it is the last block but one: after the last one only the
    class token is read, and no patch has any influence left.
    """
    spatial = [layer for layer in layers(model) if layer.spatial]
    blocks = _token_blocks(spatial)
    if len(blocks) > 1 and spatial[-1].layout is Layout.TOKENS:
        return blocks[-2]
    return next(layer for layer in reversed(spatial) if not _holds(layer, spatial[0]))


def resolutions(model: Model) -> tuple[Layer, ...]:
    """One layer for each resolution, from fine to coarse: the last one, at the outermost level there is.

    A vision transformer has a single resolution; five of its blocks stand for its depth.
    """
    spatial = [layer for layer in layers(model) if layer.spatial]
    blocks = _token_blocks(spatial)
    if blocks:
        return tuple(blocks[round(step * (len(blocks) - 1) / 4)] for step in range(5))
    best: dict[tuple[int, ...], Layer] = {}
    for layer in spatial:
        size = layer.shape[1:]
        if not _holds(layer, spatial[0]) and (size not in best or _depth(layer) <= _depth(best[size])):
            best[size] = layer
    return tuple(best.values())


def _token_blocks(spatial: list[Layer]) -> list[Layer]:
    """The numbered blocks of a vision transformer, in order; empty for other networks."""
    numbered = [layer for layer in spatial if layer.layout is Layout.TOKENS and re.search(r"\d$", layer.name)]
    top = min((_depth(layer) for layer in numbered), default=0)
    return [layer for layer in numbered if _depth(layer) == top]


def _holds(layer: Layer, other: Layer) -> bool:
    return other.name.startswith(f"{layer.name}.")


def _depth(layer: Layer) -> int:
    return layer.name.count(".")


def feature_maps(model: Model, image: Image.Image, layers: Iterable[str] | None = None) -> dict[str, FeatureMaps]:
    """The outputs of ``layers`` (or steps between them, see `nodes`) for ``image``, by name; of all layers if None.

    Raises:
        UnknownLayer: the network has no such layer.
    """
    wanted = _all(model) if layers is None else tuple(find(model, name) for name in dict.fromkeys(layers))
    heard = {layer.name for layer in _all(model)}
    inputs = model.preprocess(image)
    with model.lock:
        names = [layer.name for layer in wanted if layer.name in heard]
        outputs = capture.outputs(model.module, inputs, names) if names else {}
    if len(outputs) < len(wanted):
        from explorer.graph.values import Values  # which asks for layers itself

        computed = Values(model, image)
        outputs |= {layer.name: computed.output(layer.name) for layer in wanted if layer.name not in heard}
    return {layer.name: FeatureMaps(layer.name, _values(layer.maps(outputs[layer.name]))) for layer in wanted}


_all = layers  # under another name where a parameter is called layers


def _values(maps: torch.Tensor) -> np.ndarray:
    values: np.ndarray = maps[0].float().contiguous().cpu().numpy()
    values.flags.writeable = False
    return values
