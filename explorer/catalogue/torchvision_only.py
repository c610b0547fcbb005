"""torchvision's classification networks that the guide does not have: chosen by name, cards made from its metadata.

What torchvision's metadata does not say (paper, year, ideas) stands in one table, a row for each family.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from explorer.catalogue.architecture import Architecture

if TYPE_CHECKING:
    from torch import nn


class _Family(NamedTuple):
    title: str
    year: int
    authors: str
    paper: str
    ideas: tuple[str, ...]
    members: tuple[str, ...]
    sides: tuple[int, int | None] | None = None


def _arxiv(number: str) -> str:
    return f"https://arxiv.org/abs/{number}"


# prefix of torchvision's name -> family; members are the rest of the name.
_FAMILIES = {
    "inception_v": _Family(
        "Inception v",
        2015,
        "Christian Szegedy, Vincent Vanhoucke, Sergey Ioffe, Jonathon Shlens, Zbigniew Wojna",
        _arxiv("1512.00567"),
        (
            "Large kernels are split: 5x5 into two 3x3, 7x7 into 1x7 and 7x1.",
            "Pooling and strided convolutions run side by side, so that halving the resolution loses less.",
        ),
        ("3",),
    ),
    "squeezenet": _Family(
        "SqueezeNet ",
        2016,
        "Forrest N. Iandola, Song Han, Matthew W. Moskewicz, Khalid Ashraf, William J. Dally, Kurt Keutzer",
        _arxiv("1602.07360"),
        (
            "A fire module squeezes the channels by 1x1 before it widens them by 1x1 and 3x3 side by side.",
            "No fully connected layer: AlexNet's accuracy with a fiftieth of its parameters.",
        ),
        ("1_0", "1_1"),
    ),
    "wide_resnet": _Family(
        "Wide ResNet-",
        2016,
        "Sergey Zagoruyko, Nikos Komodakis",
        _arxiv("1605.07146"),
        (
            "Wider residual blocks instead of more of them.",
            "The same ResNet with twice as many channels in the 3x3 of each bottleneck.",
        ),
        ("50_2", "101_2"),
    ),
    "resnext": _Family(
        "ResNeXt-",
        2016,
        "Saining Xie, Ross Girshick, Piotr Dollar, Zhuowen Tu, Kaiming He",
        _arxiv("1611.05431"),
        (
            "A bottleneck's 3x3 becomes a grouped convolution: many narrow paths of one shape.",
            "Cardinality, the number of paths, is a dimension beside depth and width.",
        ),
        ("50_32x4d", "101_32x8d", "101_64x4d"),
    ),
    "shufflenet_v2_x": _Family(
        "ShuffleNet v2 x",
        2018,
        "Ningning Ma, Xiangyu Zhang, Hai-Tao Zheng, Jian Sun",
        _arxiv("1807.11164"),
        (
            "Half of the channels pass a block untouched; a shuffle mixes the halves afterwards.",
            "Designed for measured speed: equal widths, few groups, few branches, few element-wise steps.",
        ),
        ("0_5", "1_0", "1_5", "2_0"),
    ),
    "mnasnet": _Family(
        "MnasNet ",
        2018,
        "Mingxing Tan, Bo Chen, Ruoming Pang, Vijay Vasudevan, Mark Sandler, Andrew Howard, Quoc V. Le",
        _arxiv("1807.11626"),
        (
            "Found by a search that weighs accuracy against latency measured on a phone.",
            "Inverted residuals whose kernel and width differ from stage to stage.",
        ),
        ("0_5", "0_75", "1_0", "1_3"),
    ),
    "mobilenet_v3_": _Family(
        "MobileNetV3-",
        2019,
        "Andrew Howard, Mark Sandler, Grace Chu and others",
        _arxiv("1905.02244"),
        (
            "MobileNetV2's blocks, chosen by search, with squeeze-and-excitation.",
            "Hard swish, an activation that small processors compute quickly, and a cheaper last stage.",
        ),
        ("small", "large"),
    ),
    "regnet_": _Family(
        "RegNet",
        2020,
        "Ilija Radosavovic, Raj Prateek Kosaraju, Ross Girshick, Kaiming He, Piotr Dollar",
        _arxiv("2003.13678"),
        (
            "A design space instead of one design: widths grow along a straight line, then are rounded.",
            "X has grouped bottlenecks; Y adds squeeze-and-excitation.",
        ),
        (
            *("x_400mf", "x_800mf", "x_1_6gf", "x_3_2gf", "x_8gf", "x_16gf", "x_32gf"),
            *("y_400mf", "y_800mf", "y_1_6gf", "y_3_2gf", "y_8gf", "y_16gf", "y_32gf", "y_128gf"),
        ),
    ),
    "vit_": _Family(
        "ViT-",
        2020,
        "Alexey Dosovitskiy, Lucas Beyer, Alexander Kolesnikov and others",
        _arxiv("2010.11929"),
        (
            "The photo is cut into patches, and each patch becomes a token.",
            "Every token asks every other one; there is no convolution but the first.",
        ),
        ("l_32", "h_14"),
    ),
    "swin_v2_": _Family(
        "Swin v2-",
        2021,
        "Ze Liu, Han Hu, Yutong Lin and others",
        _arxiv("2111.09883"),
        (
            "Attention by cosine with a learnt temperature keeps large networks stable.",
            "A small network gives the position bias, so that windows may change their size.",
        ),
        ("t", "s", "b"),
    ),
    "swin_": _Family(
        "Swin-",
        2021,
        "Ze Liu, Yutong Lin, Yue Cao, Han Hu, Yixuan Wei, Zheng Zhang, Stephen Lin, Baining Guo",
        _arxiv("2103.14030"),
        (
            "Attention inside small windows, so that cost grows with the photo's area and not with its square.",
            "Windows shift by half from block to block and so exchange what they know.",
            "Four stages that merge patches, as in a convolutional network.",
        ),
        ("t", "s", "b"),
    ),
    "efficientnet_v2_": _Family(
        "EfficientNetV2-",
        2021,
        "Mingxing Tan, Quoc V. Le",
        _arxiv("2104.00298"),
        (
            "Early blocks fuse the widening and the depthwise convolution into one 3x3, which trains faster.",
            "Training starts with small images and ends with large ones.",
        ),
        ("s", "m", "l"),
    ),
    "maxvit_": _Family(
        "MaxViT-",
        2022,
        "Zhengzhong Tu, Hossein Talebi, Han Zhang, Feng Yang, Peyman Milanfar, Alan Bovik, Yinxiao Li",
        _arxiv("2204.01697"),
        (
            "Each block holds an inverted residual, attention inside windows and attention over a coarse grid.",
            "The grid reaches across the whole photo at a cost that grows with its area.",
        ),
        ("t",),
        sides=(224, 224),  # its windows and positions are built for one size
    ),
}


def _family(name: str) -> tuple[str, _Family | None]:
    found = next((prefix for prefix, family in _FAMILIES.items() if name.removeprefix(prefix) in family.members), "")
    return name.removeprefix(found), _FAMILIES.get(found)


def titles() -> dict[str, str]:
    """Titles with years by torchvision's names, without importing it."""
    return {
        prefix + member: f"{_title(prefix + member)} ({family.year})"
        for prefix, family in sorted(_FAMILIES.items(), key=lambda item: item[1].year)
        for member in family.members
    }


def _title(name: str) -> str:
    member, family = _family(name)
    if family is None:
        return name
    # 1_6gf is 1.6 GF, b_16 is B/16, x_400mf is X-400MF, 101_64x4d stays: a number under the bar is a decimal or a size.
    if name.startswith(("squeezenet", "shufflenet", "mnasnet")):
        return family.title + member.replace("_", ".")
    if name.startswith("regnet"):
        return family.title + re.sub(r"(\d)_(\d)", r"\1.\2", member).replace("_", "-").upper()
    if name.startswith("vit"):
        return family.title + member.replace("_", "/").upper()
    if name.startswith(("resnext", "wide")):
        return family.title + member.replace("_", "-")
    return family.title + (member.upper() if len(member) == 1 else member.capitalize())


@cache
def card(name: str) -> Architecture | None:
    """The card of torchvision's classification network `name`, or None if it has no such one. Imports torchvision."""
    if not re.fullmatch(r"[a-z0-9_]{1,40}", name):
        return None  # what a link may hold; torchvision need not be asked
    import torchvision
    from torchvision.models import get_model_weights, list_models

    if name not in list_models(module=torchvision.models):
        return None
    entry = get_model_weights(name).DEFAULT
    size = int(entry.transforms().crop_size[0])
    _, family = _family(name)
    parameters, accuracy = entry.meta["num_params"], entry.meta["_metrics"]["ImageNet-1K"]["acc@1"]
    facts = f"torchvision counts {parameters:,} parameters and reports {accuracy} % top-1 for {entry.name}."
    return _TorchvisionArchitecture(
        slug=name,
        title=_title(name),
        year=family.year if family else 0,
        authors=family.authors if family else "see torchvision's documentation",
        paper=family.paper if family else entry.meta["recipe"],
        family=family.title.split(" v")[0].strip(" -") if family else "torchvision",
        ideas=(*(family.ideas if family else ()), facts),
        input_size=size,
        builder=f"torchvision.models:{name}",
        sides=_sides(name, family, entry.meta["min_size"], size),
        caveat="torchvision's own code; not one of the guide's networks."
        + (" Its auxiliary head, which only training uses, is left out." if name in _WITHOUT_AUXILIARY else ""),
        torchvision=name,
        renames=f"{__name__}:AUXILIARY_RENAMES" if name in _WITHOUT_AUXILIARY else "",
        normalisation=((0.5,) * 3, (0.5,) * 3) if name in _WITHOUT_AUXILIARY else None,
    )


_WITHOUT_AUXILIARY = ("inception_v3",)  # built without its auxiliary head, and normalises to (x - 0.5) / 0.5
AUXILIARY_RENAMES: dict[str, str | None] = {r"^AuxLogits\.": None}


def _sides(name: str, family: _Family | None, least: tuple[int, int], size: int) -> tuple[int, int | None]:
    if name.startswith("vit_"):
        return size, size
    if family is not None and family.sides is not None:
        return family.sides
    # Swin's metadata gives its training size; windows are padded, so that it takes anything from one patch on.
    return (4 if name.startswith("swin") else least[0]), None


class _TorchvisionArchitecture(Architecture):
    """A card whose network is torchvision's own class."""

    def build(self, num_classes: int | None = None, in_channels: int | None = None, **options: object) -> nn.Module:
        """Builds torchvision's network without weights; a first layer for other channels replaces its own."""
        from torchvision.models import get_model

        if num_classes is not None:
            options["num_classes"] = num_classes
        if self.slug.startswith("vit_"):
            options.setdefault("image_size", self.input_size)  # the size of its weights, not torchvision's default
        if self.slug in _WITHOUT_AUXILIARY:
            options |= {"aux_logits": False, "init_weights": False}
        network: nn.Module = get_model(self.slug, weights=None, **options)
        if in_channels not in (None, 3):
            _replace_first_convolution(network, in_channels)
        return network


def _replace_first_convolution(network: nn.Module, in_channels: Any) -> None:
    """Puts a convolution for `in_channels` where the network has its first one, with the same other settings."""
    from torch import nn

    name, old = next((name, part) for name, part in network.named_modules() if isinstance(part, nn.Conv2d))
    owner, _, last = name.rpartition(".")
    new = nn.Conv2d(
        in_channels,
        old.out_channels,
        old.kernel_size,  # type: ignore[arg-type]  # stubs want exactly two numbers, which these are
        old.stride,  # type: ignore[arg-type]
        old.padding,  # type: ignore[arg-type]
        bias=old.bias is not None,
        device=old.weight.device,
    )
    setattr(network.get_submodule(owner), last, new)
