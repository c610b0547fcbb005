"""Whether a network is right as often as it is sure, and how sure one can be of a measured share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

BINS = 15
"""As in Guo et al., On Calibration of Modern Neural Networks, ICML 2017."""
_Z = 1.959963984540054  # a standard normal variable lies within ± this with probability 95 %


@dataclass(frozen=True)
class Reliability:
    """Confidence against accuracy, in bins of confidence of equal width.

    Attributes:
        edges: float64 (bins + 1,), from 0 to 1; a bin holds its upper edge, not its lower one.
        count: int64 (bins,), pictures in each bin.
        confidence: float64 (bins,), their mean confidence, 0 to 1; NaN in an empty bin.
        accuracy: float64 (bins,), the share of them answered right, 0 to 1; NaN in an empty bin.
        error: the expected calibration error (ECE): mean distance between both, weighted by count, 0 to 1.
        bias: mean confidence minus accuracy, -1 to 1; above 0 the network is surer than it is right.
    """

    edges: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    error: float
    bias: float

    @property
    def pictures(self) -> int:
        """How many pictures there are."""
        return int(self.count.sum())


def reliability(confidence: np.ndarray, correct: np.ndarray, bins: int = BINS) -> Reliability:
    """Sorts answers into bins of confidence (Guo et al. 2017, equations 2 to 5).

    Args:
        confidence: (N,), the probability of each first answer.
        correct: bool (N,), whether it was right.
        bins: how many.

    Raises:
        ValueError: there is no answer, or the shapes differ.
    """
    sure, right = np.asarray(confidence, np.float64), np.asarray(correct, bool)
    if not len(sure) or sure.shape != right.shape:
        raise ValueError(f"confidence {sure.shape} and correct {right.shape} must have one equal, positive length")
    place = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, sure, bins) / count
        hits = np.bincount(place, right, bins) / count
    filled = count > 0
    error = float((count[filled] * np.abs(hits - mean)[filled]).sum() / len(sure))
    return Reliability(np.linspace(0, 1, bins + 1), count, mean, hits, error, float(sure.mean() - right.mean()))


def wilson(hits: int, of: int, z: float = _Z) -> tuple[float, float]:
    """The interval (low, high) around a share ``hits / of``, by Wilson (1927); 95 % with the usual ``z``.

    Unlike the one taught first it stays within 0 and 1, and says something also where all or none were hit.
    """
    if of < 1 or not 0 <= hits <= of:
        raise ValueError(f"{hits} of {of} is no share")
    share, spread = hits / of, z * z / of
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / of + spread / (4 * of))
    return max(0.0, centre - half), min(1.0, centre + half)
