"""Several networks on the same photo, side by side: what they cost, what they answer, what each stage makes of it.

Stages are lined up by stride, the pixels of the input between two neighbouring units, because every family has its own
names for them: ResNet's ``layer3``, EfficientNet's ``features.5`` and ConvNeXt's ``stage3`` all have stride 16.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from explorer import activations, cost, graph, predict
from explorer.layouts import Layout
from explorer.predict import Prediction

if TYPE_CHECKING:
    from PIL import Image

    from explorer.capture import Layer
    from explorer.models import Model
    from explorer.receptive_field import ReceptiveField

STRIDES = (4, 8, 16, 32)
"""Of the four stages that nearly all networks have, pixels."""
_RUNS, _BUDGET_S = 5, 1.5  # a median of five; a slow network gets fewer, so that nobody waits for a clock


@dataclass(frozen=True)
class Stage:
    """What a network makes of the photo at one stride.

    Attributes:
        stride: pixels of the input between neighbouring units, to the nearest power of two.
        layer: that stands for the stage.
        shape: of its output, (C, H, W).
        channel: the one with most contrast, see `activations.FeatureMaps.contrast`.
        values: of that channel, float32 (H, W), in the layer's own units. Not writable.
    """

    stride: int
    layer: str
    shape: tuple[int, ...]
    channel: int
    values: np.ndarray


@dataclass(frozen=True)
class Facts:
    """What does not depend on the photo.

    Attributes:
        depth: see :func:`depth`.
        parameters: learnable numbers.
        macs: multiply-accumulates for one image at the network's input size, see `cost.Cost`.
        receptive_field: of a unit of the last map; None where it cannot be said.
    """

    depth: int
    parameters: int
    macs: int
    receptive_field: ReceptiveField | None


@dataclass(frozen=True)
class Profile:
    """One network on one photo.

    Attributes:
        slug: of its card.
        title: for people.
        weights: which it runs with.
        trained: whether they were learnt; of random ones neither maps nor answers mean anything.
        side: of its input, pixels.
        facts: what does not depend on the photo.
        answers: its five best classes, best first; empty if it names none.
        milliseconds: median time of a forward pass for one image, without preparing it.
        runs: of which it is the median, after one that is not counted.
        stages: by stride; where the network has no map of a stride, there is none.
    """

    slug: str
    title: str
    weights: str
    trained: bool
    side: int
    facts: Facts
    answers: tuple[Prediction, ...]
    milliseconds: float
    runs: int
    stages: Mapping[int, Stage]


@dataclass(frozen=True)
class Comparison:
    """Networks beside each other; the first is the one that the others are measured against."""

    profiles: tuple[Profile, ...]

    @property
    def parameters(self) -> tuple[float, ...]:
        """Parameters as multiples of the first network's."""
        return _ratios([profile.facts.parameters for profile in self.profiles])

    @property
    def macs(self) -> tuple[float, ...]:
        """Multiply-accumulates as multiples of the first network's."""
        return _ratios([profile.facts.macs for profile in self.profiles])

    @property
    def time(self) -> tuple[float, ...]:
        """Time of a forward pass as multiples of the first network's."""
        return _ratios([profile.milliseconds for profile in self.profiles])


def _ratios(numbers: Sequence[float]) -> tuple[float, ...]:
    return tuple(number / numbers[0] for number in numbers)


def compare(models: Iterable[Model], image: Image.Image) -> Comparison:
    """All ``models`` on ``image``; the first is the measure of the others."""
    return Comparison(tuple(profile(model, image) for model in models))


def profile(model: Model, image: Image.Image) -> Profile:
    """One network's column of the comparison."""
    answers = predict.top_k(model, image) if model.card.task == "classification" else ()
    milliseconds, runs = _time(model, image)
    return Profile(
        slug=model.card.slug,
        title=model.card.title,
        weights=model.weights.name,
        trained=model.weights.trained,
        side=model.preprocessing.crop,
        facts=facts(model),
        answers=answers,
        milliseconds=milliseconds,
        runs=runs,
        stages=_stages(model, image),
    )


def aligned(model: Model) -> dict[int, Layer]:
    """The layer that stands for each of `STRIDES`, fine to coarse: the last outermost one of that resolution.

    Sizes need not divide (AlexNet's 224 / 55 pixels count as stride 4): the nearest power of two is taken. A vision
    transformer has one stride from its first block to its last; its last block but one stands for it, because after
    the last only the class token is read. A stride that the network does not have is left out.
    """
    found: dict[int, Layer] = {}
    for layer in activations.resolutions(model):
        stride = 2 ** round(math.log2(model.preprocessing.crop / layer.shape[1]))
        if layer.layout is Layout.TOKENS:
            layer = activations.default_layer(model)
        if stride in STRIDES and (stride not in found or layer.name.count(".") <= found[stride].name.count(".")):
            found[stride] = layer
    return dict(sorted(found.items()))


def _stages(model: Model, image: Image.Image) -> dict[int, Stage]:
    layers = aligned(model)
    maps = activations.feature_maps(model, image, [layer.name for layer in layers.values()])
    found = {}
    for stride, layer in layers.items():
        channel = int(maps[layer.name].contrast.argmax())
        values = maps[layer.name].values[channel].copy()  # one channel, not all of them, stays in memory
        values.flags.writeable = False
        found[stride] = Stage(stride, layer.name, layer.shape, channel, values)
    return found


def _time(model: Model, image: Image.Image) -> tuple[float, int]:
    inputs = model.preprocess(image)
    times: list[float] = []
    with model.lock, torch.inference_mode():
        model.module(inputs).cpu()  # pays for memory and kernels
        while len(times) < _RUNS and (not times or sum(times) < _BUDGET_S):
            start = time.perf_counter()
            model.module(inputs).cpu()  # waits for a graphics card
            times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times)), len(times)


_facts: WeakKeyDictionary[nn.Module, Facts] = WeakKeyDictionary()


def facts(model: Model) -> Facts:
    """Counts and receptive field of ``model`` at its input size; counted once for each loaded network."""
    with model.lock:
        if model.module not in _facts:
            traced = graph.of_model(model)
            layers = aligned(model) or {0: activations.default_layer(model)}
            seen = traced.field_of(list(layers.values())[-1].name)
            _facts[model.module] = Facts(depth(model.module, traced.input_shape), traced.params, traced.macs, seen)
        return _facts[model.module]


def depth(module: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Layers with weights on the longest way from the image to the answer: convolutions and linear layers.

    This is what names count: 50 for ResNet-50 (its shortcuts' convolutions lie on shorter ways), 16 for VGG-16, 121 for
    DenseNet-121, 22 for GoogLeNet. Depthwise and pointwise convolutions count as two, gates where they lie on the way;
    norms and attention's own products have no such weights. Runs on meta tensors; the module is left alone.
    """
    twin = cost.meta_twin(module)
    image = torch.empty(input_shape, device="meta")
    ways = _Ways(twin)
    with torch.inference_mode(False), torch.no_grad(), ways:
        answer = twin(image)
    return max(ways.depth(each) for each in tree_leaves(answer) if isinstance(each, Tensor))


_PRODUCTS = {torch.ops.aten.convolution, torch.ops.aten.mm, torch.ops.aten.addmm, torch.ops.aten.bmm}


class _Ways(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes, for every value computed, how many weighted layers lie on the longest way to it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        # By identity; None marks a weight or what was made of weights alone. The tensors are kept, or ids would return.
        self._known: dict[int, tuple[Tensor, int | None]] = {id(each): (each, None) for each in module.parameters()}

    def depth(self, value: Tensor) -> int:
        """Weighted layers on the longest way to ``value``; 0 for the image and for constants."""
        return self._known.get(id(value), (value, 0))[1] or 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        given = [each for each in tree_leaves((args, kwargs or {})) if isinstance(each, Tensor)]
        weights = [self._known.get(id(each), (each, 0))[1] is None for each in given]
        step = func.overloadpacket in _PRODUCTS and any(weights)
        way = None if given and all(weights) else max(map(self.depth, given), default=0) + step
        for each in tree_leaves(out):
            if isinstance(each, Tensor):
                self._known[id(each)] = (each, way)
        return out
