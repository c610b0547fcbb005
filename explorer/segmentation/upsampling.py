"""Ways up: maps of twice the size by transposed convolution and by interpolation, and the checkerboard between them.

A transposed convolution stamps its kernel at every second pixel. Where the kernel's side is no multiple of the stride,
some pixels get more stamps than their neighbours: a checkerboard that no picture has asked for (Odena, Dumoulin, Olah,
"Deconvolution and Checkerboard Artifacts", Distill 2016, doi:10.23915/distill.00003).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from explorer import capture
from explorer.errors import ExplorerError
from explorer.segmentation.segmenting import LONGEST, filled, fitted, unet_of

if TYPE_CHECKING:
    from PIL import Image

    from explorer.models import Model

_Values = npt.NDArray[np.float64]


class UnknownWay(ExplorerError):
    """There is no such way up."""


@dataclass(frozen=True)
class Way:
    """One way to twice the size.

    Attributes:
        title: for people.
        kernel: float64 (k, k) of the transposed convolution that does it.
        padding: cut off at each end, so that the size doubles, with `output_padding`.
        output_padding: added at the end.
    """

    title: str
    kernel: _Values
    padding: int
    output_padding: int = 0


def _separable(*weights: float) -> _Values:
    return np.outer(weights, weights).astype(np.float64)


WAYS: dict[str, Way] = {
    "nearest": Way("Kernel 2 of ones: nearest neighbour", _separable(1, 1), 0),
    "bilinear": Way("Kernel 4, a tent: bilinear", _separable(0.25, 0.75, 0.75, 0.25), 1),
    "uneven": Way("Kernel 3 of ones", _separable(1, 1, 1), 1, 1),
}
"""Fixed kernels at stride 2, whose sums are what interpolation computes, or fails to."""


@dataclass(frozen=True)
class Upsampled:
    """A grid of twice the size.

    Attributes:
        values: float64 (2H, 2W).
        stamps: how many pixels below reach each pixel, int32 (2H, 2W); equal everywhere inside, or a checkerboard.
    """

    values: _Values
    stamps: npt.NDArray[np.int32]


def upsample(grid: Sequence[Sequence[float]] | _Values, way: str) -> Upsampled:
    """Doubles a grid (H, W) by the transposed convolution of `WAYS[way]` at stride 2.

    Raises:
        UnknownWay: no such way.
    """
    if way not in WAYS:
        raise UnknownWay(f"There is no way up called {way!r}; choose one of {', '.join(WAYS)}.")
    chosen = WAYS[way]
    values = torch.as_tensor(np.asarray(grid, np.float64))[None, None]

    def stamped(pixels: torch.Tensor, kernel: _Values) -> torch.Tensor:
        return F.conv_transpose2d(
            pixels,
            torch.as_tensor(kernel)[None, None],
            stride=2,
            padding=chosen.padding,
            output_padding=chosen.output_padding,
        )[0, 0]

    stamps = stamped(torch.ones_like(values), np.ones_like(chosen.kernel))
    return Upsampled(stamped(values, chosen.kernel).numpy(), stamps.numpy().astype(np.int32))


@dataclass(frozen=True)
class Checkerboard:
    """How much a layer's maps differ between the four pixels that one pixel below becomes.

    Attributes:
        layer: its name.
        share: of the maps' variance, the part that lies between the means of the four places, 0 to 1, mean of channels.
        worst: channel with the largest part.
        places: means of the worst channel at the four places (2, 2), less its mean, in its standard deviations.
        patch: the middle of the worst channel, float32, at most 48 x 48.
    """

    layer: str
    share: float
    worst: int
    places: npt.NDArray[np.float64]
    patch: npt.NDArray[np.float32]


def checkerboards(model: Model, image: Image.Image, *, longest: int = LONGEST) -> tuple[Checkerboard, ...]:
    """Measures every transposed convolution of a U-Net, and each pair of convolutions behind it, on a picture.

    Raises:
        NoUNet: the network is another one.
    """
    module = unet_of(model.module)
    seen = fitted(image, longest, grey=model.preprocessing.channels == 1)
    inputs = filled(model.preprocessing.normalise(seen), module.smallest_side).to(model.device)
    names = [f"decoders.{index}" for index in range(len(module.decoders))]
    with model.lock:
        found = capture.outputs(module, inputs, names)
    return tuple(_measured(name, output[0].double().cpu().numpy()) for name, output in found.items())


def _measured(name: str, maps: _Values) -> Checkerboard:
    channels, height, width = maps.shape
    places = maps[:, : height // 2 * 2, : width // 2 * 2].reshape(channels, height // 2, 2, width // 2, 2)
    means = places.mean(axis=(1, 3)) - places.mean(axis=(1, 2, 3, 4))[:, None, None]  # (C, 2, 2)
    deviation = places.std(axis=(1, 2, 3, 4))
    alive = deviation > 1e-9  # a dead channel has no pattern
    relative = np.where(alive[:, None, None], means / np.where(alive, deviation, 1)[:, None, None], 0)
    shares = (relative**2).mean(axis=(1, 2))
    worst = int(shares.argmax())
    top, left = max(0, height // 2 - 24), max(0, width // 2 - 24)
    patch = maps[worst, top : top + 48, left : left + 48].astype(np.float32)
    return Checkerboard(name, float(shares[alive].mean()) if alive.any() else 0.0, worst, relative[worst], patch)
