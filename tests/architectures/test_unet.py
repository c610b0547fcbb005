"""U-Net against the guide's counts and sizes, closed forms, and what its copies and its poolings must do."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer.architectures.image_size import IllegalSize
from explorer.architectures.unet import DoubleConv, UNet, unet
from explorer.cost import count
from tests.architectures.live_weights import images

FACTS = json.loads((Path(__file__).parents[1] / "reference" / "guide_facts.json").read_text(encoding="utf-8"))[
    "guide_models"
]
NARROW = (4, 6, 8, 10)

# First and last row that a score of the guide's network depends on, for each remainder of its row by 16. Measured.
# fmt: off
SEEN = [
    (-94, 93), (-95, 92), (-96, 107), (-97, 106), (-98, 105), (-99, 104), (-100, 103), (-101, 102),
    (-102, 101), (-103, 100), (-104, 99), (-105, 98), (-106, 97), (-107, 96), (-92, 95), (-93, 94),
]
# fmt: on


def on_meta(**options: Any) -> UNet:
    with torch.device("meta"):
        return unet(**options)


def narrow(**options: Any) -> UNet:
    """Four levels and few channels, fresh weights, in double precision."""
    torch.manual_seed(0)
    return unet(widths=NARROW, **options).double().eval()


# --- counts and sizes ---


@pytest.mark.parametrize(
    ("fact", "options"),
    [
        ("UNet(1,2) 572", {}),
        ("UNet(1,2) 256", {}),
        ("UNet(3,21) 256", {"in_channels": 3, "num_classes": 21}),
        ("UNet(1,2) without BN (paper-like)", {"batch_norm": False}),
    ],
)
def test_parameters_and_macs_are_the_guides(fact, options):
    expected, network = FACTS[fact], on_meta(**options)
    cost = count(network, expected["input"])
    assert (cost.parameters, cost.macs) == (expected["params"], expected["macs"])
    assert sum(buffer.numel() for buffer in network.buffers()) == expected["buffers"]
    with torch.no_grad():
        assert list(network(torch.empty(expected["input"], device="meta")).shape) == expected["output"]


def test_a_double_convolution_costs_what_the_guides_does():
    expected = FACTS["DoubleConv(1,64)"]
    cost = count(DoubleConv(1, 64), expected["input"])
    assert (cost.parameters, cost.macs) == (expected["params"], expected["macs"])


@pytest.mark.parametrize("widths", [(64, 128, 256, 512), (3, 5), (7,)])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_parameters_follow_from_the_widths(widths, batch_norm):
    def double(before: int, after: int) -> int:
        norms = 4 * after if batch_norm else 0
        return 9 * before * after + after + 9 * after * after + after + norms

    levels = [*widths, 2 * widths[-1]]
    down = sum(double(before, after) for before, after in zip([3, *widths], levels, strict=True))
    up = sum(4 * a * b + b + double(2 * b, b) for b, a in zip(widths, levels[1:], strict=True))
    final = widths[0] * 5 + 5
    network = on_meta(in_channels=3, num_classes=5, widths=widths, batch_norm=batch_norm)
    assert count(network, (1, 3, 64, 64)).parameters == down + up + final


def sizes(network: UNet, side: int) -> list[list[Any]]:
    found: list[list[Any]] = []
    for name, part in network.named_modules():
        if name == "bottleneck" or name.rpartition(".")[0] in ("encoders", "decoders"):
            part.register_forward_hook(lambda part, inputs, out, name=name: found.append([name, list(out.shape[1:])]))
    with torch.no_grad():
        network(torch.empty(1, 1, side, side, device="meta"))
    return found


def test_sizes_at_572_are_the_guides():
    assert sizes(on_meta(), 572) == FACTS["UNet 572 sizes"]


@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 31), (40, 64), (33, 129)])
def test_every_size_from_16_on_is_kept(height, width):
    with torch.no_grad():
        assert narrow()(torch.zeros(1, 1, height, width).double()).shape == (1, 2, height, width)


def test_a_smaller_image_is_refused_with_the_rule():
    with pytest.raises(IllegalSize) as error:
        on_meta()(torch.empty(1, 1, 64, 15, device="meta"))
    assert str(error.value) == (
        "U-Net needs sides of at least 16 pixels, this image is 64 x 15: each of its 4 poolings halves the image; "
        "enlarge it."
    )
    with torch.no_grad():
        assert on_meta(widths=(8, 16)).eval()(torch.empty(1, 1, 4, 4, device="meta")).shape == (1, 2, 4, 4)


# --- what it computes ---


def by_hand(network: Any, image: Tensor) -> Tensor:
    """Two levels, written out from Figure 1, on the network's own weights."""

    def double(x: Tensor, part: Any) -> Tensor:
        for conv in (part.conv1, part.conv2):
            x = F.conv2d(x, conv.weight, conv.bias, padding=1).clamp(min=0)
        return x

    first = double(image, network.encoders[0])
    second = double(F.max_pool2d(first, 2), network.encoders[1])
    below = double(F.max_pool2d(second, 2), network.bottleneck)
    up = F.conv_transpose2d(below, network.decoders[0].weight, network.decoders[0].bias, stride=2)
    second = double(torch.cat([second, up], dim=1), network.decoders[1])
    up = F.conv_transpose2d(second, network.decoders[2].weight, network.decoders[2].bias, stride=2)
    first = double(torch.cat([first, up], dim=1), network.decoders[3])
    return F.conv2d(first, network.final.weight, network.final.bias)


def test_two_levels_are_figure_1():
    torch.manual_seed(0)
    network = unet(widths=(4, 6), batch_norm=False).double()
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter, std=0.1)
    image = images((2, 1, 12, 20)).double()
    scores = network(image)
    assert scores.std() > 0.1
    assert torch.allclose(scores, by_hand(network, image), atol=1e-12)


def test_a_missing_row_is_filled_with_its_neighbour():
    # One level, weights that copy: the answer is the skip plus the pooled image, upsampled to 5 from 4 as 0 0 1 2 3.
    network = unet(num_classes=1, widths=(1,), batch_norm=False).double()
    for name, parameter in network.named_parameters():
        nn.init.zeros_(parameter)
        if "conv" in name and name.endswith("weight"):
            parameter.data[0, :, 1, 1] = 1
    network.decoders[0].weight.data[0] = 1
    network.final.weight.data[:] = 1
    column = torch.tensor([1.0, 5.0, 2.0, 3.0, 9.0]).double()
    image = column[:, None].expand(5, 4)[None, None]
    pooled = torch.tensor([5.0, 3.0]).double()
    upsampled = pooled[[0, 0, 0, 1, 1]]  # 5 5 3 3, of which nearest takes rows 0 0 1 2 3
    assert torch.equal(network(image)[0, 0, :, 0], column + upsampled)


def test_shifting_the_image_by_16_shifts_the_scores_and_by_8_does_not():
    network, side = narrow(), 288
    reach = max(max(-first, last) for first, last in SEEN)
    wide = images((1, 1, side, side + 16)).double()
    with torch.inference_mode():
        here, by_8, by_16 = (network(wide[..., shift : shift + side]) for shift in (0, 8, 16))
    rows, left, right = slice(reach, side - reach), reach, side - reach - 16  # what no border touches
    assert (here[:, :, rows, left + 16 : right + 16] - by_16[:, :, rows, left:right]).abs().max() < 1e-12
    assert (here[:, :, rows, left + 8 : right + 8] - by_8[:, :, rows, left:right]).abs().max() > 1e-3


def rows_seen(network: UNet, side: int, row: int) -> tuple[int, int]:
    """The first and last row of the image on which a score depends, measured by its gradient, relative to its row."""
    image = torch.ones(1, 1, side, 16, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(image)[0, 0, row].sum(), image)
    seen = gradient.abs().sum(dim=3).flatten().nonzero().flatten()
    return int(seen.min()) - row, int(seen.max()) - row


def test_a_score_sees_what_was_measured_on_the_guides_network():
    network = narrow(num_classes=1, batch_norm=False)
    for part in list(network.modules()):
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):  # positive, so that no two paths cancel
            nn.init.constant_(part.weight, 1 / part.weight[0].numel())
    for index in range(4):  # a maximum would hide all but one
        network.pools[index] = nn.AvgPool2d(2)
    assert [rows_seen(network, 320, 160 + remainder) for remainder in range(16)] == SEEN


def test_the_copy_carries_detail_that_the_deeper_path_does_not_need():
    network = narrow()
    nn.init.zeros_(network.decoders[6].weight)  # nothing comes up from below: two levels of two 3x3 convolutions
    image = images((1, 1, 64, 64)).double()
    changed = image.clone()
    changed[0, 0, 30, 20] += 1
    with torch.inference_mode():
        differs = (network(changed) - network(image)).abs().amax(dim=(0, 1)) > 1e-9
    rows, columns = differs.nonzero().unbind(1)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (26, 34, 16, 24)


@pytest.mark.parametrize("level", range(4))
def test_every_copy_reaches_the_scores_alone_and_comes_first(level):
    """Only the copy of one level is left on the way: the first half of the channels that its decoder takes."""
    network = narrow(batch_norm=False)
    nn.init.zeros_(network.decoders[6 - 2 * level].weight)  # from below
    for higher in range(level):
        width = NARROW[higher]
        nn.init.zeros_(network.decoders[7 - 2 * higher].conv1.weight[:, :width])  # the finer copies
    batch = images((2, 1, 32, 32)).double()
    with torch.inference_mode():
        assert network(batch).std(dim=0).mean() > 1e-3
        nn.init.zeros_(network.decoders[7 - 2 * level].conv1.weight[:, : NARROW[level]])
        assert (network(batch)[0] - network(batch)[1]).abs().max() < 1e-12


def test_every_module_runs_once_under_its_own_name():
    network = narrow()
    calls: Counter[str] = Counter()
    leaves = [name for name, part in network.named_modules() if next(part.children(), None) is None]
    for name in leaves:
        network.get_submodule(name).register_forward_hook(lambda part, inputs, out, name=name: calls.update([name]))
    with torch.inference_mode():
        network(images((1, 1, 32, 32)).double())
    assert calls == dict.fromkeys(leaves, 1)
    assert sum(isinstance(part, nn.ReLU) for part in network.modules()) == 18
    assert sum(isinstance(part, nn.MaxPool2d) for part in network.modules()) == 4


# --- training ---


@pytest.mark.parametrize("batch_norm", [True, False])
def test_training_reaches_every_parameter_for_other_channels_and_classes(batch_norm):
    network = narrow(num_classes=7, in_channels=5, batch_norm=batch_norm).train()
    target = torch.randint(7, (3, 36, 50), generator=torch.Generator().manual_seed(0))
    loss = F.cross_entropy(network(images((3, 5, 36, 50)).double()), target)
    names, parameters = zip(*network.named_parameters(), strict=True)
    for name, gradient in zip(names, torch.autograd.grad(loss, parameters), strict=True):
        assert torch.isfinite(gradient).all(), name
        before_norm = batch_norm and "conv" in name and name.endswith("bias")
        assert (gradient.abs().max() < 1e-12) if before_norm else (gradient.abs().max() > 1e-6), name


def test_at_the_smallest_size_training_needs_two_images():
    network = narrow().train()
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        network(torch.zeros(1, 1, 16, 16).double())
    assert network(images((2, 1, 16, 16)).double()).shape == (2, 2, 16, 16)
    assert narrow(batch_norm=False).train()(torch.zeros(1, 1, 16, 16).double()).shape == (1, 2, 16, 16)


def test_weights_start_as_the_papers_and_biases_as_zero():
    torch.manual_seed(0)
    network = unet(widths=(32, 64), num_classes=3)
    assert network.encoders[1].conv1.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 32)), rel=0.03)
    assert network.bottleneck.conv2.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 128)), rel=0.02)
    assert network.decoders[0].weight.std().item() == pytest.approx(math.sqrt(2 / 128), rel=0.03)
    assert all((p == 0).all() for name, p in network.named_parameters() if name.endswith("bias"))
    assert all((p.weight == 1).all() for p in network.modules() if isinstance(p, nn.BatchNorm2d))
    torch.manual_seed(0)
    again = unet(widths=(32, 64), num_classes=3)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))


def test_the_signal_neither_dies_nor_explodes_on_its_way():
    torch.manual_seed(0)
    network = unet(widths=(32, 64, 128, 256), batch_norm=False).eval()
    with torch.inference_mode():
        scores = network(images((2, 1, 64, 64)))
    assert 0.2 < scores.std() < 10
