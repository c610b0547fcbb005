"""The effective field: by hand, by brute force, and never outside the theoretical one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from explorer import receptive_field
from explorer.catalogue import Architecture
from explorer.effective import NoSuchUnit
from explorer.graph import trace
from explorer.preprocessing import Preprocessing
from tests.conftest import wrapped
from tests.toy import CARD

RECIPE = Preprocessing(resize=12, crop=12, mean=(0.0,) * 3, std=(1.0,) * 3)


def model(*layers: nn.Module, card: Architecture = CARD):
    torch.manual_seed(3)
    return wrapped(nn.Sequential(*layers, nn.Flatten()), card, RECIPE, classes=0)


@pytest.fixture
def photo() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8))


def test_one_convolution_by_hand(photo):
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 2, 3, padding=1, bias=False)
    found = receptive_field.effective(model(conv), photo, "0", (4, 6))
    expected = np.zeros((12, 12))
    expected[3:6, 5:8] = conv.weight.detach().sum(dim=0).abs().sum(dim=0).numpy()
    np.testing.assert_allclose(found.gradient, expected, atol=1e-6)
    assert found.box == (5, 3, 8, 6)
    assert found.field.size == 3
    assert found.inside == pytest.approx(1)
    assert 1 <= found.half <= 4  # the middle of the gradient need not be the middle of a pixel


def test_a_corner_is_cut_off_by_the_border(photo):
    found = receptive_field.effective(model(nn.Conv2d(3, 2, 5, padding=2)), photo, "0", (0, 11))
    assert found.box == (9, 0, 12, 3)
    assert found.inside == pytest.approx(1)


@pytest.mark.parametrize("unit", [(0, 0), (2, 1), (2, 2)])
def test_changing_any_pixel_outside_changes_nothing_and_inside_something(photo, unit):
    """Brute force: every pixel is changed, one after the other, and the unit is computed again."""
    network = model(nn.Conv2d(3, 3, 3, stride=2, padding=1), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(3, 2, 1))
    found = receptive_field.effective(network, photo, "3", unit)
    inputs = network.preprocess(photo)

    def value(x: torch.Tensor) -> float:
        with torch.no_grad():
            return float(network.module[:4](x)[0, :, unit[0], unit[1]].double().sum())

    before, changed = value(inputs), np.zeros((12, 12), bool)
    for row in range(12):
        for column in range(12):
            other = inputs.clone()
            other[0, :, row, column] += 0.5
            changed[row, column] = abs(value(other) - before) > 1e-7
    left, top, right, bottom = found.box
    inside = np.zeros((12, 12), bool)
    inside[top:bottom, left:right] = True
    assert (changed == inside).all()
    assert ((found.gradient > 0) == changed).all()


def test_real_networks_look_only_where_theory_lets_them(lite0, resnet18, photos):
    for network, layer in ((lite0, "features.3"), (lite0, "features.5"), (resnet18, "layer1"), (resnet18, "layer2")):
        found = receptive_field.effective(network, photos["coffee"], layer, (3, 4))
        assert found.inside == pytest.approx(1, abs=1e-6)
        left, _, right, _ = found.box
        assert 1 < found.half < right - left  # the middle counts most
        assert not found.field.whole


def test_attention_may_see_everything(photos):
    from explorer import models

    vit = models.load("vit_b_32", "random", "cpu")
    found = receptive_field.effective(vit, photos["coffee"], "blocks.0", (3, 3))
    assert found.field.whole
    assert found.box == (0, 0, 224, 224)
    assert (found.gradient > 0).mean() > 0.99


def test_units_that_do_not_exist_are_named(photo):
    network = model(nn.Conv2d(3, 2, 3))
    with pytest.raises(NoSuchUnit, match="0 has 10 x 10 units; there is none at row 10, column 0"):
        receptive_field.effective(network, photo, "0", (10, 0))
    with pytest.raises(NoSuchUnit, match="0 x 0"):
        receptive_field.effective(network, photo, "1", (0, 0))


def test_a_layer_of_many_operations_has_the_field_of_its_last(resnet18):
    graph = trace(resnet18.module, (1, 3, 64, 64))
    assert [graph.field_of(f"layer{number}").size for number in (1, 2, 3, 4)] == [43, 99, 211, 435]
    assert graph.field_of("nothing") is None


def test_a_module_called_twice_has_a_field_for_each_call(photo):
    from tests.toy import toy

    graph = trace(toy().module, (1, 3, 2, 2))
    assert graph.field_of("relu#1").size == graph.field_of("relu#2").size == 1
    assert graph.field_of("relu") is None
