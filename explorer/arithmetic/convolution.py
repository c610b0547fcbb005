"""Convolution, with every product it adds up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from explorer.arithmetic.sizes import IllegalSetting, output_size
from explorer.arithmetic.sliding import Pair, Sliding, Terms, biases, line, operands, pair, whole

PADDING_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}  # NumPy's names
_MODULES = {"zeros": "ZeroPad2d", "reflect": "ReflectionPad2d", "replicate": "ReplicationPad2d"}
_MODULES["circular"] = "CircularPad2d"

Padding = Pair | tuple[int, int, int, int] | Literal["same"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Convolution(Sliding):
    """A convolution as networks compute it (cross-correlation: the kernel is not turned).

    Attributes:
        kernel: float64 (C_out, C_in / groups, kh, kw), the weights as PyTorch would hold them: already turned by 180
            degrees where `flip` is set.
        bias: float64 (C_out,), zeros if there is none.
        sums: float64 (C_out, H_out, W_out), the outputs without their bias.
        channel_sums: float64 (C_out, C_in / groups, H_out, W_out), what each input channel of the group adds.
        stride: (height, width).
        padding: cells added at (top, bottom, left, right).
        padding_mode: zeros, reflect, replicate or circular.
        dilation: (height, width).
        groups: parts into which the channels are divided.
        flip: whether this is the mathematician's convolution, which turns the kernel by 180 degrees first.
    """

    kernel: np.ndarray
    bias: np.ndarray
    sums: np.ndarray
    channel_sums: np.ndarray
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    padding_mode: str
    dilation: tuple[int, int]
    groups: int
    flip: bool

    def weight(self, term: int) -> tuple[tuple[int, ...], float]:
        """Where the weight of a term stands in the kernel, and its value."""
        place = tuple(int(axis) for axis in np.unravel_index(self.terms.weights[term], self.kernel.shape))
        return place, float(self.kernel[place])


def convolve(
    grid: object,
    kernel: object,
    bias: object = None,
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    padding_mode: str = "zeros",
    dilation: Pair = 1,
    groups: int = 1,
    flip: bool = False,
) -> Convolution:
    """Slide a kernel over a grid as PyTorch does.

    Args:
        grid: (H, W) or (C_in, H, W).
        kernel: (kh, kw) or (C_out, C_in / groups, kh, kw).
        bias: one number for each output channel.
        stride: cells from one window to the next.
        padding: cells added around: a number, (height, width), (top, bottom, left, right), or "same".
        padding_mode: what the added cells hold: zeros, or pixels of the grid (reflect, replicate, circular).
        dilation: cells from one weight to the next.
        groups: parts into which the channels are divided; filters of a part see only its channels.
        flip: turn the kernel by 180 degrees first.

    Raises:
        IllegalSetting: PyTorch would refuse it, or a value is not finite. Negative padding is always refused.
    """
    inputs, weights, plain = operands(grid, kernel)
    groups = fitting_groups(inputs.shape[0], weights.shape[0], groups)
    if weights.shape[1] * groups != inputs.shape[0]:
        raise IllegalSetting(
            f"A kernel for {weights.shape[1]} channels does not fit {inputs.shape[0]} input channels in {groups} "
            f"group{'s' * (groups > 1)}; choose a kernel for {inputs.shape[0] // groups}."
        )
    offsets = biases(bias, weights.shape[0])
    steps, gaps = pair("stride", stride, 1), pair("dilation", dilation, 1)
    around = _around(padding, weights.shape[2:], steps, gaps)
    origin = _origin(inputs.shape[1:], around, padding_mode)
    weights = weights[:, :, ::-1, ::-1].copy() if flip else weights

    windows = [
        np.arange(output_size(origin.shape[axis], weights.shape[2 + axis], steps[axis], 0, gaps[axis]))[:, np.newaxis]
        * steps[axis]
        + np.arange(weights.shape[2 + axis]) * gaps[axis]
        for axis in (0, 1)
    ]  # for each axis (outputs, weights): the cell that a weight of a window covers
    padded = np.where(origin < 0, 0.0, inputs.reshape(len(inputs), -1)[:, origin])
    cells, places = _terms(weights.shape, groups, windows, origin.shape)
    products = padded.reshape(-1)[cells] * weights.reshape(-1)[places]
    channel_sums = np.moveaxis(products.sum(axis=(4, 5)), 3, 1)
    sums = channel_sums.sum(axis=1)
    output = sums + offsets[:, np.newaxis, np.newaxis]
    touched = np.zeros(origin.shape, bool)
    touched[np.ix_(np.unique(windows[0]), np.unique(windows[1]))] = True
    a_sum = weights[0].size
    settings: dict[str, Any] = {"stride": steps, "padding": around, "dilation": gaps, "groups": groups, "flip": flip}
    settings["padding_mode"] = padding_mode
    return Convolution(
        inputs=inputs,
        padded=padded,
        origin=origin,
        unused=~touched,
        dropped=(origin.shape[0] - 1 - int(windows[0].max()), origin.shape[1] - 1 - int(windows[1].max())),
        output=output[0] if plain else output,
        terms=Terms(
            starts=np.arange(0, sums.size * a_sum + 1, a_sum, dtype=np.int32),
            cells=cells.reshape(-1),
            weights=np.broadcast_to(places, cells.shape).reshape(-1),
            products=products.reshape(-1),
        ),
        code=_code(len(inputs), weights.shape, bias is not None, padding == "same", settings),
        kernel=weights,
        bias=offsets,
        sums=sums,
        channel_sums=channel_sums,
        **settings,
    )


def fitting_groups(inputs: int, outputs: int, groups: int) -> int:
    """The number of groups.

    Raises:
        IllegalSetting: the channels cannot be divided into them.
    """
    groups = whole("group count", groups, 1)
    for name, channels in (("input", inputs), ("output", outputs)):
        if channels % groups:
            raise IllegalSetting(
                f"{channels} {name} channel{'s' * (channels > 1)} cannot be divided into {groups} groups; "
                f"choose a divisor of {channels}."
            )
    return groups


def _around(
    padding: Padding, kernel: tuple[int, ...], stride: tuple[int, int], dilation: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Cells to add at the top, bottom, left and right."""
    if isinstance(padding, str):
        if padding != "same":
            raise IllegalSetting(f'The padding "{padding}" is unknown; choose "same" or numbers.')
        if stride != (1, 1):
            raise IllegalSetting(
                f'Padding "same" is not possible with a stride of {max(stride)}; choose stride 1, or numbers.'
            )
        total = [gap * (weights - 1) for gap, weights in zip(dilation, kernel, strict=True)]
        return total[0] // 2, total[0] - total[0] // 2, total[1] // 2, total[1] - total[1] // 2
    if isinstance(padding, (tuple, list)) and len(padding) == 4:
        top, bottom, left, right = (whole("padding", value, 0) for value in padding)
        return top, bottom, left, right
    height, width = pair("padding", padding, 0)
    return height, height, width, width


def _origin(shape: tuple[int, ...], around: tuple[int, int, int, int], mode: str) -> np.ndarray:
    """For each padded cell the flat index of the pixel it repeats, -1 for none."""
    if mode not in PADDING_MODES:
        raise IllegalSetting(f'The padding mode "{mode}" is unknown; choose {", ".join(PADDING_MODES)}.')
    for axis, size in zip(("rows", "columns"), shape, strict=True):
        widest = max(around[:2] if axis == "rows" else around[2:])
        most = {"reflect": size - 1, "circular": size}.get(mode, widest)
        if widest > most:
            raise IllegalSetting(
                f"{widest} {axis} of {mode} padding need more than the grid's {size} {axis}; choose at most {most}."
            )
    pixels = np.arange(shape[0] * shape[1], dtype=np.int32).reshape(shape)
    sides = (around[:2], around[2:])
    if mode == "zeros":
        return np.pad(pixels, sides, constant_values=-1)
    return np.pad(pixels, sides, mode=PADDING_MODES[mode])  # type: ignore[call-overload]


def _terms(
    kernel: tuple[int, ...], groups: int, windows: list[np.ndarray], grid: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Flat indices of values and weights, both broadcastable to (C_out, H_out, W_out, C_in / groups, kh, kw)."""
    filters, channels = kernel[:2]
    first = np.arange(filters) // (filters // groups) * channels  # the first channel of each filter's group
    planes_read = first[:, np.newaxis] + np.arange(channels)
    cells = (
        planes_read[:, np.newaxis, np.newaxis, :, np.newaxis, np.newaxis] * (grid[0] * grid[1])
        + windows[0][np.newaxis, :, np.newaxis, np.newaxis, :, np.newaxis] * grid[1]
        + windows[1][np.newaxis, np.newaxis, :, np.newaxis, np.newaxis, :]
    ).astype(np.int32)
    places = np.arange(np.prod(kernel), dtype=np.int32).reshape(filters, 1, 1, *kernel[1:])
    return cells, places


def _code(channels: int, kernel: tuple[int, ...], bias: bool, same: bool, settings: dict[str, Any]) -> str:
    """The line of PyTorch; padding with unequal ends needs a module of its own."""
    top, bottom, left, right = settings["padding"]
    mode = settings["padding_mode"]
    apart = not same and (top != bottom or left != right)
    padding = "same" if same else (0, 0) if apart else (top, left)
    written = line(
        "Conv2d",
        channels,
        kernel[0],
        kernel_size=(kernel[2:], None),
        stride=(settings["stride"], 1),
        padding=(padding, 0),
        dilation=(settings["dilation"], 1),
        groups=(settings["groups"], 1),
        bias=(bias, True),
        padding_mode=("zeros" if apart else mode, "zeros"),
    )
    if apart:
        written = f"nn.Sequential(nn.{_MODULES[mode]}({(left, right, top, bottom)}), {written})"
    return written + "  # weight = kernel.flip(-2, -1)" * settings["flip"]
