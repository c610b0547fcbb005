"""Accounts of what slides a window: convolution, transposed convolution, pooling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from explorer.arithmetic.accounting.found import Found
from explorer.arithmetic.accounting.gathering import Operand, numbers, operands, parts_of
from explorer.graph.values import Ran


class _Overheard(Exception):
    """A convolution is about to run; what it was given is known."""


class _Listening(TorchFunctionMode):
    """Hears what is handed to PyTorch's own convolution, whatever a module does to its input before."""

    def __init__(self) -> None:
        super().__init__()
        self.given: tuple[Any, ...] = ()

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in (torch.conv2d, F.conv2d):
            names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
            usual = {"bias": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1}
            given = {**usual, **dict(zip(names, args, strict=False)), **dict(kwargs or {})}
            self.given = tuple(given[name] for name in names)
            raise _Overheard
        return func(*args, **(kwargs or {}))


def _pair(value: Any) -> tuple[int, int]:
    first, *rest = value if isinstance(value, (tuple, list)) else (value,)
    return int(first), int(rest[0] if rest else first)


def convolution(ran: Ran, index: tuple[int, ...]) -> Found | None:
    """Any module that ends in one call of PyTorch's 2-D convolution, with whatever padding of its own."""
    source = operands(ran)[0]
    if len(source.shape) != 4 or len(index) != 4:
        return None
    _, channels, height, width = source.shape
    # A map of places runs through the module's own padding; 0 then marks what was added.
    places = torch.arange(1, height * width + 1, dtype=torch.float64).reshape(1, 1, height, width)
    listening = _Listening()
    args, kwargs = ran.replaced(lambda _, tensor: places.to(tensor.device))
    try:
        with listening:
            ran.call(args, kwargs)
    except _Overheard:
        padded, weight, bias, stride, padding, dilation, groups = listening.given
    else:
        return None
    if padded.ndim != 4 or weight.shape[1] * groups != channels:
        return None
    kernel, dilation, stride = _pair(tuple(weight.shape[2:])), _pair(dilation), _pair(stride)
    if padding == "same":
        spare = [far * (side - 1) for far, side in zip(dilation, kernel, strict=True)]
        before = [side // 2 for side in spare]
        after = [side - first for side, first in zip(spare, before, strict=True)]
    else:
        before = after = list((0, 0) if padding == "valid" else _pair(padding))
    padded = F.pad(padded, (before[1], after[1], before[0], after[0]))[0, 0]
    batch, out, row, column = index
    rows = row * stride[0] + dilation[0] * torch.arange(kernel[0])
    columns = column * stride[1] + dilation[1] * torch.arange(kernel[1])
    window = padded[rows][:, columns].cpu().long().numpy() - 1
    each, own = weight.shape[1], out // (weight.shape[0] // groups)
    first = (batch * channels + own * each + np.arange(each)) * height * width
    flat = np.where(window >= 0, first[:, None, None] + window, -1)
    block = (each, *kernel)
    return Found(
        "weighted",
        parts_of(source, flat, numbers(weight[out]), block=block),
        {**_bias(bias, out), "first channel": own * each},
    )


def _bias(bias: Tensor | None, channel: int) -> dict[str, float]:
    """What is added to the sum; nothing where a layer has no bias."""
    return {} if bias is None else {"bias": float(bias[channel])}


def transposed(ran: Ran, index: tuple[int, ...]) -> Found | None:
    """Each input stamps its kernel onto the output; here are the stamps that reach one place."""
    module, source = ran.module, operands(ran)[0]
    if not isinstance(module, nn.ConvTranspose2d) or len(source.shape) != 4 or len(operands(ran)) != 1:
        return None
    _, channels, *sides = source.shape
    reached = []
    for axis in range(2):
        at = index[2 + axis] + _pair(module.padding)[axis] - np.arange(module.kernel_size[axis]) * module.dilation[axis]
        places = at // module.stride[axis]
        fits = (at % module.stride[axis] == 0) & (places >= 0) & (places < sides[axis])
        reached.append((np.flatnonzero(fits), places[fits]))
    (kernel_rows, rows), (kernel_columns, columns) = reached
    each = channels // module.groups
    own, out = divmod(index[1], module.out_channels // module.groups)
    first = index[0] * channels + own * each + np.arange(each)
    flat = (first[:, None, None] * sides[0] + rows[:, None]) * sides[1] + columns
    weight = numbers(module.weight[own * each : (own + 1) * each, out])[:, kernel_rows][:, :, kernel_columns]
    block = (each, len(rows), len(columns)) if len(rows) and len(columns) else ()
    return Found(
        "weighted",
        parts_of(source, flat, weight, block=block),
        {**_bias(module.bias, index[1]), "first channel": own * each},
    )


_NAMES = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")


def _settings(ran: Ran) -> dict[str, Any]:
    """Of a pooling module, or of the function of the same name."""
    if ran.module is not None:
        return {name: getattr(ran.module, name) for name in (*_NAMES, "dilation") if hasattr(ran.module, name)}
    names = _NAMES if "avg" in ran.step.operation else ("kernel_size", "stride", "padding", "dilation")
    return {**dict(zip(names, ran.args[1:], strict=False)), **ran.kwargs}


def pooling(ran: Ran, index: tuple[int, ...]) -> Found | None:
    """The largest or the mean of a window."""
    source, settings = operands(ran)[0], _settings(ran)
    if len(source.shape) != 4 or len(index) != 4:
        return None
    largest = "max" in ran.step.operation.lower()
    kernel = _pair(settings["kernel_size"])
    stride = _pair(settings.get("stride") or kernel)
    padding, dilation = _pair(settings.get("padding", 0)), _pair(settings.get("dilation", 1))
    starts = [index[2 + axis] * stride[axis] - padding[axis] for axis in range(2)]
    lines = [starts[axis] + dilation[axis] * np.arange(kernel[axis]) for axis in range(2)]
    flat = _window(source, index, *lines)
    if largest:
        return _largest(source, flat)
    # Beyond the padding, where a window that was rounded up ends, nothing is counted.
    full = [
        int((lines[axis] < source.shape[2 + axis] + padding[axis]).sum())
        if settings.get("count_include_pad", True)
        else 0
        for axis in range(2)
    ]
    divisor = settings.get("divisor_override") or (full[0] * full[1]) or int((flat >= 0).sum())
    return Found("mean", parts_of(source, flat, 1 / divisor, block=flat.shape), {"count": divisor})


def adaptive(ran: Ran, index: tuple[int, ...]) -> Found | None:
    """A window as large as the output's size asks for."""
    source = operands(ran)[0]
    if len(source.shape) != 4 or len(index) != 4:
        return None
    out = tuple(ran.output.shape[2:])
    lines = []
    for axis in range(2):
        side, place = source.shape[2 + axis], index[2 + axis]
        lines.append(np.arange(place * side // out[axis], -(-(place + 1) * side // out[axis])))
    flat = _window(source, index, *lines)
    if "max" in ran.step.operation.lower():
        return _largest(source, flat)
    return Found("mean", parts_of(source, flat, 1 / flat.size, block=flat.shape), {"count": flat.size})


def _window(source: Operand, index: tuple[int, ...], rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Places of a window, (1, rows, columns); -1 where it reaches beyond the map."""
    _, channels, height, width = source.shape
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
    first = (index[0] * channels + index[1]) * height * width
    return np.where(inside, first + rows[:, None] * width + columns, -1)[None]


def _largest(source: Operand, flat: np.ndarray) -> Found:
    parts = parts_of(source, flat, block=flat.shape)
    parts.values[parts.flat < 0] = -np.inf  # padding never wins
    return Found("maximum", parts)


def mean(ran: Ran, index: tuple[int, ...]) -> Found | None:
    """The mean over whole axes, as `x.mean([2, 3])`."""
    source = operands(ran)[0]
    dims: Any = ran.kwargs.get("dim", ran.args[1] if len(ran.args) > 1 else None)
    rank = len(source.shape)
    axes = set(range(rank)) if dims is None else {dim % rank for dim in ([dims] if isinstance(dims, int) else dims)}
    kept = len(index) == rank
    rest = iter(index)
    chosen: list[Any] = []
    for axis in range(rank):
        place = next(rest) if kept or axis not in axes else 0
        chosen.append(slice(None) if axis in axes else place)
    sides = [np.arange(side) if axis in axes else np.array([chosen[axis]]) for axis, side in enumerate(source.shape)]
    flat = np.ravel_multi_index(np.ix_(*sides), source.shape).reshape(-1)
    block = (1, source.shape[2], source.shape[3]) if rank == 4 and axes == {2, 3} else ()
    return Found("mean", parts_of(source, flat, 1 / len(flat), block=block), {"count": len(flat)})
