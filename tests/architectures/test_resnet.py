"""ResNet against torchvision, the guide's counts and the paper's receptive fields."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
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
def test_every_logit_equals_torchvisions(name):
    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)()
    make_live(theirs, images())
    ours = on_meta(name).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)
    with torch.inference_mode():
        logits = ours(images())
        assert_alive(logits)
        assert (logits - theirs(images())).abs().max() == 0


@pytest.mark.parametrize("name", NAMES)
def test_parameters_and_macs_are_the_guides_and_torchvisions(name):
    cost = count(on_meta(name), (1, 3, 224, 224))
    assert cost.parameters == FACTS["guide_models"][name]["params"]
    assert cost.macs == FACTS["guide_models"][name]["macs"]
    for weights in torchvision.models.get_model_weights(name):
        assert cost.parameters == weights.meta["num_params"]
        assert round(cost.macs / 1e9, 3) == weights.meta["_ops"]


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


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_training_reaches_every_parameter_for_other_channels_and_classes(name):
    torch.manual_seed(0)
    network = getattr(resnet, name)(num_classes=7, in_channels=5).train()
    logits = network(images((4, 5, 64, 64)))
    assert logits.shape == (4, 7)
    loss = nn.functional.cross_entropy(logits, torch.tensor([0, 2, 4, 6]))
    names, parameters = zip(*network.named_parameters(), strict=True)
    for name, gradient in zip(names, torch.autograd.grad(loss, parameters), strict=True):
        assert torch.isfinite(gradient).all(), name
        assert gradient.abs().sum() > 0, name


def test_weights_start_as_kaiming_fan_out_and_norms_as_one_and_zero():
    torch.manual_seed(0)
    network = resnet18()
    for conv, fan_out in ((network.conv1, 64 * 49), (network.layer4[1].conv2, 512 * 9)):
        assert isinstance(conv, nn.Conv2d)
        assert conv.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.03)
        assert abs(conv.weight.mean().item()) < 0.1 * (2 / fan_out) ** 0.5
    assert (network.bn1.weight == 1).all()
    assert (network.bn1.bias == 0).all()
