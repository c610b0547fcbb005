"""DenseNet: every layer reads what all layers before it have written, and adds a little of its own.

Huang, Liu, van der Maaten, Weinberger, "Densely Connected Convolutional Networks", 2016 (arXiv:1608.06993). Figure 1
shows a dense block, Table 1 the networks. They are the paper's DenseNet-BC: B for the 1x1 bottleneck in every layer, C
for the compression in the transitions.

Deviations from the paper: Table 1 has DenseNet-264 where the authors published weights of DenseNet-161, which grows by
48 channels a layer. Every ReLU is a module of its own, also the last one, which torchvision has outside `features`. The
state dict has torchvision's keys.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from explorer.architectures.image_size import require_size


class DenseLayer(nn.Module):
    """Reads everything so far, writes k channels: (B, in_channels, H, W) -> (B, k, H, W). H_l of equation 2.

    Norm and ReLU come before the convolution, because each layer wants its own view of what all of them share.

    Args:
        in_channels: channels of everything so far.
        growth_rate: k.
        bn_size: how many times k the bottleneck has.
        drop_rate: probability of a number of the output to be zeroed in training.
    """

    def __init__(self, in_channels: int, growth_rate: int, bn_size: int = 4, drop_rate: float = 0.0) -> None:
        super().__init__()
        bottleneck = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(in_channels, bottleneck, kernel_size=1, bias=False)
        self.norm2 = nn.BatchNorm2d(bottleneck)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(bottleneck, growth_rate, kernel_size=3, padding=1, bias=False)
        self.dropout = nn.Dropout(drop_rate)

    def forward(self, earlier: Tensor | list[Tensor]) -> Tensor:
        """Return what this layer adds to its input, one tensor or the list of all earlier outputs."""
        # fmt: off
        x = torch.cat(earlier, dim=1) if isinstance(earlier, list) else earlier    # (B, in_channels, H, W)
        x = self.conv1(self.relu1(self.norm1(x)))                                  # (B, bn_size k,   H, W)
        x = self.conv2(self.relu2(self.norm2(x)))                                  # (B, k,           H, W)
        new: Tensor = self.dropout(x)                                              # (B, k,           H, W)
        # fmt: on
        return new


class DenseBlock(nn.Module):
    """Layers that are all connected, L (L + 1) / 2 times: (B, C, H, W) -> (B, C + L k, H, W). Figure 1.

    Args:
        num_layers: L.
        in_channels: C.
        growth_rate: k.
        bn_size: see `DenseLayer`.
        drop_rate: see `DenseLayer`.
    """

    def __init__(
        self, num_layers: int, in_channels: int, growth_rate: int, bn_size: int = 4, drop_rate: float = 0.0
    ) -> None:
        super().__init__()
        for index in range(num_layers):
            layer = DenseLayer(in_channels + index * growth_rate, growth_rate, bn_size, drop_rate)
            self.add_module(f"denselayer{index + 1}", layer)

    def forward(self, x: Tensor) -> Tensor:
        """Concatenate the input and what every layer adds to it."""
        outputs = [x]  # (B, C, H, W), then (B, k, H, W) from each layer
        for layer in self.children():
            outputs.append(layer(outputs))
        return torch.cat(outputs, dim=1)


class TransitionLayer(nn.Module):
    """Compresses the channels and halves the resolution: (B, in_channels, H, W) -> (B, out_channels, H/2, W/2).

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False)
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the channels, then average squares of four."""
        # fmt: off
        x = self.conv(self.relu(self.norm(x)))    # (B, out_channels, H,   W  )
        out: Tensor = self.pool(x)                # (B, out_channels, H/2, W/2)
        # fmt: on
        return out


class DenseNet(nn.Module):
    """A stem, four dense blocks, an average and a linear classifier: (B, in_channels, H, W) -> (B, num_classes).

    Args:
        growth_rate: k, channels that every layer adds.
        block_layers: layers of each of the four blocks (Table 1).
        initial_channels: channels of the stem, 2k in the paper.
        num_classes: length of the output.
        in_channels: channels of the image.
        bn_size: see `DenseLayer`.
        compression: θ, the part of the channels that a transition keeps.
        drop_rate: see `DenseLayer`.
    """

    def __init__(
        self,
        growth_rate: int,
        block_layers: tuple[int, int, int, int],
        initial_channels: int,
        num_classes: int = 1000,
        in_channels: int = 3,
        bn_size: int = 4,
        compression: float = 0.5,
        drop_rate: float = 0.0,
    ) -> None:
        super().__init__()
        stem = OrderedDict[str, nn.Module](
            conv0=nn.Conv2d(in_channels, initial_channels, kernel_size=7, stride=2, padding=3, bias=False),
            norm0=nn.BatchNorm2d(initial_channels),
            relu0=nn.ReLU(inplace=True),
            pool0=nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        )
        self.features = nn.Sequential(stem)
        channels = initial_channels
        for number, num_layers in enumerate(block_layers, start=1):
            block = DenseBlock(num_layers, channels, growth_rate, bn_size, drop_rate)
            self.features.add_module(f"denseblock{number}", block)
            channels += num_layers * growth_rate
            if number < len(block_layers):
                compressed = int(compression * channels)
                self.features.add_module(f"transition{number}", TransitionLayer(channels, compressed))
                channels = compressed
        self.features.add_module("norm5", nn.BatchNorm2d(channels))
        self.features.add_module("relu5", nn.ReLU(inplace=True))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, num_classes)
        self.initialise()

    def initialise(self) -> None:
        """Kaiming weights in convolutions, fan in as torchvision (the authors: fan out); the classifier's bias is 0."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits. Shapes are those of DenseNet-121 at 224 x 224."""
        require_size(x, "DenseNet", 29, because="it halves them five times, so enlarge the image")
        # fmt: off
        x = self.features(x)                     # (B, 1024, 7, 7)
        x = torch.flatten(self.avgpool(x), 1)    # (B, 1024)
        logits: Tensor = self.classifier(x)      # (B, num_classes)
        # fmt: on
        return logits


def densenet121(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> DenseNet:
    """DenseNet-121; options as `DenseNet`."""
    return DenseNet(32, (6, 12, 24, 16), 64, num_classes, in_channels, **options)


def densenet161(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> DenseNet:
    """DenseNet-161, the wide one; options as `DenseNet`."""
    return DenseNet(48, (6, 12, 36, 24), 96, num_classes, in_channels, **options)


def densenet169(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> DenseNet:
    """DenseNet-169; options as `DenseNet`."""
    return DenseNet(32, (6, 12, 32, 32), 64, num_classes, in_channels, **options)


def densenet201(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> DenseNet:
    """DenseNet-201; options as `DenseNet`."""
    return DenseNet(32, (6, 12, 48, 32), 64, num_classes, in_channels, **options)


# The official files are older than the rule that a module's name has no dot: denselayer1.norm.1.weight.
RENAMES = {r"(denselayer\d+)\.(norm|conv)\.([12])\.": r"\1.\2\3."}
