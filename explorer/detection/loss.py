"""What training lowers: four sums, of the positions, sizes, objectness and classes.

After YOLOv1 (arXiv:1506.02640, equation 3), YOLO9000 (1612.08242) and YOLOv3 (1804.02767, section 2.1). One anchor of
one cell is responsible for a thing: the cell that holds its centre, the anchor whose shape has the greatest IoU. Errors
of position and size count five times, the objectness of anchors without a thing half (YOLOv1). An anchor that is not
responsible but whose box reaches an IoU of 0.6 with a thing is not blamed for it (YOLO9000's code; 0.5 in YOLOv3).

Deviations: objectness is a cross-entropy towards 1 and 0 (YOLOv3), not a squared error towards the IoU (YOLO9000), so
that a perfect answer costs nothing; classes are a cross-entropy over a softmax, since a thing has one name; where two
things ask for the same anchor of a cell, the second gets the next best free one; sums are divided by the number of
things, so that crowded scenes do not count for more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import box_iou

COORDINATES, NOTHING = 5.0, 0.5  # YOLOv1's two weights
TOLERATED = 0.6


class Losses(NamedTuple):
    """Scalars; `total` is their sum, weighted."""

    position: Tensor
    size: Tensor
    objectness: Tensor
    classes: Tensor

    @property
    def total(self) -> Tensor:
        """What training lowers."""
        return COORDINATES * (self.position + self.size) + self.objectness + self.classes


class Assignment(NamedTuple):
    """Who is responsible for what: (M,) each, one entry for each thing that found a free anchor."""

    image: Tensor
    anchor: Tensor
    row: Tensor
    column: Tensor
    thing: Tensor  # index among all things of the batch


def assign(boxes: Sequence[Tensor], anchors: Tensor, grid: tuple[int, int], stride: int) -> Assignment:
    """Gives each thing the cell of its centre and the best free anchor there.

    Args:
        boxes: of each image (N, 4), left, top, right, bottom in pixels.
        anchors: (A, 2), widths and heights in pixels.
        grid: rows and columns of cells.
        stride: side of a cell, pixels.
    """
    found: list[tuple[int, int, int, int, int]] = []
    taken: set[tuple[int, int, int, int]] = set()
    thing = 0
    for image, some in enumerate(boxes):
        sizes = some[:, 2:] - some[:, :2]
        shared = torch.minimum(sizes[:, None], anchors[None]).prod(2)
        best = (shared / (sizes.prod(1)[:, None] + anchors.prod(1) - shared)).argsort(1, descending=True).tolist()
        cells = ((some[:, :2] + some[:, 2:]) / 2 / stride).long().tolist()
        for order, (column, row) in zip(best, cells, strict=True):
            row, column = min(row, grid[0] - 1), min(column, grid[1] - 1)
            for anchor in order:
                if (image, anchor, row, column) not in taken:
                    taken.add((image, anchor, row, column))
                    found.append((image, anchor, row, column, thing))
                    break
            thing += 1
    table = torch.tensor(found, dtype=torch.long, device=anchors.device).view(-1, 5)
    return Assignment(*table.unbind(1))


def detection_loss(
    raw: Tensor, boxes: Sequence[Tensor], labels: Sequence[Tensor], anchors: Tensor, stride: int
) -> Losses:
    """The loss of a batch.

    Args:
        raw: the head's output (B, A, H, W, 5 + classes).
        boxes: the truth of each image, (N, 4) in pixels.
        labels: of each image, (N,).
        anchors: (A, 2), widths and heights in pixels.
        stride: side of a cell, pixels.
    """
    grid = (raw.shape[2], raw.shape[3])
    owner = assign(boxes, anchors, grid, stride)
    place = (owner.image, owner.anchor, owner.row, owner.column)
    truth, label = torch.cat(tuple(boxes))[owner.thing], torch.cat(tuple(labels))[owner.thing]
    told = raw[place]  # (M, 5 + classes)
    things = max(1, len(told))
    offset = (truth[:, :2] + truth[:, 2:]) / 2 / stride - torch.stack([owner.column, owner.row], 1)
    position = (told[:, :2].sigmoid() - offset).square().sum() / things
    scale = ((truth[:, 2:] - truth[:, :2]) / anchors[owner.anchor]).log()
    size = (told[:, 2:4] - scale).square().sum() / things

    target = torch.zeros_like(raw[..., 4])
    target[place] = 1
    weight = torch.where(_nearly_right(raw.detach(), boxes, anchors, stride), 0.0, NOTHING)
    weight[place] = 1
    objectness = (F.binary_cross_entropy_with_logits(raw[..., 4], target, reduction="none") * weight).sum() / things
    classes = F.cross_entropy(told[:, 5:], label, reduction="sum") / things
    return Losses(position, size, objectness, classes)


def _nearly_right(raw: Tensor, boxes: Sequence[Tensor], anchors: Tensor, stride: int) -> Tensor:
    """Whether the box of each anchor reaches the tolerated IoU with any thing: bool (B, A, H, W)."""
    _, _, rows, columns, _ = raw.shape
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    corner = torch.stack([x, y], 2).to(raw)
    centre = (raw[..., :2].sigmoid() + corner) * stride
    half = raw[..., 2:4].clamp(max=4).exp() * anchors[None, :, None, None] / 2
    told = torch.cat([centre - half, centre + half], 4)
    near = [(box_iou(each.reshape(-1, 4), some) > TOLERATED).any(1) for each, some in zip(told, boxes, strict=True)]
    return torch.stack(near).view(raw.shape[:4])
