"""How far units see by depth: squares that hold a share, by brute force, and layers that stand for the whole."""

from __future__ import annotations

import numpy as np
import pytest

from explorer import effective, growth, receptive_field


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_the_side_that_holds_a_share_is_the_smallest(share):
    # Symmetric about its middle pixel, so that brute force over odd squares finds the same.
    rows, columns = np.indices((21, 21)) - 10
    gradient = np.exp(-(rows**2 + columns**2) / 30).astype(np.float32)
    side = effective.side_holding(gradient, share)

    def held(side: int) -> float:
        half = side // 2
        return float(gradient[10 - half : 11 + half, 10 - half : 11 + half].sum() / gradient.sum())

    assert side % 2 == 1
    assert held(side) >= share > held(side - 2)


def test_nothing_is_held_where_there_is_no_gradient():
    assert effective.side_holding(np.zeros((4, 4), np.float32), 0.5) == 0


def test_layers_run_through_the_network(lite0):
    chosen = growth.layers(lite0)
    depths = [growth.depth(lite0, layer.name) for layer in chosen]
    assert 5 <= len(chosen) <= 6
    assert depths == sorted(depths)
    assert depths[0] < 0.3
    assert chosen[-1].name == "features.8"


def test_what_is_measured_at_one_depth(lite0, photos):
    found = receptive_field.effective(lite0, photos["coffee"], "features.3", (14, 14))
    here = growth.reach(lite0, found)
    assert here.theoretical == 67
    assert not here.whole
    assert 0 < here.half == found.half < here.most <= 67
    deep = receptive_field.effective(lite0, photos["coffee"], "features.8", (3, 3))
    assert growth.reach(lite0, deep).theoretical == 224  # 851 pixels, of which the photo has 224
