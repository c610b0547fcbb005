"""YOLO: a grid laid over the image, every cell of which says what it sees, and where, in one pass.

Redmon et al., "You Only Look Once: Unified, Real-Time Object Detection", 2015 (arXiv:1506.02640): the grid (Figure 2)
and the one pass. Redmon, Farhadi, "YOLO9000: Better, Faster, Stronger", 2016 (arXiv:1612.08242): boxes told as changes
of given anchor boxes (Figure 3), 416 x 416 -> 13 x 13 cells.

Deviations from the papers: the head is the guide's, whose classes belong to each box (YOLOv2), not to the cell
(YOLOv1), and whose 3x3 convolution keeps a bias that the norm takes out again; the backbone is a small one in the
manner of Tiny YOLO, with no published weights, where the papers have 24 convolutions or Darknet-19. The output is raw:
no number in it is a coordinate or a probability yet.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from explorer.architectures.image_size import require_size

SLOPE = 0.1  # of every leaky ReLU below zero (YOLOv1, equation 2)


class ConvBlock(nn.Module):
    """3x3 convolution, batch norm, leaky ReLU: (B, in_channels, H, W) -> (B, out_channels, H, W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)
        self.leaky_relu = nn.LeakyReLU(SLOPE, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, norm, activate."""
        out: Tensor = self.leaky_relu(self.bn(self.conv(x)))
        return out


class YOLOHead(nn.Module):
    """What each anchor of each cell tells: (B, C, H, W) -> (B, A, H, W, 5 + num_classes).

    The last axis holds t_x, t_y, t_w, t_h, the objectness and a score for each class, in this order.

    Args:
        in_channels: C, of the backbone's maps.
        num_anchors: A, boxes that a cell can tell of.
        num_classes: kinds of things.
    """

    def __init__(self, in_channels: int, num_anchors: int = 3, num_classes: int = 80) -> None:
        super().__init__()
        self.num_anchors = num_anchors
        self.conv = nn.Conv2d(in_channels, 2 * in_channels, kernel_size=3, padding=1)
        self.bn = nn.BatchNorm2d(2 * in_channels)
        self.leaky_relu = nn.LeakyReLU(SLOPE, inplace=True)
        self.predict = nn.Conv2d(2 * in_channels, num_anchors * (5 + num_classes), kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return raw predictions. Shapes are those of 3 anchors, 80 classes and 13 x 13 cells."""
        # fmt: off
        x = self.leaky_relu(self.bn(self.conv(x)))                         # (B,  2C, 13, 13)
        x = self.predict(x)                                                # (B, 255, 13, 13)
        batch, _, rows, columns = x.shape
        x = x.reshape(batch, self.num_anchors, -1, rows, columns)          # (B, 3, 85, 13, 13)
        return x.permute(0, 1, 3, 4, 2)                                    # (B, 3, 13, 13, 85)
        # fmt: on


def tiny_backbone(in_channels: int, widths: Sequence[int]) -> nn.Sequential:
    """Blocks with a pooling between each two: (B, in_channels, H, W) -> (B, C, H/32, W/32) for six widths, the last C.

    The first layers of Tiny YOLO.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for level, (before, width) in enumerate(pairwise((in_channels, *widths)), start=1):
        if level > 1:
            layers[f"pool{level - 1}"] = nn.MaxPool2d(kernel_size=2)
        layers[f"block{level}"] = ConvBlock(before, width)
    return nn.Sequential(layers)


class YOLO(nn.Module):
    """A backbone and a head: (B, in_channels, H, W) -> (B, A, H/32, W/32, 5 + num_classes).

    At the smallest size the grid is one cell: training then needs at least two images for the batch norms.

    Args:
        num_classes: kinds of things.
        in_channels: channels of the image.
        num_anchors: A, boxes that a cell can tell of.
        widths: channels of the backbone's blocks; all but the last are followed by a pooling.
    """

    def __init__(
        self,
        num_classes: int = 80,
        in_channels: int = 3,
        num_anchors: int = 3,
        widths: Sequence[int] = (16, 32, 64, 128, 256, 512),
    ) -> None:
        super().__init__()
        self.stride = 2 ** (len(widths) - 1)
        self.backbone = tiny_backbone(in_channels, widths)
        self.head = YOLOHead(widths[-1], num_anchors, num_classes)
        self.initialise()

    def initialise(self) -> None:
        """Kaiming weights for leaky ReLUs (fan in), biases 0; the papers leave the start open."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=SLOPE, nonlinearity="leaky_relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return raw predictions. Shapes are those of a 416 x 416 image.

        Raises:
            IllegalSize: the image is smaller than one cell.
        """
        require_size(x, "YOLO", self.stride, because=f"each cell of its grid is {self.stride} pixels wide; enlarge it")
        # fmt: off
        x = self.backbone(x)                    # (B, 512, 13, 13)
        predictions: Tensor = self.head(x)      # (B, 3, 13, 13, 85)
        # fmt: on
        return predictions


def yolo(num_classes: int = 80, in_channels: int = 3, **options: Any) -> YOLO:
    """A small YOLO; options as `YOLO`."""
    return YOLO(num_classes, in_channels, **options)


def yolo_small(num_classes: int = 9, in_channels: int = 3, **options: Any) -> YOLO:
    """The same network, narrower, on a finer grid: 160 x 160 pixels -> 10 x 10 cells of 16; options as `YOLO`."""
    return YOLO(num_classes, in_channels, **{"widths": (16, 32, 64, 128, 128), **options})
