"""Statistics of feature maps, the layers a page opens with, and the sheet that shows them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from explorer import activations, atlas, catalogue, graph, models, palettes
from explorer.activations import FeatureMaps
from explorer.preprocessing import Preprocessing
from tests.conftest import wrapped
from tests.toy import CARD, toy

MAPS = FeatureMaps(
    "toy",
    np.array([[[0, 0], [0, 0]], [[1, -3], [0, 2]], [[0, 0], [0, 4]], [[2, 2], [2, 2]]], dtype=np.float32),
)


def test_statistics_by_hand():
    assert MAPS.minimum.tolist() == [0, -3, 0, 2]
    assert MAPS.maximum.tolist() == [0, 2, 4, 2]
    assert MAPS.mean.tolist() == [0, 0, 1, 2]
    assert MAPS.strength.tolist() == [0, 1.5, 1, 2]
    assert MAPS.zeros.tolist() == [1, 0.25, 0.75, 0]
    assert MAPS.dead.tolist() == [True, False, False, False]
    assert MAPS.strongest().tolist() == [3, 1, 2, 0]
    assert MAPS.contrast[1] == pytest.approx(np.sqrt((1 + 9 + 0 + 4) / 4))


def test_scale_per_channel_uses_each_channels_own_extremes():
    levels = atlas.quantise(MAPS, np.arange(4), "channel")
    assert levels.levels[1].tolist() == [[204, 0], [153, 255]]  # (1 + 3) / 5, 0, 3 / 5, 1
    assert levels.levels[2].tolist() == [[0, 0], [0, 255]]
    assert levels.levels[0].tolist() == levels.levels[3].tolist() == [[0, 0], [0, 0]]  # constant: nothing to stretch


def test_scale_of_the_layer_is_the_same_for_all():
    levels = atlas.quantise(MAPS, np.array([2, 1]), "layer")
    assert levels.low.tolist() == [-3, -3]
    assert levels.high.tolist() == [4, 4]
    assert levels.levels[0, 1, 1] == 255
    assert levels.levels[1, 0, 1] == 0
    assert levels.levels[0, 0, 0] == round(3 / 7 * 255)


def test_scale_about_zero_puts_zero_in_the_middle():
    levels = atlas.quantise(MAPS, np.arange(4), "symmetric")
    assert levels.low.tolist() == [-4] * 4
    assert levels.high.tolist() == [4] * 4
    assert set(levels.levels[0].ravel()) == {128}  # 127.5 rounds to the even neighbour
    assert levels.levels[1, 0, 1] == round(1 / 8 * 255)


def test_levels_turn_back_into_values():
    random = np.random.default_rng(0).normal(size=(16, 9, 7)).astype(np.float32)
    maps = FeatureMaps("random", random)
    for scale in atlas.SCALES:
        levels = atlas.quantise(maps, np.arange(16), scale)
        spread = (levels.high - levels.low)[:, None, None]
        back = levels.low[:, None, None] + levels.levels / 255 * spread
        assert (np.abs(back - random) <= spread / 255 / 2 + 1e-6).all()


def test_a_sheet_holds_at_most_512_maps_and_4_mb():
    assert atlas.sheets(FeatureMaps("", np.zeros((2048, 7, 7), np.float32))) == 512
    assert atlas.sheets(FeatureMaps("", np.zeros((96, 112, 112), np.float32))) == 334
    assert atlas.sheets(FeatureMaps("", np.zeros((1, 4096, 4096), np.float32))) == 1


def test_picture_shows_each_map_in_its_place():
    levels = atlas.quantise(MAPS, np.array([1, 2, 0]), "channel")
    sheet = atlas.picture(levels, gap=1, enlarge=2)
    assert sheet.shape == (9, 9, 3)  # two rows of two maps, each 4 pixels, one line between
    assert (sheet[0, 0] == palettes.SEQUENTIAL[204]).all()
    assert (sheet[:4, 4] == 255).all()
    assert (sheet[3, 8] == palettes.SEQUENTIAL[255]).all()
    assert (sheet[5:, 5:] == 255).all()  # no fourth map


def test_unknown_scale_is_refused():
    with pytest.raises(atlas.UnknownScale, match="rainbow"):
        atlas.quantise(MAPS, np.arange(4), "rainbow")


def test_colours_of_zero_and_extremes():
    assert palettes.colour(np.array([0.0, 1.0]), palettes.SEQUENTIAL).tolist() == [[68, 1, 84], [253, 231, 37]]
    assert palettes.colour(np.array([0.5]), palettes.DIVERGING).min() >= 254
    negative, positive = palettes.colour(np.array([0.2, 0.8]), palettes.DIVERGING).astype(int)
    assert negative[2] > negative[0]
    assert positive[0] > positive[2]


def test_overlay_leaves_cold_places_alone():
    photo = np.full((2, 2, 3), 100, np.uint8)
    heat = np.array([[0.0, 1.0], [0.5, 0.0]])
    over = palettes.overlay(photo, heat, opacity=1.0)
    assert (over[heat == 0] == 100).all()
    assert (over[0, 1] == palettes.HEAT[255]).all()
    signed = palettes.signed_overlay(photo, np.array([[0.0, 1.0], [-1.0, 0.0]]), opacity=1.0)
    assert (signed[0, 0] == 100).all()
    assert (signed[0, 1] == palettes.DIVERGING[255]).all()
    assert (signed[1, 0] == palettes.DIVERGING[0]).all()


@pytest.mark.parametrize(
    ("slug", "default", "resolutions"),
    [
        ("efficientnet_lite0", "features.8", ["features.1", "features.2", "features.3", "features.5", "features.8"]),
        ("resnet50", "layer4", ["relu", "layer1", "layer2", "layer3", "layer4"]),
    ],
)
def test_layers_to_open_with(slug, default, resolutions):
    model = models.load(slug, "random", "cpu")
    assert activations.default_layer(model).name == default
    assert [layer.name for layer in activations.resolutions(model)] == resolutions


def test_a_vector_is_maps_of_one_unit():
    model = toy()
    from PIL import Image

    maps = activations.feature_maps(model, Image.new("RGB", (2, 2), (255, 0, 0)), ["fc"])["fc"]
    assert maps.values.shape == (2, 1, 1)
    # Red everywhere: channels 0.5 and 0 (-1 rectified); logits 4 * 0.5 + 0.25 and 1.
    assert maps.values.ravel().tolist() == [2.25, 1.0]


def test_steps_between_modules_are_shown_as_the_network_computed_them(lite0, photos):
    names = [layer.name for layer in activations.nodes(lite0)]
    assert [name for name in names if name not in {layer.name for layer in activations.layers(lite0)}][:2] == [
        "features.2.1.add",
        "features.3.1.add",
    ]
    assert names.index("features.2.1.stochastic_depth") < names.index("features.2.1.add") < names.index("features.2.1")
    found = activations.feature_maps(
        lite0, photos["coffee"], ["features.2.0", "features.2.1.block", "features.2.1.add"]
    )
    # By hand: a block with a shortcut gives its branch plus what came in.
    by_hand = found["features.2.0"].values + found["features.2.1.block"].values
    assert (found["features.2.1.add"].values == by_hand).all()


def on_meta(slug: str) -> models.Model:
    """A network that takes no memory."""
    card = catalogue.get(slug)
    with torch.device("meta"):
        module = card.build().eval()
    weights = models.Weights("none", "random")
    return models.Model(card, module, weights, torch.device("meta"), (), card.preprocessing, f"{slug}|nodes")


# What may be left out: it moves numbers, or compares tokens, which is no map of the photo.
MOVES = {
    "flatten",
    "reshape",
    "view",
    "permute",
    "transpose",
    "contiguous",
    "chunk",
    "unbind",
    "getitem",
    "pad",
    "mean",
}
COMPARES = {"matmul", "Softmax", "mul"}


@pytest.mark.parametrize(
    ("slug", "more"),
    [
        ("inception_v3", set()),  # all its ReLUs and half of its poolings are functions
        *((slug, set()) for slug in ("googlenet", "resnet18", "densenet121", "shufflenet_v2_x1_0", "convnext_tiny")),
        *((slug, set()) for slug in ("efficientnet_b0", "swin_t", "unet")),
        ("vit_b_32", COMPARES),
        ("vit_l_32", {"MultiheadAttention"}),  # torchvision's, which answers with two things
    ],
)
def test_every_node_of_the_graph_can_be_shown_but_those_that_only_move(slug, more):
    model = on_meta(slug)
    shown = {layer.name for layer in activations.nodes(model)}
    left = {node.name: node for node in graph.of_model(model).nodes if not shown & {node.name, f"{node.name}#1"}}
    assert {node.operation for node in left.values()} <= MOVES | more
    # Heads of attention, of as many tokens as there are, are no maps.
    assert not [layer.name for layer in activations.nodes(model) if layer.shape == (12, 50, 50)]


def test_a_table_made_of_parameters_is_no_map():
    model = on_meta("swin_v2_t")
    steps = [layer.name for layer in activations.nodes(model) if layer not in activations.layers(model)]
    assert "features.1.0.add" in steps
    assert not [name for name in steps if ".attn." in name]  # 16 times a sigmoid of learnt positions, and the scores


class Functional(nn.Module):
    """One convolution; the rest is functions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        x = F.relu(self.conv(x), inplace=True)
        x = F.interpolate(F.avg_pool2d(F.max_pool2d(x, 2), 2), scale_factor=2)
        return (x - x.sigmoid()).mean(dim=(2, 3))


def test_steps_as_functions_by_hand(photos):
    torch.manual_seed(0)
    module = Functional()
    model = wrapped(module, CARD, Preprocessing(resize=10, crop=10), classes=4)
    steps = ["relu", "max_pool2d", "avg_pool2d", "interpolate", "sigmoid", "sub"]
    assert [layer.name for layer in activations.nodes(model)] == ["conv", *steps]
    found = activations.feature_maps(model, photos["coffee"], ["conv", *steps])
    conv = found["conv"].values
    assert conv.min() < 0  # the ReLU in place has not changed what was heard before it
    relu = np.maximum(conv, 0)
    pooled = relu.reshape(4, 4, 2, 4, 2).max(axis=(2, 4))
    average = pooled.reshape(4, 2, 2, 2, 2).mean(axis=(2, 4))
    large = average.repeat(2, axis=1).repeat(2, axis=2)
    sigmoid = 1 / (1 + np.exp(-large))
    for name, expected in zip(steps, (relu, pooled, average, large, sigmoid, large - sigmoid), strict=True):
        np.testing.assert_allclose(found[name].values, expected, atol=1e-6)
