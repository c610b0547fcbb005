"""The exhibit of the Feature maps page: layer, order and scale above the atlas, what to do with it below."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from explorer import images, palettes
from pages.shared import blocks, cache, navigation, selection
from pages.shared.components.atlas import atlas, atlas_payload

if TYPE_CHECKING:
    from explorer.activations import FeatureMaps
    from explorer.atlas import Levels
    from explorer.capture import Layer
    from explorer.models import Model
    from pages.shared.pictures import Picture

_ORDERS = {"index": "By index", "strength": "By strength"}
_SCALES = {"channel": "Per channel", "layer": "Whole layer", "symmetric": "About zero"}


def explore(model: Model, picture: Picture) -> None:
    """Draws the controls, the atlas and the line below it."""
    from explorer import activations
    from explorer import atlas as sheet

    layers = {layer.name: layer for layer in activations.layers(model)}
    resolutions = activations.resolutions(model)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = selection.select(
            "Layer",
            "layer",
            list(layers),
            default=resolutions[len(resolutions) // 2].name,  # still like the photo, and already meaning something
            format_func=lambda name: f"{name}  ·  {layers[name].kind}  ·  {blocks.shape(layers[name])}",
            filter_mode="contains",
            width=420,
        )
        order = blocks.choice("Order", _ORDERS, "maps-order")
        scale = blocks.choice("Colours", _SCALES, "maps-scale")
    layer = layers[name]
    timed = cache.feature_maps(model, picture, name)
    maps = timed.result
    ordered, step = sheet.order(maps, order), sheet.sheets(maps)
    channel, unit = _sent(model, maps, ordered[:step])
    channels = _sheet(ordered, step, channel, f"{model.key}|{name}|{order}")
    levels = sheet.quantise(maps, channels, scale)
    atlas(_payload(model, picture, maps, levels, channel, unit, scale), "atlas", _on_channel, _on_unit)
    _below(model, maps, levels, layer, scale == "symmetric", timed.seconds)


def _sent(model: Model, maps: FeatureMaps, first: np.ndarray) -> tuple[int, tuple[int, int] | None]:
    """The channel and unit to open with. After a click the browser knows them already, so the old ones are kept.

    The payload then stays the same to the byte, and a click costs no transfer.
    """
    count, height, width = maps.values.shape
    chosen = selection.current()
    if chosen.channel is not None and chosen.channel >= count:
        selection.complain([f"{maps.layer} has channels 0 to {count - 1}; channel {chosen.channel} was left out."])
        selection.change(channel=None, unit=None)
    elif chosen.unit is not None and (chosen.unit[0] >= height or chosen.unit[1] >= width):
        selection.complain([f"{maps.layer} has {height} × {width} units; unit {chosen.unit} was left out."])
        selection.change(unit=None)
    blocks.complaints()
    chosen = selection.current()
    where = (model.key, maps.layer)
    known = st.session_state.get("_atlas")
    if known and known["where"] == where and known["clicked"] == (chosen.channel, chosen.unit):
        return known["sent"]
    channel = int(first[maps.strength[first].argmax()]) if chosen.channel is None else chosen.channel
    st.session_state["_atlas"] = {
        "where": where,
        "sent": (channel, chosen.unit),
        "clicked": (chosen.channel, chosen.unit),
    }
    return channel, chosen.unit


def _sheet(ordered: np.ndarray, step: int, channel: int, context: str) -> np.ndarray:
    """The channels of the sheet that is open; it opens with the one that holds ``channel``."""
    count = -(-len(ordered) // step)
    if count == 1:
        return ordered
    first = int(np.flatnonzero(ordered == channel)[0]) // step + 1
    page = st.pagination(count, default=first, key=f"sheet|{context}|{channel}")
    st.caption(f"{len(ordered)} channels on {count} sheets")
    return ordered[(page - 1) * step :][:step]


def _payload(
    model: Model,
    picture: Picture,
    maps: FeatureMaps,
    levels: Levels,
    channel: int,
    unit: tuple[int, int] | None,
    scale: str,
) -> bytes:
    channels = levels.channels
    return atlas_payload(
        {
            "layer": f"{model.key}|{maps.layer}",
            "photo": f"{picture.digest}|{model.preprocessing.crop}",
            "height": maps.values.shape[1],
            "width": maps.values.shape[2],
            "channels": channels.tolist(),
            "channel": channel,
            "unit": unit,
            "dead": maps.dead[channels].tolist(),
        },
        levels=levels.levels,
        low=levels.low,
        high=levels.high,
        minimum=maps.minimum[channels],
        mean=maps.mean[channels],
        maximum=maps.maximum[channels],
        zeros=maps.zeros[channels],
        table=palettes.DIVERGING if scale == "symmetric" else palettes.SEQUENTIAL,
        photo=cache.seen(model, picture),
    )


def _remember(channel: int, unit: tuple[int, int] | None) -> None:
    selection.change(channel=channel, unit=unit)
    st.session_state["_atlas"]["clicked"] = (channel, unit)


def _on_channel() -> None:
    channel = st.session_state["atlas"].picked
    if channel is not None:
        _remember(int(channel), None)


def _on_unit() -> None:
    clicked = st.session_state["atlas"].unit
    if clicked is not None:
        channel, row, column = map(int, clicked)
        _remember(channel, (row, column))


def _below(model: Model, maps: FeatureMaps, levels: Levels, layer: Layer, symmetric: bool, seconds: float) -> None:
    chosen = selection.current()
    dead = int(maps.dead.sum())
    parts = [layer.name, blocks.shape(layer), f"{dead} of {len(maps.values)} channels dead on this photo"]
    blocks.caption(model, *parts, seconds=seconds)
    if chosen.channel is not None and chosen.unit is not None:
        row, column = chosen.unit
        value = float(maps.values[chosen.channel, row, column])
        st.markdown(f"Unit **({row}, {column})** of channel **{chosen.channel}** answers **{value:.6g}**.")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(
            navigation.page("attribution"),
            label="Explain the class at this layer",
            icon=":material/local_fire_department:",
            query_params={**chosen.to_query(), "layer": layer.name},
            disabled=not layer.spatial,
        )
        st.download_button(
            "This sheet as PNG",
            data=lambda: _png(levels, symmetric),
            file_name=f"{blocks.file_stem(model, layer.name)}.png",
            mime="image/png",
            icon=":material/download:",
            on_click="ignore",
            type="tertiary",
        )


def _png(levels: Levels, symmetric: bool) -> bytes:
    from PIL import Image

    from explorer.atlas import picture

    enlarge = max(1, 56 // max(levels.levels.shape[1:]))  # a 7 x 7 map is too small for a slide
    return images.encode_png(Image.fromarray(picture(levels, symmetric, enlarge=enlarge)))
