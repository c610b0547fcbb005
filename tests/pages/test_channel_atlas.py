"""What the channel atlas gives to keep."""

from __future__ import annotations

import io

import numpy as np
import pytest
import streamlit as st
from PIL import Image

from explorer import activations, images, palettes
from tests.pages.test_pages import opened


@pytest.fixture
def kept(monkeypatch) -> dict[str, bytes]:
    """What the download buttons of the page hand out, by the kind of file."""
    found: dict[str, bytes] = {}
    button = st.download_button

    def spy(label, data, file_name, **options):
        found[file_name.rsplit(".")[-1]] = data()
        return button(label, data, file_name, **options)

    monkeypatch.setattr(st, "download_button", spy)
    return found


@pytest.mark.parametrize("layer", ["features.5", "features.5.1.add"])
def test_downloads_hold_the_values_and_the_sheet(lite0, kept, layer):
    opened("feature_maps", layer=layer, order="index", colours="channel")
    maps = activations.feature_maps(lite0, images.samples()["chelsea"].open(), [layer])[layer].values
    with np.load(io.BytesIO(kept["npz"])) as archive:
        np.testing.assert_array_equal(archive["values"], maps)
        assert str(archive["layer"]) == layer
    paper = np.asarray(Image.open(io.BytesIO(kept["png"])))
    side = 112  # 8 pixels for each of 14 x 14 units, and a line of 2 between maps
    low, high = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
    levels = np.rint((maps - low) / (high - low) * 255).astype(int)
    columns = (paper.shape[1] + 2) // (side + 2)
    for channel in (0, 1, columns, len(maps) - 1):
        top, left = (place * (side + 2) for place in divmod(channel, columns))
        shown = paper[top : top + side, left : left + side]
        expected = palettes.SEQUENTIAL[levels[channel]].repeat(8, axis=0).repeat(8, axis=1)
        np.testing.assert_array_equal(shown, expected)
