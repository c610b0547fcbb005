"""Stacks of sliding windows, layer by layer: sizes, receptive fields, which cells a unit reads, what stacking saves.

Everything is said along one axis; a square kernel does the same along the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from explorer.arithmetic import output_size, parameter_count
from explorer.receptive_field import PIXEL, ReceptiveField, through

Kind = Literal["conv", "max pool", "average pool"]
KINDS: tuple[Kind, ...] = ("conv", "max pool", "average pool")


@dataclass(frozen=True)
class Layer:
    """A window that slides.

    Attributes:
        kind: 'conv', 'max pool' or 'average pool'.
        kernel: cells that the window reads.
        stride: cells from one position to the next.
        padding: cells added at each end.
        dilation: cells from one that is read to the next.
        extra: cells added at the far end besides, as TensorFlow's SAME padding and PyTorch's `ceil_mode` do.
        name: of a real network's layer.
    """

    kind: Kind = "conv"
    kernel: int = 3
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    extra: int = 0
    name: str = ""

    @property
    def window(self) -> int:
        """Cells from the first that is read to the last."""
        return self.dilation * (self.kernel - 1) + 1

    def reads(self, unit: int) -> tuple[int, ...]:
        """The cells of the layer before that a unit reads; those below 0 and beyond its size are padding."""
        first = unit * self.stride - self.padding
        return tuple(range(first, first + self.window, self.dilation))


def conv(kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Layer:
    """A convolution."""
    return Layer("conv", kernel, stride, padding, dilation)


def pool(kernel: int = 2, stride: int = 2, padding: int = 0) -> Layer:
    """A max pooling."""
    return Layer("max pool", kernel, stride, padding)


PRESETS: dict[str, tuple[Layer, ...]] = {
    "The guide's six layers": (conv(3, 1, 1), conv(3, 1, 1), pool(), conv(3, 1, 1), conv(3, 1, 1), pool()),
    "Two 3 × 3": (conv(3, 1, 1),) * 2,
    "One 5 × 5": (conv(5, 1, 2),),
    "Three 3 × 3": (conv(3, 1, 1),) * 3,
    "One 7 × 7": (conv(7, 1, 3),),
    "Dilated 1 2 4 8": tuple(conv(3, 1, step, step) for step in (1, 2, 4, 8)),
    "ResNet's stem": (conv(7, 2, 3), pool(3, 2, 1)),
    "Strides without padding": (conv(3, 2),) * 3,
}
"""Stacks that teach something, by name."""


@dataclass(frozen=True)
class Examined:
    """A layer of a stack as it works out.

    Attributes:
        layer: its settings.
        size: of its output, units along one axis; 0 where it cannot be.
        field: of its units; None where it cannot be.
        reason: why it is impossible, one sentence; empty if it is not, and behind an impossible one.
    """

    layer: Layer
    size: int
    field: ReceptiveField | None
    reason: str = ""


def examine(layers: Sequence[Layer], pixels: int) -> tuple[Examined, ...]:
    """What becomes of an input of so many pixels, layer by layer; behind an impossible layer nothing is said."""
    found: list[Examined] = []
    field: ReceptiveField | None = PIXEL
    size = pixels
    for number, layer in enumerate(layers, start=1):
        reason = "" if field is None else refusal(layer, size)
        if reason:
            found.append(Examined(layer, 0, None, f"Layer {number}: {reason}"))
            field = None
        elif field is None:
            found.append(Examined(layer, 0, None))
        else:
            size = output_size(size + layer.extra, layer.kernel, layer.stride, layer.padding, layer.dilation)
            field = through(field, layer.kernel, layer.stride, layer.padding, layer.dilation)
            found.append(Examined(layer, size, field))
    return tuple(found)


def refusal(layer: Layer, size: int) -> str:
    """Why PyTorch would refuse the layer on so many values, and what helps; empty if it would not."""
    if min(layer.kernel, layer.stride, layer.dilation) < 1 or min(layer.padding, layer.extra) < 0:
        return "kernel, stride and dilation must be at least 1 and paddings at least 0."
    if layer.kind == "average pool" and layer.dilation > 1:
        return "PyTorch's average pooling knows no dilation; set it to 1."
    if layer.kind != "conv" and layer.padding > layer.kernel // 2:
        return f"PyTorch pads a pooling by at most half its kernel, here {layer.kernel // 2}, not {layer.padding}."
    room = size + 2 * layer.padding + layer.extra
    if layer.window > room:
        padded = f" ({size} and padding)" if room > size else ""
        return (
            f"a window of {layer.window} does not fit into {room} value{'s' * (room != 1)}{padded}; choose a smaller "
            "kernel or dilation, more padding, or a larger input."
        )
    return ""


@dataclass(frozen=True)
class Saving:
    """Convolutions stacked against one with the same field; all from C channels to C, stride 1, 'same' padding.

    Attributes:
        kernels: of the stacked ones.
        single: kernel of the one with the same field.
        weights: of the stacked ones together.
        single_weights: of the one.
        biases: of the stacked ones together.
        single_biases: of the one.
        macs: multiply-accumulates of the stacked ones on a map of `side` x `side`.
        single_macs: of the one.
    """

    kernels: tuple[int, ...]
    single: int
    weights: int
    single_weights: int
    biases: int
    single_biases: int
    macs: int
    single_macs: int

    @property
    def saved(self) -> float:
        """Share of the weights, and of the MACs, that stacking saves; negative where it costs more."""
        return 1 - self.weights / self.single_weights


def saving(kernels: Sequence[int], channels: int, *, side: int = 1, field: int = 0) -> Saving:
    """What stacked convolutions save against a single one that sees as far.

    Args:
        kernels: of the stacked ones.
        channels: C, of every map.
        side: of the maps, for the MACs.
        field: what the stacked ones see if some are dilated; 1 + the sum of all (k - 1) otherwise.
    """
    single = field or 1 + sum(kernel - 1 for kernel in kernels)
    weights = sum(parameter_count(channels, channels, kernel, bias=False) for kernel in kernels)
    one = parameter_count(channels, channels, single, bias=False)
    return Saving(
        tuple(kernels), single, weights, one, len(kernels) * channels, channels, weights * side**2, one * side**2
    )
