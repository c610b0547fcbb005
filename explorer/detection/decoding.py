"""The raw numbers of a head -> boxes in pixels, every step kept.

YOLO9000 (arXiv:1612.08242), section 2, Figure 3, for the cell (c_x, c_y) and the anchor (p_w, p_h):

    b_x = sigmoid(t_x) + c_x        b_w = p_w exp(t_w)        objectness = sigmoid(t_o)
    b_y = sigmoid(t_y) + c_y        b_h = p_h exp(t_h)        classes    = softmax(scores)

Positions count in cells there; times the stride they are pixels. Sizes of anchors are pixels here from the start. The
score of a box is objectness x the share of its best class. Boxes end at the edge of the picture. t_w and t_h are cut
off at ln(1000 / 16), as torchvision does for its detectors: a wild number makes a large box, not an infinite one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from explorer.errors import ExplorerError

LARGEST_SCALE = math.log(1000 / 16)
"""Of t_w and t_h: 4.14, an anchor 62.5 times as wide (torchvision.models.detection._utils.BoxCoder)."""

_Floats = npt.NDArray[np.float64]


class WrongHead(ExplorerError):
    """The numbers do not come from a head with these anchors."""


@dataclass(frozen=True)
class Decoded:
    """What the head says, anchor by anchor, cell by cell; A anchors, a grid of H x W cells, C classes.

    Attributes:
        raw: (A, H, W, 5 + C), t_x, t_y, t_w, t_h, t_o and the classes' scores, as the head gives them.
        anchors: (A, 2), widths and heights, pixels.
        stride: side of a cell, pixels.
        width: of the picture, pixels.
        height: of the picture, pixels.
        offsets: (A, H, W, 2), sigmoid(t_x), sigmoid(t_y): the centre inside its cell, 0 to 1.
        centres: (A, H, W, 2), x and y, pixels.
        scales: (A, H, W, 2), exp(t_w), exp(t_h): how much wider and higher than the anchor.
        sizes: (A, H, W, 2), width and height, pixels.
        boxes: (A, H, W, 4), left, top, right, bottom, pixels, inside the picture.
        objectness: (A, H, W), 0 to 1: is the centre of a thing here?
        classes: (A, H, W, C), 0 to 1, sum 1: if so, of which kind?
        labels: (A, H, W), the best class.
        scores: (A, H, W), objectness x share of the best class.
    """

    raw: _Floats
    anchors: _Floats
    stride: int
    width: int
    height: int
    offsets: _Floats
    centres: _Floats
    scales: _Floats
    sizes: _Floats
    boxes: _Floats
    objectness: _Floats
    classes: _Floats
    labels: npt.NDArray[np.int64]
    scores: _Floats

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return self.raw.shape[1], self.raw.shape[2]

    def above(self, confidence: float) -> Candidates:
        """The boxes whose score reaches ``confidence``, the best first."""
        anchor, row, column = np.nonzero(self.scores >= confidence)
        order = (-self.scores[anchor, row, column]).argsort(kind="stable")
        at = (anchor[order], row[order], column[order])
        return Candidates(self.boxes[at], self.scores[at], self.labels[at], np.stack(at, 1))


@dataclass(frozen=True)
class Candidates:
    """Boxes that say something with confidence, the best first.

    Attributes:
        boxes: (N, 4), left, top, right, bottom, pixels.
        scores: (N,), 0 to 1.
        labels: (N,).
        places: (N, 3), the anchor, row and column that each comes from.
    """

    boxes: _Floats
    scores: _Floats
    labels: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, indices: npt.ArrayLike) -> Candidates:
        """Some of them, in the order of ``indices``."""
        at = np.asarray(indices, np.int64)
        return Candidates(self.boxes[at], self.scores[at], self.labels[at], self.places[at])


def decode(
    raw: npt.ArrayLike, anchors: Sequence[Sequence[float]], stride: int, size: tuple[int, int] | None = None
) -> Decoded:
    """Turns the raw numbers of a head into boxes.

    Args:
        raw: (A, H, W, 5 + C), of one picture.
        anchors: width and height of each, pixels.
        stride: side of a cell, pixels.
        size: width and height of the picture, pixels; that of the whole grid if None.

    Raises:
        WrongHead: the numbers do not fit the anchors.
    """
    values, shapes = np.asarray(raw, np.float64), np.asarray(anchors, np.float64).reshape(-1, 2)
    if values.ndim != 4 or values.shape[0] != len(shapes) or values.shape[3] < 6:
        raise WrongHead(
            f"A head with {len(shapes)} anchors gives numbers of shape ({len(shapes)}, H, W, 5 + classes), not "
            f"{values.shape}; give the anchors that it was trained with."
        )
    _, rows, columns, _ = values.shape
    width, height = size or (columns * stride, rows * stride)
    y, x = np.mgrid[:rows, :columns]
    offsets = _sigmoid(values[..., :2])
    centres = (offsets + np.stack([x, y], 2)) * stride
    scales = np.exp(np.minimum(values[..., 2:4], LARGEST_SCALE))
    sizes = scales * shapes[:, None, None]
    corners = np.concatenate([centres - sizes / 2, centres + sizes / 2], 3)
    boxes = np.clip(corners, 0, [width, height, width, height])
    objectness = _sigmoid(values[..., 4])
    powers = np.exp(values[..., 5:] - values[..., 5:].max(3, keepdims=True))
    classes = powers / powers.sum(3, keepdims=True)
    return Decoded(
        values, shapes, stride, width, height, offsets, centres, scales, sizes, boxes,
        objectness, classes, classes.argmax(3), objectness * classes.max(3),
    )  # fmt: skip


def _sigmoid(values: _Floats) -> _Floats:
    # Written with tanh, which overflows nowhere.
    return np.asarray(0.5 * (1 + np.tanh(values / 2)), np.float64)
