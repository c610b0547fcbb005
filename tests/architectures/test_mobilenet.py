"""MobileNet against torchvision, the guide's counts, the papers' tables and a block worked out by hand."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from explorer.architectures.mobilenet import (
    RENAMES,
    ConvNormReLU,
    DepthwiseSeparableConv,
    InvertedResidual,
    MobileNetV1,
    MobileNetV2,
    mobilenet_v1,
    mobilenet_v2,
)
from explorer.architectures.state_dict import rename
from explorer.cost import count
from tests.architectures.live_weights import assert_alive, images, make_live

FACTS = json.loads((Path(__file__).parents[1] / "reference" / "guide_facts.json").read_text(encoding="utf-8"))
BOTH = pytest.mark.parametrize("build", [mobilenet_v1, mobilenet_v2])


def on_meta(build: Any, *arguments: Any, **options: Any) -> nn.Module:
    with torch.device("meta"):
        module: nn.Module = build(*arguments, **options)
    return module


def convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [part for part in module.modules() if isinstance(part, nn.Conv2d)]


# --- against torchvision ---


@pytest.mark.parametrize("width", [0.5, 1.0, 1.4])
def test_every_logit_of_v2_equals_torchvisions_at_every_width(width):
    with torch.device("meta"):
        theirs = torchvision.models.mobilenet_v2(num_classes=10, width_mult=width)
    make_live(theirs, images())
    ours = on_meta(mobilenet_v2, num_classes=10, width=width).eval()
    ours.load_state_dict(rename(theirs.state_dict(), RENAMES), strict=True, assign=True)
    with torch.inference_mode():
        logits = ours(images())
        assert_alive(logits)
        assert (logits - theirs(images())).abs().max() == 0


def test_what_only_training_uses_equals_torchvisions():
    ours, theirs = on_meta(mobilenet_v2), torchvision.models.mobilenet_v2()
    assert ours.dropout.p == theirs.classifier[0].p == 0.2
    norms = [[part for part in net.modules() if isinstance(part, nn.BatchNorm2d)] for net in (ours, theirs)]
    assert [(norm.eps, norm.momentum) for norm in norms[0]] == [(norm.eps, norm.momentum) for norm in norms[1]]


def test_every_renamed_layer_lands_in_its_stage():
    """Names of equal shape could be swapped unseen by a strict load: each block's layers must stay together."""
    theirs = list(torchvision.models.mobilenet_v2().state_dict())
    ours = list(rename(dict.fromkeys(theirs, torch.empty(0)), RENAMES))
    assert ours == list(on_meta(mobilenet_v2).state_dict())  # both in the order of definition, which is that of Table 2


# --- what it costs ---


@pytest.mark.parametrize(
    ("fact", "build"),
    [
        ("DepthwiseSeparableConv(512,512)", lambda: DepthwiseSeparableConv(512, 512)),
        ("InvertedResidual(32,32,1,6)", lambda: InvertedResidual(32, 32, 1, 6)),
        ("InvertedResidual(32,16,1,1)", lambda: InvertedResidual(32, 16, 1, 1)),
        ("InvertedResidual(16,24,2,6)", lambda: InvertedResidual(16, 24, 2, 6)),
        ("MobileNetV1 from guide's block", mobilenet_v1),
        ("MobileNetV2 from guide's block", mobilenet_v2),
    ],
)
def test_counts_and_shapes_are_the_guides(fact, build):
    expected, module = FACTS["guide_models"][fact], on_meta(build).eval()
    cost = count(module, expected["input"])
    assert (cost.parameters, cost.macs) == (expected["params"], expected["macs"])
    assert sum(buffer.numel() for buffer in module.buffers()) == expected["buffers"]
    assert list(module(torch.empty(expected["input"], device="meta")).shape) == expected["output"]


def test_the_guides_example_saves_88_7_percent():
    dense = nn.Conv2d(512, 512, 3, bias=False).weight.numel()
    separable = sum(conv.weight.numel() for conv in convolutions(DepthwiseSeparableConv(512, 512)))
    assert dense == FACTS["guide_models"]["Conv2d(512,512,3,bias=False)"]["params"] == 3 * 3 * 512 * 512 == 2_359_296
    assert separable == 3 * 3 * 512 + 512 * 512 == 266_752
    assert round(100 * (1 - separable / dense), 1) == 88.7


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize(("wide_in", "wide_out"), [(8, 8), (16, 40), (64, 24)])
def test_splitting_a_convolution_saves_what_the_formula_says(wide_in, wide_out, kernel):
    image = (1, wide_in, 10, 12)
    dense = count(ConvNormReLU(wide_in, wide_out, kernel), image).macs
    depthwise = count(ConvNormReLU(wide_in, wide_in, kernel, groups=wide_in), image).macs
    pointwise = count(ConvNormReLU(wide_in, wide_out, 1), image).macs
    assert 1 - Fraction(depthwise + pointwise, dense) == 1 - (Fraction(1, wide_out) + Fraction(1, kernel**2))


@pytest.mark.parametrize(
    ("width", "size", "macs", "parameters"),
    [  # V1, tables 6 and 7, in millions
        (1.00, 224, 569, 4.2),
        (0.75, 224, 325, 2.6),
        (0.50, 224, 149, 1.3),
        (0.25, 224, 41, 0.5),
        (1.00, 192, 418, 4.2),
        (1.00, 160, 290, 4.2),
        (1.00, 128, 186, 4.2),
    ],
)
def test_v1_costs_what_the_paper_says(width, size, macs, parameters):
    cost = count(on_meta(mobilenet_v1, width=width), (1, 3, size, size))
    assert abs(cost.macs / 1e6 - macs) < 1  # 568.7 is printed as 569, 290.7 as 290
    assert round(cost.parameters / 1e6, 1) == parameters


@pytest.mark.parametrize(("width", "macs"), [(1.4, 582), (1.3, 509), (1.0, 300), (0.75, 209), (0.5, 97), (0.35, 59)])
def test_v2_costs_what_its_authors_list(width, macs):
    """Millions, from the README of their code (TF-Slim, nets/mobilenet)."""
    assert count(on_meta(mobilenet_v2, width=width), (1, 3, 224, 224)).macs // 10**6 == macs


def test_nearly_all_work_of_v1_is_in_its_1x1_convolutions_as_in_the_papers_table_2():
    network = on_meta(mobilenet_v1).eval()
    work: Counter[str] = Counter()
    weights: Counter[str] = Counter()

    def measure(layer: nn.Conv2d | nn.Linear, inputs: Any, out: Tensor) -> None:
        if isinstance(layer, nn.Linear):
            kind = "linear"
        elif layer.groups > 1:
            kind = "depthwise"
        else:
            kind = f"{layer.kernel_size[0]}x{layer.kernel_size[0]}"
        weights[kind] += sum(parameter.numel() for parameter in layer.parameters())
        work[kind] += layer.weight.numel() * out[0, 0].numel() if kind != "linear" else layer.weight.numel()

    layers = [part for part in network.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    assert len(layers) == 28  # "counting depthwise and pointwise convolutions as separate layers"
    for layer in layers:
        layer.register_forward_hook(measure)
    network(torch.empty(1, 3, 224, 224, device="meta"))
    published = {  # percent of multiply-adds, percent of parameters
        "1x1": (94.86, 74.59),
        "depthwise": (3.06, 1.06),
        "3x3": (1.19, 0.02),
        "linear": (0.18, 24.33),
    }
    for kind, (work_share, weight_share) in published.items():
        assert 100 * work[kind] / work.total() == pytest.approx(work_share, abs=0.8), kind
        assert 100 * weights[kind] / weights.total() == pytest.approx(weight_share, abs=0.2), kind


# --- the blocks ---


@pytest.mark.parametrize(("activation", "centre"), [(nn.ReLU6, 6.0), (nn.ReLU, 9.0)])
def test_a_separable_convolution_worked_out_by_hand(activation, centre):
    block = DepthwiseSeparableConv(2, 1, activation=activation).eval()
    for part in block.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eps = 0.0  # mean 0 and variance 1: the norm does nothing
    nn.init.ones_(block.depthwise.conv.weight)  # sums of 3 x 3: 4 at a corner, 6 at an edge, 9 in the centre
    block.pointwise.conv.weight = nn.Parameter(torch.tensor([0.5, 1.0]).view(1, 2, 1, 1))
    image = torch.stack([torch.ones(3, 3), torch.full((3, 3), 0.5)])[None]
    # ReLU6 stops the first channel's 9 and the result's 7.5 (0.5 x 6 + 4.5) at 6.
    expected = torch.tensor([[4.0, 6.0, 4.0], [6.0, centre, 6.0], [4.0, 6.0, 4.0]])
    with torch.inference_mode():
        assert torch.equal(block(image)[0, 0], expected)


def test_a_depthwise_filter_sees_one_channel_and_a_pointwise_one_pixel():
    block = DepthwiseSeparableConv(4, 6).eval()
    image = images((1, 4, 7, 7)).requires_grad_()
    maps = block.depthwise.conv(image)
    (gradient,) = torch.autograd.grad(maps[0, 2, 3, 3], image)
    assert gradient[0, 2].count_nonzero() == 9
    assert gradient.count_nonzero() == 9
    (gradient,) = torch.autograd.grad(block.pointwise.conv(image)[0, 5, 3, 3], image)
    assert gradient[0, :, 3, 3].count_nonzero() == gradient.count_nonzero() == 4


def test_an_inverted_residual_without_residual_is_the_identity_or_nothing():
    image = 10 * images((2, 16, 5, 5))  # far below 0 and above 6: an activation on the way would show
    for block, has_shortcut in (
        (InvertedResidual(16, 16, 1, 6), True),
        (InvertedResidual(16, 16, 1, 1), True),
        (InvertedResidual(16, 24, 1, 6), False),
        (InvertedResidual(16, 16, 2, 6), False),
    ):
        nn.init.zeros_(block.bn.weight)
        with torch.inference_mode():
            out = block.eval()(image)
        assert torch.equal(out, image) if has_shortcut else out.count_nonzero() == 0


def test_the_narrow_end_is_linear():
    """Scaled in the middle of a block, after its last activation, the output follows in proportion, negative or not."""
    torch.manual_seed(0)
    block = InvertedResidual(8, 12, 1, 6).eval()
    wide = images((2, 48, 5, 5))
    with torch.inference_mode():
        block.bn.eps = 0.0
        narrow = block.bn(block.project(wide))
        assert narrow.min() < 0
        block.depthwise = nn.Identity()
        block.expand = nn.Identity()
        torch.testing.assert_close(block(2 * wide), 2 * narrow)


# --- the networks ---


def test_v1_is_the_papers_table_1():
    rows = [(conv.groups > 1, conv.stride[0], conv.out_channels) for conv in convolutions(on_meta(mobilenet_v1))]
    channels = [32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024]
    strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]  # the last is 2 in the paper's print, 1 in its sizes
    table = [(False, 2, 32)]
    for before, after, stride in zip(channels[:-1], channels[1:], strides, strict=True):
        table += [(True, stride, before), (False, 1, after)]
    assert rows == table


def test_v2_is_the_papers_table_2():
    network = on_meta(mobilenet_v2)
    assert isinstance(network, MobileNetV2)
    table = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for number, (expand, channels, repeats, stride) in enumerate(table, start=1):
        stage = list(getattr(network, f"stage{number}"))
        assert len(stage) == repeats
        assert [block.depthwise.conv.stride[0] for block in stage] == [stride] + [1] * (repeats - 1)
        assert {block.project.out_channels for block in stage} == {channels}
        assert {Fraction(block.depthwise.conv.in_channels, block_input(block)) for block in stage} == {expand}
        assert [block.has_shortcut for block in stage] == [False] + [True] * (repeats - 1)


def block_input(block: InvertedResidual) -> int:
    first = block.depthwise if isinstance(block.expand, nn.Identity) else block.expand
    assert isinstance(first, ConvNormReLU)
    return first.conv.in_channels


def test_a_narrow_v2_keeps_its_head_and_a_wide_one_widens_it():
    heads = {width: on_meta(mobilenet_v2, width=width).head.conv.out_channels for width in (0.35, 1.0, 1.4)}
    assert heads == {0.35: 1280, 1.0: 1280, 1.4: 1792}


def test_the_papers_relu_replaces_every_relu6_and_nothing_else():
    ours, paper = on_meta(mobilenet_v1), on_meta(mobilenet_v1, activation=nn.ReLU)
    assert {name: part.shape for name, part in ours.state_dict().items()} == {
        name: part.shape for name, part in paper.state_dict().items()
    }
    assert not any(isinstance(part, nn.ReLU6) for part in paper.modules())
    for network, kind in ((ours, nn.ReLU6), (paper, nn.ReLU)):
        assert sum(isinstance(part, kind) for part in network.modules()) == 27  # after each convolution


@BOTH
def test_every_activation_runs_once_under_its_own_name(build):
    network = on_meta(build).eval()
    calls: Counter[str] = Counter()
    for path, part in network.named_modules():
        if isinstance(part, nn.ReLU6):
            part.register_forward_hook(lambda part, inputs, out, path=path: calls.update([path]))
    network(torch.empty(1, 3, 32, 32, device="meta"))
    assert set(calls.values()) == {1}
    assert len(calls) == {mobilenet_v1: 1 + 13 * 2, mobilenet_v2: 1 + 1 + 16 * 2 + 1}[build]


@BOTH
def test_a_single_pixel_is_enough(build):
    with torch.inference_mode():
        logits = build(num_classes=5).eval()(torch.ones(1, 3, 1, 1))
    assert logits.shape == (1, 5)
    assert torch.isfinite(logits).all()


def test_weights_start_as_torchvisions():
    torch.manual_seed(0)
    ours = mobilenet_v2()
    torch.manual_seed(0)
    theirs = rename(torchvision.models.mobilenet_v2().state_dict(), RENAMES)
    assert ours.head.conv.weight.std().item() == pytest.approx((2 / 1280) ** 0.5, rel=0.02)
    assert ours.classifier.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert (ours.classifier.bias == 0).all()
    for name, weight in ours.state_dict().items():  # the same layers are drawn in the same order
        assert torch.equal(weight, theirs[name]), name


def test_v1_starts_likewise():
    torch.manual_seed(0)
    network = mobilenet_v1()
    assert isinstance(network, MobileNetV1)
    assert network.stage5[1].pointwise.conv.weight.std().item() == pytest.approx((2 / 1024) ** 0.5, rel=0.02)
    assert network.stage5[1].depthwise.conv.weight.std().item() == pytest.approx((2 / 9 / 1024) ** 0.5, rel=0.05)
    assert network.classifier.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert (network.classifier.bias == 0).all()
