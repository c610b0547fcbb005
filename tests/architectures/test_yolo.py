"""YOLO: the guide's counts, the layout of its output, and what each cell of its grid can see."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from explorer.architectures.image_size import IllegalSize
from explorer.architectures.yolo import YOLO, YOLOHead, yolo
from explorer.cost import count
from tests.architectures.live_weights import images, make_live

FACTS = json.loads((Path(__file__).parents[1] / "reference" / "guide_facts.json").read_text(encoding="utf-8"))
NARROW = (4, 4, 6, 6, 8, 8)


def live(batch: Tensor) -> YOLO:
    torch.manual_seed(0)
    network = yolo(num_classes=2, widths=NARROW)
    make_live(network, batch)
    return network.double()


# --- counts ---


def test_the_head_costs_and_returns_what_the_guides_does():
    expected = FACTS["guide_models"]["YOLOHead(512,3,80)"]
    with torch.device("meta"):
        head = YOLOHead(512, 3, 80)
        assert list(head(torch.empty(expected["input"])).shape) == expected["output"] == [1, 3, 13, 13, 85]
    cost = count(head, expected["input"])
    assert (cost.parameters, cost.macs) == (expected["params"], expected["macs"]) == (4_983_039, 841_571_328)
    assert sum(buffer.numel() for buffer in head.buffers()) == expected["buffers"]


@pytest.mark.parametrize(
    ("anchors", "classes", "channels"),
    [(3, 80, 255), (5, 20, 125), (2, 1, 12)],  # 125: YOLOv2 on VOC
)
def test_a_cell_has_anchors_times_five_and_the_classes(anchors, classes, channels):
    with torch.device("meta"):
        head = YOLOHead(8, anchors, classes)
    assert head.predict.out_channels == channels


def test_the_network_costs_what_its_convolutions_sum_to_at_416():
    with torch.device("meta"):
        network = yolo()
    widths, sides = (3, 16, 32, 64, 128, 256, 512), (416, 208, 104, 52, 26, 13)
    pairs = list(zip(widths, widths[1:], sides, strict=False))
    head = FACTS["guide_models"]["YOLOHead(512,3,80)"]
    cost = count(network, (1, 3, 416, 416))
    assert cost.parameters == head["params"] + sum(9 * before * after + 2 * after for before, after, _ in pairs)
    assert cost.macs == head["macs"] + sum(9 * before * after * side**2 for before, after, side in pairs)


def test_416_pixels_become_13_cells_of_32_on_the_way_of_tiny_yolo():
    with torch.device("meta"):
        network = yolo()
    found: list[tuple[str, tuple[int, ...]]] = []
    for name, part in network.backbone.named_children():
        part.register_forward_hook(lambda part, inputs, out, name=name: found.append((name, tuple(out.shape[1:]))))
    assert network(torch.empty(2, 3, 416, 416, device="meta")).shape == (2, 3, 13, 13, 85)
    assert found == [
        ("block1", (16, 416, 416)),
        ("pool1", (16, 208, 208)),
        ("block2", (32, 208, 208)),
        ("pool2", (32, 104, 104)),
        ("block3", (64, 104, 104)),
        ("pool3", (64, 52, 52)),
        ("block4", (128, 52, 52)),
        ("pool4", (128, 26, 26)),
        ("block5", (256, 26, 26)),
        ("pool5", (256, 13, 13)),
        ("block6", (512, 13, 13)),
    ]


# --- the output ---


def test_each_number_of_the_output_is_the_1x1_convolutions_at_its_place():
    torch.manual_seed(0)
    head = YOLOHead(6, num_anchors=2, num_classes=3).eval()
    raw: list[Tensor] = []
    head.predict.register_forward_hook(lambda part, inputs, out: raw.append(out))
    with torch.inference_mode():
        predictions = head(images((2, 6, 4, 5)))
    assert predictions.shape == (2, 2, 4, 5, 8)
    for b in range(2):
        for a in range(2):
            for y in range(4):
                for x in range(5):
                    for k in range(8):
                        assert predictions[b, a, y, x, k] == raw[0][b, a * (5 + 3) + k, y, x]


def test_a_bias_moves_one_number_of_one_anchor_in_every_cell():
    torch.manual_seed(0)
    head = YOLOHead(6, num_anchors=3, num_classes=80).eval()
    batch = images((1, 6, 4, 5))
    with torch.inference_mode():
        before = head(batch)
        head.predict.bias[1 * 85 + 4] += 7  # the objectness of the second anchor
        moved = head(batch) - before
    expected = torch.zeros(1, 3, 4, 5, 85)
    expected[:, 1, :, :, 4] = 7
    assert torch.allclose(moved, expected, atol=1e-5)


def test_a_head_by_hand():
    head = YOLOHead(1, num_anchors=1, num_classes=1).eval()
    with torch.no_grad():
        for parameter in (head.conv.weight, head.conv.bias, head.predict.weight, head.predict.bias):
            parameter.zero_()
        head.conv.weight[0, 0] = 1  # the sum around a cell
        head.conv.weight[1, 0] = -1  # and its negative, of which a tenth passes
        head.bn.weight.fill_(math.sqrt(1 + head.bn.eps))  # cancels the fresh norm
        head.predict.weight[:, :, 0, 0] = torch.tensor([[1.0, 0], [0, 1], [1, 1], [0, 0], [2, 0], [0, 10]])
        head.predict.bias[3] = 5
        cells = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, None]
        answer = head(cells)
    assert answer.shape == (1, 1, 2, 2, 6)
    assert torch.allclose(answer, torch.tensor([10.0, -1.0, 9.0, 5.0, 20.0, -10.0]).expand(1, 1, 2, 2, 6))


@pytest.mark.parametrize(("pixel", "cells"), [(0, slice(0, 3)), (223, slice(4, 7))])
def test_a_pixel_changes_only_the_cells_whose_field_holds_it(pixel, cells):
    # Cell i sees 222 pixels, 32 i - 95 to 32 i + 126: the first of 224 lies in cells 0 to 2, the last in 4 to 6.
    batch = images((2, 3, 224, 224))
    network = live(batch)
    before = batch.double()
    after = before.clone()
    after[:, :, pixel, pixel] += 50
    with torch.inference_mode():
        differs = (network(after) - network(before)).abs().amax(dim=(0, 1, 4)) > 1e-9
    expected = torch.zeros(7, 7, dtype=torch.bool)
    expected[cells, cells] = True
    assert torch.equal(differs, expected)


# --- sizes ---


@pytest.mark.parametrize(("size", "grid"), [((32, 32), (1, 1)), ((63, 97), (1, 3)), ((320, 608), (10, 19))])
def test_every_size_from_one_cell_on_gives_its_whole_cells(size, grid):
    with torch.device("meta"):
        network = yolo(num_classes=4, num_anchors=5, widths=NARROW).eval()
        assert network(torch.empty(1, 3, *size)).shape == (1, 5, *grid, 9)


def test_an_image_smaller_than_a_cell_is_refused_with_the_rule():
    with torch.device("meta"), pytest.raises(IllegalSize) as error:
        yolo()(torch.empty(1, 3, 31, 64))
    assert str(error.value) == (
        "YOLO needs sides of at least 32 pixels, this image is 31 x 64: each cell of its grid is 32 pixels wide; "
        "enlarge it."
    )


# --- training ---


def test_every_leaf_runs_once_under_its_own_name():
    network = yolo(num_classes=2, widths=NARROW).eval()
    calls: Counter[str] = Counter()
    leaves = [name for name, part in network.named_modules() if next(part.children(), None) is None]
    for name in leaves:
        network.get_submodule(name).register_forward_hook(lambda part, inputs, out, name=name: calls.update([name]))
    with torch.inference_mode():
        network(images((1, 3, 64, 64)))
    assert calls == dict.fromkeys(leaves, 1)
    slopes = [part.negative_slope for part in network.modules() if isinstance(part, nn.LeakyReLU)]
    assert slopes == [0.1] * 7


def test_weights_start_as_kaiming_for_leaky_relus_and_biases_as_zero():
    torch.manual_seed(0)
    network = yolo()
    for name, fan_in in (("backbone.block5.conv", 9 * 128), ("head.conv", 9 * 512), ("head.predict", 1024)):
        weight = network.get_parameter(f"{name}.weight")
        assert weight.std().item() == pytest.approx(math.sqrt(2 / (1 + 0.1**2) / fan_in), rel=0.01)
    assert all((p == 0).all() for name, p in network.named_parameters() if name.endswith("bias"))
    torch.manual_seed(0)
    again = yolo()
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))
