"""Pooling: the largest value or the mean of each window, with what every cell contributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from explorer.arithmetic.sizes import IllegalSetting
from explorer.arithmetic.sliding import Pair, Sliding, Terms, line, numbers, pair

Kind = Literal["max", "average"]
Bins = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Pooling(Sliding):
    """A pooling of each channel by itself.

    The products are the values themselves for a maximum, value / divisor for an average. Padding competes for a maximum
    as minus infinity; for an average it has terms only where it counts.

    Attributes:
        kind: max or average.
        winners: int32 (C, H_out, W_out), flat index into (H, W) of the maximum, the first of equals as in PyTorch; -1
            for averages, and for a window that holds nothing but padding.
        divisors: int32 (H_out, W_out), by what the sum of a window is divided; 1 for maxima.
        row_bins: first and last row of `padded` that each output row reads; they may overlap.
        column_bins: first and last column of `padded` that each output column reads.
        window: (height, width), cells of the largest window; a term's weight is its position row * width + column.
    """

    kind: Kind
    winners: np.ndarray
    divisors: np.ndarray
    row_bins: Bins
    column_bins: Bins
    window: tuple[int, int]

    def weight(self, term: int) -> tuple[tuple[int, ...], float]:
        """Where the cell of a term stands in its window, and by what its value is multiplied."""
        output = int(np.searchsorted(self.terms.starts, term, side="right")) - 1
        place = divmod(int(self.terms.weights[term]), self.window[1])
        return place, 1 / float(self.divisors.reshape(-1)[output % self.divisors.size])


def pool(
    grid: object,
    kind: Kind,
    kernel: Pair = 2,
    *,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Pooling:
    """Pool windows of one size as nn.MaxPool2d and nn.AvgPool2d do.

    Args:
        grid: (H, W) or (C, H, W).
        kind: max or average.
        kernel: cells of a window.
        stride: cells from one window to the next; the kernel's size if not given.
        padding: cells added around, at most half of the kernel.
        dilation: cells from one cell of a window to the next, for maxima only.
        ceil_mode: keep a last window that does not fit, as far as it begins inside.
        count_include_pad: whether zeros of the padding count in an average.

    Raises:
        IllegalSetting: PyTorch would refuse it, or a value is not finite.
    """
    sizes = pair("kernel", kernel, 1)
    steps = sizes if stride is None else pair("stride", stride, 1)
    around, gaps = pair("padding", padding, 0), pair("dilation", dilation, 1)
    for size, pad in zip(sizes, around, strict=True):
        if pad > size // 2:
            raise IllegalSetting(
                f"A padding of {pad} is more than half of the kernel ({size}); choose at most {size // 2}."
            )
    if kind == "average" and gaps != (1, 1):
        raise IllegalSetting(f"Average pooling has no dilation in PyTorch, so {max(gaps)} is impossible; choose 1.")
    values, plain = _planes(grid)
    axes = []
    for axis in (0, 1):
        total = values.shape[1 + axis] + 2 * around[axis]
        count = _positions(total, sizes[axis], steps[axis], around[axis], gaps[axis], ceil_mode)
        cells = np.arange(count)[:, np.newaxis] * steps[axis] + np.arange(sizes[axis]) * gaps[axis]
        axes.append((cells, cells < total))  # a window of ceil_mode ends where the padded grid ends
    code = line(
        "MaxPool2d" if kind == "max" else "AvgPool2d",
        kernel_size=(sizes, None),
        stride=(steps, sizes),
        padding=(around, 0),
        dilation=(gaps, 1),
        ceil_mode=(ceil_mode, False),
        count_include_pad=(count_include_pad or kind == "max", True),
    )
    return _pooled(values, kind, axes, around, count_include_pad, code, plain)


def adaptive_pool(grid: object, kind: Kind, size: Pair) -> Pooling:
    """Pool to a size that is given, as nn.AdaptiveMaxPool2d and nn.AdaptiveAvgPool2d do; size 1 is global pooling.

    Output i of m reads cells floor(i n / m) to ceil((i + 1) n / m) - 1 of n.

    Raises:
        IllegalSetting: the size is less than 1 (PyTorch makes an empty output of 0), or a value is not finite.
    """
    wanted = pair("output size", size, 1)
    values, plain = _planes(grid)
    axes = []
    for n, m in zip(values.shape[1:], wanted, strict=True):
        first, end = np.arange(m) * n // m, -(-(np.arange(m) + 1) * n // m)
        cells = first[:, np.newaxis] + np.arange((end - first).max())
        axes.append((cells, cells < end[:, np.newaxis]))
    name = "AdaptiveMaxPool2d" if kind == "max" else "AdaptiveAvgPool2d"
    code = f"nn.{name}({wanted[0] if wanted[0] == wanted[1] else wanted})"
    return _pooled(values, kind, axes, (0, 0), True, code, plain)


def _planes(grid: object) -> tuple[np.ndarray, bool]:
    values = numbers("grid", grid, (2, 3))
    return (values, False) if values.ndim == 3 else (values[np.newaxis], True)


def _positions(total: int, size: int, step: int, pad: int, gap: int, ceil_mode: bool) -> int:
    """Windows along one axis: PyTorch's formula."""
    window = gap * (size - 1) + 1
    count = (total - window + (step - 1 if ceil_mode else 0)) // step + 1
    if ceil_mode and (count - 1) * step >= total - pad:  # the last window would begin in the padding at the end
        count -= 1
    if count < 1:
        raise IllegalSetting(
            f"A window of {window} does not fit into {total} cells (padding included); "
            "choose a smaller kernel or dilation, or a larger grid."
        )
    return count


def _pooled(
    values: np.ndarray,
    kind: Kind,
    axes: list[tuple[np.ndarray, np.ndarray]],
    around: tuple[int, int],
    count_include_pad: bool,
    code: str,
    plain: bool,
) -> Pooling:
    """Pool windows given along each axis as cells (outputs, longest window) and which of them are inside."""
    if kind not in ("max", "average"):
        raise IllegalSetting(f'The kind "{kind}" is unknown; choose "max" or "average".')
    channels, height, width = values.shape
    pixels = np.arange(height * width, dtype=np.int32).reshape(height, width)
    origin = np.pad(pixels, [(pad, pad) for pad in around], constant_values=-1)
    fill = -np.inf if kind == "max" else 0.0
    padded = np.where(origin < 0, fill, values.reshape(channels, -1)[:, origin])
    (rows, in_rows), (columns, in_columns) = axes
    bins = [
        tuple((int(of[ok][0]), int(of[ok][-1])) for of, ok in zip(cells, inside, strict=True)) for cells, inside in axes
    ]

    # Windows as (H_out, W_out, rows, columns), one channel; `counted` says which cells have a term.
    counted = in_rows[:, np.newaxis, :, np.newaxis] & in_columns[np.newaxis, :, np.newaxis, :]
    flat = rows[:, np.newaxis, :, np.newaxis] * origin.shape[1] + columns[np.newaxis, :, np.newaxis, :]
    flat = np.where(counted, flat, 0)
    touched = np.zeros(origin.size, bool)
    touched[flat[counted]] = True
    if kind == "average" and not count_include_pad:
        counted = counted & (origin.reshape(-1)[flat] >= 0)
    shape = (channels, *counted.shape[:2])
    counts = counted.sum(axis=(2, 3), dtype=np.int32)
    cells = (np.arange(channels)[:, np.newaxis] * origin.size + flat[counted]).astype(np.int32).reshape(-1)
    positions = np.broadcast_to(np.arange(counted[0, 0].size).reshape(counted.shape[2:]), counted.shape)[counted]
    terms = padded.reshape(-1)[cells]
    starts = np.concatenate([[0], np.cumsum(np.tile(counts.reshape(-1), channels))]).astype(np.int32)
    winners = np.full(shape, -1, dtype=np.int32)
    if kind == "max":
        window = np.where(counted, padded.reshape(channels, -1)[:, flat], -np.inf).reshape(*shape, -1)
        best = window.argmax(axis=-1)
        output = window.max(axis=-1)
        winners = np.take_along_axis(origin.reshape(-1)[flat].reshape(1, *shape[1:], -1), best[..., np.newaxis], -1)
        winners = np.where(np.isfinite(output), winners[..., 0], -1).astype(np.int32)
        divisors = np.ones_like(counts)
    else:
        divisors = counts
        output = np.add.reduceat(terms, starts[:-1]).reshape(shape) / divisors
        terms = terms / np.repeat(np.tile(divisors.reshape(-1), channels), np.tile(counts.reshape(-1), channels))
    return Pooling(
        inputs=values,
        padded=padded,
        origin=origin,
        unused=~touched.reshape(origin.shape),
        dropped=(origin.shape[0] - 1 - bins[0][-1][1], origin.shape[1] - 1 - bins[1][-1][1]),
        output=output[0] if plain else output,
        terms=Terms(starts=starts, cells=cells, weights=np.tile(positions, channels).astype(np.int32), products=terms),
        code=code,
        kind=kind,
        winners=winners,
        divisors=divisors,
        row_bins=bins[0],
        column_bins=bins[1],
        window=(rows.shape[1], columns.shape[1]),
    )
