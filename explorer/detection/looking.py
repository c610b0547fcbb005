"""A detector on a picture: its raw numbers, and where in the picture it found evidence for one of its boxes.

Grad-CAM (arXiv:1610.02391) of a box asks for one number of one anchor in one cell, the objectness or the score of a
class: channels of a block are weighted by the mean gradient of that number over the block's map, summed, and cut off
below zero. The head sees 3 x 3 cells of the last block, so behind that block all gradient comes from there, while the
weighted sum is shown for the whole map: like things elsewhere light up too. HiResCAM (arXiv:2011.08891) multiplies
place by place before it sums, and shows only what the number really came from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from explorer.architectures.yolo import YOLO
from explorer.detection.anchors import ANCHORS
from explorer.detection.decoding import Decoded, decode
from explorer.errors import ExplorerError

if TYPE_CHECKING:
    from PIL import Image

    from explorer.models import Model

_TRAINED_AT = 160  # pixels: the anchors are those of scenes of this size
OBJECTNESS = 4
"""Index of t_o among the raw numbers of an anchor; the classes follow."""


class NoDetector(ExplorerError):
    """The network gives no boxes of this kind."""


@dataclass(frozen=True)
class BoxEvidence:
    """Where the evidence for one number of one anchor lies.

    Attributes:
        raw: (h, w) of the block, before it is enlarged; what speaks for the number is above zero.
        heatmap: (H, W) of the picture as the network sees it, 0 to 1; all 0 where nothing speaks for it.
        block: name of the layer whose channels were weighted.
        number: the raw number that was asked about, before any sigmoid or softmax.
    """

    raw: npt.NDArray[np.float64]
    heatmap: npt.NDArray[np.float64]
    block: str
    number: float


def look(model: Model, image: Image.Image) -> Decoded:
    """What a YOLO says about a picture, decoded, in pixels of what it sees of it.

    A network of another input size than the one that the anchors come from takes them in proportion.

    Raises:
        NoDetector: the network is no YOLO.
    """
    module = _yolo(model)
    inputs = model.preprocess(image)
    with model.lock, torch.inference_mode():
        raw = module(inputs)[0]
    size = (inputs.shape[3], inputs.shape[2])
    return decode(raw.cpu().numpy(), anchors_of(model), module.stride, size)


def anchors_of(model: Model) -> tuple[tuple[float, float], ...]:
    """Widths and heights of a network's anchors, pixels of its input."""
    scale = model.preprocessing.crop / _TRAINED_AT
    return tuple((width * scale, height * scale) for width, height in ANCHORS)


def blocks(model: Model) -> tuple[str, ...]:
    """Names of the trunk's blocks, whose maps can be asked for evidence, the last one last."""
    return tuple(name for name, _ in _yolo(model).backbone.named_children() if name.startswith("block"))


def evidence(
    model: Model,
    image: Image.Image,
    place: tuple[int, int, int],
    number: int = OBJECTNESS,
    block: str | None = None,
    everywhere: bool = True,
) -> BoxEvidence:
    """Where a block of the trunk found evidence for one number of one anchor.

    Args:
        model: a YOLO.
        image: the picture.
        place: anchor, row and column.
        number: which of the anchor's raw numbers: 4 is the objectness, 5 the first class.
        block: whose maps to weight; the last one's if None.
        everywhere: Grad-CAM; False is HiResCAM.

    Raises:
        NoDetector: the network is no YOLO, or has no such block.
    """
    module, name = _yolo(model), block or blocks(model)[-1]
    if name not in blocks(model):
        raise NoDetector(f"{model.card.title} has no {name}; choose one of {', '.join(blocks(model))}.")
    inputs = model.preprocess(image)
    with model.lock:
        maps, rest = inputs, list(module.backbone.named_children())
        with torch.no_grad():
            while rest:
                current, part = rest.pop(0)
                maps = part(maps)
                if current == name:
                    break
        with torch.enable_grad():
            maps = maps.detach().clone().requires_grad_()  # a leaf of its own: nothing of the network keeps a gradient
            out: Tensor = maps
            for _, part in rest:
                out = part(out)
            anchor, row, column = place
            asked = module.head(out)[0, anchor, row, column, number]
            (gradient,) = torch.autograd.grad(asked, maps)
    weights = gradient.mean((2, 3), keepdim=True) if everywhere else gradient
    raw = (weights * maps.detach()).sum(1, keepdim=True)
    large = F.interpolate(raw.clamp(min=0), inputs.shape[2:], mode="bilinear", align_corners=False)[0, 0]
    most = float(large.max())
    return BoxEvidence(
        raw[0, 0].double().cpu().numpy(),
        (large / most if most > 0 else large).double().cpu().numpy(),
        f"backbone.{name}",
        float(asked.detach()),
    )


def _yolo(model: Model) -> YOLO:
    if not isinstance(model.module, YOLO):
        raise NoDetector(f"{model.card.title} has no YOLO head; choose a YOLO.")
    return model.module
