"""What a channel seems to be worth, from one pass there and back: activation times gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from explorer import activations, capture
from explorer.intervention.changes import NoSuchPart
from explorer.intervention.hooks import axis_of
from explorer.models import Model

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Contributions:
    """How much of a class's logit seems to come from each channel of a layer.

    Attributes:
        layer: its name.
        target: index of the class.
        label: its name.
        values: float32 (C,), activation times gradient, summed over all positions: by how much the logit would fall
            without the channel if all that follows were a straight line. That is exact before a linear classifier, and
            a first guess elsewhere.
    """

    layer: str
    target: int
    label: str
    values: np.ndarray

    @property
    def order(self) -> np.ndarray:
        """Channels, the one that seems to carry most first; equal ones by number."""
        return np.argsort(-self.values, kind="stable")


def contributions(model: Model, image: Image.Image, layer: str, target: int | None = None) -> Contributions:
    """Guesses what each channel of a layer is worth to a class, in one pass there and back.

    Args:
        model: the network.
        image: the photo.
        layer: whose channels.
        target: index of the class; the most probable one if None.

    Raises:
        UnknownLayer: the network has no such layer.
        NoSuchPart: it has no such class.
    """
    found = activations.find(model, layer)
    inputs = model.preprocess(image)
    with torch.inference_mode(False), torch.enable_grad():
        inputs = inputs.clone()
        with model.lock:
            output, logits = capture.tapped(model.module, inputs, layer)
            classes = logits.shape[1]
            chosen = int(logits[0].argmax()) if target is None else target
            if not 0 <= chosen < classes:
                raise NoSuchPart(f"{model.card.title} knows classes 0 to {classes - 1}; there is no class {target}.")
            score = logits[0, chosen]
            (gradient,) = torch.autograd.grad(score, output, allow_unused=True, materialize_grads=True)
    product = (output * gradient).detach()
    axis = axis_of(found.layout) % product.ndim
    values = product.sum(dim=[each for each in range(product.ndim) if each != axis]).float().cpu().numpy()
    values.flags.writeable = False
    return Contributions(layer, chosen, model.label(chosen), values)
