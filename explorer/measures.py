"""What is measured at every layer for one photo: how long it takes, how strongly it answers, how much is silent."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from explorer import activations, capture, devices

if TYPE_CHECKING:
    from PIL import Image

    from explorer.models import Model


@dataclass(frozen=True)
class Summary:
    """A layer's output in six numbers.

    Attributes:
        mean: of all values, in the layer's own units.
        spread: their standard deviation.
        minimum: the smallest.
        maximum: the largest.
        zeros: share of all values that are exactly zero, 0 to 1.
        dead: share of the channels that are zero everywhere, 0 to 1.
    """

    mean: float
    spread: float
    minimum: float
    maximum: float
    zeros: float
    dead: float


def milliseconds(model: Model, image: Image.Image, repeats: int = 5) -> dict[str, float]:
    """Median time of each layer over some forward passes, by name, in milliseconds; '' is the whole network.

    A container's time holds that of its parts. Listening itself costs some microseconds a layer.
    """

    def clock() -> float:
        devices.synchronise(model.device)
        return time.perf_counter()

    inputs = model.preprocess(image)
    with model.lock:
        capture.durations(model.module, inputs, clock)  # the first pass pays for memory and kernels
        passes = [capture.durations(model.module, inputs, clock) for _ in range(repeats)]
    return {name: 1000 * float(np.median([each[name] for each in passes])) for name in passes[0]}


def summaries(model: Model, image: Image.Image) -> dict[str, Summary]:
    """Every layer's output for ``image`` in six numbers, by name, in the order in which the layers finish."""
    layers = {layer.name.removesuffix("#1"): layer for layer in activations.layers(model)}

    def reduce(name: str, output: torch.Tensor) -> Summary | None:
        if name not in layers:
            return None
        maps = layers[name].maps(output)[0].float()
        zero = maps == 0
        spread, mean = torch.std_mean(maps, correction=0)
        least, most = torch.aminmax(maps)
        dead = zero.flatten(1).all(dim=1).float().mean()
        numbers = torch.stack((mean, spread, least, most, zero.float().mean(), dead)).tolist()  # one copy from a card
        return Summary(*numbers)

    inputs = model.preprocess(image)
    with model.lock:
        found = capture.reduced(model.module, inputs, reduce)
    return {name: summary for name, summary in found.items() if summary is not None}
