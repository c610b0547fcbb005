"""Non-maximum suppression, one decision after the other: who removes whom, and at which IoU.

Greedy and class by class: the box with the best score stays and removes every other box of its class that overlaps it
by more than the limit; then the best of the rest, and so on. The same boxes stay as with `torchvision.ops.batched_nms`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Removal:
    """A box that went.

    Attributes:
        box: its index.
        iou: with the box that removed it, above the limit.
    """

    box: int
    iou: float


@dataclass(frozen=True)
class Step:
    """One decision.

    Attributes:
        keeper: index of the box that stays: the best of those not yet decided.
        removed: what it removed, the best first.
    """

    keeper: int
    removed: tuple[Removal, ...]


@dataclass(frozen=True)
class Suppression:
    """What became of N boxes.

    Attributes:
        steps: the decisions in order, one for each box that stayed.
        kept: indices of the boxes that stayed, the best first.
        removed_by: (N,), index of the box that removed each; -1 for those that stayed.
        iou: (N,), with the box that removed it; 0 for those that stayed.
        limit: overlap above which a box goes.
    """

    steps: tuple[Step, ...]
    kept: _Ints
    removed_by: _Ints
    iou: _Floats
    limit: float


def overlap(boxes: npt.ArrayLike, others: npt.ArrayLike) -> _Floats:
    """IoU, intersection over union, of boxes (N, 4) and (M, 4): (N, M), 0 to 1; 0 for boxes without area."""
    first, second = np.asarray(boxes, np.float64).reshape(-1, 1, 4), np.asarray(others, np.float64).reshape(1, -1, 4)
    sides = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])
    shared = np.clip(sides, 0, None).prod(2)
    union = (first[..., 2:] - first[..., :2]).prod(2) + (second[..., 2:] - second[..., :2]).prod(2) - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0), np.float64)


def suppress(
    boxes: npt.ArrayLike, scores: npt.ArrayLike, labels: npt.ArrayLike | None = None, limit: float = 0.45
) -> Suppression:
    """Decides which boxes stay.

    Args:
        boxes: (N, 4), left, top, right, bottom.
        scores: (N,).
        labels: (N,): a box removes only its own kind; all are of one kind if None.
        limit: IoU above which a box goes.
    """
    corners, confidence = np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(scores, np.float64).reshape(-1)
    kinds = np.zeros(len(corners), np.int64) if labels is None else np.asarray(labels, np.int64)
    shared = overlap(corners, corners)
    removed_by, iou = np.full(len(corners), -1), np.zeros(len(corners))
    order = (-confidence).argsort(kind="stable")
    steps: list[Step] = []
    for place, keeper in enumerate(order):
        if removed_by[keeper] >= 0:
            continue
        rest = order[place + 1 :]
        goes = rest[(removed_by[rest] < 0) & (kinds[rest] == kinds[keeper]) & (shared[keeper, rest] > limit)]
        removed_by[goes], iou[goes] = keeper, shared[keeper, goes]
        steps.append(Step(int(keeper), tuple(Removal(int(each), float(shared[keeper, each])) for each in goes)))
    kept = np.array([step.keeper for step in steps], np.int64)
    return Suppression(tuple(steps), kept, removed_by, iou, limit)
