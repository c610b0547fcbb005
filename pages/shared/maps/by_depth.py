"""Tab of the Feature maps page: the whole network in six numbers a layer; a click opens a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.shared import blocks, cache, channel_atlas, selection, view_code

if TYPE_CHECKING:
    from explorer.models import Model
    from pages.shared.pictures import Picture

_KEY = "maps-depth"


def draw(picture: Picture, model: Model) -> None:
    """Mean and spread, largest value, zeros and dead channels by depth."""
    from explorer import activations
    from explorer.figures.feature_maps import overview

    summaries = cache.summaries(model, picture)
    names = [layer.name for layer in activations.layers(model) if layer.leaf]
    known = {layer: summaries[layer.removesuffix("#1")] for layer in names}

    def chosen() -> None:
        points = st.session_state[_KEY].selection.points
        if points:
            channel_atlas.reveal()
            selection.change(layer=str(points[0]["customdata"]))

    st.plotly_chart(
        overview(names, known, channel_atlas.layer_shown(model)),
        key=_KEY,
        on_select=chosen,
        selection_mode="points",
        config={"displayModeBar": False},
    )
    st.caption(
        "One point a layer, from the photo to the answer; click one to open it above. Bars: one standard deviation. "
        "Zeros are what a ReLU cut off; a channel is dead if it is zero everywhere on this picture."
    )
    blocks.caption(model, f"{len(names)} layers without parts")
    view_code.offer(lines(model, picture), "by-depth")


def lines(model: Model, picture: Picture) -> str:
    """The code that computes the six numbers of each layer."""
    return (
        view_code.opening(["activations", "measures"], model, picture)
        + "summaries = measures.summaries(model, photo)\n"
        + "names = [layer.name for layer in activations.layers(model) if layer.leaf]\n"
        + 'known = {name: summaries[name.removesuffix("#1")] for name in names}'
    )
