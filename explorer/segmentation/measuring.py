"""How well one mask covers another: Dice, IoU and where the two disagree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from explorer.errors import ExplorerError

Mask = npt.NDArray[np.bool_]


class MasksDiffer(ExplorerError):
    """Two masks of different sizes."""


@dataclass(frozen=True)
class Overlap:
    """A mask against the one that is right, counted in pixels.

    Attributes:
        hits: pixels in both.
        extra: pixels that only the mask has (false positives).
        missed: pixels that only the right one has (false negatives).
        rest: pixels in neither.
    """

    hits: int
    extra: int
    missed: int
    rest: int

    @property
    def dice(self) -> float:
        """Twice the common pixels over those of both, 0 to 1; 1 where both are empty."""
        both = 2 * self.hits + self.extra + self.missed
        return 2 * self.hits / both if both else 1.0

    @property
    def iou(self) -> float:
        """Common pixels over those in either, 0 to 1; 1 where both are empty."""
        either = self.hits + self.extra + self.missed
        return self.hits / either if either else 1.0

    @property
    def accuracy(self) -> float:
        """Share of all pixels that are right, 0 to 1: high for an empty mask too, where little is to be found."""
        return (self.hits + self.rest) / max(1, self.hits + self.extra + self.missed + self.rest)


def overlap(mask: Mask, truth: Mask) -> Overlap:
    """Counts `mask` against `truth`, both bool and of one shape.

    Raises:
        MasksDiffer: the shapes differ.
    """
    _same(mask, truth)
    hits, extra, missed = (int(np.count_nonzero(each)) for each in (mask & truth, mask & ~truth, ~mask & truth))
    return Overlap(hits, extra, missed, mask.size - hits - extra - missed)


def overlap_at_edges(mask: Mask, truth: Mask, reach: int = 3) -> Overlap:
    """Counts only the pixels that lie at most `reach` pixels from a contour of `truth`, where masks differ first.

    A pixel's distance is that of its centre to the nearest centre on the other side; the rest of the picture counts as
    ground in both.

    Raises:
        MasksDiffer: the shapes differ.
    """
    _same(mask, truth)
    band = np.zeros(truth.shape, np.bool_)
    for side in (truth, ~truth):
        if side.any() and not side.all():
            band |= side & (ndimage.distance_transform_edt(side) <= reach)
    return overlap(mask & band, truth & band)


def kinds(mask: Mask, truth: Mask) -> npt.NDArray[np.uint8]:
    """What each pixel is: 0 in neither, 1 in both, 2 extra, 3 missed; uint8, of the masks' shape.

    Raises:
        MasksDiffer: the shapes differ.
    """
    _same(mask, truth)
    return np.select([mask & truth, mask, truth], [1, 2, 3], 0).astype(np.uint8)


def _same(mask: Mask, truth: Mask) -> None:
    if mask.shape != truth.shape:
        raise MasksDiffer(
            f"The mask has {mask.shape} pixels, the right one {truth.shape}; compare masks of the same picture."
        )
