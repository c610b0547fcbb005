"""What a channel seems to be worth, from one pass there and back: activation times gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from explorer import activations, capture
from explorer.intervention.changes import check_classes
from explorer.intervention.hooks import axis_of
from explorer.models import Model

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Contributions:
    """How much of a class's logit, or of its lead over another class, seems to come from each channel of a layer.

    Attributes:
        layer: its name.
        target: index of the class.
        label: its name.
        values: float32 (C,), activation times gradient, summed over all positions: by how much the logit (or the
            lead) would fall without the channel if all that follows were a straight line. That is exact before a
            linear classifier, and a first guess elsewhere.
        against: index of the other class; None if the logit alone is meant.
        against_label: its name; empty without one.
    """

    layer: str
    target: int
    label: str
    values: np.ndarray
    against: int | None = None
    against_label: str = ""

    @property
    def order(self) -> np.ndarray:
        """Channels, the one that seems to carry most first; equal ones by number."""
        return np.argsort(-self.values, kind="stable")


def contributions(
    model: Model, image: Image.Image, layer: str, target: int | None = None, *, against: int | None = None
) -> Contributions:
    """Guesses what each channel of a layer is worth to a class, in one pass there and back.

    Args:
        model: the network.
        image: the photo.
        layer: whose channels.
        target: index of the class; the most probable one if None.
        against: index of another class: what is asked is then how far the class's logit is above that one's.

    Raises:
        UnknownLayer: the network has no such layer.
        NoSuchPart: it has no such class, or both are the same one.
    """
    found = activations.find_layer(model, layer)
    inputs = model.preprocess(image)
    with torch.inference_mode(False), torch.enable_grad():
        inputs = inputs.clone()
        with model.lock:
            output, logits = capture.tapped(model.module, inputs, layer)
            chosen = int(logits[0].argmax()) if target is None else target
            check_classes(model, logits.shape[1], chosen, against)
            score = logits[0, chosen] if against is None else logits[0, chosen] - logits[0, against]
            (gradient,) = torch.autograd.grad(score, output, allow_unused=True, materialize_grads=True)
    product = (output * gradient).detach()
    axis = axis_of(found.layout) % product.ndim
    values = product.sum(dim=[each for each in range(product.ndim) if each != axis]).float().cpu().numpy()
    values.flags.writeable = False
    label = "" if against is None else model.label(against)
    return Contributions(layer, chosen, model.label(chosen), values, against, label)
