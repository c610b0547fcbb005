"""Pooling on a photo, once or again and again, with the part of the photo behind every output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explorer.arithmetic import IllegalSetting
from explorer.photo_filter import Colour, Span, planes, span

if TYPE_CHECKING:
    from PIL import Image

LONGEST = 256
"""Pixels of the longer side at which photos are pooled."""


@dataclass(frozen=True, eq=False)
class Pooled:
    """A photo pooled one or more times.

    Attributes:
        pixels: uint8 (P, H, W), the photo as it was used.
        stages: float32 (P, h, w) each: the photo, then the result of every pooling; the last is the output.
        rows: which rows of the last stage but one each output row reads.
        columns: which columns of it each output column reads.
        seen_rows: first and last row of the photo on which each output row depends.
        seen_columns: the same for columns.
        winners: int32 (P, h, w), flat index into (H, W) of the pixel that became the output; None for averages.
        stopped: why there are fewer poolings than asked for; empty if there are not.
    """

    pixels: np.ndarray
    stages: tuple[np.ndarray, ...]
    rows: Span
    columns: Span
    seen_rows: Span
    seen_columns: Span
    winners: np.ndarray | None
    stopped: str = ""

    @property
    def output(self) -> np.ndarray:
        """Float32 (P, h, w), 0 to 255."""
        return self.stages[-1]


def pool(
    image: Image.Image,
    kind: str,
    kernel: tuple[int, int] = (2, 2),
    *,
    stride: tuple[int, int] | None = None,
    padding: tuple[int, int] = (0, 0),
    dilation: int = 1,
    ceil_mode: bool = False,
    size: tuple[int, int] = (1, 1),
    times: int = 1,
    colour: Colour = "gray",
    longest: int = LONGEST,
) -> Pooled:
    """Pool a photo ``times`` times, as PyTorch's modules do.

    Args:
        image: the photo; larger ones are shrunk first.
        kind: 'max', 'average', 'adaptive max' or 'adaptive average'; the adaptive ones look at ``size`` alone.
        kernel: pixels of a window, (height, width).
        stride: pixels from one window to the next; the kernel's size if not given.
        padding: pixels added at each end.
        dilation: pixels from one cell of a window to the next, for maxima only.
        ceil_mode: keep a last window that does not fit.
        size: of the output of the adaptive kinds.
        times: how often.
        colour: 'gray', or 'each' colour by itself.
        longest: pixels of the longer side.

    Raises:
        IllegalSetting: PyTorch would refuse the first pooling; if it refuses a later one, the rest is left out.
    """
    pixels = planes(image, colour, longest)
    stages = [pixels.astype(np.float32)]
    seen = [_itself(side) for side in pixels.shape[1:]]
    origin = np.broadcast_to(np.arange(pixels[0].size, dtype=np.int32).reshape(pixels.shape[1:]), pixels.shape)
    stopped, axes = "", seen
    for number in range(times):
        try:
            output, winners, axes = _once(
                stages[-1], kind, kernel, stride or kernel, padding, dilation, ceil_mode, size
            )
        except IllegalSetting as error:
            if not number:
                raise
            stopped = str(error)
            break
        sides = stages[-1].shape[1:]
        seen = [_through(before, axis, side) for before, axis, side in zip(seen, axes, sides, strict=True)]
        stages.append(output)
        if winners is not None:
            origin = np.take_along_axis(origin.reshape(len(origin), -1), winners.reshape(len(origin), -1), axis=1)
            origin = origin.reshape(output.shape)
    return Pooled(pixels, tuple(stages), axes[0], axes[1], seen[0], seen[1], origin if "max" in kind else None, stopped)


def _once(
    values: np.ndarray,
    kind: str,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: int,
    ceil_mode: bool,
    size: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray | None, list[Span]]:
    """One pooling: values, flat indices of the winners, and the windows along both axes."""
    import torch
    from torch.nn import functional as F

    inputs, winners = torch.from_numpy(values)[None], None
    with torch.no_grad():
        try:
            if kind == "max":
                output, winners = F.max_pool2d(
                    inputs, kernel, stride, padding, dilation, ceil_mode, return_indices=True
                )
            elif kind == "average":
                output = F.avg_pool2d(inputs, kernel, stride, padding, ceil_mode)
            elif kind == "adaptive max":
                output, winners = F.adaptive_max_pool2d(inputs, size, return_indices=True)
            elif kind == "adaptive average":
                output = F.adaptive_avg_pool2d(inputs, size)
            else:
                raise IllegalSetting(f"There is no pooling {kind!r}; choose max, average or one of the adaptive ones.")
        except RuntimeError:
            raise IllegalSetting(_refused(kernel, padding, dilation, values.shape[1:])) from None
    axes = []
    for axis in (0, 1):
        cells, count = values.shape[1 + axis], output.shape[2 + axis]
        if kind.startswith("adaptive"):
            at = np.arange(count)
            axes.append(
                Span(*(each.astype(np.int32) for each in (at * cells // count, -(-(at + 1) * cells // count) - 1)))
            )
        else:
            gap = dilation if kind == "max" else 1
            window = span(count, kernel[axis], stride[axis], padding[axis], gap)
            # A window that ceil_mode keeps ends where the padding ends.
            end = cells + padding[axis] - 1
            last = np.minimum(window.last, window.first + (end - window.first) // gap * gap)
            axes.append(Span(window.first, last.astype(np.int32), gap))
    return output[0].numpy(), None if winners is None else winners[0].numpy().astype(np.int32), axes


def _refused(kernel: tuple[int, int], padding: tuple[int, int], dilation: int, sides: tuple[int, ...]) -> str:
    for size, pad in zip(kernel, padding, strict=True):
        if pad > size // 2:
            return f"A padding of {pad} is more than half of the kernel ({size}); choose at most {size // 2}."
    window = " × ".join(str((size - 1) * dilation + 1) for size in kernel)
    left = " × ".join(map(str, sides))
    return f"A window of {window} does not fit into the {left} pixels that are left; choose a smaller one."


def _itself(side: int) -> Span:
    at = np.arange(side, dtype=np.int32)
    return Span(at, at)


def _through(before: Span, axis: Span, side: int) -> Span:
    """On which cells of the photo outputs depend that read ``axis`` of a stage whose cells depend on ``before``."""
    first = np.clip(axis.first + -(-np.maximum(-axis.first, 0) // axis.step) * axis.step, 0, side - 1)
    last = np.clip(axis.last - -(-np.maximum(axis.last - side + 1, 0) // axis.step) * axis.step, 0, side - 1)
    return Span(before.first[first], before.last[last])
