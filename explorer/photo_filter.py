"""A kernel on a photo: the pixels it reads, what comes out at every place, and how that can be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from explorer.arithmetic import IllegalSetting

if TYPE_CHECKING:
    import torch

LONGEST = 512
"""Pixels of the longer side at which photos are filtered: a kernel of 7 x 7 then answers at once."""
PADDING_MODES = ("replicate", "zeros", "reflect", "circular")

Colour = Literal["gray", "each"]
View = Literal["signed", "picture", "absolute"]


@dataclass(frozen=True, eq=False)
class Span:
    """Along one axis, the cells that each output reads; those before 0 or beyond the end lie in the padding.

    Attributes:
        first: int32 (outputs,).
        last: int32 (outputs,).
        step: from one cell to the next (the dilation).
    """

    first: np.ndarray
    last: np.ndarray
    step: int = 1


@dataclass(frozen=True, eq=False, kw_only=True)
class Filtered:
    """A kernel's answer at every place of a photo.

    Attributes:
        pixels: uint8 (P, H, W), the photo as it was used: one plane of gray, or red, green and blue.
        values: float32 (P, H, W), the numbers that are multiplied: the pixels themselves, 0 to 255, or what a network
            makes of them.
        kernel: float32 (P, kh, kw), one for each plane.
        bias: added to every sum.
        output: float32 (K, H_out, W_out): one map, or one for each plane where planes are filtered by themselves.
        rows: which rows of `values` each output row reads.
        columns: which columns of `values` each output column reads.
        padding_mode: what lies beyond the border: replicate, zeros, reflect or circular.
    """

    pixels: np.ndarray
    values: np.ndarray
    kernel: np.ndarray
    bias: float
    output: np.ndarray
    rows: Span
    columns: Span
    padding_mode: str

    def picture(self, view: View) -> Image.Image:
        """The answer as a picture: signed values blue-white-red (or about gray, in colours), the rest from black on."""
        from explorer import palettes

        level = levels(self.output, view).levels
        if len(level) == 1:
            return Image.fromarray(palettes.DIVERGING[level[0]] if view == "signed" else level[0])
        return Image.fromarray(np.ascontiguousarray(np.moveaxis(level, 0, 2)))


@dataclass(frozen=True, eq=False)
class Levels:
    """Numbers as shades.

    Attributes:
        levels: uint8, shaped as the numbers.
        low: the number that level 0 stands for, and all below it.
        high: the number that level 255 stands for, and all above it.
    """

    levels: np.ndarray
    low: float
    high: float


def levels(output: np.ndarray, view: View) -> Levels:
    """Shades of a filter's answer.

    'signed' is symmetric about zero, 'picture' cuts off at 0 and 255, 'absolute' is the size whatever the sign. The
    strongest half percent share the last shade: one bright spot would leave all else pale.
    """
    if view == "picture":
        low, high = 0.0, 255.0
        values = output
    else:
        values = np.abs(output) if view == "absolute" else output
        size = np.abs(output)
        high = float(np.quantile(size, 0.995)) or float(size.max()) or 1.0
        low = -high if view == "signed" else 0.0
    shade = np.rint((values - low) * (255 / (high - low)))
    return Levels(np.clip(shade, 0, 255).astype(np.uint8), low, high)


def planes(image: Image.Image, colour: Colour, longest: int = LONGEST) -> np.ndarray:
    """The photo at most ``longest`` pixels on its longer side: uint8 (1, H, W) of gray or (3, H, W)."""
    small = image
    if max(image.size) > longest:
        scale = longest / max(image.size)
        sides = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        small = image.convert("RGB").resize(sides, Image.Resampling.BICUBIC, reducing_gap=2.0)
    small = small.convert("L" if colour == "gray" else "RGB")
    pixels = np.asarray(small)
    return np.ascontiguousarray(pixels[np.newaxis] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0))


def turned(kernel: np.ndarray) -> np.ndarray:
    """The kernel turned by 180 degrees: what mathematicians call a convolution uses this one."""
    return np.ascontiguousarray(kernel[..., ::-1, ::-1])


def sum_of(kernel: np.ndarray) -> float:
    """The sum of the kernel's numbers, or 0 where they cancel but for rounding."""
    total = float(kernel.sum())
    return 0.0 if abs(total) < 1e-9 * max(1.0, float(np.abs(kernel).sum())) else total


def normalised(kernel: np.ndarray) -> np.ndarray:
    """The kernel divided by its sum, so that an even area keeps its brightness.

    Raises:
        IllegalSetting: its numbers add up to 0.
    """
    total = sum_of(kernel)
    if total == 0:
        raise IllegalSetting("The kernel's numbers add up to 0, so nothing can be divided by their sum; leave it out.")
    divided: np.ndarray = kernel / total
    return divided


def apply(
    image: Image.Image,
    kernel: object,
    *,
    colour: Colour = "gray",
    stride: int = 1,
    padding_mode: str = "replicate",
    longest: int = LONGEST,
) -> Filtered:
    """Slide a kernel over a photo, as networks do: the kernel is not turned. At stride 1 the size stays.

    Args:
        image: the photo; larger ones are shrunk first.
        kernel: (kh, kw), or (3, kh, kw) for red, green and blue.
        colour: 'gray', or 'each' colour by itself.
        stride: pixels from one window to the next.
        padding_mode: what lies beyond the border: replicate, zeros, reflect or circular.
        longest: pixels of the longer side.

    Raises:
        IllegalSetting: PyTorch would refuse it, or a number is not finite.
    """
    import torch

    pixels = planes(image, colour, longest)
    weights = np.asarray(kernel, np.float32)
    weights = np.repeat(weights[np.newaxis], len(pixels), axis=0) if weights.ndim == 2 else weights
    _check(weights, pixels.shape, stride, padding_mode)
    height, width = weights.shape[1:]
    top, left = (height - 1) // 2, (width - 1) // 2
    around = (left, width - 1 - left, top, height - 1 - top)
    values = pixels.astype(np.float32)
    mode = "constant" if padding_mode == "zeros" else padding_mode
    with torch.no_grad():
        padded = torch.nn.functional.pad(torch.from_numpy(values)[None], around, mode=mode)
        output = _each(padded, torch.from_numpy(weights), stride)
    return Filtered(
        pixels=pixels,
        values=values,
        kernel=weights,
        bias=0.0,
        output=output.numpy(),
        rows=span(output.shape[1], height, stride, top),
        columns=span(output.shape[2], width, stride, left),
        padding_mode=padding_mode,
    )


def span(outputs: int, size: int, stride: int, padding: int, dilation: int = 1) -> Span:
    """The cells that windows of ``size`` read, which begin ``padding`` cells before the first."""
    first = np.arange(outputs, dtype=np.int32) * stride - padding
    return Span(first, first + (size - 1) * dilation, dilation)


def _each(padded: torch.Tensor, weights: torch.Tensor, stride: int) -> torch.Tensor:
    """Every plane with its own kernel: (P, H_out, W_out)."""
    import torch

    maps = [
        torch.nn.functional.conv2d(padded[:, plane : plane + 1], weights[plane][None, None], stride=stride)[0, 0]
        for plane in range(len(weights))
    ]
    return torch.stack(maps)


def _check(weights: np.ndarray, shape: tuple[int, ...], stride: int, padding_mode: str) -> None:
    if weights.ndim != 3 or len(weights) != shape[0] or not weights.size:
        raise IllegalSetting(
            f"A kernel of the shape {weights.shape} does not fit {shape[0]} colour planes; choose height × width."
        )
    if not np.isfinite(weights).all():
        raise IllegalSetting("The kernel holds a number that is not finite; choose another value.")
    if stride < 1:
        raise IllegalSetting(f"A stride of {stride} is too small; choose at least 1.")
    if padding_mode not in PADDING_MODES:
        raise IllegalSetting(f"There is no padding {padding_mode!r}; choose one of {', '.join(PADDING_MODES)}.")
    for side, size in zip(shape[1:], weights.shape[1:], strict=True):
        needed, allowed = size // 2, {"reflect": side - 1, "circular": side}.get(padding_mode, size)
        if needed > allowed:
            raise IllegalSetting(
                f"A photo of {side} pixel{'s' * (side > 1)} is too small to be continued by {needed} with "
                f"{padding_mode} padding; choose replicate."
            )
