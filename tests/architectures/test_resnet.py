"""ResNet against torchvision, the guide's counts and the paper's receptive fields."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from explorer.architectures import resnet
from explorer.architectures.resnet import BasicBlock, Bottleneck, ResNet, resnet18, resnet50
from explorer.cost import count
from tests.architectures.live_weights import assert_alive, images, make_live

FACTS = json.loads((Path(__file__).parents[1] / "reference" / "guide_facts.json").read_text(encoding="utf-8"))
NAMES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")


def on_meta(name: str, **options: Any) -> ResNet:
    with torch.device("meta"):
        network: ResNet = getattr(resnet, name)(**options)
    return network


@pytest.mark.parametrize("name", NAMES)
def test_the_name_counts_the_layers_with_weights_outside_the_shortcuts(name):
    layers = [
        path
        for path, part in on_meta(name).named_modules()
        if isinstance(part, nn.Conv2d | nn.Linear) and "downsample" not in path
    ]
    assert len(layers) == FACTS["resnet_weighted_layers"][name] == int(name.removeprefix("resnet"))


@pytest.mark.parametrize(
    ("fact", "block"),
    [("BasicBlock(64,64)", lambda: BasicBlock(64, 64)), ("Bottleneck(256,64)", lambda: Bottleneck(256, 64))],
)
def test_blocks_cost_what_the_guides_blocks_cost(fact, block):
    expected = FACTS["guide_models"][fact]
    cost = count(block(), expected["input"])
    assert (cost.parameters, cost.macs) == (expected["params"], expected["macs"])


def test_moving_the_stride_saves_the_multiplications_of_the_first_1x1_at_full_resolution():
    v1 = count(Bottleneck(256, 128, stride=2, stride_in_1x1=True), (1, 256, 56, 56))
    v15 = count(Bottleneck(256, 128, stride=2), (1, 256, 56, 56))
    after = 128 * 128 * 9 * 28**2 + 128 * 512 * 28**2 + 256 * 512 * 28**2  # 3x3, second 1x1, projection
    assert v1.macs == 256 * 128 * 28**2 + after
    assert v15.macs == 256 * 128 * 56**2 + after
    assert v1.parameters == v15.parameters


def rows_seen(network: ResNet, image: torch.Tensor) -> torch.Tensor:
    """Positions of the image on which the middle unit of the last stage depends, measured by its gradient."""
    for parent in list(network.modules()):
        for name, part in list(parent.named_children()):
            if isinstance(part, nn.BatchNorm2d | nn.ReLU):
                setattr(parent, name, nn.Identity())
            elif isinstance(part, nn.MaxPool2d):  # a maximum would hide all but one
                setattr(parent, name, nn.AvgPool2d(part.kernel_size, part.stride, part.padding))
            elif isinstance(part, nn.Conv2d):  # positive, so that no two paths cancel
                part.weight = nn.Parameter(torch.full(part.weight.shape, 1 / part.weight[0].numel()).double())
    network.fc.double()
    output: list[torch.Tensor] = []
    network.layer4.register_forward_hook(lambda part, inputs, out: output.append(out))
    network(image.requires_grad_())
    units = output[0][0, 0].flatten()
    (gradient,) = torch.autograd.grad(units[len(units) // 2], image)
    return gradient.flatten().nonzero().flatten()


@pytest.mark.parametrize("shape", [(1, 1, 1025, 1), (1, 1, 1, 1025)])  # a line is enough: the axes do not mix
@pytest.mark.parametrize(("stride_in_1x1", "size"), [(False, 427), (True, 483)])
def test_resnet50_sees_427_pixels_and_the_papers_version_483(shape, stride_in_1x1, size):
    network = resnet50(num_classes=1, in_channels=1, stride_in_1x1=stride_in_1x1)
    seen = rows_seen(network, torch.ones(shape, dtype=torch.float64))
    assert seen.min() > 0  # not cut off by the border
    assert seen.max() < 1024
    assert len(seen) == seen.max() - seen.min() + 1 == size


def test_basic_blocks_are_the_same_in_both_versions():
    torch.manual_seed(0)
    ours, paper = resnet18(num_classes=5).eval(), resnet18(num_classes=5, stride_in_1x1=True).eval()
    paper.load_state_dict(ours.state_dict(), strict=True)
    with torch.inference_mode():
        assert torch.equal(ours(images()), paper(images()))


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_every_relu_runs_once_under_its_own_name(name):
    network = getattr(resnet, name)(num_classes=2).eval()
    calls: Counter[str] = Counter()
    for path, part in network.named_modules():
        if isinstance(part, nn.ReLU):
            part.register_forward_hook(lambda part, inputs, out, path=path: calls.update([path]))
    with torch.inference_mode():
        network(images((1, 3, 32, 32)))
    assert set(calls.values()) == {1}
    assert len(calls) == {"resnet18": 1 + 8 * 2, "resnet50": 1 + 16 * 3}[name]


def test_weights_start_as_kaiming_fan_out_and_norms_as_one_and_zero():
    torch.manual_seed(0)
    network = resnet18()
    for conv, fan_out in ((network.conv1, 64 * 49), (network.layer4[1].conv2, 512 * 9)):
        assert isinstance(conv, nn.Conv2d)
        assert conv.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.03)
        assert abs(conv.weight.mean().item()) < 0.1 * (2 / fan_out) ** 0.5
    assert (network.bn1.weight == 1).all()
    assert (network.bn1.bias == 0).all()


# --- plain ---


def projections(name: str) -> tuple[int, int]:
    """Parameters and multiplications, at 224 x 224, of all 1x1 projections and their norms, by arithmetic."""
    if name in ("resnet18", "resnet34"):
        pairs = [(64, 128, 28), (128, 256, 14), (256, 512, 7)]
    else:
        pairs = [(64, 256, 56), (256, 512, 28), (512, 1024, 14), (1024, 2048, 7)]
    parameters = sum(narrow * wide + 2 * wide for narrow, wide, _ in pairs)
    return parameters, sum(narrow * wide * side**2 for narrow, wide, side in pairs)


@pytest.mark.parametrize("name", NAMES)
def test_a_plain_network_is_the_residual_one_without_its_projections(name):
    residual, plain = on_meta(name), on_meta(name, plain=True)
    shapes = {key: tensor.shape for key, tensor in residual.state_dict().items() if "downsample" not in key}
    assert {key: tensor.shape for key, tensor in plain.state_dict().items()} == shapes
    parameters, macs = projections(name)
    with_shortcuts, without = (count(network, (1, 3, 224, 224)) for network in (residual, plain))
    assert without.parameters == with_shortcuts.parameters - parameters
    assert without.macs == with_shortcuts.macs - macs


@pytest.mark.parametrize(("name", "billions"), [("resnet18", 1.8), ("resnet34", 3.6)])
def test_plain_networks_cost_what_the_paper_says(name, billions):
    assert round(count(on_meta(name, plain=True), (1, 3, 224, 224)).macs / 1e9, 1) == billions


def chain(network: ResNet) -> nn.Sequential:
    """The layers of a network in a row, by hand: nothing branches and nothing is added."""
    layers: list[nn.Module] = [network.conv1, network.bn1, network.relu, network.maxpool]
    for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
        for block in stage:
            numbers = (1, 2) if isinstance(block, BasicBlock) else (1, 2, 3)
            layers += [getattr(block, f"{kind}{number}") for number in numbers for kind in ("conv", "bn", "relu")]
    return nn.Sequential(*layers, network.avgpool, nn.Flatten(), network.fc)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_plain_network_is_a_chain_and_a_residual_one_is_not(name):
    for plain in (True, False):
        network = on_meta(name, num_classes=10, plain=plain)
        make_live(network, images())
        with torch.inference_mode():
            logits = network(images())
            assert_alive(logits)
            assert torch.equal(logits, chain(network)(images())) == plain


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(("block", "last"), [(BasicBlock, "bn2"), (Bottleneck, "bn3")])
def test_a_block_that_learnt_nothing_passes_its_input_on_unless_it_is_plain(block, last, plain):
    wide = 8 * block.expansion
    fresh = block(wide, 8, plain=plain).eval()
    nn.init.zeros_(getattr(fresh, last).weight)
    x = images((2, wide, 5, 5)).relu()
    with torch.inference_mode():
        assert torch.equal(fresh(x), torch.zeros_like(x) if plain else x)


def first_gradient(name: str, plain: bool) -> float:
    """Norm of the loss's gradient with respect to the first convolution of a fresh network."""
    torch.manual_seed(0)
    network = getattr(resnet, name)(num_classes=10, plain=plain).train()
    loss = nn.functional.cross_entropy(network(images((8, 3, 64, 64))), torch.arange(8))
    (gradient,) = torch.autograd.grad(loss, network.conv1.weight)
    return gradient.norm().item()


def test_without_shortcuts_the_gradient_does_not_vanish_but_grows_faster_with_depth():
    """The paper does not blame vanishing gradients either: it normalises, and measured healthy norms (section 4.1).

    On its way back through ReLU, norm and convolution a gradient's mean square is halved, because half of the units are
    off, and divided by the variance of a unit Gaussian after ReLU, (1 - 1/π) / 2. So its norm grows by √(π / (π - 1)) =
    1.21 a layer, if the plain network is fresh and wide. Measured on the 16 layers that a 34 has more than an 18.
    """
    plain, residual = (
        (first_gradient("resnet34", plain) / first_gradient("resnet18", plain)) ** (1 / 16) for plain in (True, False)
    )
    assert plain == pytest.approx(math.sqrt(math.pi / (math.pi - 1)), abs=0.06)
    assert 1 < residual < 1.1
