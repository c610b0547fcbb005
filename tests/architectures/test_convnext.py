"""ConvNeXt against torchvision, the guide's counts, and a block written in other words."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from explorer.architectures import convnext
from explorer.architectures.convnext import (
    RENAMES,
    ChannelsFirstLayerNorm,
    ConvNeXt,
    ConvNeXtBlock,
    convnext_tiny,
)
from explorer.architectures.image_size import IllegalSize
from explorer.architectures.state_dict import rename
from explorer.cost import count
from tests.architectures.live_weights import assert_alive, images, make_live

FACTS = json.loads((Path(__file__).parents[1] / "reference" / "guide_facts.json").read_text(encoding="utf-8"))
NAMES = ("convnext_tiny", "convnext_small", "convnext_base", "convnext_large")


def on_meta(name: str, **options: Any) -> ConvNeXt:
    with torch.device("meta"):
        network: ConvNeXt = getattr(convnext, name)(**options)
    return network


def blocks(network: nn.Module) -> list[ConvNeXtBlock]:
    return [part for part in network.modules() if isinstance(part, ConvNeXtBlock)]


def live_block(dim: int, **options: Any) -> ConvNeXtBlock:
    block = ConvNeXtBlock(dim, **options)
    make_live(block, images((2, dim, 9, 11)))
    return block


# --- against torchvision ---


@pytest.mark.parametrize("name", NAMES)
def test_names_and_rates_to_skip_a_block_are_torchvisions(name):
    ours = on_meta(name)
    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)()
    rates = [part.p for part in theirs.modules() if isinstance(part, torchvision.ops.StochasticDepth)]
    assert [block.stochastic_depth.drop for block in blocks(ours)] == rates
    assert rates[0] == 0
    assert rates[-1] == {"tiny": 0.1, "small": 0.4, "base": 0.5, "large": 0.5}[name.removeprefix("convnext_")]
    shapes = {key: tensor.shape for key, tensor in rename(theirs.state_dict(), RENAMES).items()}
    assert shapes == {key: tensor.shape for key, tensor in ours.state_dict().items()}


@pytest.mark.parametrize(
    ("fact", "build"),
    [("ConvNeXtBlock(96)", lambda: ConvNeXtBlock(96)), ("ConvNeXt-T from guide's block", convnext_tiny)],
)
def test_counts_and_shapes_are_the_guides(fact, build):
    expected = FACTS["guide_models"][fact]
    with torch.device("meta"):
        module = build().eval()
    cost = count(module, expected["input"])
    assert (cost.parameters, cost.macs) == (expected["params"], expected["macs"])
    assert list(module(torch.empty(expected["input"], device="meta")).shape) == expected["output"]


def test_a_block_costs_49_c_and_8_c_squared_weights():
    for dim in (8, 96, 384):
        depthwise, mlp = 49 * dim + dim, 2 * 4 * dim * dim + 4 * dim + dim
        norm, scale = 2 * dim, dim
        cost = count(ConvNeXtBlock(dim), (1, dim, 14, 14))
        assert cost.parameters == depthwise + norm + mlp + scale
        assert cost.macs == 14 * 14 * (49 * dim + 8 * dim * dim)


# --- the block ---


def test_the_norm_is_its_definition_at_every_pixel():
    norm = ChannelsFirstLayerNorm(5, eps=1e-6).double()
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    nn.init.uniform_(norm.bias)
    x = images((2, 5, 3, 4)).double()
    out = norm(x)
    for image in range(2):
        for row in range(3):
            for column in range(4):
                pixel = x[image, :, row, column]
                mean = pixel.sum() / 5
                deviation = (((pixel - mean) ** 2).sum() / 5 + 1e-6).sqrt()
                expected = (pixel - mean) / deviation * norm.weight + norm.bias
                torch.testing.assert_close(out[image, :, row, column], expected, rtol=0, atol=1e-12)


def test_a_block_is_the_same_with_1x1_convolutions_and_the_channels_first():
    """As the paper draws it; GELU is x Φ(x), with Gauss's distribution function."""
    block = live_block(12).double()
    x = images((2, 12, 9, 11)).double()
    maps = F.conv2d(x, block.depthwise.weight, block.depthwise.bias, padding=3, groups=12)
    maps = (maps - maps.mean(dim=1, keepdim=True)) / (maps.var(dim=1, keepdim=True, correction=0) + 1e-6).sqrt()
    maps = maps * block.norm.weight.view(-1, 1, 1) + block.norm.bias.view(-1, 1, 1)
    maps = F.conv2d(maps, block.pointwise1.weight[:, :, None, None], block.pointwise1.bias)
    maps = maps * (1 + torch.erf(maps / math.sqrt(2))) / 2
    maps = F.conv2d(maps, block.pointwise2.weight[:, :, None, None], block.pointwise2.bias)
    torch.testing.assert_close(block(x), x + block.layer_scale * maps, rtol=0, atol=1e-12)


def test_a_block_starts_as_nearly_the_identity_and_layer_scale_sets_how_nearly():
    x = images((2, 8, 9, 9)).double()
    residuals = []
    for layer_scale in (1e-6, 1e-3, 0.0):
        torch.manual_seed(0)
        block = ConvNeXtBlock(8, layer_scale).double()
        assert block.layer_scale.shape == (8, 1, 1)
        assert torch.equal(block.layer_scale, torch.full((8, 1, 1), layer_scale).double())
        residuals.append(block(x) - x)
    assert 0 < residuals[0].abs().max() < 1e-5
    torch.testing.assert_close(residuals[1], 1000 * residuals[0], rtol=1e-6, atol=1e-9)
    assert residuals[2].count_nonzero() == 0


def test_each_channel_has_its_own_scale():
    block = live_block(8)
    x = images((2, 8, 9, 9))
    with torch.inference_mode():
        before = block(x) - x
        block.layer_scale[3] *= 2
        after = block(x) - x
    changed = (after - before).abs().amax(dim=(0, 2, 3)) > 1e-6
    assert changed.nonzero().flatten().tolist() == [3]
    torch.testing.assert_close(after[:, 3], 2 * before[:, 3], rtol=1e-4, atol=1e-5)


def test_in_training_a_block_is_skipped_for_part_of_the_batch():
    torch.manual_seed(0)
    block = live_block(8, drop=0.25)
    x = images((400, 8, 3, 3))
    with torch.no_grad():
        whole = block(x) - x
        block.train()
        out = block(x)
    skipped = (out == x).flatten(1).all(dim=1)
    assert abs(skipped.float().mean().item() - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 400)
    torch.testing.assert_close((out - x)[~skipped], whole[~skipped] / 0.75, rtol=1e-4, atol=1e-4)


# --- the network ---


def test_one_norm_and_one_activation_a_block_and_none_of_resnets():
    network = on_meta("convnext_tiny")
    parts = list(network.modules())
    assert [len(list(stage)) for stage in (network.stage1, network.stage2, network.stage3, network.stage4)] == [
        3,
        3,
        9,
        3,
    ]
    assert sum(isinstance(part, nn.GELU) for part in parts) == 18
    norms = [part for part in parts if isinstance(part, nn.LayerNorm)]
    assert len(norms) == 18 + 1 + 3 + 1  # blocks, stem, downsamplings, head
    assert {norm.eps for norm in norms} == {1e-6}
    assert not any(isinstance(part, nn.BatchNorm2d | nn.ReLU | nn.MaxPool2d) for part in parts)


def test_the_stem_cuts_patches_that_do_not_overlap():
    network = on_meta("convnext_tiny", num_classes=3)
    make_live(network, images((1, 3, 32, 32)))
    image = images((1, 3, 32, 32))
    other = image.clone()
    other[:, :, 8:12, 20:24] += 1
    with torch.inference_mode():
        changed = (network.stem(image) != network.stem(other)).any(dim=1)[0]
    assert changed.nonzero().tolist() == [[2, 5]]


@pytest.mark.parametrize("shape", [(1, 3, 31, 64), (1, 3, 64, 31)])
def test_less_than_32_pixels_are_refused_by_name(shape):
    network = on_meta("convnext_tiny").eval()
    with pytest.raises(IllegalSize, match=r"ConvNeXt needs sides of at least 32 pixels, this image is \d+ x \d+"):
        network(torch.empty(shape, device="meta"))


def test_32_pixels_are_enough_and_a_remainder_is_cut_off():
    network = on_meta("convnext_tiny", num_classes=4)
    make_live(network, images((2, 3, 32, 32)))
    image = images((2, 3, 35, 34))
    with torch.inference_mode():
        logits = network(image[:, :, :32, :32])
        assert_alive(logits)
        torch.testing.assert_close(network(image), logits)


def test_weights_start_as_torchvisions():
    torch.manual_seed(0)
    ours = convnext_tiny(num_classes=10)
    torch.manual_seed(0)
    theirs = rename(torchvision.models.convnext_tiny(num_classes=10).state_dict(), RENAMES)
    assert ours.stage4[0].pointwise1.weight.std().item() == pytest.approx(0.02, rel=0.01)
    assert all((part == 0).all() for name, part in ours.named_parameters() if name.endswith("bias"))
    for name, tensor in ours.state_dict().items():  # the same layers are drawn in the same order
        assert torch.equal(tensor, theirs[name]), name
