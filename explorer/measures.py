"""What is measured at every layer for one photo: how long it takes and how much of it is silent."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from explorer import activations, capture

if TYPE_CHECKING:
    from PIL import Image

    from explorer.models import Model


@dataclass(frozen=True)
class Silence:
    """How much of a layer's output is exactly zero.

    Attributes:
        zeros: share of all values, 0 to 1.
        dead: share of the channels that are zero everywhere, 0 to 1.
    """

    zeros: float
    dead: float


def milliseconds(model: Model, image: Image.Image, repeats: int = 5) -> dict[str, float]:
    """Median time of each layer over some forward passes, by name, in milliseconds; '' is the whole network.

    A container's time holds that of its parts. Listening itself costs some microseconds a layer.
    """

    def clock() -> float:
        if model.device.type == "cuda":
            torch.cuda.synchronize(model.device)
        return time.perf_counter()

    inputs = model.preprocess(image)
    with model.lock:
        capture.durations(model.module, inputs, clock)  # the first pass pays for memory and kernels
        passes = [capture.durations(model.module, inputs, clock) for _ in range(repeats)]
    return {name: 1000 * float(np.median([each[name] for each in passes])) for name in passes[0]}


def silence(model: Model, image: Image.Image) -> dict[str, Silence]:
    """The share of zeros and of dead channels of each layer for ``image``, by name."""
    layers = {layer.name.removesuffix("#1"): layer for layer in activations.layers(model)}

    def reduce(name: str, output: torch.Tensor) -> Silence | None:
        if name not in layers:
            return None
        zero = layers[name].maps(output)[0] == 0
        return Silence(float(zero.float().mean()), float(zero.flatten(1).all(dim=1).float().mean()))

    inputs = model.preprocess(image)
    with model.lock:
        found = capture.reduced(model.module, inputs, reduce)
    return {name: silence for name, silence in found.items() if silence is not None}
