"""ConvNeXt: a ResNet, modernised step by step with what made vision transformers good, and without attention.

Liu, Mao, Wu, Feichtenhofer, Darrell, Xie, "A ConvNet for the 2020s", 2022 (arXiv:2201.03545). Figure 4 shows the block
beside ResNet's and Swin's, Table 9 the network, section 3 the sizes T to L. Layer scale is from Touvron et al.
(arXiv:2103.17239), stochastic depth from Huang et al. (arXiv:1603.09382).

Deviations from the paper: none in what is computed. The authors' code scales the channels while they are the last axis,
here as in torchvision they are scaled after the axes are back in their places: the same products, and `layer_scale` has
the shape (C, 1, 1). The rates of stochastic depth are the paper's for ImageNet-1K (its appendix A). The state dict has
our own names; `RENAMES` turns torchvision's into them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from explorer.architectures.efficientnet import StochasticDepth
from explorer.architectures.image_size import require_size


class ChannelsFirstLayerNorm(nn.LayerNorm):
    """Normalises the channels of each pixel on their own; (B, C, H, W) keeps its shape.

    `nn.LayerNorm` normalises the last axis, so the channels go there and come back.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Give every pixel mean 0 and variance 1 over its channels, then each channel its weight and bias."""
        # fmt: off
        x = x.permute(0, 2, 3, 1)     # (B, H, W, C)
        x = super().forward(x)        # (B, H, W, C)
        return x.permute(0, 3, 1, 2)  # (B, C, H, W)
        # fmt: on


class ConvNeXtBlock(nn.Module):
    """7x7 on each channel alone, then each pixel through a small MLP: (B, C, H, W) keeps its shape. Figure 4, right.

    One norm and one activation, where ResNet has three of each. A 1x1 convolution is a linear layer on the channels of
    each pixel: with the channels as last axis it is written as one, and the layer norm before it needs them there too.

    Args:
        dim: C; the MLP's middle is 4 C wide.
        layer_scale: where the learnt factors of the residual's channels start; small, so the block starts as identity.
        drop: probability of an image to skip the block in training.
    """

    def __init__(self, dim: int, layer_scale: float = 1e-6, drop: float = 0.0) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.pointwise1 = nn.Linear(dim, 4 * dim)
        self.gelu = nn.GELU()
        self.pointwise2 = nn.Linear(4 * dim, dim)
        self.layer_scale = nn.Parameter(torch.full((dim, 1, 1), layer_scale))
        self.stochastic_depth = StochasticDepth(drop)

    def forward(self, x: Tensor) -> Tensor:
        """Add the scaled residual to the input; no activation follows."""
        # fmt: off
        residual = self.depthwise(x)                         # (B,  C, H, W)
        residual = residual.permute(0, 2, 3, 1)              # (B, H, W,  C)
        residual = self.norm(residual)                       # (B, H, W,  C)
        residual = self.gelu(self.pointwise1(residual))      # (B, H, W, 4C)
        residual = self.pointwise2(residual)                 # (B, H, W,  C)
        residual = residual.permute(0, 3, 1, 2)              # (B,  C, H, W)
        residual = self.layer_scale * residual               # (B,  C, H, W)
        y: Tensor = self.stochastic_depth(residual) + x      # (B,  C, H, W)
        # fmt: on
        return y


def downsampling(in_channels: int, out_channels: int) -> nn.Sequential:
    """Norm and 2x2 convolution between two stages: (B, in_channels, H, W) -> (B, out_channels, H/2, W/2)."""
    return nn.Sequential(
        ChannelsFirstLayerNorm(in_channels, eps=1e-6),
        nn.Conv2d(in_channels, out_channels, kernel_size=2, stride=2),
    )


def stage(dim: int, layer_scale: float, drops: list[float]) -> nn.Sequential:
    """Blocks in a row, one for each probability to be skipped."""
    return nn.Sequential(*(ConvNeXtBlock(dim, layer_scale, drop) for drop in drops))


class ConvNeXt(nn.Module):
    """A stem, four stages, an average, a norm, a linear classifier: (B, in_channels, H, W) -> (B, num_classes).

    Args:
        repeats: blocks in each of the four stages.
        channels: of each stage.
        num_classes: length of the output.
        in_channels: channels of the image.
        stochastic_depth: probability to skip the last block; from 0 at the first it grows by equal steps.
        layer_scale: see `ConvNeXtBlock`.
    """

    def __init__(
        self,
        repeats: tuple[int, int, int, int],
        channels: tuple[int, int, int, int],
        num_classes: int = 1000,
        in_channels: int = 3,
        *,
        stochastic_depth: float = 0.0,
        layer_scale: float = 1e-6,
    ) -> None:
        super().__init__()
        c1, c2, c3, c4 = channels
        n1, n2, _, n4 = repeats
        drops = [stochastic_depth * index / (sum(repeats) - 1) for index in range(sum(repeats))]
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, c1, kernel_size=4, stride=4),
            ChannelsFirstLayerNorm(c1, eps=1e-6),
        )
        self.stage1 = stage(c1, layer_scale, drops[:n1])
        self.downsample1 = downsampling(c1, c2)
        self.stage2 = stage(c2, layer_scale, drops[n1 : n1 + n2])
        self.downsample2 = downsampling(c2, c3)
        self.stage3 = stage(c3, layer_scale, drops[n1 + n2 : -n4])
        self.downsample3 = downsampling(c3, c4)
        self.stage4 = stage(c4, layer_scale, drops[-n4:])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.norm = ChannelsFirstLayerNorm(c4, eps=1e-6)
        self.head = nn.Linear(c4, num_classes)
        self.initialise()

    def initialise(self) -> None:
        """Normal weights of std 0.02 (the paper's and torchvision's), no biases; layer norm starts as 1 and 0."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits. Shapes are those of ConvNeXt-T at 224 x 224."""
        require_size(x, "ConvNeXt", 32, because="stem and downsamplings divide it by 32, so enlarge the image")
        # fmt: off
        x = self.stem(x)                      # (B,  96, 56, 56)
        x = self.stage1(x)                    # (B,  96, 56, 56)
        x = self.downsample1(x)               # (B, 192, 28, 28)
        x = self.stage2(x)                    # (B, 192, 28, 28)
        x = self.downsample2(x)               # (B, 384, 14, 14)
        x = self.stage3(x)                    # (B, 384, 14, 14)
        x = self.downsample3(x)               # (B, 768,  7,  7)
        x = self.stage4(x)                    # (B, 768,  7,  7)
        x = self.norm(self.avgpool(x))        # (B, 768,  1,  1)
        x = torch.flatten(x, 1)               # (B, 768)
        logits: Tensor = self.head(x)         # (B, num_classes)
        # fmt: on
        return logits


def convnext_tiny(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> ConvNeXt:
    """ConvNeXt-T, as large as ResNet-50; options as `ConvNeXt`."""
    options = {"stochastic_depth": 0.1, **options}
    return ConvNeXt((3, 3, 9, 3), (96, 192, 384, 768), num_classes, in_channels, **options)


def convnext_small(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> ConvNeXt:
    """ConvNeXt-S; options as `ConvNeXt`."""
    options = {"stochastic_depth": 0.4, **options}
    return ConvNeXt((3, 3, 27, 3), (96, 192, 384, 768), num_classes, in_channels, **options)


def convnext_base(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> ConvNeXt:
    """ConvNeXt-B; options as `ConvNeXt`."""
    options = {"stochastic_depth": 0.5, **options}
    return ConvNeXt((3, 3, 27, 3), (128, 256, 512, 1024), num_classes, in_channels, **options)


def convnext_large(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> ConvNeXt:
    """ConvNeXt-L; options as `ConvNeXt`."""
    options = {"stochastic_depth": 0.5, **options}
    return ConvNeXt((3, 3, 27, 3), (192, 384, 768, 1536), num_classes, in_channels, **options)


# torchvision's keys to ours.
RENAMES = {
    r"^features\.0\.": "stem.",
    r"^features\.1\.": "stage1.",
    r"^features\.2\.": "downsample1.",
    r"^features\.3\.": "stage2.",
    r"^features\.4\.": "downsample2.",
    r"^features\.5\.": "stage3.",
    r"^features\.6\.": "downsample3.",
    r"^features\.7\.": "stage4.",
    r"^classifier\.0\.": "norm.",
    r"^classifier\.2\.": "head.",
    r"\.block\.0\.": ".depthwise.",
    r"\.block\.2\.": ".norm.",
    r"\.block\.3\.": ".pointwise1.",
    r"\.block\.5\.": ".pointwise2.",
}
