"""Transposed convolution: each pixel stamps the kernel into the output, times its value; stamps that overlap add up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explorer.arithmetic.convolution import fitting_groups
from explorer.arithmetic.sizes import IllegalSetting, transposed_size
from explorer.arithmetic.sliding import Pair, Sliding, Terms, biases, line, operands, pair


@dataclass(frozen=True, eq=False, kw_only=True)
class TransposedConvolution(Sliding):
    """A transposed convolution; nothing is added around its input, so `padded` equals `inputs`.

    Attributes:
        kernel: float64 (C_in, C_out / groups, kh, kw), as PyTorch holds it.
        bias: float64 (C_out,), zeros if there is none.
        canvas: float64 (C_out, H_full, W_full), what the stamps add up to before the padding is cut off, without bias;
            the output padding is its last rows and columns.
        stride: (height, width), cells of the canvas from one stamp to the next.
        padding: (height, width), cut off the canvas at both ends.
        output_padding: (height, width).
        dilation: (height, width).
        groups: parts into which the channels are divided.
    """

    kernel: np.ndarray
    bias: np.ndarray
    canvas: np.ndarray
    stride: tuple[int, int]
    padding: tuple[int, int]
    output_padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int

    def weight(self, term: int) -> tuple[tuple[int, ...], float]:
        """Where the weight of a term stands in the kernel, and its value."""
        place = tuple(int(axis) for axis in np.unravel_index(self.terms.weights[term], self.kernel.shape))
        return place, float(self.kernel[place])


def transpose_convolve(
    grid: object,
    kernel: object,
    bias: object = None,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> TransposedConvolution:
    """Stamp a kernel into a larger grid as nn.ConvTranspose2d does.

    Args:
        grid: (H, W) or (C_in, H, W).
        kernel: (kh, kw) or (C_in, C_out / groups, kh, kw).
        bias: one number for each output channel.
        stride: cells of the output from one stamp to the next.
        padding: cells cut off around the output.
        output_padding: rows and columns added at the end of the output.
        dilation: cells from one weight to the next.
        groups: parts into which the channels are divided.

    Raises:
        IllegalSetting: PyTorch would refuse it, or a value is not finite.
    """
    inputs, weights, plain = operands(grid, kernel)
    channels, per_group = weights.shape[:2]
    if channels != inputs.shape[0]:
        raise IllegalSetting(
            f"A kernel for {channels} channels does not fit {inputs.shape[0]} input channels; "
            f"choose a kernel for {inputs.shape[0]}."
        )
    filters = per_group * groups
    groups = fitting_groups(channels, filters, groups)
    offsets = biases(bias, filters)
    steps, gaps = pair("stride", stride, 1), pair("dilation", dilation, 1)
    cut, added = pair("padding", padding, 0), pair("output padding", output_padding, 0)
    height, width = (
        transposed_size(
            inputs.shape[1 + axis], weights.shape[2 + axis], steps[axis], cut[axis], added[axis], gaps[axis]
        )
        for axis in (0, 1)
    )
    full = (height + 2 * cut[0], width + 2 * cut[1])

    # Every pair of an input cell and a weight that it meets: (C_in, H, W, C_out / groups, kh, kw).
    c, y, x, f, ky, kx = np.ix_(*(np.arange(size) for size in (*inputs.shape, *weights.shape[1:])))
    shape = inputs.shape + weights.shape[1:]
    plane = c // (channels // groups) * per_group + f
    row, column = y * steps[0] + ky * gaps[0], x * steps[1] + kx * gaps[1]
    products = inputs[..., np.newaxis, np.newaxis, np.newaxis] * weights[:, np.newaxis, np.newaxis]
    places = np.broadcast_to((plane * full[0] + row) * full[1] + column, shape).reshape(-1)
    canvas = np.bincount(places, products.reshape(-1), filters * full[0] * full[1]).reshape(filters, *full)
    output = canvas[:, cut[0] : cut[0] + height, cut[1] : cut[1] + width] + offsets[:, np.newaxis, np.newaxis]

    row, column = row - cut[0], column - cut[1]
    seen = np.broadcast_to((row >= 0) & (row < height) & (column >= 0) & (column < width), shape)
    n = np.broadcast_to((plane * height + row) * width + column, shape)[seen]
    order = np.argsort(n, kind="stable")  # by output; within one by input cell
    cells = np.broadcast_to((c * shape[1] + y) * shape[2] + x, shape)[seen][order]
    kernel_places = np.broadcast_to(((c * per_group + f) * shape[4] + ky) * shape[5] + kx, shape)[seen][order]
    counts = np.bincount(n, minlength=output.size)
    return TransposedConvolution(
        inputs=inputs,
        padded=inputs,
        origin=np.arange(inputs[0].size, dtype=np.int32).reshape(inputs.shape[1:]),
        unused=np.logical_not(seen.any(axis=(0, 3, 4, 5))),
        dropped=(0, 0),
        output=output[0] if plain else output,
        terms=Terms(
            starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
            cells=cells.astype(np.int32),
            weights=kernel_places.astype(np.int32),
            products=products[seen][order],
        ),
        code=line(
            "ConvTranspose2d",
            channels,
            filters,
            kernel_size=(weights.shape[2:], None),
            stride=(steps, 1),
            padding=(cut, 0),
            output_padding=(added, 0),
            groups=(groups, 1),
            bias=(bias is not None, True),
            dilation=(gaps, 1),
        ),
        kernel=weights,
        bias=offsets,
        canvas=canvas,
        stride=steps,
        padding=cut,
        output_padding=added,
        dilation=gaps,
        groups=groups,
    )
