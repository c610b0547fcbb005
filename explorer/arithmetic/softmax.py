"""Softmax, step by step: from a network's last numbers to probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explorer.arithmetic.sizes import IllegalSetting
from explorer.arithmetic.sliding import numbers


@dataclass(frozen=True, eq=False)
class Softmax:
    """Every step of a softmax; all arrays are float64 (classes,).

    Attributes:
        logits: what the network gives, one number a class.
        scaled: logits / temperature.
        shifted: scaled minus its maximum, so that no exponential is too large; this cancels out.
        exponentials: e to the power of shifted, each in [0, 1].
        total: sum of the exponentials.
        probabilities: exponentials / total; they add up to 1.
        temperature: below 1 the largest wins more clearly, above 1 all come closer together.
    """

    logits: np.ndarray
    scaled: np.ndarray
    shifted: np.ndarray
    exponentials: np.ndarray
    total: float
    probabilities: np.ndarray
    temperature: float


def softmax(logits: object, temperature: float = 1.0) -> Softmax:
    """Probabilities from logits.

    Args:
        logits: (classes,).
        temperature: by what the logits are divided first.

    Raises:
        IllegalSetting: the temperature is not above 0, or a logit is not finite.
    """
    if not 0 < temperature < float("inf"):
        raise IllegalSetting(f"The temperature must be above 0 and finite, not {temperature}; choose for example 1.")
    values = numbers("list of logits", logits, (1,))
    with np.errstate(over="ignore"):
        scaled = values / temperature
    if not np.isfinite(scaled).all():
        raise IllegalSetting(
            f"A temperature of {temperature} makes these logits too large to compute with; choose a higher one."
        )
    shifted = scaled - scaled.max()
    exponentials = np.exp(shifted)
    total = float(exponentials.sum())
    return Softmax(values, scaled, shifted, exponentials, total, exponentials / total, float(temperature))
