"""Do two maps point at the same place?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from explorer.attribution import Attribution

Box = tuple[float, float, float, float]
_SAME_PICTURE = 12.0  # of 255, mean difference: resizing alone makes up to 8, a shifted crop 20 and more


@dataclass(frozen=True)
class Agreement:
    """How alike two maps of one photo are.

    Attributes:
        first: method of the one.
        second: method of the other.
        correlation: Spearman's, between the ranks of their pixels: 1 the same order, 0 none, -1 the opposite; 0 where
            a map is the same everywhere.
        overlap: intersection over union of their most important pixels, 0 to 1.
        share: of the pixels that count as the most important.
        note: what had to be done to compare them, or why it means little; empty if nothing.
    """

    first: str
    second: str
    correlation: float
    overlap: float
    share: float
    note: str = ""

    @property
    def chance(self) -> float:
        """The overlap to expect of two maps that know nothing of each other."""
        return self.share / (2 - self.share)

    @property
    def sentence(self) -> str:
        """For people."""
        correlation = f"{self.correlation:.2f}".replace("-", "−")
        found = (
            f"Rank correlation {correlation} (1 would be the same order of all pixels); their most important "
            f"{100 * self.share:.0f} % overlap to {100 * self.overlap:.0f} %, by chance {100 * self.chance:.0f} %."
        )
        return f"{found} {self.note}".strip()


@dataclass(frozen=True)
class Agreements:
    """Every map against every other.

    Attributes:
        methods: of the maps, in order.
        correlation: float64 (n, n).
        overlap: float64 (n, n).
        share: of the pixels that count as the most important.
        notes: all that had to be said, each once.
    """

    methods: tuple[str, ...]
    correlation: np.ndarray
    overlap: np.ndarray
    share: float
    notes: tuple[str, ...]


def agreement(
    first: Attribution, second: Attribution, share: float = 0.2, *, boxes: tuple[Box, Box] | None = None
) -> Agreement:
    """Compares two maps of the same photo.

    Maps of different sizes are brought to the smaller one. Of networks that see different parts of the photo only the
    part that both see is compared, if ``boxes`` says where they are; otherwise the note warns.

    Args:
        first: a map.
        second: another.
        share: of the pixels that count as the most important, more than 0, at most 1.
        boxes: what each network sees of the photo (left, top, right, bottom), as `Preprocessing.seen` tells it.
    """
    a, b = first.signed, second.signed
    notes = []
    if boxes is not None and boxes[0] != boxes[1]:
        a, b, both = _overlap(a, b, boxes)
        if not a.size:
            return Agreement(first.method, second.method, 0.0, 0.0, share, "The networks see no part in common.")
        notes.append(f"Compared on what both networks see, {100 * both:.0f} % of the first one's view.")
    elif a.shape != b.shape:
        size = min(a.shape[0], b.shape[0]), min(a.shape[1], b.shape[1])
        a, b = _resized(a, size), _resized(b, size)
        notes.append(f"Compared at {size[0]} x {size[1]} pixels, the smaller of the two views.")
        if not _same_picture(first.seen, second.seen, size):
            notes.append("The two networks see different parts of the photo, so places do not match exactly.")
    blank = [attribution.method for attribution, values in ((first, a), (second, b)) if np.ptp(values) == 0]
    if blank:
        return Agreement(first.method, second.method, 0.0, 0.0, share, f"The map of {blank[0]} is blank.")
    top, other = _top(a, share), _top(b, share)
    overlap = float((top & other).sum() / (top | other).sum())
    return Agreement(first.method, second.method, rank_correlation(a, b), overlap, share, " ".join(notes))


def agreements(
    attributions: Sequence[Attribution], share: float = 0.2, *, boxes: Sequence[Box] | None = None
) -> Agreements:
    """Compares each map with each; see `agreement`."""
    count = len(attributions)
    correlation, overlap = np.eye(count), np.eye(count)
    notes: dict[str, None] = {}
    for i in range(count):
        for j in range(i):
            pair = None if boxes is None else (boxes[j], boxes[i])
            found = agreement(attributions[j], attributions[i], share, boxes=pair)
            correlation[i, j] = correlation[j, i] = found.correlation
            overlap[i, j] = overlap[j, i] = found.overlap
            notes |= {found.note: None} if found.note else {}
    for array in (correlation, overlap):
        array.flags.writeable = False
    return Agreements(tuple(each.method for each in attributions), correlation, overlap, share, tuple(notes))


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's: the correlation of the ranks, equal values sharing the mean of theirs; 0 if one never changes."""
    a, b = (ranks - ranks.mean() for ranks in (_ranks(first), _ranks(second)))
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale else 0.0


def _ranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: np.ndarray = (last - (counts - 1) / 2)[inverse.ravel()]
    return ranks


def _top(values: np.ndarray, share: float) -> np.ndarray:
    """Whether each pixel is among the share of the largest; of equal ones the upper and left ones first."""
    count = max(1, round(share * values.size))
    chosen = np.zeros(values.size, bool)
    chosen[np.argsort(-values.ravel(), kind="stable")[:count]] = True
    return chosen


def _resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if values.shape[:2] == size:
        return values
    planes = torch.from_numpy(np.array(values, dtype=np.float32)).reshape(*values.shape[:2], -1).permute(2, 0, 1)
    resized = F.interpolate(planes[None], size=size, mode="bilinear", align_corners=False, antialias=True)[0]
    return resized.permute(1, 2, 0).reshape(*size, *values.shape[2:]).numpy()


def _same_picture(first: np.ndarray, second: np.ndarray, size: tuple[int, int]) -> bool:
    return bool(np.abs(_resized(first, size) - _resized(second, size).astype(np.float32)).mean() < _SAME_PICTURE)


def _overlap(a: np.ndarray, b: np.ndarray, boxes: tuple[Box, Box]) -> tuple[np.ndarray, np.ndarray, float]:
    """Both maps over the part that both cover, as fine as the coarser of the two; and its share of the first's."""
    left, top = max(boxes[0][0], boxes[1][0]), max(boxes[0][1], boxes[1][1])
    right, bottom = min(boxes[0][2], boxes[1][2]), min(boxes[0][3], boxes[1][3])
    if right <= left or bottom <= top:
        return np.empty((0, 0)), np.empty((0, 0)), 0.0
    scale = min(values.shape[1] / (box[2] - box[0]) for values, box in zip((a, b), boxes, strict=True))
    rows, columns = max(1, round((bottom - top) * scale)), max(1, round((right - left) * scale))
    x = left + (np.arange(columns) + 0.5) * (right - left) / columns
    y = top + (np.arange(rows) + 0.5) * (bottom - top) / rows
    found = [_sampled(values, box, x, y) for values, box in zip((a, b), boxes, strict=True)]
    area = (boxes[0][2] - boxes[0][0]) * (boxes[0][3] - boxes[0][1])
    return found[0], found[1], (right - left) * (bottom - top) / area


def _sampled(values: np.ndarray, box: Box, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A map that covers ``box``, at points of the photo, bilinear between pixel centres."""
    left, top, right, bottom = box
    across = 2 * (x - left) / (right - left) - 1  # grid_sample's coordinates: -1 and 1 are the outer borders
    down = 2 * (y - top) / (bottom - top) - 1
    grid = torch.from_numpy(np.stack(np.meshgrid(across, down), axis=-1)).float()[None]
    plane = torch.from_numpy(np.array(values, dtype=np.float32))[None, None]
    return F.grid_sample(plane, grid, mode="bilinear", padding_mode="border", align_corners=False)[0, 0].numpy()
