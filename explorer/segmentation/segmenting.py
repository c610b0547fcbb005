"""A picture of any size through a U-Net: how probable it is for each pixel that it belongs to something.

The network sees the whole picture, not a square from its middle. A picture whose longer side exceeds `longest` is
shrunk first, for the network knows blobs of a certain size in pixels; there are no tiles. Each side is then filled up
with copies of the last row and column to a multiple of what the poolings divide by, so that none of them rounds, and
what was added is cut off the answer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from explorer import capture
from explorer.architectures.unet import UNet
from explorer.errors import ExplorerError
from explorer.preprocessing import Preprocessing

if TYPE_CHECKING:
    from explorer.models import Model

LONGEST = 512
"""Pixels of the longer side beyond which a picture is shrunk: 1 GMAC of the small U-Net for each 295 x 295 of them."""


class NoUNet(ExplorerError):
    """The network is no U-Net."""


class NoSuchSkip(ExplorerError):
    """The network has no copy at this level."""


@dataclass(frozen=True)
class Stage:
    """What one stage of the U hands on.

    Attributes:
        layer: its name in the network.
        shape: of its output, (C, H, W), filled up to a multiple of the poolings.
        channel: the channel with the strongest mean answer.
        map: that channel, float32 (H, W).
    """

    layer: str
    shape: tuple[int, int, int]
    channel: int
    map: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Segmentation:
    """A picture's mask, and where it came from.

    Attributes:
        seen: what the network saw, uint8 RGB (H, W, 3).
        probability: of belonging to something, 0 to 1, float32 (H, W).
        skips: which copies were there, from the top level down.
        stages: the inside of the U in the order of the pass: encoders, bottleneck, each upsampling and decoder, scores.
        seconds: of the pass.
    """

    seen: npt.NDArray[np.uint8]
    probability: npt.NDArray[np.float32]
    skips: tuple[bool, ...]
    stages: tuple[Stage, ...]
    seconds: float

    def mask(self, threshold: float = 0.5) -> npt.NDArray[np.bool_]:
        """Which pixels belong to something, bool (H, W)."""
        return self.probability >= threshold


def segment(
    model: Model, image: Image.Image, *, skips: Sequence[bool] | None = None, longest: int = LONGEST
) -> Segmentation:
    """Finds what belongs to something in a picture of any size, gray or colour.

    Args:
        model: a U-Net; its class 1 is what is looked for.
        image: any picture.
        skips: for each level from the top, whether the copy reaches the decoder; a missing one is all zeros there.
        longest: pixels of the longer side beyond which the picture is shrunk.

    Raises:
        NoUNet: the network is another one.
        NoSuchSkip: more or fewer skips than levels.
    """
    module = unet_of(model.module)
    levels = len(module.encoders)
    kept = tuple(skips) if skips is not None else (True,) * levels
    if len(kept) != levels:
        raise NoSuchSkip(f"{model.card.title} has {levels} skips, not {len(kept)}; give one answer for each.")
    seen = fitted(image, longest, grey=model.preprocessing.channels == 1)
    inputs = filled(model.preprocessing.normalise(seen), module.smallest_side).to(model.device)
    with model.lock:
        began = time.perf_counter()
        with cut(module, [level for level, there in enumerate(kept) if not there]):
            found = capture.outputs(module, inputs, stages_of(module))
        seconds = time.perf_counter() - began
    height, width = seen.shape[:2]
    probability = found["final"].softmax(1)[0, 1, :height, :width].float().cpu().numpy()
    return Segmentation(seen, probability, kept, tuple(map(_stage, found.items())), seconds)


def segment_array(module: Any, recipe: Preprocessing, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The probability of a bare network for a grey picture at its own size, uint8 (H, W) -> float32 (H, W)."""
    inputs = filled(recipe.normalise(np.repeat(image[..., None], 3, axis=2)), module.smallest_side)
    with torch.no_grad():
        found: Tensor = module(inputs).softmax(1)[0, 1, : image.shape[0], : image.shape[1]]
    return found.numpy()


def unet_of(module: Any) -> UNet:
    """Returns the module as what it is.

    Raises:
        NoUNet: it is another network.
    """
    if not isinstance(module, UNet):
        raise NoUNet(f"{type(module).__name__} has no U to open; choose a U-Net.")
    return module


def fitted(image: Image.Image, longest: int, grey: bool) -> npt.NDArray[np.uint8]:
    """The whole picture, its longer side at most `longest`, as uint8 RGB (H, W, 3), without colours if `grey`."""
    rgb = image.convert("RGB")
    scale = longest / max(rgb.size)
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in rgb.size)
        rgb = rgb.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(rgb.convert("L").convert("RGB") if grey else rgb, np.uint8)


def filled(inputs: Tensor, multiple: int) -> Tensor:
    """Fills up right and bottom with copies of the last column and row: (B, C, H, W) to multiples of `multiple`."""
    height, width = inputs.shape[-2:]
    return F.pad(inputs, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def stages_of(module: UNet) -> tuple[str, ...]:
    """Names of the layers at which the U is opened, in the order of the pass."""
    down = (f"encoders.{level}" for level in range(len(module.encoders)))
    up = (f"decoders.{index}" for index in range(len(module.decoders)))
    return (*down, "bottleneck", *up, "final")


@contextmanager
def cut(module: UNet, levels: Sequence[int]) -> Iterator[None]:
    """Zeroes the copies of `levels` (0 is the top) before the decoders join them; all else stays as it is.

    The encoder still hands its maps down: only what goes across is gone. Hold the network's lock.
    """

    def without(width: int) -> Any:
        def hook(_: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            joined = inputs[0].clone()
            joined[:, :width] = 0  # the copy comes first in the concatenation
            return (joined, *inputs[1:])

        return hook

    handles = []
    try:
        for level in levels:
            decode = module.decoders[2 * (len(module.encoders) - 1 - level) + 1]
            encode: Any = module.encoders[level]
            handles.append(decode.register_forward_pre_hook(without(encode.conv2.out_channels)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _stage(found: tuple[str, Tensor]) -> Stage:
    name, output = found
    maps = output[0].float().cpu()
    channel = 1 if name == "final" else int(maps.mean(dim=(1, 2)).argmax())
    channels, height, width = maps.shape
    return Stage(name, (channels, height, width), channel, maps[channel].numpy())
