"""Anchors: the few box shapes that a head starts from, found among the boxes of the training scenes.

YOLO9000 (arXiv:1612.08242), section 2, "Dimension Clusters": k-means over widths and heights whose distance is 1 - IoU
of two boxes with the same centre, because with plain distances large boxes would outvote small ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MOST_ROUNDS = 300
"""Of k-means, which nothing proves to end here: a mean is not the shape nearest to its boxes by 1 - IoU."""

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Anchors:
    """Shapes found by k-means.

    Attributes:
        sizes: (K, 2), widths and heights in pixels, the smallest area first.
        mean_iou: of every box with its best anchor, 0 to 1: how well the shapes cover the boxes.
        rounds: after how many rounds no box changed its anchor; at most `MOST_ROUNDS`.
    """

    sizes: _Floats
    mean_iou: float
    rounds: int


def shape_iou(sizes: npt.ArrayLike, others: npt.ArrayLike) -> _Floats:
    """IoU of boxes (N, 2) and (M, 2), widths and heights, laid on one centre: (N, M)."""
    first, second = np.asarray(sizes, np.float64)[:, None], np.asarray(others, np.float64)[None]
    shared = np.minimum(first, second).prod(2)
    return np.asarray(shared / (first.prod(2) + second.prod(2) - shared), np.float64)


def cluster(sizes: npt.ArrayLike, count: int, seed: int = 0) -> Anchors:
    """K-means of box sizes (N, 2) in pixels into ``count`` anchors, with 1 - IoU as the distance.

    Raises:
        ValueError: fewer boxes than anchors.
    """
    points = np.asarray(sizes, np.float64)
    if len(points) < count:
        raise ValueError(f"{count} anchors need at least as many boxes, not {len(points)}; give more boxes.")
    random = np.random.default_rng(seed)
    centres = points[random.choice(len(points), count, replace=False)]
    nearest, rounds = np.full(len(points), -1), 0
    while rounds < MOST_ROUNDS:
        closest = shape_iou(points, centres).argmax(1)
        if (closest == nearest).all():
            break
        nearest, rounds = closest, rounds + 1
        # An anchor that lost all its boxes stays where it is.
        means = [
            points[nearest == index].mean(0) if (nearest == index).any() else centres[index] for index in range(count)
        ]
        centres = np.stack(means)
    centres = centres[centres.prod(1).argsort()]
    return Anchors(centres, float(shape_iou(points, centres).max(1).mean()), rounds)


ANCHORS = ((23.0, 30.0), (35.0, 44.0), (51.0, 59.0))
"""Of the small YOLO, (width, height) in pixels: `cluster` of the 2,100 boxes of training scenes 0 to 599, rounded.

Their mean IoU is 0.762; one anchor would reach 0.579, two 0.715, four 0.779, five 0.797 (YOLO9000 settles on five at
0.61 for photos of all kinds).
"""
