"""Weights as pictures, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from explorer import filters
from tests.toy import toy


def test_the_toys_filters_by_hand():
    found = filters.find(toy(), "conv")
    assert found.weights[:, :, 0, 0].tolist() == [[1, 0, 0], [-1, 2, 0]]
    assert found.colours
    assert found.pointwise
    assert found.norms(1).tolist() == [1, 2, 0]
    # Channel 0 likes red; channel 1 is against red by half of what it is for green: 127.5 - 63.75 rounds to 64.
    assert filters.in_colour(found)[:, 0, 0].tolist() == [[255, 128, 128], [64, 255, 128]]


def test_signed_colours_are_blue_white_red_about_zero():
    blue, white, red = filters.signed(np.array([-2.0, 0.0, 1.0]))
    assert blue[2] > blue[0]
    assert white.min() > 245
    assert red[0] > red[2]
    assert filters.signed(np.zeros(3)).min() > 245


def test_a_sheet_puts_tiles_where_they_belong():
    tiles = np.zeros((3, 1, 1, 3), np.uint8)
    tiles[2] = 9
    out = filters.sheet(tiles, enlarge=2, gap=1, columns=2)
    assert out.shape == (5, 5, 4)
    assert out[3:, :2].tolist() == [[[9, 9, 9, 255]] * 2] * 2
    assert not out[3:, 3:, 3].any()


def test_what_is_no_convolution_is_refused(lite0):
    with pytest.raises(filters.NoFilters, match=r"features.8.2 is no convolution; choose one, as features.0.0"):
        filters.find(lite0, "features.8.2")
    assert filters.find(lite0, "features.3.1.block.1.0").groups == 240
