"""What the channel atlas shows where nothing was chosen, where it leads to, and what it gives to keep."""

from __future__ import annotations

import io
from urllib.parse import parse_qs

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from explorer import activations, filters, images, models, palettes
from tests.pages.test_evidence import labelled, shown
from tests.pages.test_pages import captions, opened


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


def opened_tab(name: str, **query: str) -> AppTest:
    """Feature maps with one of its tabs open."""
    app = opened("feature_maps", **query)
    app.session_state["maps-tab"] = name
    app.run()
    assert not app.exception
    return app


def strongest(model, layer: str) -> int:
    """The channel with the largest mean absolute value on the cat."""
    values = activations.feature_maps(model, images.samples()["chelsea"].open(), [layer])[layer].values
    return int(np.abs(values).mean(axis=(1, 2)).argmax())


@pytest.mark.parametrize("order", ["index", "strength"])
def test_with_no_channel_chosen_the_atlas_and_its_tabs_show_the_strongest(lite0, order):
    app = opened_tab("What excites it", layer="features.8.0", order=order)
    channel = strongest(lite0, "features.8.0")
    assert channel > 512  # not on the first sheet by index
    assert f"values = maps.values[{channel}]" in app.code[0].value
    assert f"What excites **channel {channel}**" in shown(app)


def test_the_weights_are_those_of_the_layer_that_the_atlas_opens_with(lite0):
    app = opened_tab("Weights")
    assert " · features.3 · 40 × 28 × 28 · " in captions(app)
    expected = [name for name in filters.names(lite0) if name.startswith("features.3.")][-1]
    assert labelled(app.selectbox, "Convolution").value == expected


def test_the_filter_is_the_channel_that_the_atlas_opens_with():
    resnet = models.load("resnet18", weights="random", device="cpu")
    layer = "layer2.0.conv2"
    app = opened_tab("Weights", network="resnet18", weights="random", layer=layer)
    assert labelled(app.slider, "Filter").value == strongest(resnet, layer) > 0


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"layer": "features.2.1.add"}, "is a step between layers"),
        ({"layer": "classifier.1"}, "needs a layer with maps of more than one position"),
        ({"layer": "features.2"}, ""),
        ({"layer": "features.2", "method": "saliency"}, ""),  # reads no layer: the link is to one that does
        ({"layer": "features.2", "method": "score_cam"}, ""),
    ],
    ids=str,
)
def test_only_a_layer_that_can_be_read_leads_to_its_evidence(query, words):
    app = opened("feature_maps", **query)
    (link,) = [each.proto for each in app.get("page_link") if each.proto.label == "Explain the class at this layer"]
    assert link.disabled == bool(words)
    assert words in link.help
    asked = parse_qs(link.query_string)
    assert asked["layer"] == [query["layer"]]
    if not words:
        score = query.get("method") == "score_cam"
        assert link.help == ("Score-CAM" if score else "Grad-CAM") + " at this layer."
        assert asked.get("method") == (["score_cam"] if score else None)
