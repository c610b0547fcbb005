"""Statistics of feature maps, the layers a page opens with, and the sheet that shows them."""

from __future__ import annotations

import numpy as np
import pytest

from explorer import activations, atlas, models, palettes
from explorer.activations import FeatureMaps
from tests.toy import toy

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
