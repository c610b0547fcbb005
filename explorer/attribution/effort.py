"""What a map will cost, said before it is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from explorer import activations, graph
from explorer.attribution.availability import find
from explorer.attribution.channels import ablation_batch
from explorer.attribution.perturbation import window_and_stride
from explorer.capture import split

if TYPE_CHECKING:
    from explorer.models import Model

_BACK = 3.0  # a pass there and back takes two to four times as long as one there (measured on six networks)


@dataclass(frozen=True)
class Effort:
    """What a map takes.

    Attributes:
        passes: images that go through the network, or through what lies behind the layer.
        work: all of it, in units of one forward pass of one image.
        bound: how the passes made will compare: empty if they are just these.
    """

    passes: int
    work: float
    bound: Literal["", "at most", "about"] = ""

    @property
    def said(self) -> str:
        """The passes for people: 'at most 512 passes'."""
        return f"{self.bound} {self.passes:,} pass{'es' * (self.passes != 1)}".lstrip()


def effort(
    model: Model, method: str, layer: str | None = None, *, maps: np.ndarray | None = None, **options: Any
) -> Effort:
    """What `attribute` would take with the same arguments; nothing is computed.

    Score-CAM and Ablation-CAM need fewer passes where channels are silent, superpixels as many as regions are found.

    Args:
        model: the network.
        method: key of the method.
        layer: to read; the usual one if None.
        maps: (C, h, w), the layer's on the photo: with them, silent channels are not counted.
        options: of the method.

    Raises:
        NotApplicable: there is no such method, or the options do not fit.
    """
    card = find(method)
    settings = {**card.options, **options}
    if method in ("score_cam", "ablation_cam"):
        where = activations.find(model, layer) if layer else activations.default_layer(model)
        count = min(where.shape[0], settings["channels"] or where.shape[0])
        bound: Literal["", "at most"] = "at most"
        if maps is not None:
            count, bound = _telling(method, maps, count), ""
        if method == "score_cam":
            return Effort(count, count + 1, bound)
        behind = _behind(model, where.name)
        batches = math.ceil(count / (settings["batch"] or ablation_batch(math.prod(where.shape))))
        return Effort(count, 1 + batches + count * behind, bound)
    if method == "integrated_gradients":
        return Effort(settings["steps"], 2 + _BACK * settings["steps"])
    if method == "smooth_grad":
        return Effort(settings["samples"], 1 + _BACK * settings["samples"])
    if method == "occlusion":
        side = model.preprocessing.crop
        window, stride = window_and_stride(settings, side)
        places = (-(-(side - window) // stride) + 1) ** 2
        return Effort(places + 1, places + 2)
    if method == "superpixels":
        return Effort(settings["segments"] + 1, settings["segments"] + 2, "about")
    if method == "guided_grad_cam":
        return Effort(2, 1 + _BACK)
    if card.family == "attention":
        return Effort(2, 2.0)
    return Effort(1, 1.0 if card.family == "CAM" else _BACK)


def _telling(method: str, maps: np.ndarray, count: int) -> int:
    """How many passes the ``count`` strongest channels take: all flat ones share one, or need none (Ablation-CAM)."""
    low, high = maps.min(axis=(1, 2)), maps.max(axis=(1, 2))
    flat = low == high if method == "score_cam" else (low == 0) & (high == 0)
    strongest = np.argsort(-np.abs(maps).mean(axis=(1, 2)), kind="stable")[:count]
    silent = int(flat[strongest].sum())
    return count - silent + (method == "score_cam" and silent > 0)


def _behind(model: Model, layer: str) -> float:
    """Which share of the network's MACs lies behind a layer, 0 to 1."""
    nodes, path = graph.of_model(model).nodes, split(layer)[0]
    inside = [place for place, node in enumerate(nodes) if f"{node.name}.".startswith(f"{path}.")]
    total = sum(node.macs for node in nodes)
    return sum(node.macs for node in nodes[max(inside, default=-1) + 1 :]) / total if total else 1.0
