"""Stacks of windows against PyTorch's own modules, brute force, and the fields of real networks."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from explorer import catalogue, network_stacks, stacks
from explorer.graph import trace
from explorer.network_stacks import OwnStack
from explorer.receptive_field import ReceptiveField
from explorer.stacks import PRESETS, Layer

ROOT = Path(__file__).parents[1]


def test_importing_it_imports_no_torch():
    code = "import sys, explorer.stacks, explorer.network_stacks; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def module(layer: Layer) -> nn.Module:
    """PyTorch's own layer, in one dimension."""
    if layer.kind == "max pool":
        return nn.MaxPool1d(layer.kernel, layer.stride, layer.padding, layer.dilation)
    if layer.kind == "average pool":
        return nn.AvgPool1d(layer.kernel, layer.stride, layer.padding)
    made = nn.Conv1d(1, 1, layer.kernel, layer.stride, layer.padding, layer.dilation, bias=False).double()
    nn.init.constant_(made.weight, 1 / layer.kernel)
    return made


def draw(random_: random.Random, legal: bool) -> Layer:
    kind = random_.choice(stacks.KINDS)
    kernel, stride, dilation = random_.choice((1, 2, 3, 5)), random_.choice((1, 1, 2, 3)), random_.choice((1, 1, 2, 3))
    if legal and kind == "average pool":
        dilation = 1
    padding = random_.choice((0, 0, 1, 2))
    if legal and kind != "conv":
        padding = min(padding, kernel // 2)
    return Layer(kind, kernel, stride, padding, dilation)


@pytest.mark.parametrize("seed", range(40))
def test_sizes_and_cells_are_what_changes_when_pixels_are_perturbed(seed):
    random_ = random.Random(seed)
    for _ in range(5):  # 200 stacks in all
        pixels, layers = random_.randint(6, 40), [draw(random_, legal=True) for _ in range(random_.randint(1, 4))]
        examined = stacks.examine(layers, pixels)
        signal = torch.ones(pixels + 1, 1, pixels, dtype=torch.float64)
        signal[:pixels, 0] += torch.eye(pixels, dtype=torch.float64)  # one pixel brighter in each, none in the last
        reads = [{pixel} for pixel in range(pixels)]
        for each in examined:
            if each.field is None:
                break
            with torch.no_grad():
                linear = each.layer
                if linear.kind == "max pool":  # a maximum hides what it reads; positive weights do not
                    linear = Layer("conv", linear.kernel, linear.stride, linear.padding, linear.dilation)
                assert module(each.layer)(signal).shape[-1] == each.size
                signal = module(linear)(signal)
            changed = (signal[:-1] != signal[-1:])[:, 0].numpy()  # (pixel, unit)
            size, field = len(reads), each.field
            reads = [
                set().union(*(reads[cell] for cell in each.layer.reads(unit) if 0 <= cell < size))
                for unit in range(each.size)
            ]
            for unit, mine in enumerate(reads):
                assert set(np.flatnonzero(changed[:, unit])) == mine
                first, last = field.interval(unit)
                assert all(first <= pixel <= last for pixel in mine)
                assert field.centre(unit) == (first + last) / 2 == field.centre(0) + unit * field.stride


def test_fields_reach_as_far_as_the_pixels_that_units_far_from_the_border_read():
    random_ = random.Random(0)
    for _ in range(50):
        layers = [draw(random_, legal=True) for _ in range(3)]
        examined = stacks.examine(layers, 200)
        field, unit = examined[-1].field, examined[-1].size // 2
        assert field is not None
        cells = {unit}
        for layer in reversed(layers):
            cells = {cell for each in cells for cell in layer.reads(each)}
        assert (min(cells), max(cells)) == field.interval(unit)
        assert max(cells) - min(cells) + 1 == field.size


@pytest.mark.parametrize("seed", range(20))
def test_a_layer_is_refused_where_pytorch_refuses_it(seed):
    random_ = random.Random(seed)
    for _ in range(20):
        layer, size = draw(random_, legal=False), random_.randint(1, 9)
        refused = False
        if layer.kind == "average pool" and layer.dilation > 1:
            refused = True  # its module has no such argument at all
        else:
            try:
                module(layer)(torch.zeros(1, 1, size, dtype=torch.float64))
            except RuntimeError:
                refused = True
        assert bool(stacks.refusal(layer, size)) == refused, (layer, size)


def test_an_impossible_layer_says_why_and_those_before_it_stay():
    layers = (stacks.conv(3, 2), stacks.conv(3, 2), stacks.conv(7), stacks.conv(3))
    first, second, third, fourth = stacks.examine(layers, 20)
    assert (first.size, second.size) == (9, 4)
    assert third.reason == (
        "Layer 3: a window of 7 does not fit into 4 values; choose a smaller kernel or dilation, more padding, or a "
        "larger input."
    )
    assert third.field is fourth.field is None
    assert not fourth.reason
    assert "at least 1" in stacks.examine([Layer(stride=0)], 9)[0].reason
    assert "(1 and padding)" in stacks.examine([Layer(kernel=4, padding=1)], 1)[0].reason


def sizes(name: str) -> list[int]:
    return [each.field.size for each in stacks.examine(PRESETS[name], 32) if each.field]


def test_presets_see_what_the_guide_says():
    assert sizes("The guide's six layers") == [3, 5, 6, 10, 14, 16]
    assert sizes("Two 3 × 3")[-1] == sizes("One 5 × 5")[-1] == 5
    assert sizes("Three 3 × 3")[-1] == sizes("One 7 × 7")[-1] == 7
    assert sizes("Dilated 1 2 4 8") == [3, 7, 15, 31]
    assert sizes("ResNet's stem") == [7, 11]
    assert sizes("Strides without padding") == [3, 7, 15]
    assert not any(each.reason for layers in PRESETS.values() for each in stacks.examine(layers, 32))


def test_savings_are_those_of_real_layers():
    two, three = stacks.saving((3, 3), 64, side=8), stacks.saving((3, 3, 3), 64)
    assert (two.weights, two.single_weights, two.single) == (18 * 64**2, 25 * 64**2, 5)
    assert (three.weights, three.single_weights, three.single) == (27 * 64**2, 49 * 64**2, 7)
    assert two.saved == pytest.approx(0.28)
    assert three.saved == pytest.approx(1 - 27 / 49)
    layers = nn.Sequential(*(nn.Conv2d(64, 64, 3, padding=1, device="meta") for _ in range(2)))
    assert sum(each.numel() for each in layers.parameters()) == two.weights + two.biases
    assert sum(each.numel() for each in nn.Conv2d(64, 64, 5, device="meta").parameters()) == (
        two.single_weights + two.single_biases
    )
    graph = trace(layers, (1, 64, 8, 8))
    assert graph.macs == two.macs
    assert stacks.saving((3,), 2, field=5).single == 5
    assert stacks.saving((1, 1), 2).saved < 0


# Real networks


def own(slug: str) -> OwnStack:
    card = catalogue.get(slug)
    with torch.device("meta"):
        network = card.build()
    return network_stacks.of_network(trace(network, (1, card.channels, card.input_size, card.input_size)))


# slug: field, stride, padding, units along a side of the last map; the first three measured with gradients before this
# code was written (receptive_fields.json; tests/test_receptive_field.py measures the others)
FIELDS = {
    "lenet5": (32, 4, 0, 1),
    "alexnet": (195, 32, 66, 6),
    "vgg16": (212, 32, 90, 7),
    "googlenet": (379, 32, 167, 7),
    "resnet18": (435, 32, 217, 7),
    "resnet50": (427, 32, 213, 7),
    "mobilenet_v1": (315, 32, 157, 7),
    "mobilenet_v2": (491, 32, 245, 7),
    "densenet121": (2071, 32, 1021, 7),
    "efficientnet_lite0": (851, 32, 394, 7),
    "convnext_tiny": (1688, 32, 828, 7),
    "unet": (140, 16, 62, 16),
    "efficientnet_b0": (851, 32, 425, 7),
}


@pytest.mark.parametrize("slug", FIELDS)
def test_a_networks_own_stack_sees_what_its_graph_says(slug):
    found = own(slug)
    examined = stacks.examine(found.layers, found.pixels)
    assert not any(each.reason for each in examined)
    size, stride, padding, units = FIELDS[slug]
    assert examined[-1].field == ReceptiveField(size, stride, padding)
    assert examined[-1].size == units
    assert (found.field.size, found.field.stride, found.field.padding) == (size, stride, padding)


def test_what_no_window_explains_is_said():
    vit = own("vit_b_16")
    assert vit.layers == (Layer("conv", 16, 16, name="patch_embedding.projection"),)
    assert "whole image" in vit.note
    assert "gates" in own("efficientnet_b0").note
    assert "larger again" in own("unet").note
    assert not own("resnet18").note


def test_uneven_padding_is_kept_and_idle_runs_are_one_layer():
    lite = own("efficientnet_lite0").layers
    assert (lite[0].kernel, lite[0].stride, lite[0].padding, lite[0].extra) == (3, 2, 0, 1)  # TensorFlow's SAME on 224
    for before, after in itertools.pairwise(lite):
        assert not before.kernel == after.kernel == 1
    pools = [layer for layer in own("googlenet").layers if layer.kind == "max pool" and layer.stride == 2]
    assert pools
    assert all(layer.extra for layer in pools[:3])  # ceil_mode: 112 to 56 with a window of 3
