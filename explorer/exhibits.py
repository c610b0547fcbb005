"""The blocks that made each family known, built from this project's own code as the papers draw them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from torch import nn

    from explorer.graph import Graph


@dataclass(frozen=True)
class Exhibit:
    """One block.

    Attributes:
        title: its name.
        figure: where its paper draws it.
        text: what to look at.
        builder: 'module:Class' in explorer.architectures.
        arguments: it is built with.
        input_shape: what goes in, with the batch axis.
        part: path of the block inside what is built; '' is all of it.
    """

    title: str
    figure: str
    text: str
    builder: str
    arguments: tuple[int, ...]
    input_shape: tuple[int, ...]
    part: str = ""

    def build(self) -> nn.Module:
        """The block with fresh weights."""
        module, _, name = self.builder.partition(":")
        make: Callable[..., nn.Module] = getattr(importlib.import_module(f"explorer.architectures.{module}"), name)
        return make(*self.arguments).get_submodule(self.part)


_RESNET = (
    Exhibit(
        "Basic block",
        "He et al. 2015, Figure 5, left",
        "Two 3x3 convolutions and, around them, the input itself: the sum is where the shortcut ends.",
        "resnet:BasicBlock",
        (64, 64),
        (1, 64, 56, 56),
    ),
    Exhibit(
        "Bottleneck",
        "He et al. 2015, Figure 5, right",
        "1x1 narrows to a quarter, 3x3 looks, 1x1 widens again: a basic block's cost at four times the channels.",
        "resnet:Bottleneck",
        (256, 64),
        (1, 256, 56, 56),
    ),
)

EXHIBITS: dict[str, tuple[Exhibit, ...]] = {
    "GoogLeNet": (
        Exhibit(
            "Inception module",
            "Szegedy et al. 2014, Figure 2b",
            "Four branches look at one input in four ways; their channels end side by side: 64 + 128 + 32 + 32 "
            "= 256. As in the guide, with 5x5 and biases; the network above has 3x3 there, as torchvision's weights.",
            "googlenet:InceptionModule",
            (192, 64, 96, 128, 16, 32, 32),
            (1, 192, 28, 28),
        ),
    ),
    "ResNet": _RESNET,
    "DenseNet": (
        Exhibit(
            "Dense block of five layers",
            "Huang et al. 2016, Figure 1",
            "Every layer reads all that came before it: 1 + 2 + 3 + 4 + 5 = 15 connections, and each adds 32 channels.",
            "densenet:DenseBlock",
            (5, 64, 32),
            (1, 64, 56, 56),
        ),
    ),
    "MobileNet": (
        Exhibit(
            "Depthwise separable convolution",
            "Howard et al. 2017, Figure 3",
            "Each channel is filtered on its own, then 1x1 mixes them: an eighth to a ninth of the work of a 3x3.",
            "mobilenet:DepthwiseSeparableConv",
            (512, 512),
            (1, 512, 14, 14),
        ),
        Exhibit(
            "Inverted residual",
            "Sandler et al. 2018, Figure 4",
            "Wide inside, narrow at both ends; the shortcut joins the narrow ends, and no activation follows.",
            "mobilenet:InvertedResidual",
            (32, 32, 1, 6),
            (1, 32, 28, 28),
        ),
    ),
    "EfficientNet": (
        Exhibit(
            "MBConv",
            "Tan and Le 2019, Table 1, after Sandler et al. 2018, Figure 4",
            "An inverted residual with a gate: the means of all channels decide, through two small layers, how much of "
            "each one passes on.",
            "efficientnet:efficientnet_b0",
            (),
            (1, 24, 56, 56),
            part="features.2.1",
        ),
    ),
    "EfficientNet-Lite": (
        Exhibit(
            "MBConv without a gate",
            "after Tan and Le 2019, Table 1",
            "An inverted residual: wide inside, narrow at both ends, ReLU6 in place of SiLU, and no gate.",
            "efficientnet:efficientnet_lite0",
            (),
            (1, 24, 56, 56),
            part="features.2.1",
        ),
    ),
    "ConvNeXt": (
        Exhibit(
            "ConvNeXt block",
            "Liu et al. 2022, Figure 4, right",
            "A depthwise 7x7, one norm, two pointwise layers with one GELU between them, a scale, and the shortcut.",
            "convnext:ConvNeXtBlock",
            (96,),
            (1, 96, 56, 56),
        ),
        _RESNET[1],
    ),
    "ViT": (
        Exhibit(
            "Encoder block",
            "Dosovitskiy et al. 2020, Figure 1, right",
            "Attention lets the tokens exchange what they know, an MLP lets each think; norms first, two shortcuts.",
            "vit:TransformerBlock",
            (768, 12),
            (1, 197, 768),
        ),
    ),
    "U-Net": (
        Exhibit(
            "Double convolution",
            "Ronneberger et al. 2015, Figure 1",
            "Two 3x3 convolutions at each resolution, on the way down and on the way up.",
            "unet:DoubleConv",
            (1, 64),
            (1, 1, 572, 572),
        ),
    ),
    "YOLO": (
        Exhibit(
            "Head",
            "after Redmon et al. 2015, 2016",
            "255 numbers for each of 13 x 13 cells: 3 anchors times 4 for the box, 1 for “something”, 80 classes.",
            "yolo:YOLOHead",
            (512, 3, 80),
            (1, 512, 13, 13),
        ),
    ),
}
"""Blocks by family; families of plain stacks have none."""


def patch_grid(seen: Image.Image, patch: int) -> Image.Image:
    """What a vision transformer sees, cut into its tokens: white lines between patches of ``patch`` pixels.

    Enlarged three times, so that a line takes no pixel away.
    """
    width, height = seen.size
    large = seen.resize((3 * width, 3 * height), 0)
    pen = ImageDraw.Draw(large)
    for x in range(patch, width, patch):
        pen.line([(3 * x, 0), (3 * x, 3 * height)], fill="white", width=2)
    for y in range(patch, height, patch):
        pen.line([(0, 3 * y), (3 * width, 3 * y)], fill="white", width=2)
    return large


def connections(graph: Graph, module: str) -> int:
    """How many earlier outputs the layers of class ``module`` read in all, each counted once a layer.

    In a dense block of L layers that is 1 + 2 + ... + L = L(L + 1) / 2.
    """
    total = 0
    for path, kind in graph.modules.items():
        if kind == module:
            inside = {
                node.name for node in graph.nodes if f"{node.parent}.".startswith(f"{path}.") or node.module == path
            }
            sources = {source for node in graph.nodes if node.name in inside for source in node.inputs}
            total += len(sources - inside)
    return total


def graph(exhibit: Exhibit) -> Graph:
    """The block's real graph."""
    import torch

    from explorer.graph import trace

    with torch.device("meta"):
        block = exhibit.build()
    return trace(block, exhibit.input_shape)
