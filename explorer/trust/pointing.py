"""How much of a map lies inside a box that somebody drew around the thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explorer.errors import ExplorerError

if TYPE_CHECKING:
    from explorer.attribution import Attribution


class EmptyBox(ExplorerError):
    """The box holds nothing of the picture."""


@dataclass(frozen=True)
class Inside:
    """A map and a box.

    Attributes:
        evidence: share of the positive evidence that lies in the box, 0 to 1; 0 if there is none at all.
        area: share of the picture that the box covers, 0 to 1; what evidence spread evenly would have inside.
        hit: whether the map's peak lies in the box: the pointing game of Zhang et al. 2016 (arXiv:1608.00507), which
            forgives 15 pixels; this does not.
    """

    evidence: float
    area: float
    hit: bool

    @property
    def sentence(self) -> str:
        """For people."""
        if not self.evidence and not self.hit:
            return f"The box covers {100 * self.area:.0f} % of the picture and holds none of the evidence."
        peak = "so does its peak" if self.hit else "its peak lies outside"
        return (
            f"{100 * self.evidence:.0f} % of the evidence lies in the box, which covers {100 * self.area:.0f} % of the "
            f"picture; {peak}."
        )


def inside(attribution: Attribution, box: tuple[float, float, float, float]) -> Inside:
    """Measures a box against the positive part of a map.

    Pixels that the box cuts count in part.

    Args:
        attribution: the map.
        box: left, top, right, bottom, pixels of what the network sees, from its upper left corner; two opposite
            corners in any order, and what reaches beyond the picture is cut off.

    Raises:
        EmptyBox: nothing is left.
    """
    height, width = attribution.heatmap.shape
    rows, columns = _covered(box[1], box[3], height), _covered(box[0], box[2], width)
    area = float(rows.sum() * columns.sum()) / (height * width)
    if not area > 0:
        raise EmptyBox(f"The box holds nothing of the {width} x {height} pixels; draw one inside the picture.")
    values = attribution.heatmap.astype(np.float64)
    total = values.sum()
    evidence = float(rows @ values @ columns / total) if total > 0 else 0.0
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    hit = bool(total > 0 and rows[row] >= 0.5 and columns[column] >= 0.5)
    return Inside(evidence=min(evidence, 1.0), area=min(area, 1.0), hit=hit)


def _covered(start: float, end: float, length: int) -> np.ndarray:
    """How much of each pixel of a row lies between two points, 0 to 1."""
    low, high = sorted((float(start), float(end)))
    pixels = np.arange(length)
    return np.clip(np.minimum(pixels + 1, high) - np.maximum(pixels, low), 0, 1)
