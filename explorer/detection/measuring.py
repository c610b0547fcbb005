"""Found boxes against the truth: who is who, precision and recall, and mean average precision.

Matching by hand, the way COCO does it: the best-scored box first takes the thing of its class that it overlaps most, if
that is free and the IoU reaches the limit. The mean average precision is torchmetrics' (COCO's 101 points of recall).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from explorer.detection.decoding import Candidates
from explorer.detection.suppression import overlap

_Truth = tuple[npt.ArrayLike, npt.ArrayLike]  # boxes (N, 4), labels (N,)


@dataclass(frozen=True)
class Matching:
    """Which box found which thing.

    Attributes:
        thing: (N,), of each found box the index of the thing it found; -1 if it found none.
        iou: (N,), with that thing; with the nearest thing of any class where it found none.
        missed: indices of things that no box found.
    """

    thing: npt.NDArray[np.int64]
    iou: npt.NDArray[np.float64]
    missed: tuple[int, ...]

    @property
    def right(self) -> int:
        """Boxes that found a thing (true positives)."""
        return int((self.thing >= 0).sum())

    @property
    def precision(self) -> float:
        """Share of the found boxes that are right; NaN if there are none."""
        return self.right / len(self.thing) if len(self.thing) else float("nan")

    @property
    def recall(self) -> float:
        """Share of the things that were found; NaN if there are none."""
        things = self.right + len(self.missed)
        return self.right / things if things else float("nan")


@dataclass(frozen=True)
class MeanPrecision:
    """Mean average precision over classes.

    Attributes:
        at_50: a box is right from an IoU of 0.5 on.
        at_75: from 0.75 on.
        overall: mean over the limits 0.5, 0.55, ... 0.95, COCO's own figure.
        by_class: (label, average precision, mean over the same limits) of every class among the things.
    """

    at_50: float
    at_75: float
    overall: float
    by_class: tuple[tuple[int, float], ...]


def match(found: Candidates, boxes: npt.ArrayLike, labels: npt.ArrayLike, limit: float = 0.5) -> Matching:
    """Gives every found box its thing.

    Args:
        found: boxes that are left after suppression, the best first.
        boxes: of the things, (M, 4).
        labels: of the things, (M,).
        limit: IoU from which on a box counts as right.
    """
    truth, kinds = np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(labels, np.int64).reshape(-1)
    shared = overlap(found.boxes, truth)
    thing, iou = np.full(len(found), -1), shared.max(1, initial=0)
    free = np.ones(len(truth), bool)
    for index in (-found.scores).argsort(kind="stable"):
        fitting = np.where(free & (kinds == found.labels[index]), shared[index], -1.0)
        best = int(fitting.argmax()) if len(truth) else -1
        if best >= 0 and fitting[best] >= limit:
            thing[index], iou[index], free[best] = best, shared[index, best], False
    return Matching(thing, iou, tuple(int(each) for each in np.flatnonzero(free)))


def mean_precision(found: Sequence[Candidates], truth: Sequence[_Truth]) -> MeanPrecision:
    """Mean average precision over pictures: what was found in each, and what is in it."""
    import torch
    from torchmetrics.detection import MeanAveragePrecision

    metric = MeanAveragePrecision(class_metrics=True)
    metric.warn_on_many_detections = False

    def tensor(values: npt.ArrayLike, kind: torch.dtype) -> torch.Tensor:
        return torch.tensor(np.asarray(values), dtype=kind)

    metric.update(
        [
            {
                "boxes": tensor(each.boxes, torch.float32).reshape(-1, 4),
                "scores": tensor(each.scores, torch.float32),
                "labels": tensor(each.labels, torch.int64),
            }
            for each in found
        ],
        [
            {"boxes": tensor(boxes, torch.float32).reshape(-1, 4), "labels": tensor(labels, torch.int64)}
            for boxes, labels in truth
        ],
    )
    result = metric.compute()
    classes = zip(result["classes"].reshape(-1).tolist(), result["map_per_class"].reshape(-1).tolist(), strict=True)
    return MeanPrecision(
        float(result["map_50"]),
        float(result["map_75"]),
        float(result["map"]),
        tuple((int(label), float(value)) for label, value in classes if value >= 0),
    )
