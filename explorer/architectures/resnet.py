"""ResNet: deep networks that learn what to add to their input, not what to replace it with.

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2015 (arXiv:1512.03385). Figure 5 shows the two
blocks, Table 1 the five networks; the 1x1 projections on the shortcuts are the paper's option B.

Deviations from the paper: a bottleneck halves the resolution in its 3x3 convolution, as torchvision does ("v1.5", a
little more accurate and a little more expensive); `stride_in_1x1=True` gives the paper's v1, which halves it in the
first 1x1. Every ReLU is a module of its own, so that each activation can be looked at by name. The state dict has
torchvision's keys.

`plain=True` leaves all shortcuts out: the plain networks of section 3.3 (Figure 3, middle), which the paper trains to
show that without shortcuts deeper is worse, and that vanishing gradients, which batch norm prevents, are not why
(section 4.1). With its option A, whose shortcuts have no parameters, plain and residual networks have equally many;
with option B, as here, a plain network lacks the parameters of the projections.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """What the input goes through to meet its residual: nothing, or a 1x1 projection where the shapes differ."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: (B, in_channels, H, W) -> (B, C, H/s, W/s). Figure 5, left.

    Args:
        in_channels: channels of the input.
        channels: C, channels of both convolutions and of the output.
        stride: s, of the first convolution and of the shortcut.
        stride_in_1x1: accepted for likeness with `Bottleneck`; there is no 1x1 here, v1 and v1.5 are the same.
        plain: True leaves the shortcut out.
    """

    expansion = 1

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        stride_in_1x1: bool = False,  # noqa: ARG002
        plain: bool = False,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = None if plain else shortcut(in_channels, channels, stride)
        self.relu2 = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return y = F(x) + x, activated (equations 1 and 2); a plain block returns F(x), activated."""
        # fmt: off
        residual = self.relu1(self.bn1(self.conv1(x)))                                  # (B, C, H/s, W/s)
        residual = self.bn2(self.conv2(residual))                                       # (B, C, H/s, W/s)
        total = residual if self.downsample is None else residual + self.downsample(x)  # (B, C, H/s, W/s)
        y: Tensor = self.relu2(total)                                                   # (B, C, H/s, W/s)
        # fmt: on
        return y


class Bottleneck(nn.Module):
    """1x1 narrows, 3x3 looks, 1x1 widens: (B, in_channels, H, W) -> (B, 4C, H/s, W/s). Figure 5, right.

    Args:
        in_channels: channels of the input.
        channels: C, channels of the narrow part; the output has four times as many.
        stride: s, of one of the first two convolutions and of the shortcut.
        stride_in_1x1: False puts the stride on the 3x3 (v1.5), True on the first 1x1 (the paper's v1).
        plain: True leaves the shortcut out.
    """

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        stride_in_1x1: bool = False,
        plain: bool = False,
    ) -> None:
        super().__init__()
        first, second = (stride, 1) if stride_in_1x1 else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, channels, kernel_size=1, stride=first, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, kernel_size=3, stride=second, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv3 = nn.Conv2d(channels, 4 * channels, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * channels)
        self.downsample = None if plain else shortcut(in_channels, 4 * channels, stride)
        self.relu3 = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return y = F(x) + x, activated (equations 1 and 2); a plain block returns F(x), activated."""
        # fmt: off
        residual = self.relu1(self.bn1(self.conv1(x)))         # (B,  C, H,   W  ); in v1 (B, C, H/s, W/s)
        residual = self.relu2(self.bn2(self.conv2(residual)))  # (B,  C, H/s, W/s)
        residual = self.bn3(self.conv3(residual))              # (B, 4C, H/s, W/s)
        total = residual if self.downsample is None else residual + self.downsample(x)  # (B, 4C, H/s, W/s)
        y: Tensor = self.relu3(total)                          # (B, 4C, H/s, W/s)
        # fmt: on
        return y


def stage(
    block: type[BasicBlock | Bottleneck],
    in_channels: int,
    channels: int,
    repeats: int,
    stride: int,
    stride_in_1x1: bool,
    plain: bool,
) -> nn.Sequential:
    """Blocks in a row; the first one changes the resolution and the number of channels (a row of Table 1)."""
    blocks = [block(in_channels, channels, stride, stride_in_1x1, plain)]
    blocks += [block(block.expansion * channels, channels, plain=plain) for _ in range(repeats - 1)]
    return nn.Sequential(*blocks)


class ResNet(nn.Module):
    """A stem, four stages of blocks, an average and a linear classifier: (B, in_channels, H, W) -> (B, num_classes).

    Args:
        block: `BasicBlock` or `Bottleneck`.
        repeats: blocks in each of the four stages (Table 1).
        num_classes: length of the output.
        in_channels: channels of the image.
        stride_in_1x1: see `Bottleneck`.
        plain: True leaves all shortcuts out; see `BasicBlock`.
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        repeats: tuple[int, int, int, int],
        num_classes: int = 1000,
        in_channels: int = 3,
        stride_in_1x1: bool = False,
        plain: bool = False,
    ) -> None:
        super().__init__()
        wide = block.expansion
        self.conv1 = nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = stage(block, 64, 64, repeats[0], 1, stride_in_1x1, plain)
        self.layer2 = stage(block, 64 * wide, 128, repeats[1], 2, stride_in_1x1, plain)
        self.layer3 = stage(block, 128 * wide, 256, repeats[2], 2, stride_in_1x1, plain)
        self.layer4 = stage(block, 256 * wide, 512, repeats[3], 2, stride_in_1x1, plain)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512 * wide, num_classes)
        self.initialise()

    def initialise(self) -> None:
        """Kaiming weights (fan out) for convolutions; batch norm starts as 1 and 0, `fc` as PyTorch does."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return logits. Shapes are those of a 224 x 224 image; e is the block's expansion, 1 or 4."""
        # fmt: off
        x = self.relu(self.bn1(self.conv1(x)))  # (B,   64, 112, 112)
        x = self.maxpool(x)                     # (B,   64,  56,  56)
        x = self.layer1(x)                      # (B,  64e,  56,  56)
        x = self.layer2(x)                      # (B, 128e,  28,  28)
        x = self.layer3(x)                      # (B, 256e,  14,  14)
        x = self.layer4(x)                      # (B, 512e,   7,   7)
        x = torch.flatten(self.avgpool(x), 1)   # (B, 512e)
        logits: Tensor = self.fc(x)             # (B, num_classes)
        # fmt: on
        return logits


def resnet18(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> ResNet:
    """ResNet-18, basic blocks; options as `ResNet`."""
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes, in_channels, **options)


def resnet34(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> ResNet:
    """ResNet-34, basic blocks; options as `ResNet`."""
    return ResNet(BasicBlock, (3, 4, 6, 3), num_classes, in_channels, **options)


def resnet50(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> ResNet:
    """ResNet-50, bottlenecks; options as `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, in_channels, **options)


def resnet101(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> ResNet:
    """ResNet-101, bottlenecks; options as `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes, in_channels, **options)


def resnet152(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> ResNet:
    """ResNet-152, bottlenecks; options as `ResNet`."""
    return ResNet(Bottleneck, (3, 8, 36, 3), num_classes, in_channels, **options)
