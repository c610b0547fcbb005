"""The kernels of a network's first layer, and what each answers to a photo."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from explorer.arithmetic import IllegalSetting
from explorer.errors import ExplorerError
from explorer.photo_filter import Filtered, span

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from torch import nn

    from explorer.models import Model


class NoKernels(ExplorerError):
    """The network has no first layer whose kernels could run on a photo."""


@dataclass(frozen=True, eq=False)
class FirstKernels:
    """The filters of the first convolution.

    Attributes:
        layer: its name, as in `explorer.activations`.
        weights: float32 (C_out, C_in, kh, kw).
        bias: float32 (C_out,), zeros if the layer has none.
        stride: (height, width).
    """

    layer: str
    weights: np.ndarray
    bias: np.ndarray
    stride: tuple[int, int]

    @cached_property
    def levels(self) -> np.ndarray:
        """Each filter as a picture, uint8 (C_out, C_in, kh, kw): zero is gray, its largest weight black or white."""
        largest = np.abs(self.weights).max(axis=(1, 2, 3), keepdims=True)
        scaled = self.weights / np.where(largest == 0, 1, largest)
        return np.rint(127.5 + 127.5 * scaled).astype(np.uint8)


@dataclass(frozen=True, eq=False, kw_only=True)
class Borrowed(Filtered):
    """One filter of the first layer on what the network sees of a photo.

    Attributes:
        layer: name of the layer.
        channel: of the layer; its filter is `kernel`.
        stride: (height, width), the layer's own or the one asked for.
    """

    layer: str
    channel: int
    stride: tuple[int, int]


_known: WeakKeyDictionary[nn.Module, FirstKernels] = WeakKeyDictionary()


def first_kernels(model: Model) -> FirstKernels:
    """The filters of the convolution that the photo meets first.

    Raises:
        NoKernels: the network does not begin with one.
    """
    if model.module not in _known:
        layer, conv = _first(model)
        weights, bias = _numbers(conv.weight), np.zeros(conv.out_channels, np.float32)
        bias = bias if conv.bias is None else _numbers(conv.bias)
        _known[model.module] = FirstKernels(layer, weights, bias, (int(conv.stride[0]), int(conv.stride[1])))
    return _known[model.module]


def strongest_kernel(model: Model, image: Image.Image) -> int:
    """The channel of the first layer that tells the places of the photo apart most."""
    _, maps = _run(model, image)
    return int(maps.flatten(1).std(dim=1).argmax())


def borrowed(model: Model, image: Image.Image, channel: int, stride: int | None = None) -> Borrowed:
    """What one filter of the first layer answers to a photo: with the layer's own stride, the layer's own map.

    Args:
        model: any loaded network.
        image: the photo, which is prepared as the network prepares it.
        channel: of the layer.
        stride: pixels from one window to the next; the layer's own if None.

    Raises:
        NoKernels: the network does not begin with a convolution.
        IllegalSetting: the layer has no such channel, or the stride is less than 1.
    """
    import torch

    layer, conv = _first(model)
    if not 0 <= channel < conv.out_channels:
        raise IllegalSetting(f"{layer} has {conv.out_channels} channels; choose 0 to {conv.out_channels - 1}.")
    if stride is not None and stride < 1:
        raise IllegalSetting(f"A stride of {stride} is too small; choose at least 1.")
    steps = (int(conv.stride[0]), int(conv.stride[1])) if stride is None else (stride, stride)
    inputs, maps = _run(model, image)
    (top, bottom), (left, right) = _padding(conv, inputs.shape[-2:])
    weights, bias = conv.weight.detach()[channel : channel + 1], conv.bias
    own = None if bias is None else bias.detach()[channel : channel + 1]
    if steps == tuple(conv.stride):
        answer = maps[channel]
    else:
        with torch.no_grad():
            padded = torch.nn.functional.pad(inputs, (left, right, top, bottom))
            answer = torch.nn.functional.conv2d(padded, weights, own, steps, dilation=conv.dilation)[0, 0]
    seen = np.asarray(model.preprocessing.view(image))[..., : inputs.shape[1]]
    height, width = conv.kernel_size
    return Borrowed(
        pixels=np.ascontiguousarray(np.moveaxis(seen, 2, 0)),
        values=_numbers(inputs[0]),
        kernel=_numbers(weights[0]),
        bias=0.0 if own is None else float(own),
        output=_numbers(answer[None]),
        rows=span(answer.shape[0], height, steps[0], top, conv.dilation[0]),
        columns=span(answer.shape[1], width, steps[1], left, conv.dilation[1]),
        padding_mode="zeros",
        layer=layer,
        channel=channel,
        stride=steps,
    )


def _numbers(tensor: torch.Tensor) -> np.ndarray:
    numbers: np.ndarray = tensor.detach().float().cpu().contiguous().numpy().copy()
    return numbers


def _first(model: Model) -> tuple[str, torch.nn.Conv2d]:
    """Name and module of the first convolution; it has to read the photo's own colours."""
    from torch import nn

    from explorer import activations

    modules = dict(model.module.named_modules())
    for layer in activations.layers(model):
        if not layer.leaf:
            continue
        conv = modules.get(layer.name)
        if isinstance(conv, nn.Conv2d) and conv.in_channels == model.preprocessing.channels and conv.groups == 1:
            return layer.name, conv
        break
    raise NoKernels(f"{model.card.title} does not begin with a convolution, so it has no kernels to lend.")


def _padding(conv: torch.nn.Conv2d, shape: torch.Size) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows (above, below) and columns (left, right) of zeros that the layer adds."""
    from explorer.architectures.efficientnet import SameConv2d, same_padding

    if isinstance(conv, SameConv2d):
        above, beside = (same_padding(shape[axis], conv.kernel_size[0], conv.stride[0]) for axis in (0, 1))
        return above, beside
    assert not isinstance(conv.padding, str)
    return (int(conv.padding[0]),) * 2, (int(conv.padding[1]),) * 2


def _run(model: Model, image: Image.Image) -> tuple[torch.Tensor, torch.Tensor]:
    """What reaches the first convolution, (1, C_in, H, W), and all its maps, (C_out, H_out, W_out).

    The network runs up to there itself: some change the input once more before they begin.
    """
    from explorer import capture

    layer, _ = _first(model)
    inputs = model.preprocess(image)
    with model.lock:
        reaching, maps = capture.met(model.module, inputs, layer)
    return reaching, maps[0]
