"""U-Net: down to what there is in the image, up again to where it is.

Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015 (arXiv:1505.04597).
Figure 1 is the network: the contracting path on the left, the expansive one on the right, and between them the copies
of the fine detail that pooling would lose.

Deviations from the paper, all of them the guide's: convolutions pad by 1 and keep the size, so that 572 x 572 stays
572 x 572, where the paper's valid ones leave 388 x 388 and its copies are cropped; where a pooling rounded down, the
upsampled maps are stretched by the missing pixel (the paper chooses its tiles so that no pooling rounds); batch norm
follows every convolution (`batch_norm=False` gives the paper's network), which keeps its bias although the norm takes
it out again; the paper's dropout at the end of the contracting path is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer.architectures.image_size import require_size


class DoubleConv(nn.Module):
    """Two 3x3 convolutions, each with batch norm and ReLU: (B, in_channels, H, W) -> (B, out_channels, H, W).

    Args:
        in_channels: channels of the input.
        out_channels: channels of both convolutions.
        batch_norm: False leaves the norms out.
    """

    def __init__(self, in_channels: int, out_channels: int, batch_norm: bool = True) -> None:
        super().__init__()
        norm: type[nn.Module] = nn.BatchNorm2d if batch_norm else nn.Identity
        self.conv1 = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)
        self.bn1 = norm(out_channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1)
        self.bn2 = norm(out_channels)
        self.relu2 = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps after both ReLUs."""
        # fmt: off
        x = self.relu1(self.bn1(self.conv1(x)))            # (B, out_channels, H, W)
        y: Tensor = self.relu2(self.bn2(self.conv2(x)))    # (B, out_channels, H, W)
        # fmt: on
        return y


class UNet(nn.Module):
    """A contracting path, an expansive path, copies between them: (B, in_channels, H, W) -> (B, num_classes, H, W).

    Takes every side from 16 pixels on (2 to the power of the number of levels); multiples of 16 need no stretching. At
    16 x 16 the bottleneck has one pixel: its batch norms then need at least two images to train.

    Args:
        in_channels: channels of the image.
        num_classes: scores of each pixel.
        widths: channels of the levels, from the top; the bottleneck has twice the last.
        batch_norm: see `DoubleConv`.
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 2,
        widths: Sequence[int] = (64, 128, 256, 512),
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        self.smallest_side = 2 ** len(widths)
        levels = (*widths, 2 * widths[-1])

        self.encoders = nn.ModuleList()
        self.pools = nn.ModuleList()
        for before, width in pairwise((in_channels, *widths)):
            self.encoders.append(DoubleConv(before, width, batch_norm))
            self.pools.append(nn.MaxPool2d(kernel_size=2))

        self.bottleneck = DoubleConv(widths[-1], levels[-1], batch_norm)

        self.decoders = nn.ModuleList()  # in turn: twice the resolution, then both sides together
        for below, width in pairwise(reversed(levels)):
            self.decoders.append(nn.ConvTranspose2d(below, width, kernel_size=2, stride=2))
            self.decoders.append(DoubleConv(2 * width, width, batch_norm))

        self.final = nn.Conv2d(widths[0], num_classes, kernel_size=1)
        self.initialise()

    def initialise(self) -> None:
        """Normal weights of variance 2 / N, N being the inputs of a unit (the paper's section 3); biases 0."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                # An upsampled pixel sees one pixel below: 2x2 kernels at stride 2 do not overlap.
                incoming = module.weight[0].numel() if isinstance(module, nn.Conv2d) else module.in_channels
                nn.init.normal_(module.weight, std=math.sqrt(2 / incoming))
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores of each pixel. Shapes are those of a 256 x 256 image, from the first to the last level.

        Raises:
            IllegalSize: the image is too small to be pooled at every level.
        """
        require_size(
            x,
            "U-Net",
            self.smallest_side,
            because=f"each of its {len(self.pools)} poolings halves the image; enlarge it",
        )
        skips = []
        # fmt: off
        for encode, pool in zip(self.encoders, self.pools, strict=True):
            x = encode(x)                                   # (B,   64, 256, 256) .. (B, 512, 32, 32)
            skips.append(x)
            x = pool(x)                                     # (B,   64, 128, 128) .. (B, 512, 16, 16)

        x = self.bottleneck(x)                              # (B, 1024,  16,  16)

        for up, decode, skip in zip(self.decoders[::2], self.decoders[1::2], reversed(skips), strict=True):
            x = up(x)                                       # (B,  512,  32,  32) .. (B, 64, 256, 256)
            if x.shape != skip.shape:                       # a pooling rounded down
                x = F.interpolate(x, size=skip.shape[-2:])  # nearest
            x = torch.cat([skip, x], dim=1)                 # (B, 1024,  32,  32) .. (B, 128, 256, 256)
            x = decode(x)                                   # (B,  512,  32,  32) .. (B, 64, 256, 256)

        scores: Tensor = self.final(x)                      # (B, num_classes, 256, 256)
        # fmt: on
        return scores


def unet(num_classes: int = 2, in_channels: int = 1, **options: Any) -> UNet:
    """U-Net with four levels; options as `UNet`."""
    return UNet(in_channels, num_classes, **options)


def unet_small(num_classes: int = 2, in_channels: int = 1, **options: Any) -> UNet:
    """U-Net with an eighth of the paper's channels, 487,154 parameters; options as `UNet`."""
    return UNet(in_channels, num_classes, **{"widths": (8, 16, 32, 64), **options})
