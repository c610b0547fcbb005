"""Why this class? Methods that draw a map of the evidence on the photo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from explorer import activations, capture, predict
from explorer.capture import Layer
from explorer.errors import ExplorerError

if TYPE_CHECKING:
    from PIL import Image

    from explorer.models import Model


class NotApplicable(ExplorerError):
    """The method means nothing at this layer or for this class; the message says why and what to choose."""


@dataclass(frozen=True)
class Attribution:
    """A map of evidence for one class.

    Attributes:
        method: its key.
        target: index of the class.
        label: name of the class.
        layer: where the evidence was read.
        raw: float32 (h, w), signed, at the layer's own resolution, before anything is rectified, enlarged or scaled.
        heatmap: float32 (H, W) in [0, 1] over what the network saw: the positive part, enlarged, divided by its peak.
        signed: float32 (H, W) in [-1, 1]: both signs, enlarged, divided by the largest absolute value.
        seen: uint8 (H, W, 3), what the network saw.
        probability: of the class.
        logit: of the class.
        logits: float32 (classes,).
    """

    method: str
    target: int
    label: str
    layer: str
    raw: np.ndarray
    heatmap: np.ndarray
    signed: np.ndarray
    seen: np.ndarray
    probability: float
    logit: float
    logits: np.ndarray

    @property
    def evidence(self) -> bool:
        """Whether anything here speaks for the class; if not, ``heatmap`` is zero everywhere."""
        return bool(self.raw.max() > 0)


@dataclass(frozen=True)
class Method:
    """One way to attribute.

    Attributes:
        key: its name in code and links.
        title: its name for people.
        summary: one sentence on what it computes.
        paper: where it was published.
        compute: from (model, input, layer name, target or None) to (raw map (h, w), logits (classes,), target).
    """

    key: str
    title: str
    summary: str
    paper: str
    compute: Callable[[Model, torch.Tensor, str, int | None], tuple[torch.Tensor, torch.Tensor, int]]


def grad_cam(
    model: Model, inputs: torch.Tensor, layer: str, target: int | None
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Grad-CAM before its ReLU (Selvaraju et al. 2017, equations 1, 2): channels weighted by their mean gradient."""
    output, logits = capture.tapped(model.module, inputs, layer)
    if target is None:
        target = int(logits[0].argmax())
    (gradient,) = torch.autograd.grad(logits[0, target], output)
    chosen = activations.find(model, layer)
    maps, gradients = chosen.maps(output), chosen.maps(gradient)
    weights = gradients.mean(dim=(2, 3), keepdim=True)  # alpha, (1, C, 1, 1)
    return (weights * maps).sum(dim=1)[0].detach(), logits[0].detach(), target


METHODS: dict[str, Method] = {
    "grad_cam": Method(
        key="grad_cam",
        title="Grad-CAM",
        summary="Adds up the layer's channels, each weighted by how much the class's logit rises with it on average.",
        paper="https://arxiv.org/abs/1610.02391",
        compute=grad_cam,
    ),
}


def valid_layers(model: Model, method: str = "grad_cam") -> tuple[Layer, ...]:
    """The layers at which ``method`` means something: maps with more than one position."""
    _method(method)
    return tuple(layer for layer in activations.layers(model) if layer.spatial)


def attribute(
    model: Model, image: Image.Image, method: str = "grad_cam", target: int | None = None, layer: str | None = None
) -> Attribution:
    """Draws the evidence for a class.

    Args:
        model: the network.
        image: the photo.
        method: a key of ``METHODS``.
        target: index of the class; the most probable one if None.
        layer: name of the layer to read; the last one with positions if None.

    Raises:
        NotApplicable: unknown method, class or layer, or a layer without positions.
    """
    chosen = _method(method)
    name = activations.default_layer(model).name if layer is None else layer
    if name not in {valid.name for valid in valid_layers(model, method)}:
        raise NotApplicable(
            f"{chosen.title} needs a layer with maps of more than one position, and {name!r} is none; "
            f"try {activations.default_layer(model).name!r}."
        )
    seen = np.asarray(model.preprocessing.view(image))
    with torch.inference_mode(False):
        inputs = model.preprocessing.normalise(seen).to(model.device)
    _check_target(model, target)
    # Whatever mode the caller is in (both are per thread), here there are gradients.
    with model.lock, torch.inference_mode(False), torch.enable_grad():
        raw, logits, index = chosen.compute(model, inputs, name, target)
    values = logits.float().cpu().numpy()
    return Attribution(
        method=method,
        target=index,
        label=model.label(index),
        layer=name,
        raw=_frozen(raw),
        heatmap=_frozen(_enlarged(raw.clamp(min=0), seen.shape[:2])),
        signed=_frozen(_enlarged(raw, seen.shape[:2])),
        seen=seen,
        probability=float(predict.softmax(values)[index]),
        logit=float(values[index]),
        logits=values,
    )


def _method(key: str) -> Method:
    if key not in METHODS:
        raise NotApplicable(f"There is no method {key!r}; choose one of {', '.join(METHODS)}.")
    return METHODS[key]


def _check_target(model: Model, target: int | None) -> None:
    if target is not None and model.classes and not 0 <= target < len(model.classes):
        raise NotApplicable(
            f"Class {target} does not exist; {model.card.title} knows classes 0 to {len(model.classes) - 1}."
        )


def _enlarged(raw: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Bilinear, pixel centres aligned to areas (``align_corners=False``), then divided by the largest absolute value.

    Dividing by the map's own maximum, with no epsilon, keeps maps of any scale: peers' 1e-7 blanks tiny ones.
    """
    peak = raw.abs().max()
    if not peak > 0:
        return torch.zeros(size)
    enlarged = F.interpolate((raw / peak)[None, None].float(), size=size, mode="bilinear", align_corners=False)[0, 0]
    return enlarged / enlarged.abs().max()


def _frozen(values: torch.Tensor) -> np.ndarray:
    array: np.ndarray = values.float().cpu().numpy()
    array.flags.writeable = False
    return array
