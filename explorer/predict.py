"""What a network says a photo shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explorer import arithmetic

if TYPE_CHECKING:
    from PIL import Image

    from explorer.models import Model


@dataclass(frozen=True)
class Prediction:
    """One class and how sure the network is of it.

    Attributes:
        index: of the class.
        label: its name.
        probability: softmax of the logits, 0 to 1.
        logit: what the last layer computed, no unit.
    """

    index: int
    label: str
    probability: float
    logit: float


def logits(model: Model, image: Image.Image) -> np.ndarray:
    """The last layer's output for ``image``: float32 (classes,)."""
    import torch

    inputs = model.preprocess(image)
    with model.lock, torch.inference_mode():
        answer: np.ndarray = model.module(inputs)[0].float().cpu().numpy()
    return answer


def softmax(values: np.ndarray) -> np.ndarray:
    """Probabilities of logits (classes,), in float64; shifted by the maximum so that nothing overflows."""
    return arithmetic.softmax(values).probabilities


def ranked(model: Model, values: np.ndarray, k: int = 5) -> tuple[Prediction, ...]:
    """The ``k`` most probable classes of logits (classes,), best first; equal ones by index."""
    return tuple(of_class(model, values, int(index)) for index in np.argsort(-values, kind="stable")[:k])


def of_class(model: Model, values: np.ndarray, index: int) -> Prediction:
    """What logits (classes,) say of the class ``index``."""
    return Prediction(index, model.label(index), float(softmax(values)[index]), float(values[index]))


def top_k(model: Model, image: Image.Image, k: int = 5) -> tuple[Prediction, ...]:
    """The ``k`` most probable classes for ``image``, best first."""
    return ranked(model, logits(model, image), k)
