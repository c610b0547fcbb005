"""How far a unit really looks: where the photo would have to change for it to change, by its gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from explorer import activations, capture, graph
from explorer.errors import ExplorerError
from explorer.receptive_field import ReceptiveField

if TYPE_CHECKING:
    from PIL import Image

    from explorer.models import Model


class NoSuchUnit(ExplorerError):
    """The layer has no unit there; the message names its size."""


@dataclass(frozen=True)
class EffectiveField:
    """One unit's influence over the picture that the network sees.

    Luo et al. 2016 (arXiv:1701.04128) call it the effective receptive field: most of the theoretical one hardly counts.

    Attributes:
        layer: its name.
        unit: row and column.
        gradient: float32 (H, W), how much the sum over the layer's channels at this unit changes with each pixel of the
            input: absolute values, summed over the colours.
        field: the theoretical field; None where it cannot be said.
        box: (left, top, right, bottom) of the theoretical field inside the picture, pixels, ends not included.
        inside: share of the gradient within it, 0 to 1; by theory 1.
        half: side of the smallest square around the middle of the gradient that holds half of it, pixels.
    """

    layer: str
    unit: tuple[int, int]
    gradient: np.ndarray
    field: ReceptiveField | None
    box: tuple[int, int, int, int] | None
    inside: float
    half: int


def effective(model: Model, image: Image.Image, layer: str, unit: tuple[int, int]) -> EffectiveField:
    """Measures the field of one unit for ``image``.

    Raises:
        UnknownLayer: the network has no such layer.
        NoSuchUnit: the layer has no unit at this row and column, or no positions at all.
    """
    found = activations.find(model, layer)
    height, width = found.shape[1:] if found.spatial else (0, 0)
    row, column = unit
    if not (0 <= row < height and 0 <= column < width):
        raise NoSuchUnit(f"{layer} has {height} x {width} units; there is none at row {row}, column {column}.")
    with torch.inference_mode(False):
        inputs = model.preprocess(image).clone().requires_grad_(True)
    with model.lock, torch.inference_mode(False), torch.enable_grad():
        maps = found.maps(capture.reached(model.module, inputs, layer))
        (slopes,) = torch.autograd.grad(maps[0, :, row, column].sum(), inputs)
    gradient: np.ndarray = slopes[0].abs().sum(dim=0).float().cpu().numpy()
    gradient.flags.writeable = False
    field = graph.of_model(model).field_of(layer)
    box = None
    if field is not None:
        top, bottom = field.inside(row, inputs.shape[2])
        left, right = field.inside(column, inputs.shape[3])
        box = (left, top, right + 1, bottom + 1)
    total = float(gradient.sum(dtype=np.float64))
    return EffectiveField(
        layer=layer,
        unit=unit,
        gradient=gradient,
        field=field,
        box=box,
        inside=_share(gradient, box) if box and total else 0.0,
        half=side_holding(gradient, 0.5),
    )


def _share(gradient: np.ndarray, box: tuple[int, int, int, int]) -> float:
    left, top, right, bottom = box
    return float(gradient[top:bottom, left:right].sum(dtype=np.float64) / gradient.sum(dtype=np.float64))


def side_holding(gradient: np.ndarray, share: float) -> int:
    """Side of the smallest square around the middle of the gradient (H, W) with this share of it, pixels."""
    total = gradient.sum(dtype=np.float64)
    if not total:
        return 0
    rows, columns = np.indices(gradient.shape)
    middle = [float((axis * gradient).sum(dtype=np.float64) / total) for axis in (rows, columns)]
    distance = np.maximum(np.abs(rows - middle[0]), np.abs(columns - middle[1])).ravel()
    order = np.argsort(distance, kind="stable")
    reached = np.searchsorted(np.cumsum(gradient.ravel()[order], dtype=np.float64), share * total)
    return int(np.ceil(2 * distance[order][min(reached, len(order) - 1)])) + 1
