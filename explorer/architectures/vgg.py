"""VGG: nothing but 3x3 convolutions, many of them.

Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2014 (arXiv:1409.1556).
Table 1 shows the networks by columns; A, B, D and E are here, under the number of their layers with weights. Section
2.3 is the reason: two 3x3 convolutions see as much as one 5x5 and three as much as one 7x7, with 28 % and 45 % fewer
weights and with activations in between.

Deviations from the paper, as torchvision makes them: the `_bn` networks have batch norm, which was published later
(arXiv:1502.03167), and keep the convolutions' biases, which it makes useless; an average brings any image to 7 x 7
positions and does nothing to one of 224 x 224; convolutions start as Kaiming weights, where the paper grew its deeper
networks from a trained column A. The state dict has torchvision's keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from explorer.architectures.image_size import require_size

# Table 1, top to bottom: the channels of each convolution, and "M" for each maximum of 2 x 2.
# fmt: off
CONFIGURATIONS: dict[str, tuple[int | Literal["M"], ...]] = {
    #   224 x 224    112 x 112      56 x 56                  28 x 28                  14 x 14
    "vgg11": (  # A
        64,     "M", 128,      "M", 256, 256,           "M", 512, 512,           "M", 512, 512,           "M"),
    "vgg13": (  # B
        64, 64, "M", 128, 128, "M", 256, 256,           "M", 512, 512,           "M", 512, 512,           "M"),
    "vgg16": (  # D
        64, 64, "M", 128, 128, "M", 256, 256, 256,      "M", 512, 512, 512,      "M", 512, 512, 512,      "M"),
    "vgg19": (  # E
        64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512, "M"),
}
# fmt: on


def make_layers(
    configuration: Sequence[int | Literal["M"]], batch_norm: bool = False, in_channels: int = 3
) -> nn.Sequential:
    """Build a column of Table 1: (B, in_channels, H, W) -> (B, C, H/2^m, W/2^m), C and m as configured.

    Args:
        configuration: a number for a 3x3 convolution to that many channels and its ReLU, "M" for a halving.
        batch_norm: whether a batch norm stands between a convolution and its ReLU.
        in_channels: channels of the image.
    """
    layers: list[nn.Module] = []
    for entry in configuration:
        if entry == "M":
            layers.append(nn.MaxPool2d(kernel_size=2))
            continue
        layers.append(nn.Conv2d(in_channels, entry, kernel_size=3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(entry))
        layers.append(nn.ReLU(inplace=True))
        in_channels = entry
    return nn.Sequential(*layers)


class VGG(nn.Module):
    """Convolutions and three linear layers: (B, in_channels, H, W) -> (B, num_classes).

    Args:
        features: what `make_layers` made of a column of Table 1: 512 channels, sides halved five times.
        num_classes: length of the output.
        dropout: probability of a unit to be zeroed after the first two linear layers, in training.
    """

    def __init__(self, features: nn.Module, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )
        self.initialise()

    def initialise(self) -> None:
        """Kaiming weights (fan out) in convolutions, normal ones of deviation 0.01 in linear layers, no biases.

        Batch norms start as 1 and 0, PyTorch's default.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits. Shapes are those of a 224 x 224 image."""
        require_size(x, "VGG", 32, because="five poolings halve it, and a pixel must be left; enlarge the image")
        # fmt: off
        x = self.features(x)                     # (B, 512, 7, 7)
        x = torch.flatten(self.avgpool(x), 1)    # (B, 25088)
        logits: Tensor = self.classifier(x)      # (B, num_classes)
        # fmt: on
        return logits


def vgg11(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> VGG:
    """VGG-11, column A; options as `VGG`."""
    return VGG(make_layers(CONFIGURATIONS["vgg11"], False, in_channels), num_classes, **options)


def vgg13(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> VGG:
    """VGG-13, column B; options as `VGG`."""
    return VGG(make_layers(CONFIGURATIONS["vgg13"], False, in_channels), num_classes, **options)


def vgg16(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> VGG:
    """VGG-16, column D; options as `VGG`."""
    return VGG(make_layers(CONFIGURATIONS["vgg16"], False, in_channels), num_classes, **options)


def vgg19(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> VGG:
    """VGG-19, column E; options as `VGG`."""
    return VGG(make_layers(CONFIGURATIONS["vgg19"], False, in_channels), num_classes, **options)


def vgg11_bn(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> VGG:
    """VGG-11 with batch norm; options as `VGG`."""
    return VGG(make_layers(CONFIGURATIONS["vgg11"], True, in_channels), num_classes, **options)


def vgg13_bn(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> VGG:
    """VGG-13 with batch norm; options as `VGG`."""
    return VGG(make_layers(CONFIGURATIONS["vgg13"], True, in_channels), num_classes, **options)


def vgg16_bn(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> VGG:
    """VGG-16 with batch norm; options as `VGG`."""
    return VGG(make_layers(CONFIGURATIONS["vgg16"], True, in_channels), num_classes, **options)


def vgg19_bn(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> VGG:
    """VGG-19 with batch norm; options as `VGG`."""
    return VGG(make_layers(CONFIGURATIONS["vgg19"], True, in_channels), num_classes, **options)
