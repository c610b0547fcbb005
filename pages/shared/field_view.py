"""The exhibit of the Receptive field page: a unit's theoretical square and what it really looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image, ImageDraw

from explorer import images, palettes
from pages.shared import blocks, cache, controls, selection
from pages.shared.text import percent, plain, size

if TYPE_CHECKING:
    from explorer.capture import Layer
    from explorer.effective import EffectiveField
    from explorer.models import Model
    from pages.shared.pictures import Picture

_SIDE = 672  # pixels of the drawing: the square's line is thin beside those of the photo


def explore(model: Model, picture: Picture) -> None:
    """Layer and unit above, the photo twice below: where the unit could look, and where it does."""
    from explorer import activations

    layers = {layer.name: layer for layer in activations.layers(model) if layer.spatial}
    depths = activations.resolutions(model)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = controls.select(
            "Layer",
            "layer",
            list(layers),
            default=depths[len(depths) // 2].name,
            format_func=lambda name: f"{name}  ·  {size(layers[name].shape)}",
            filter_mode="contains",
            width=420,
            help="Layers with positions, in the order in which they finish. Type to search.",
        )
        unit = _unit(layers[name])
    timed = cache.effective_field(model, picture, name, unit)
    found = timed.result
    seen = np.asarray(model.preprocessing.view(picture.open()))
    where = f"{name} · row {unit[0]}, column {unit[1]}"
    left, right = st.columns(2, gap="medium")
    with left:
        st.image(_drawn(seen, found), width="stretch", alt="The theoretical field on the photo")
        blocks.caption(model, where, _theory(found))
    with right:
        peak = float(found.gradient.max()) or 1.0
        heat = palettes.overlay(seen, np.sqrt(found.gradient / peak))
        st.image(_drawn(heat, found), width="stretch", alt="The effective field on the photo")
        blocks.caption(model, "gradient, square root", _measured(found), seconds=timed.seconds)
    _table(model)


def _unit(layer: Layer) -> tuple[int, int]:
    """Row and column, from the selection or the middle."""
    height, width = layer.shape[1:]
    chosen = selection.current().unit
    row, column = chosen if chosen and chosen[0] < height and chosen[1] < width else (height // 2, width // 2)

    def keep() -> None:
        unit = (st.session_state["unit-row"], st.session_state["unit-column"])
        selection.change(layer=layer.name, channel=selection.current().channel or 0, unit=unit)

    st.session_state["unit-row"], st.session_state["unit-column"] = row, column
    st.slider("Row", 0, height - 1, key="unit-row", on_change=keep, width=180)
    st.slider("Column", 0, width - 1, key="unit-column", on_change=keep, width=180)
    return row, column


def _drawn(pixels: np.ndarray, found: EffectiveField) -> bytes:
    """A PNG of the picture, enlarged, with the theoretical square."""
    picture = Image.fromarray(pixels)
    scale = max(1, round(_SIDE / picture.width))
    small = picture.width < 64  # pixels that can be counted stay squares
    kind = Image.Resampling.NEAREST if small else Image.Resampling.BICUBIC
    picture = picture.resize((picture.width * scale, picture.height * scale), kind)
    if found.box is not None:
        left, top, right, bottom = (scale * side for side in found.box)
        pen = ImageDraw.Draw(picture)
        for inset, colour in ((0, "black"), (2, "white"), (4, "black")):
            pen.rectangle((left + inset, top + inset, right - 1 - inset, bottom - 1 - inset), outline=colour, width=2)
    return images.encode_png(picture)


def _theory(found: EffectiveField) -> str:
    field = found.field
    if field is None:
        return "its theoretical field cannot be said"
    if field.whole:
        return "may depend on the whole photo: attention, gates or global pooling lie before it"
    left, top, right, bottom = found.box or (0, 0, 0, 0)
    clipped = "" if (right - left, bottom - top) == (field.size, field.size) else ", cut off by the border"
    return f"could see {field.size} × {field.size} pixels{clipped}; the next unit's square lies {field.stride} further"


def _measured(found: EffectiveField) -> str:
    if not found.half:
        return "no pixel of this photo has any influence on it"
    within = "" if found.field is None or found.field.whole else f", {percent(found.inside)} inside the square"
    return f"half of the influence lies within {found.half} × {found.half} pixels{within}"


def _table(model: Model) -> None:
    """The theoretical fields of the layers that stand for the network's depth."""
    from explorer import activations, graph

    traced = graph.of_model(model)
    rows = []
    for layer in activations.resolutions(model):
        field = traced.field_of(layer.name)
        known = field is not None and not field.whole
        rows.append(
            {
                "layer": layer.name,
                "output": size(layer.shape),
                "sees, px": str(field.size) if field and known else "whole image" if field else "–",
                "stride, px": str(field.stride) if field and known else "–",
                "begins before the image by, px": str(field.padding) if field and known else "–",
            }
        )
    st.dataframe(rows, hide_index=True)
    side = model.preprocessing.crop
    st.caption(
        plain(
            f"{model.card.title} at {side} × {side}: the square of pixels on which a unit could depend, from "
            "kernels, strides and paddings along all paths. What it really depends on is smaller and denser in the "
            "middle (Luo et al. 2016): paths through the middle are more numerous."
        )
    )
