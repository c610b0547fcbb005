"""What one operation of a network is, in a sentence, and how its size and costs come about, with its own numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from explorer.graph import Node

_SENTENCES = (
    # (pattern of the operation's name, sentence); the first that fits
    (r"^SameConv2d$", "A convolution that pads its input just so far that only the stride makes it smaller."),
    (r"^ConvTranspose2d$", "A transposed convolution: each input value paints its kernel, weighted, into the output."),
    (r"^Conv2d", "A convolution: at every position a weighted sum over a small window and all its channels."),
    (r"^BatchNorm2d$", "Batch norm: each channel is shifted and scaled by the mean and variance seen in training."),
    (r"LayerNorm|^GroupNorm$", "Layer norm: the values of one position are shifted and scaled to mean 0, variance 1."),
    (r"^LocalResponseNorm$", "Local response norm: a strong value dampens the same place in neighbouring channels."),
    (r"^ReLU6$", "ReLU6: negative values become 0, values above 6 become 6."),
    (r"^LeakyReLU$", "Leaky ReLU: negative values are made much smaller and kept."),
    (r"^ReLU$|^relu$", "ReLU: negative values become 0, the others stay."),
    (r"^GELU$|^gelu$", "GELU: a smooth ReLU that lets slightly negative values through."),
    (r"^SiLU$|^Hardswish$", "SiLU: each value is multiplied by its own sigmoid, a smooth ReLU."),
    (r"^Tanh$", "Tanh squashes every value into -1 to 1."),
    (r"igmoid$", "Sigmoid squashes every value into 0 to 1."),
    (r"^Softmax$|^softmax$", "Softmax turns scores into shares that add up to 1."),
    (r"^MaxPool2d$", "Max pooling: the largest value of every window; it has nothing to learn."),
    (r"^AvgPool2d$", "Average pooling: the mean of every window; it has nothing to learn."),
    (r"^Adaptive\w+Pool2d$", "Adaptive pooling: as many windows as the output has positions, for any input."),
    (r"^Linear$", "A linear layer: every output is a weighted sum of all inputs, plus a bias."),
    (r"^Dropout|^StochasticDepth$|^Identity$", "Does nothing when the network answers; training drops parts here."),
    (r"^add_?$", "The sum of its inputs, value by value: a shortcut meets the branch around it."),
    (r"^cat$", "Its inputs side by side, as more channels; nothing is computed."),
    (r"^mul_?$", "The product of its inputs, value by value: one weighs the other."),
    (r"^matmul$|^bmm$", "A product of two matrices computed from the photo: attention compares or mixes."),
    (r"^mean$", "The mean over positions: where something was no longer matters."),
    (r"^(reshape|view|flatten|permute|transpose|select|slice|split|chunk|unbind|expand|roll|pad|squeeze|unsqueeze|getitem)$",
     "Moves values about; nothing is computed."),
    (r"^interpolate$|^upsample", "Stretches the maps to another size."),
)  # fmt: skip


@dataclass(frozen=True)
class Formula:
    """One number of an operation and how it comes about.

    Attributes:
        name: 'Output size', 'Parameters', 'MACs'.
        latex: the formula with this operation's numbers, without the result.
        value: the result.
    """

    name: str
    latex: str
    value: int


def sentence(operation: str) -> str:
    """What an operation does, for people; empty where nothing is known about it."""
    return next((text for pattern, text in _SENTENCES if re.search(pattern, operation)), "")


def formulas(node: Node, inputs: Sequence[tuple[int, ...]]) -> tuple[Formula, ...]:
    """How the output's size, the parameters and the MACs of a convolution, pooling, linear layer or norm come about.

    Args:
        node: the operation.
        inputs: shapes of what feeds it, with the batch axis.
    """
    if not inputs:
        return ()
    operation, given = node.operation, inputs[0]
    if operation in ("Conv2d", "SameConv2d", "ConvTranspose2d"):
        return _convolution(node, given)
    if operation in ("MaxPool2d", "AvgPool2d"):
        return _size(node, given)
    if operation == "Linear":
        return _linear(node, given)
    if operation == "BatchNorm2d":
        return (Formula("Parameters", rf"2 \cdot {node.shape[1]}", node.params),)
    return ()


def _pair(value: object) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    if isinstance(value, (tuple, list)) and len(value) == 2:
        return int(value[0]), int(value[1])
    raise ValueError(f"{value!r} is neither a number nor a pair.")


def _axes(node: Node, given: tuple[int, ...]) -> tuple[tuple[str, int, int, int, int, int, int], ...]:
    """(name, n, k, s, p, d, output) of each axis; one entry where both are alike."""
    settings = node.settings
    kernel, padding = _pair(settings["kernel_size"]), _pair(settings.get("padding", 0))
    stride = _pair(settings.get("stride") or kernel)
    dilation = _pair(settings.get("dilation", 1))
    axes = tuple(
        (name, given[2 + i], kernel[i], stride[i], padding[i], dilation[i], node.shape[2 + i])
        for i, name in enumerate(("Height", "Width"))
    )
    return axes if axes[0][1:] != axes[1][1:] else (("Output size", *axes[0][1:]),)


def _size(node: Node, given: tuple[int, ...]) -> tuple[Formula, ...]:
    found = []
    for name, size, kernel, stride, padding, dilation, output in _axes(node, given):
        if node.operation == "SameConv2d":
            latex = rf"\left\lceil \frac{{{size}}}{{{stride}}} \right\rceil"
        elif node.operation == "ConvTranspose2d":
            extra = _pair(node.settings.get("output_padding", 0))[0]
            latex = rf"({size} - 1) \cdot {stride} - 2 \cdot {padding} + {dilation} \cdot ({kernel} - 1) + {extra} + 1"
        else:
            half = ("lceil", "rceil") if node.settings.get("ceil_mode") else ("lfloor", "rfloor")
            window = f"{dilation} \\cdot ({kernel} - 1)"
            latex = (
                rf"\left\{half[0]} \frac{{{size} + 2 \cdot {padding} - {window} - 1}}{{{stride}}} \right\{half[1]} + 1"
            )
        found.append(Formula(name, latex, output))
    return tuple(found)


def _convolution(node: Node, given: tuple[int, ...]) -> tuple[Formula, ...]:
    height, width = _pair(node.settings["kernel_size"])
    groups = int(str(node.settings.get("groups", 1)))
    inside, outside = given[1], node.shape[1]
    share = rf"\frac{{{inside}}}{{{groups}}}" if groups > 1 else f"{inside}"
    bias = node.params - height * width * inside // groups * outside
    weights = rf"{height} \cdot {width} \cdot {share} \cdot {outside}"
    positions = given[2:] if node.operation == "ConvTranspose2d" else node.shape[2:]
    return (
        *_size(node, given),
        Formula("Parameters", weights + (f" + {outside}" if bias else ""), node.params),
        Formula("MACs", rf"{weights} \cdot {positions[0]} \cdot {positions[1]}", node.macs),
    )


def _linear(node: Node, given: tuple[int, ...]) -> tuple[Formula, ...]:
    inside, outside = given[-1], node.shape[-1]
    rows = math.prod(given[1:-1])
    bias = f" + {outside}" if node.params > inside * outside else ""
    positions = rf" \cdot {rows}" if rows > 1 else ""
    return (
        Formula("Parameters", rf"{inside} \cdot {outside}{bias}", node.params),
        Formula("MACs", rf"{inside} \cdot {outside}{positions}", node.macs),
    )
