"""MobileNet V1 and V2: a convolution split in two, one half looks around and the other mixes the channels.

V1: Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", 2017
(arXiv:1704.04861). Figure 3, right, is the block, Table 1 the network. V2: Sandler et al., "MobileNetV2: Inverted
Residuals and Linear Bottlenecks", 2018 (arXiv:1801.04381). Table 1 and Figure 4 show the block, Table 2 the network.

A k x k convolution costs k² C_in C_out multiplications per position. Split, it costs k² C_in + C_in C_out, which saves
1 - (1 / C_out + 1 / k²): nearly 8 of 9 for 3 x 3.

Deviations from the papers: V1 was published with ReLU, here ReLU6 follows each norm as in its authors' code;
`activation=nn.ReLU` gives the paper's. Table 1 of V1 prints stride 2 at the last depthwise layer, but its sizes (7 x 7
before and after) say 1. Dropout stands before the classifier, as in the authors' code and torchvision. V2's state dict
has our own names, `RENAMES` turns torchvision's into them; torchvision has no V1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from explorer.architectures.efficientnet import scale_width


class ConvNormReLU(nn.Module):
    """Convolution without bias, batch norm, activation: (B, C_in, H, W) -> (B, C_out, H/s, W/s).

    Args:
        in_channels: C_in.
        out_channels: C_out.
        kernel: side of the filters.
        stride: s.
        groups: as many as channels make the convolution depthwise: each filter sees one channel.
        activation: `nn.ReLU6` stops at 6, so that few bits hold it.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        activation: type[nn.ReLU | nn.ReLU6] = nn.ReLU6,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)
        self.relu = activation(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, normalise, activate."""
        y: Tensor = self.relu(self.bn(self.conv(x)))
        return y


class DepthwiseSeparableConv(nn.Module):
    """3x3 on each channel alone, then 1x1 across channels: (B, C_in, H, W) -> (B, C_out, H/s, W/s). V1, Figure 3.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        stride: s, of the depthwise convolution.
        activation: after both convolutions.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        activation: type[nn.ReLU | nn.ReLU6] = nn.ReLU6,
    ) -> None:
        super().__init__()
        self.depthwise = ConvNormReLU(in_channels, in_channels, 3, stride, groups=in_channels, activation=activation)
        self.pointwise = ConvNormReLU(in_channels, out_channels, 1, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        """Look around, then mix."""
        # fmt: off
        x = self.depthwise(x)            # (B, C_in,  H/s, W/s)
        y: Tensor = self.pointwise(x)    # (B, C_out, H/s, W/s)
        # fmt: on
        return y


class InvertedResidual(nn.Module):
    """Widen, filter each channel on its own, narrow: (B, C_in, H, W) -> (B, C_out, H/s, W/s). V2, Table 1, Figure 4.

    A bottleneck turned inside out: the shortcut joins the narrow ends, and no activation follows the narrow end,
    because it would destroy what few channels hold ("linear bottleneck").

    Args:
        in_channels: C_in.
        out_channels: C_out.
        stride: s, of the depthwise convolution; the shortcut exists where s = 1 and C_in = C_out.
        expand: t, factor by which the middle is wider than the input; 1 leaves the widening out.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, expand: int) -> None:
        super().__init__()
        wide = expand * in_channels
        self.expand = ConvNormReLU(in_channels, wide, 1) if expand != 1 else nn.Identity()
        self.depthwise = ConvNormReLU(wide, wide, 3, stride, groups=wide)
        self.project = nn.Conv2d(wide, out_channels, kernel_size=1, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Add the block to its input where the shapes agree; no activation follows."""
        # fmt: off
        wide = self.expand(x)                           # (B, t C_in, H,   W)
        wide = self.depthwise(wide)                     # (B, t C_in, H/s, W/s)
        residual: Tensor = self.bn(self.project(wide))  # (B, C_out,  H/s, W/s)
        # fmt: on
        return x + residual if self.has_shortcut else residual


def separable_stage(
    in_channels: int,
    out_channels: int,
    stride: int,
    repeats: int,
    activation: type[nn.ReLU | nn.ReLU6],
) -> nn.Sequential:
    """Separable convolutions in a row; the first one changes the resolution and the number of channels."""
    blocks = [DepthwiseSeparableConv(in_channels, out_channels, stride, activation)]
    blocks += [DepthwiseSeparableConv(out_channels, out_channels, 1, activation) for _ in range(repeats - 1)]
    return nn.Sequential(*blocks)


def inverted_stage(in_channels: int, out_channels: int, stride: int, expand: int, repeats: int) -> nn.Sequential:
    """Inverted residuals in a row; the first one changes the resolution and the channels (a row of V2's Table 2)."""
    blocks = [InvertedResidual(in_channels, out_channels, stride, expand)]
    blocks += [InvertedResidual(out_channels, out_channels, 1, expand) for _ in range(repeats - 1)]
    return nn.Sequential(*blocks)


def initialise(network: nn.Module) -> None:
    """Kaiming weights (fan out) for convolutions, N(0, 0.01) and no bias for the classifier, as torchvision's V2.

    Batch norm starts as 1 and 0. PyTorch's fan out overlooks groups, so depthwise filters start too small by √C; the
    norm after them makes good for it.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)


class MobileNetV1(nn.Module):
    """A stem, thirteen separable convolutions, an average, a classifier: (B, in_channels, H, W) -> (B, num_classes).

    Args:
        num_classes: length of the output.
        in_channels: channels of the image.
        width: the paper's α, factor of every number of channels; 0.75, 0.5 and 0.25 are published.
        dropout: probability before the classifier.
        activation: after every norm; `nn.ReLU` is the paper's.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        *,
        width: float = 1.0,
        dropout: float = 0.001,
        activation: type[nn.ReLU | nn.ReLU6] = nn.ReLU6,
    ) -> None:
        super().__init__()
        c0, c1, c2, c3, c4, c5 = (scale_width(channels, width) for channels in (32, 64, 128, 256, 512, 1024))
        self.stem = ConvNormReLU(in_channels, c0, kernel=3, stride=2, activation=activation)
        self.stage1 = separable_stage(c0, c1, stride=1, repeats=1, activation=activation)
        self.stage2 = separable_stage(c1, c2, stride=2, repeats=2, activation=activation)
        self.stage3 = separable_stage(c2, c3, stride=2, repeats=2, activation=activation)
        self.stage4 = separable_stage(c3, c4, stride=2, repeats=6, activation=activation)
        self.stage5 = separable_stage(c4, c5, stride=2, repeats=2, activation=activation)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(c5, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits. Shapes are those of a 224 x 224 image at width 1."""
        # fmt: off
        x = self.stem(x)                                     # (B,   32, 112, 112)
        x = self.stage1(x)                                   # (B,   64, 112, 112)
        x = self.stage2(x)                                   # (B,  128,  56,  56)
        x = self.stage3(x)                                   # (B,  256,  28,  28)
        x = self.stage4(x)                                   # (B,  512,  14,  14)
        x = self.stage5(x)                                   # (B, 1024,   7,   7)
        x = torch.flatten(self.avgpool(x), 1)                # (B, 1024)
        logits: Tensor = self.classifier(self.dropout(x))    # (B, num_classes)
        # fmt: on
        return logits


class MobileNetV2(nn.Module):
    """A stem, seven stages of inverted residuals, a head, a classifier: (B, in_channels, H, W) -> (B, num_classes).

    Args:
        num_classes: length of the output.
        in_channels: channels of the image.
        width: factor of every number of channels; below 1 it leaves the head at 1280, as the paper does (section 4).
        dropout: probability before the classifier.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        *,
        width: float = 1.0,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        c0, c1, c2, c3, c4, c5, c6, c7 = (scale_width(c, width) for c in (32, 16, 24, 32, 64, 96, 160, 320))
        c8 = scale_width(1280, max(1.0, width))
        self.stem = ConvNormReLU(in_channels, c0, kernel=3, stride=2)
        self.stage1 = inverted_stage(c0, c1, stride=1, expand=1, repeats=1)
        self.stage2 = inverted_stage(c1, c2, stride=2, expand=6, repeats=2)
        self.stage3 = inverted_stage(c2, c3, stride=2, expand=6, repeats=3)
        self.stage4 = inverted_stage(c3, c4, stride=2, expand=6, repeats=4)
        self.stage5 = inverted_stage(c4, c5, stride=1, expand=6, repeats=3)
        self.stage6 = inverted_stage(c5, c6, stride=2, expand=6, repeats=3)
        self.stage7 = inverted_stage(c6, c7, stride=1, expand=6, repeats=1)
        self.head = ConvNormReLU(c7, c8, kernel=1)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(c8, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits. Shapes are those of a 224 x 224 image at width 1."""
        # fmt: off
        x = self.stem(x)                                     # (B,   32, 112, 112)
        x = self.stage1(x)                                   # (B,   16, 112, 112)
        x = self.stage2(x)                                   # (B,   24,  56,  56)
        x = self.stage3(x)                                   # (B,   32,  28,  28)
        x = self.stage4(x)                                   # (B,   64,  14,  14)
        x = self.stage5(x)                                   # (B,   96,  14,  14)
        x = self.stage6(x)                                   # (B,  160,   7,   7)
        x = self.stage7(x)                                   # (B,  320,   7,   7)
        x = self.head(x)                                     # (B, 1280,   7,   7)
        x = torch.flatten(self.avgpool(x), 1)                # (B, 1280)
        logits: Tensor = self.classifier(self.dropout(x))    # (B, num_classes)
        # fmt: on
        return logits


def mobilenet_v1(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> MobileNetV1:
    """MobileNet V1; options as `MobileNetV1`."""
    return MobileNetV1(num_classes, in_channels, **options)


def mobilenet_v2(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> MobileNetV2:
    """MobileNet V2; options as `MobileNetV2`."""
    return MobileNetV2(num_classes, in_channels, **options)


# torchvision's keys of V2 to ours. It numbers stem, blocks and head through, from 0 to 18.
RENAMES = {
    r"^features\.0\.0\.": "stem.conv.",
    r"^features\.0\.1\.": "stem.bn.",
    r"^features\.1\.": "stage1.0.",
    r"^features\.2\.": "stage2.0.",
    r"^features\.3\.": "stage2.1.",
    r"^features\.4\.": "stage3.0.",
    r"^features\.5\.": "stage3.1.",
    r"^features\.6\.": "stage3.2.",
    r"^features\.7\.": "stage4.0.",
    r"^features\.8\.": "stage4.1.",
    r"^features\.9\.": "stage4.2.",
    r"^features\.10\.": "stage4.3.",
    r"^features\.11\.": "stage5.0.",
    r"^features\.12\.": "stage5.1.",
    r"^features\.13\.": "stage5.2.",
    r"^features\.14\.": "stage6.0.",
    r"^features\.15\.": "stage6.1.",
    r"^features\.16\.": "stage6.2.",
    r"^features\.17\.": "stage7.0.",
    r"^features\.18\.0\.": "head.conv.",
    r"^features\.18\.1\.": "head.bn.",
    r"^classifier\.1\.": "classifier.",
    # The first block widens nothing, so its layers are numbered one lower than those of the others.
    r"^stage1\.0\.conv\.0\.0\.": "stage1.0.depthwise.conv.",
    r"^stage1\.0\.conv\.0\.1\.": "stage1.0.depthwise.bn.",
    r"^stage1\.0\.conv\.1\.": "stage1.0.project.",
    r"^stage1\.0\.conv\.2\.": "stage1.0.bn.",
    r"\.conv\.0\.0\.": ".expand.conv.",
    r"\.conv\.0\.1\.": ".expand.bn.",
    r"\.conv\.1\.0\.": ".depthwise.conv.",
    r"\.conv\.1\.1\.": ".depthwise.bn.",
    r"\.conv\.2\.": ".project.",
    r"\.conv\.3\.": ".bn.",
}
