"""The patches that excite a channel, against the feature maps and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from explorer import activations, exemplars
from tests.toy import toy


def test_the_toys_reddest_pixels_by_hand():
    """Channel 0 of the toy is red less one half: the reddest pixel of all photos wins, and each patch is one pixel."""
    first = np.array([[[255, 0, 0], [102, 0, 0]], [[0, 0, 0], [51, 0, 0]]], np.uint8)
    second = np.array([[[0, 0, 0], [0, 9, 0]], [[204, 0, 0], [0, 0, 9]]], np.uint8)
    found = exemplars.find(toy(), [Image.fromarray(first), Image.fromarray(second)], "conv", 0, count=2)
    assert [(each.photo, each.unit) for each in found] == [(0, (0, 0)), (1, (1, 0))]
    assert [each.value for each in found] == pytest.approx([0.5, 0.3])
    assert [each.box for each in found] == [(0, 0, 1, 1), (0, 1, 1, 2)]
    assert found[1].patch.tolist() == [[[204, 0, 0]]]


def test_places_are_maxima_apart_from_each_other_and_show_what_the_unit_sees(lite0, photos):
    chosen = [photos["chelsea"], photos["coffee"]]
    found = exemplars.find(lite0, chosen, "features.3", 7, count=6, each=3)
    assert [each.value for each in found] == sorted((each.value for each in found), reverse=True)
    for number, photo in enumerate(chosen):
        values = activations.feature_maps(lite0, photo, ["features.3"])["features.3"].values[7]
        mine = [each for each in found if each.photo == number]
        assert mine[0].value == values.max()
        assert all(each.value == values[each.unit] for each in mine)
        view = np.asarray(lite0.preprocessing.view(photo))
        for each in mine:
            left, top, right, bottom = each.box
            assert (each.patch == view[top:bottom, left:right]).all()
            assert max(right - left, bottom - top) <= 67  # features.3 sees 67 pixels (graph)
        apart = [
            max(abs(one.unit[0] - other.unit[0]), abs(one.unit[1] - other.unit[1])) * 8
            for index, one in enumerate(mine)
            for other in mine[:index]
        ]
        assert all(pixels >= 67 / 2 for pixels in apart)


def test_a_channel_that_is_not_there_is_refused(lite0, photos):
    with pytest.raises(exemplars.NoSuchChannel, match="channels 0 to 39, not 40"):
        exemplars.find(lite0, [photos["coffee"]], "features.3", 40)
