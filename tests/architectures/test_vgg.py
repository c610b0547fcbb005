"""VGG against torchvision, the guide's counts and the paper's argument for small kernels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from explorer.architectures import vgg
from explorer.architectures.image_size import IllegalSize
from explorer.architectures.vgg import CONFIGURATIONS, VGG, make_layers, vgg11_bn
from explorer.cost import count
from tests.architectures.live_weights import images

FACTS = json.loads((Path(__file__).parents[1] / "reference" / "guide_facts.json").read_text(encoding="utf-8"))
NAMES = ("vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn")


def on_meta(name: str, **options: Any) -> VGG:
    with torch.device("meta"):
        network: VGG = getattr(vgg, name)(**options)
    return network


def torchvisions(name: str, **options: Any) -> nn.Module:
    with torch.device("meta"):
        network: nn.Module = getattr(torchvision.models, name)(**options)
    return network


# --- counts ---


@pytest.mark.parametrize("name", NAMES)
def test_parameters_and_macs_are_the_guides_and_torchvisions(name):
    cost = count(on_meta(name), (1, 3, 224, 224))
    if name in FACTS["guide_models"]:
        expected = FACTS["guide_models"][name]
        assert (cost.parameters, cost.macs) == (expected["params"], expected["macs"])
    for weights in torchvision.models.get_model_weights(name):
        assert cost.parameters == weights.meta["num_params"]
        assert round(cost.macs / 1e9, 3) == weights.meta["_ops"]


@pytest.mark.parametrize("name", NAMES)
def test_the_name_counts_the_layers_with_weights(name):
    layers = [part for part in on_meta(name).modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    assert len(layers) == int(name.removeprefix("vgg").removesuffix("_bn"))


# --- values ---


# --- small kernels: section 2.3 ---


@pytest.mark.parametrize(
    ("small", "large", "saved", "fact"), [(2, 5, "28.0 %", "saving2"), (3, 7, "44.9 %", "saving3")]
)
def test_a_stack_of_3x3_sees_what_one_large_kernel_sees_with_fewer_weights(small, large, saved, fact):
    stack = make_layers((64,) * small, in_channels=64)
    stack_weights = sum(layer.weight.numel() for layer in stack if isinstance(layer, nn.Conv2d))
    large_weights = nn.Conv2d(64, 64, large).weight.numel()
    assert 1 - stack_weights / large_weights == pytest.approx(FACTS["guide_models"]["arith"][fact], rel=1e-12)
    assert f"{1 - stack_weights / large_weights:.1%}".replace("%", " %") == saved

    line = make_layers((1,) * small, in_channels=1)
    for parameter in line.parameters():
        nn.init.ones_(parameter)
    image = torch.ones(1, 1, 15, 15, requires_grad=True)
    (gradient,) = torch.autograd.grad(line(image)[0, 0, 7, 7], image)
    rows, columns = gradient[0, 0].nonzero(as_tuple=True)
    half = large // 2
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (7 - half, 7 + half, 7 - half, 7 + half)


def test_layers_are_built_as_configured():
    layers = make_layers((8, "M", 16, 4), batch_norm=True, in_channels=2)
    kinds = [type(layer) for layer in layers]
    block = [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert kinds == [*block, nn.MaxPool2d, *block, *block]
    channels = [(layer.in_channels, layer.out_channels) for layer in layers if isinstance(layer, nn.Conv2d)]
    assert channels == [(2, 8), (8, 16), (16, 4)]
    assert layers(images((1, 2, 10, 6))).shape == (1, 4, 5, 3)
    assert [type(layer) for layer in make_layers((8, "M"))] == [nn.Conv2d, nn.ReLU, nn.MaxPool2d]


@pytest.mark.parametrize("configuration", CONFIGURATIONS.values())
def test_every_halving_doubles_the_channels_up_to_512(configuration):
    """Section 2.3: 64 channels at first, twice as many after each pooling, until 512."""
    halvings = 0
    for entry in configuration:
        if entry == "M":
            halvings += 1
        else:
            assert entry == min(64 * 2**halvings, 512)
    assert halvings == 5


# --- sizes ---


@pytest.mark.parametrize("name", ["vgg11", "vgg19_bn"])
def test_32_is_the_smallest_side(name):
    network = on_meta(name).eval()
    assert network(torch.empty(1, 3, 32, 33, device="meta")).shape == (1, 1000)
    for size in ((31, 224), (224, 31)):
        too_small = torch.empty(1, 3, *size, device="meta")
        with pytest.raises(IllegalSize, match="VGG needs sides of at least 32 pixels"):
            network(too_small)
        with pytest.raises(RuntimeError):
            network.features(too_small)
    for weights in torchvision.models.get_model_weights(name):
        assert weights.meta["min_size"] == (32, 32)


# --- training ---


@pytest.fixture(scope="module")
def fresh() -> VGG:
    torch.manual_seed(3)
    return vgg11_bn(num_classes=7, in_channels=3)


def test_it_starts_with_the_very_weights_of_torchvision(fresh):
    torch.manual_seed(3)
    theirs = torchvision.models.vgg11_bn(num_classes=7).state_dict()
    assert list(fresh.state_dict()) == list(theirs)
    assert all(torch.equal(tensor, theirs[key]) for key, tensor in fresh.state_dict().items())


def test_weights_start_as_kaiming_fan_out_and_normal_and_biases_as_zero(fresh):
    convolutions = [part for part in fresh.modules() if isinstance(part, nn.Conv2d)]
    for conv in convolutions[1:]:
        assert conv.weight.std().item() == pytest.approx((2 / (conv.out_channels * 9)) ** 0.5, rel=0.02)
    for linear in (part for part in fresh.classifier if isinstance(part, nn.Linear)):
        assert linear.weight.std().item() == pytest.approx(0.01, rel=0.02)
    for name, parameter in fresh.named_parameters():
        if name.endswith("bias"):
            assert (parameter == 0).all(), name
    norms = [part for part in fresh.modules() if isinstance(part, nn.BatchNorm2d)]
    assert len(norms) == 8
    assert all((norm.weight == 1).all() for norm in norms)


def test_training_reaches_every_parameter_but_biases_that_a_norm_subtracts(fresh):
    torch.manual_seed(0)
    logits = fresh.train()(images((4, 3, 32, 32)))
    assert logits.shape == (4, 7)
    loss = nn.functional.cross_entropy(logits, torch.tensor([0, 2, 4, 6]))
    # A norm subtracts the bias before it again, in torchvision's network as in ours: only rounding errors reach it.
    before_a_norm = {f"{name}.bias" for name, part in fresh.named_modules() if isinstance(part, nn.Conv2d)}
    names, parameters = zip(*fresh.named_parameters(), strict=True)
    for name, gradient in zip(names, torch.autograd.grad(loss, parameters), strict=True):
        assert torch.isfinite(gradient).all(), name
        if name in before_a_norm:
            assert gradient.abs().max() < 1e-5, name
        else:
            assert gradient.abs().max() > 1e-4, name


def test_other_channels_and_dropout():
    for name in NAMES:
        network = on_meta(name, num_classes=3, in_channels=5, dropout=0.25).train()
        assert network(torch.empty(2, 5, 40, 32, device="meta")).shape == (2, 3)
        assert [part.p for part in network.classifier if isinstance(part, nn.Dropout)] == [0.25, 0.25]
