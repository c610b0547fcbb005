"""Networks rebuilt with other widths, depths and resolutions, and what that costs; plain against residual depth.

Everything is counted on real layers on the meta device. Blocks of a stage after its first are alike, so where depth
only repeats them, one of them is built and counted, and its cost taken as often as it stands there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import nn

from explorer import cost
from explorer.architectures import densenet as dense
from explorer.architectures import efficientnet as efficient
from explorer.architectures import mobilenet as mobile
from explorer.architectures import resnet as residual
from explorer.cost import Cost

if TYPE_CHECKING:
    from collections.abc import Callable

ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15  # depth, width, resolution: found by the paper's grid search (its section 3.3)
WORK_PER_STEP = ALPHA * BETA**2 * GAMMA**2
"""Factor of MACs for one step of the compound coefficient, about 2 (equation 3 of the paper)."""
COEFFICIENTS = {name: scaling for name, scaling in efficient.SCALING.items() if name.startswith("b")}
"""Width, depth and resolution of B0 to B7, as their authors rounded them."""
RESNETS: dict[int, tuple[int, int, int, int]] = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
"""Blocks of each stage; from 50 layers on they are bottlenecks (Table 1 of the ResNet paper)."""
DENSENETS: dict[int, tuple[int, int, int, int]] = {121: (6, 12, 24, 16), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32)}
"""Layers of each block at a growth rate of 32 (Table 1 of the DenseNet paper)."""


@dataclass(frozen=True)
class Design:
    """A network that was built and counted.

    Attributes:
        parameters: learnable numbers.
        macs: multiply-accumulates for one image.
        resolution: side of the image, pixels.
        blocks: of each stage, from the image to the answer.
        channels: that leave each stage.
        layers: convolutions and linear layers one after the other, as the names count them; 0 where no name counts.
    """

    parameters: int
    macs: int
    resolution: int
    blocks: tuple[int, ...]
    channels: tuple[int, ...]
    layers: int = 0


@dataclass(frozen=True)
class Compound:
    """Factors of depth and width and the side in pixels that one coefficient gives."""

    phi: float
    depth: float
    width: float
    resolution: float


def compound(phi: float) -> Compound:
    """The exact powers: depth 1.2^φ, width 1.1^φ, resolution 224 · 1.15^φ."""
    return Compound(phi, ALPHA**phi, BETA**phi, 224 * GAMMA**phi)


@lru_cache(maxsize=1024)
def efficientnet(width: float, depth: float, resolution: int) -> Design:
    """EfficientNet with every number of channels times ``width`` and every stage's blocks times ``depth``."""
    repeats = efficient.stage_repeats(depth, range(1, 8))
    channels = tuple(efficient.scale_width(stage.channels, width) for stage in efficient.STAGES)
    # The least depth leaves every stage the one block that changes its shape.
    total = _efficientnet_of_single_blocks(width, resolution)
    side = math.ceil(resolution / 2)  # after the stem
    for stage, wide, count in zip(efficient.STAGES, channels, repeats, strict=True):
        side = math.ceil(side / stage.stride)
        if count > 1:
            total = _plus(total, _mbconv(stage.expand, stage.kernel, wide, side), count - 1)
    return Design(total.parameters, total.macs, resolution, tuple(repeats), channels)


@lru_cache(maxsize=256)
def _efficientnet_of_single_blocks(width: float, resolution: int) -> Cost:
    scaling = efficient.Scaling(width, 1e-9, resolution, 0.2)
    return _count(lambda: efficient.EfficientNet(scaling), 3, resolution)


@lru_cache(maxsize=1024)
def _mbconv(expand: int, kernel: int, channels: int, side: int) -> Cost:
    style = efficient.Style(nn.SiLU, "torch", 1e-5, 0.1)
    return _count(
        lambda: efficient.MBConv(channels, channels, expand, kernel, 1, squeeze_excitation=True, drop=0.0, style=style),
        channels,
        side,
    )


@lru_cache(maxsize=256)
def mobilenet(version: int, width: float, resolution: int) -> Design:
    """MobileNet V1 or V2 with every number of channels times ``width``."""
    build = {1: mobile.mobilenet_v1, 2: mobile.mobilenet_v2}[version]
    found = _count(lambda: build(width=width), 3, resolution)
    plan: tuple[tuple[int, int], ...] = ((64, 1), (128, 2), (256, 2), (512, 6), (1024, 2))
    if version == 2:
        plan = ((16, 1), (24, 2), (32, 3), (64, 4), (96, 3), (160, 3), (320, 1))
    channels = tuple(efficient.scale_width(channels, width) for channels, _ in plan)
    return Design(found.parameters, found.macs, resolution, tuple(blocks for _, blocks in plan), channels)


@dataclass(frozen=True)
class Saving:
    """A convolution and its depthwise separable twin on the same map.

    Attributes:
        standard: of k x k from C channels to C.
        separable: of k x k on each channel alone, then 1 x 1 across them.
        formula: share of the work that is saved, 1 - (1 / C + 1 / k²).
    """

    standard: Cost
    separable: Cost
    formula: float

    @property
    def counted(self) -> float:
        """The same share, from the counts."""
        return 1 - self.separable.macs / self.standard.macs


@lru_cache(maxsize=256)
def separable_saving(channels: int, kernel: int = 3, side: int = 14) -> Saving:
    """What splitting a convolution in two saves, counted on real layers without bias on a map of ``side`` pixels."""
    settings = {"kernel_size": kernel, "padding": kernel // 2, "bias": False}
    standard = _count(lambda: nn.Conv2d(channels, channels, **settings), channels, side)  # type: ignore[arg-type]
    separable = _count(
        lambda: nn.Sequential(
            nn.Conv2d(channels, channels, groups=channels, **settings),  # type: ignore[arg-type]
            nn.Conv2d(channels, channels, kernel_size=1, bias=False),
        ),
        channels,
        side,
    )
    return Saving(standard, separable, 1 - (1 / channels + 1 / kernel**2))


@lru_cache(maxsize=256)
def resnet(blocks: tuple[int, int, int, int], bottleneck: bool, plain: bool = False) -> Design:
    """ResNet with ``blocks`` in its four stages, at 224 pixels; plain without shortcuts."""
    block = _block(bottleneck)
    total = _count(lambda: residual.ResNet(block, (1, 1, 1, 1), plain=plain), 3, 224)
    channels = tuple(64 * 2**stage for stage in range(4))
    for stage, count in enumerate(blocks):
        if count > 1:
            total = _plus(total, _residual_block(bottleneck, channels[stage], 56 // 2**stage, plain), count - 1)
    layers = 2 + (3 if bottleneck else 2) * sum(blocks)
    out = tuple(block.expansion * wide for wide in channels)
    return Design(total.parameters, total.macs, 224, blocks, out, layers)


@lru_cache(maxsize=64)
def _residual_block(bottleneck: bool, channels: int, side: int, plain: bool) -> Cost:
    block = _block(bottleneck)
    return _count(lambda: block(block.expansion * channels, channels, plain=plain), block.expansion * channels, side)


def _block(bottleneck: bool) -> type[residual.BasicBlock | residual.Bottleneck]:
    return residual.Bottleneck if bottleneck else residual.BasicBlock


@lru_cache(maxsize=256)
def densenet(layers: tuple[int, int, int, int], growth: int = 32) -> Design:
    """DenseNet with ``layers`` in its four blocks, each layer adding ``growth`` channels, at 224 pixels."""
    found = _count(lambda: dense.DenseNet(growth, layers, 2 * growth), 3, 224)
    channels, wide = [], 2 * growth
    for count in layers:
        wide += count * growth
        channels.append(wide)
        wide //= 2
    # A layer has two convolutions, each of the three transitions one; the stem and the classifier are two more.
    return Design(found.parameters, found.macs, 224, layers, tuple(channels), 2 * sum(layers) + 5)


def _count(build: Callable[[], nn.Module], channels: int, side: int) -> Cost:
    with torch.device("meta"):
        module = build()
    return cost.count(module, (1, channels, side, side))


def _plus(total: Cost, part: Cost, times: int) -> Cost:
    return Cost(total.parameters + times * part.parameters, total.macs + times * part.macs)


@dataclass(frozen=True)
class Path:
    """Designs in a row, to be drawn as one line.

    Attributes:
        name: what they have in common.
        labels: of each design.
        designs: the designs.
        family: whose colour the line has.
        published: whether these are the authors' own networks, which a chart names.
    """

    name: str
    labels: tuple[str, ...]
    designs: tuple[Design, ...]
    family: str
    published: bool = True


@lru_cache(maxsize=1)
def efficientnet_paths() -> tuple[Path, ...]:
    """B0 to B7, the exact powers that they round, and B0 grown in one direction alone."""
    b = [efficientnet(each.width, each.depth, each.resolution) for each in COEFFICIENTS.values()]
    powers = [at_compound(phi) for phi in range(8)]
    wider, deeper, finer = (1.5, 2.0), (2.0, 3.6), (380, 600)
    alone = {
        "width alone": [(f"width × {x}", efficientnet(x, 1.0, 224)) for x in wider],
        "depth alone": [(f"depth × {x}", efficientnet(1.0, x, 224)) for x in deeper],
        "resolution alone": [(f"{x} px", efficientnet(1.0, 1.0, x)) for x in finer],
    }
    return (
        *(
            Path(name, ("B0", *(label for label, _ in row)), (b[0], *(design for _, design in row)), "other", False)
            for name, row in alone.items()
        ),
        Path("exact powers", tuple(f"φ = {phi}" for phi in range(8)), tuple(powers), "other", False),
        Path("B0 to B7", tuple(name.upper() for name in COEFFICIENTS), tuple(b), "EfficientNet"),
    )


def at_compound(phi: float) -> Design:
    """The network of the exact powers, its side rounded to a whole pixel."""
    exact = compound(phi)
    return efficientnet(exact.width, exact.depth, round(exact.resolution))


@lru_cache(maxsize=1)
def mobilenet_paths() -> tuple[Path, ...]:
    """Both versions at 224 pixels over their published widths."""
    widths = {1: (0.25, 0.5, 0.75, 1.0), 2: (0.35, 0.5, 0.75, 1.0, 1.4)}
    return tuple(
        Path(
            f"V{version} at 224 px",
            tuple(f"× {width}" for width in widths[version]),
            tuple(mobilenet(version, width, 224) for width in widths[version]),
            "MobileNet",
        )
        for version in (1, 2)
    )


@lru_cache(maxsize=1)
def depth_paths() -> tuple[Path, ...]:
    """ResNets of both blocks and DenseNets, by depth."""
    kinds = {"ResNet, basic blocks": (18, 34), "ResNet, bottlenecks": (50, 101, 152)}
    residuals = (
        Path(name, tuple(map(str, depths)), tuple(resnet(RESNETS[depth], depth >= 50) for depth in depths), "ResNet")
        for name, depths in kinds.items()
    )
    designs = tuple(densenet(layers) for layers in DENSENETS.values())
    return (*residuals, Path("DenseNet, growth 32", tuple(map(str, DENSENETS)), designs, "DenseNet"))


@dataclass(frozen=True)
class GradientNorms:
    """How strongly the loss pulls at each convolution of a fresh network.

    Attributes:
        layers: Euclidean norm of the gradient of each 3x3's weights, from the image to the answer.
        loss: of the batch.
    """

    layers: tuple[float, ...]
    loss: float

    @property
    def growth(self) -> float:
        """Mean factor (geometric) from a layer to the one before it: above 1 the gradient grows towards the image."""
        if len(self.layers) < 2:
            return 1.0
        return float((self.layers[0] / self.layers[-1]) ** (1 / (len(self.layers) - 1)))


@lru_cache(maxsize=64)
def gradient_norms(blocks: int, plain: bool, seed: int = 0, norm: bool = True) -> GradientNorms:
    """One backward pass through ``blocks`` fresh basic blocks, with shortcuts or plain, from the same weights.

    32 random images of 16 x 16 with 16 channels, random labels of ten classes; no resolution is halved, so that a pair
    differs in nothing but the shortcuts. In training mode, so that batch norm normalises with the batch's own
    statistics, as in the first step of training.

    Args:
        blocks: two 3x3 convolutions each.
        plain: leaves the shortcuts out.
        seed: of weights, images and labels; equal seeds give a pair equal ones.
        norm: False leaves batch norm out.
    """
    network, images, labels = fresh_stack(blocks, plain, seed, norm)
    with torch.inference_mode(False), torch.enable_grad():
        loss = nn.functional.cross_entropy(network(images), labels)
        weights = [part.weight for part in network.modules() if isinstance(part, nn.Conv2d)]
        gradients = torch.autograd.grad(loss, weights)
    return GradientNorms(tuple(float(gradient.norm()) for gradient in gradients), float(loss.detach()))


def fresh_stack(blocks: int, plain: bool, seed: int, norm: bool) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A stack of blocks with Kaiming weights (fan out, as ResNet starts), a batch of images and their labels."""
    random = torch.Generator().manual_seed(seed)  # of its own: the global one belongs to everyone
    wide = 16
    with torch.inference_mode(False):
        with torch.device("meta"):  # made without numbers, so that making draws none
            stack = residual.stage(residual.BasicBlock, wide, wide, blocks, 1, False, plain)
            network = nn.Sequential(stack, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(wide, 10))
        network.to_empty(device="cpu")
        for part in network.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu", generator=random)
            elif isinstance(part, nn.BatchNorm2d):
                part.reset_parameters()
            elif isinstance(part, nn.Linear):
                nn.init.normal_(part.weight, std=wide**-0.5, generator=random)
                nn.init.zeros_(part.bias)
        if not norm:
            _without_norm(stack)
        images = torch.randn(32, wide, 16, 16, generator=random)
        labels = torch.randint(10, (32,), generator=random)
    return network.train(), images, labels


def _without_norm(stack: nn.Sequential) -> None:
    for block in stack:
        block.bn1, block.bn2 = nn.Identity(), nn.Identity()
