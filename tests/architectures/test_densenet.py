"""DenseNet against torchvision, the guide's counts, and the paper's connections counted on a running block."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from explorer.architectures import densenet as module
from explorer.architectures.densenet import (
    RENAMES,
    DenseBlock,
    DenseLayer,
    DenseNet,
    TransitionLayer,
    densenet121,
)
from explorer.architectures.image_size import IllegalSize
from explorer.architectures.state_dict import rename
from explorer.cost import count
from tests.architectures.live_weights import assert_alive, images, make_live

FACTS = json.loads((Path(__file__).parents[1] / "reference" / "guide_facts.json").read_text(encoding="utf-8"))
NAMES = ("densenet121", "densenet161", "densenet169", "densenet201")


def on_meta(name: str, **options: Any) -> DenseNet:
    with torch.device("meta"):
        network: DenseNet = getattr(module, name)(**options)
    return network


def small(**options: Any) -> DenseNet:
    """Every part of the architecture, in a fraction of a second."""
    settings: dict[str, Any] = {"growth_rate": 4, "block_layers": (2, 3, 2, 2), "initial_channels": 8, "num_classes": 7}
    return DenseNet(**{**settings, **options})


# --- torchvision ---


def as_in_the_official_file(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names as they were before modules could not have dots in theirs and before norms counted their batches."""
    legacy = {}
    for key, tensor in state.items():
        *path, layer, kind = key.split(".")
        if kind == "num_batches_tracked":
            continue
        if path and path[-1].startswith("denselayer"):
            layer = f"{layer[:-1]}.{layer[-1]}"
        legacy[".".join([*path, layer, kind])] = tensor
    return legacy


@pytest.mark.parametrize("name", NAMES)
def test_from_a_file_with_the_old_names_every_logit_equals_torchvisions(name):
    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)()
    make_live(theirs, images())
    file = as_in_the_official_file(theirs.state_dict())
    assert "features.denseblock2.denselayer12.norm.1.running_var" in file
    assert "features.denseblock2.denselayer12.conv.2.weight" in file
    assert "features.transition1.norm.weight" in file
    ours = on_meta(name).eval()
    ours.load_state_dict(rename(file, RENAMES), strict=True, assign=True)
    with torch.inference_mode():
        logits = ours(images())
        assert_alive(logits)
        assert (logits - theirs(images())).abs().max() == 0


def test_the_table_leaves_todays_names_alone():
    today = torchvision.models.DenseNet(4, (2, 3, 2, 2), 8).state_dict()
    assert rename(today, RENAMES).keys() == today.keys() == small().state_dict().keys()


def test_in_training_logits_dropout_and_all_gradients_equal_torchvisions():
    torch.manual_seed(0)
    theirs = torchvision.models.DenseNet(4, (2, 3, 2, 2), 8, drop_rate=0.3, num_classes=7).double().train()
    ours = small(drop_rate=0.3).double().train()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    logits, gradients = [], []
    for network in (ours, theirs):
        torch.manual_seed(1)
        logits.append(network(images((3, 3, 65, 97)).double()))
        loss = nn.functional.cross_entropy(logits[-1], torch.tensor([0, 3, 6]))
        names, parameters = zip(*network.named_parameters(), strict=True)
        gradients.append(dict(zip(names, torch.autograd.grad(loss, parameters), strict=True)))
    assert torch.equal(logits[0], logits[1])
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], rtol=1e-9, atol=1e-12, msg=name)


# --- counts ---


@pytest.mark.parametrize(
    ("fact", "build"),
    [
        ("DenseLayer(64, 32)", lambda: DenseLayer(64, 32)),
        ("DenseBlock(6, 64, 32)", lambda: DenseBlock(6, 64, 32)),
        ("TransitionLayer(256,128)", lambda: TransitionLayer(256, 128)),
        ("DenseNet121 block 1: DenseBlock(6,64,32)", lambda: densenet121().features.denseblock1),
        ("DenseNet121 block 2: DenseBlock(12,128,32)", lambda: densenet121().features.denseblock2),
        ("DenseNet121 block 3: DenseBlock(24,256,32)", lambda: densenet121().features.denseblock3),
        ("DenseNet121 block 4: DenseBlock(16,512,32)", lambda: densenet121().features.denseblock4),
        ("DenseNet-121 from guide's blocks", densenet121),
    ],
)
def test_every_part_costs_and_returns_what_the_guides_does(fact, build):
    expected = FACTS["guide_models"][fact]
    with torch.device("meta"):
        part = build().eval()
    cost = count(part, expected["input"])
    assert (cost.parameters, cost.macs) == (expected["params"], expected["macs"])
    assert sum(buffer.numel() for buffer in part.buffers()) == expected["buffers"]
    assert list(part(torch.zeros(expected["input"], device="meta")).shape) == expected["output"]


@pytest.mark.parametrize("name", NAMES)
def test_the_name_counts_the_layers_with_weights(name):
    layers = [part for part in on_meta(name).modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    assert len(layers) == int(name.removeprefix("densenet"))


# --- connections ---


def live_block(num_layers: int, in_channels: int, growth_rate: int, x: Tensor) -> DenseBlock:
    block = DenseBlock(num_layers, in_channels, growth_rate)
    make_live(block, x)
    return block


@pytest.mark.parametrize("num_layers", [1, 2, 6])
def test_a_block_of_l_layers_has_half_of_l_times_l_plus_1_connections(num_layers):
    channels, growth = 5, 3
    x = images((2, channels, 7, 9))
    block = live_block(num_layers, channels, growth, x)
    read: list[Tensor] = []  # what each layer's first norm is given
    written: list[Tensor] = [x.clone()]
    for layer in block.children():
        assert isinstance(layer, DenseLayer)
        layer.norm1.register_forward_pre_hook(lambda part, inputs: read.append(inputs[0].clone()))
        layer.register_forward_hook(lambda part, inputs, out: written.append(out.clone()))
    with torch.inference_mode():
        result = block(x)

    connections = 0
    for number, content in enumerate(read, start=1):
        pieces = content.split([channels] + [growth] * (number - 1), dim=1)
        assert len(pieces) == number
        connections += sum(torch.equal(piece, source) for piece, source in zip(pieces, written, strict=False))
    assert connections == num_layers * (num_layers + 1) // 2

    # Nothing is changed on the way: the block returns its input and every layer's output as they were.
    pieces = result.split([channels] + [growth] * num_layers, dim=1)
    assert all(torch.equal(piece, source) for piece, source in zip(pieces, written, strict=True))
    assert len({piece.sum().item() for piece in pieces}) == num_layers + 1  # all different


def test_cutting_one_layer_changes_all_later_ones_and_no_earlier_one():
    x = images((1, 5, 7, 9))
    block = live_block(6, 5, 3, x)
    with torch.inference_mode():
        before = block(x).split([5] + [3] * 6, dim=1)
        block.get_submodule("denselayer3.conv2").weight.zero_()
        after = block(x).split([5] + [3] * 6, dim=1)
    changed = [not torch.equal(old, new) for old, new in zip(before, after, strict=True)]
    assert changed == [False, False, False, True, True, True, True]


def test_a_layer_takes_a_list_or_what_it_makes_of_it():
    parts = [images((2, 5, 7, 9)), images((2, 3, 7, 9), seed=2)]
    joined = torch.cat(parts, dim=1)
    layer = DenseLayer(8, 3)
    make_live(layer, joined)
    with torch.inference_mode():
        assert torch.equal(layer(parts), layer(joined))
        assert torch.equal(joined, torch.cat(parts, dim=1))
        assert layer(joined).shape == (2, 3, 7, 9)


def test_a_layer_is_norm_relu_1x1_norm_relu_3x3_in_this_order():
    x = images((2, 8, 7, 9)).double()
    layer = DenseLayer(8, 3, bn_size=2)
    make_live(layer, x.float()).double()

    def normalised_and_activated(values: Tensor, norm: nn.BatchNorm2d) -> Tensor:
        mean, var = norm.running_mean, norm.running_var
        assert mean is not None
        assert var is not None
        scale = norm.weight / (var + 1e-5).sqrt()
        return ((values - mean[:, None, None]) * scale[:, None, None] + norm.bias[:, None, None]).clamp(min=0)

    with torch.inference_mode():
        middle = torch.einsum("oi,bihw->bohw", layer.conv1.weight[:, :, 0, 0], normalised_and_activated(x, layer.norm1))
        windows = nn.functional.unfold(normalised_and_activated(middle, layer.norm2), 3, padding=1)
        expected = (layer.conv2.weight.flatten(1) @ windows).reshape(2, 3, 7, 9)
        torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)


# --- channels ---


@pytest.mark.parametrize("name", NAMES)
def test_channels_grow_by_k_a_layer_and_are_halved_between_blocks(name):
    network = on_meta(name)
    growth = network.get_parameter("features.denseblock1.denselayer1.conv2.weight").shape[0]
    channels = 2 * growth  # the stem's
    for number in range(1, 5):
        block = network.get_submodule(f"features.denseblock{number}")
        assert isinstance(block, DenseBlock)
        for layer in block.children():
            assert isinstance(layer, DenseLayer)
            assert layer.norm1.num_features == layer.conv1.in_channels == channels
            assert layer.conv1.out_channels == 4 * growth
            channels += growth
        if number < 4:
            transition = network.get_submodule(f"features.transition{number}")
            assert isinstance(transition, TransitionLayer)
            assert transition.conv.in_channels == channels
            channels //= 2
            assert transition.conv.out_channels == channels
    assert network.classifier.in_features == channels


@pytest.mark.parametrize("compression", [0.3, 0.5, 1.0])
def test_a_transition_keeps_the_floor_of_theta_times_m_channels(compression):
    network = small(compression=compression)
    channels = 8
    for number, layers in enumerate((2, 3, 2), start=1):
        channels += 4 * layers
        conv = network.get_submodule(f"features.transition{number}.conv")
        assert isinstance(conv, nn.Conv2d)
        assert conv.in_channels == channels
        channels = math.floor(compression * channels)
        assert conv.out_channels == channels
    assert network.eval()(images((1, 3, 32, 32))).shape == (1, 7)


def test_a_transition_averages_squares_of_four_and_forgets_an_odd_edge():
    transition = TransitionLayer(1, 1).eval()
    with torch.no_grad():
        transition.conv.weight.fill_(1)
    x = torch.arange(15.0).reshape(1, 1, 3, 5)
    expected = torch.tensor([[(0 + 1 + 5 + 6) / 4, (2 + 3 + 7 + 8) / 4]]) / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(transition(x)[0, 0], expected)


# --- options ---


def test_dropout_is_for_training_only_and_between_layers():
    torch.manual_seed(0)
    x = images((2, 5, 33, 35))
    block = DenseBlock(2, 5, 6, drop_rate=0.25)
    with torch.no_grad():
        assert torch.equal(block.eval()(x), block(x))
        out = block.train()(x)
        assert torch.equal(out[:, :5], x)
        zeros = (out[:, 5:] == 0).float().mean().item()
        assert not torch.equal(block(x), out)
        still = DenseBlock(2, 5, 6).train()
        assert torch.equal(still(x), still(x))
    deviation = math.sqrt(0.25 * 0.75 / (2 * 12 * 33 * 35))
    assert abs(zeros - 0.25) < 4 * deviation


@pytest.mark.parametrize("training", [False, True])
def test_the_smallest_size_is_29_and_the_smallest_that_works(training, monkeypatch):
    torch.manual_seed(0)
    network = small().train(training)
    assert network(images((2, 3, 29, 29))).shape == (2, 7)
    for shape in ((2, 3, 28, 64), (2, 3, 64, 28)):
        with pytest.raises(IllegalSize, match="DenseNet needs sides of at least 29 pixels"):
            network(images(shape))
    monkeypatch.setattr(module, "require_size", lambda *arguments, **options: None)
    for network in (small(), torchvision.models.DenseNet(4, (2, 3, 2, 2), 8)):
        with pytest.raises(RuntimeError, match="too small"):
            network.eval()(images((2, 3, 28, 64)))


def test_every_relu_runs_once_under_its_own_name():
    network = on_meta("densenet121").eval()
    calls: Counter[str] = Counter()
    for path, part in network.named_modules():
        if isinstance(part, nn.ReLU):
            part.register_forward_hook(lambda part, inputs, out, path=path: calls.update([path]))
    network(torch.zeros(1, 3, 32, 32, device="meta"))
    assert set(calls.values()) == {1}
    assert len(calls) == 1 + 58 * 2 + 3 + 1


def test_the_features_end_with_the_last_relu():
    torch.manual_seed(0)
    features = small().eval().features
    assert list(dict(features.named_children()))[-1] == "relu5"
    assert features(images((1, 3, 32, 32))).min() == 0


def test_weights_start_as_kaiming_fan_in_norms_as_one_and_zero_and_the_classifier_without_bias():
    torch.manual_seed(0)
    network = densenet121()
    for path, fan_in in (
        ("features.conv0", 3 * 49),
        ("features.denseblock3.denselayer24.conv1", 992),
        ("features.denseblock4.denselayer16.conv2", 128 * 9),
        ("features.transition3.conv", 1024),
    ):
        weight = network.get_parameter(f"{path}.weight")
        assert weight.std().item() == pytest.approx((2 / fan_in) ** 0.5, rel=0.03)
        assert abs(weight.mean().item()) < 0.1 * (2 / fan_in) ** 0.5
    assert (network.get_parameter("features.norm5.weight") == 1).all()
    assert (network.get_parameter("features.norm5.bias") == 0).all()
    assert (network.classifier.bias == 0).all()
    assert network.classifier.weight.std() > 0
