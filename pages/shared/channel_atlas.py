"""The exhibit of the Feature maps page: layer, order and scale above the atlas, what to do with it below."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from explorer import images, palettes
from pages.shared import blocks, cache, controls, navigation, selection, view_code
from pages.shared.components.atlas import atlas, atlas_payload
from pages.shared.text import number, plain, size

if TYPE_CHECKING:
    from explorer.activations import FeatureMaps
    from explorer.atlas import Levels
    from explorer.capture import Layer
    from explorer.models import Model
    from pages.shared.pictures import Picture


_REVEAL = "_atlas_reveal"


def reveal() -> None:
    """Brings the atlas into view with the next drawing: what was clicked further down opens there."""
    st.session_state[_REVEAL] = st.session_state.get(_REVEAL, 0) + 1


def layer_shown(model: Model) -> str:
    """The layer that the page shows: the chosen one, else one that is still like the photo and already means much."""
    from explorer import activations

    resolutions = activations.resolutions(model)
    return selection.current().layer or resolutions[len(resolutions) // 2].name


def channel_shown(maps: FeatureMaps) -> int:
    """The channel that the page shows: the chosen one, else the strongest of the layer."""
    from explorer import atlas as sheet

    chosen = selection.current().channel
    return int(sheet.order(maps, "strength")[0]) if chosen is None else chosen


def explore(model: Model, picture: Picture) -> None:
    """Draws the controls, the atlas and the line below it."""
    from explorer import activations
    from explorer import atlas as sheet

    layers = {layer.name: layer for layer in activations.nodes(model)}
    layer, order, colours = _controls(model, layers)
    timed = cache.feature_maps(model, picture, layer.name)
    maps = timed.result
    ordered, step = sheet.order(maps, order), sheet.sheets(maps)
    channel = channel_shown(maps)
    shown = _sheet(ordered, step, channel, f"{model.key}|{layer.name}|{order}")
    scale = colours if layer.spatial else "layer"  # a single number has no extremes of its own
    levels = sheet.quantise(maps, shown, scale)
    st.session_state["_atlas_layer"] = layer.name
    names = model.classes if layer.shape == (len(model.classes),) else ()
    atlas(_payload(model, picture, maps, shown, channel, scale, names), "atlas", _on_channel, _on_unit)
    _below(model, maps, levels, layer, scale == "symmetric", timed.seconds)
    view_code.offer(lines(model, picture, layer.name, order, scale, ordered, shown, channel), "atlas")


def lines(
    model: Model,
    picture: Picture,
    layer: str,
    order: str,
    scale: str,
    ordered: np.ndarray,
    shown: np.ndarray,
    channel: int,
) -> str:
    """The code that computes the sheet and the chosen channel."""
    first = int(np.flatnonzero(ordered == shown[0])[0])
    part = "" if len(shown) == len(ordered) else f"[{first}:{first + len(shown)}]"
    return (
        view_code.opening(["activations", "atlas"], model, picture)
        + f"maps = activations.feature_maps(model, photo, [{layer!r}])[{layer!r}]\n"
        + f"shown = atlas.order(maps, {order!r}){part}\n"
        + f"levels = atlas.quantise(maps, shown, {scale!r}).levels  # of the colour scale, 0 to 255\n"
        + f"values = maps.values[{channel}]  # the chosen channel's own numbers"
    )


def _controls(model: Model, layers: dict[str, Layer]) -> tuple[Layer, str, str]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = controls.select(
            "Layer",
            "layer",
            list(layers),
            default=layer_shown(model),
            format_func=lambda name: f"{name}  ·  {layers[name].kind}  ·  {size(layers[name].shape)}",
            filter_mode="contains",
            width=420,
            help="In the order in which they finish: parts first, then the block they form. "
            "Name, kind, and channels × height × width. Type to search.",
        )
        order = controls.choose(
            "Order",
            "order",
            selection.ORDERS,
            help="Strength: the mean absolute value of a channel, largest first; for single numbers, the value.",
        )
        colours = controls.choose(
            "Colours",
            "colours",
            selection.COLOURS,
            help="What dark and bright mean: each channel's own least and greatest value, those of the whole layer, "
            "or blue for negative, white for zero, red for positive.",
        )
    return layers[name], order, colours


def _sheet(ordered: np.ndarray, step: int, channel: int, context: str) -> np.ndarray:
    """The channels of the sheet that is open; it opens with the one that holds ``channel``."""
    count = -(-len(ordered) // step)
    if count == 1:
        return ordered
    first = int(np.flatnonzero(ordered == channel)[0]) // step + 1
    with st.container(horizontal=True, vertical_alignment="center"):
        page = st.pagination(count, default=first, width=320, key=f"sheet|{context}|{channel}")
        here = f"{(page - 1) * step} to {min(page * step, len(ordered)) - 1}"
        elsewhere = "" if page == first else f"; channel {channel} is on sheet {first}"
        st.caption(f"{len(ordered)} channels on {count} sheets, this one places {here}{elsewhere}", width="content")
    return ordered[(page - 1) * step :][:step]


def _payload(
    model: Model,
    picture: Picture,
    maps: FeatureMaps,
    shown: np.ndarray,
    channel: int,
    scale: str,
    names: tuple[str, ...],
) -> bytes:
    from explorer import atlas as sheet

    channels = shown if channel in shown else np.append(shown, channel)
    levels = sheet.quantise(maps, channels, scale)
    unit = selection.current().unit
    _, height, width = maps.values.shape
    return atlas_payload(
        {
            "layer": f"{model.key}|{maps.layer}",
            "photo": f"{picture.digest}|{model.preprocessing.crop}",
            "height": height,
            "width": width,
            "vector": height * width == 1,
            "shown": len(shown),
            "channels": channels.tolist(),
            "names": [names[each] for each in channels] if names else None,
            "channel": channel,
            "unit": unit,
            "fields": _fields(model, maps),
            "value": number(float(maps.values[channel, unit[0], unit[1]])) if unit else "",
            "reveal": st.session_state.get(_REVEAL, 0),
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


def _fields(model: Model, maps: FeatureMaps) -> dict[str, list[tuple[float, float]]] | None:
    """Where each row and each column of units looks, as shares of the photo; None where that says nothing."""
    from explorer import graph

    field = graph.of_model(model).field_of(maps.layer)
    if field is None or field.whole:
        return None
    side, (rows, columns) = model.preprocessing.crop, maps.values.shape[1:]

    def shares(units: int) -> list[tuple[float, float]]:
        inside = [field.inside(unit, side) for unit in range(units)]
        return [(round(first / side, 4), round((last + 1) / side, 4)) for first, last in inside]

    return {"rows": shares(rows), "columns": shares(columns)}


def _on_channel() -> None:
    channel = st.session_state["atlas"].picked
    if channel is not None:
        selection.change(layer=st.session_state["_atlas_layer"], channel=int(channel), unit=None)


def _on_unit() -> None:
    clicked = st.session_state["atlas"].unit
    if clicked is not None:
        channel, row, column = map(int, clicked)
        selection.change(layer=st.session_state["_atlas_layer"], channel=channel, unit=(row, column))


def _below(model: Model, maps: FeatureMaps, levels: Levels, layer: Layer, symmetric: bool, seconds: float) -> None:
    from explorer import attribution

    dead = int(maps.dead.sum())
    parts = [layer.name, size(layer.shape), f"{dead} of {len(maps.values)} channels dead (all zero) on this photo"]
    blocks.caption(model, *parts, seconds=seconds)
    method = _reading_a_layer()
    reason = attribution.availability(model, method, layer.name)
    asked = replace(selection.current(), layer=layer.name, method=method)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(
            navigation.page("attribution"),
            label="Explain the class at this layer",
            icon=":material/local_fire_department:",
            query_params=asked.to_query(),
            disabled=bool(reason),
            help=plain(reason) or f"{attribution.METHODS[method].title} at this layer.",
        )
        st.download_button(
            "All channels as NPZ",
            data=lambda: _npz(maps),
            file_name=f"{blocks.file_stem(model, layer.name)}.npz",
            mime="application/octet-stream",
            icon=":material/download:",
            on_click="ignore",
            type="tertiary",
            help="The values themselves as a NumPy file: an array called “values”, channels × height × width, float32.",
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


def _reading_a_layer() -> str:
    """The method to explain a layer with: the chosen one if it reads a layer, else Grad-CAM."""
    from explorer import attribution

    chosen = attribution.METHODS.get(selection.current().method)
    return chosen.key if chosen and chosen.needs_layer else "grad_cam"


def _npz(maps: FeatureMaps) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, values=maps.values, layer=np.array(maps.layer))
    return buffer.getvalue()


def _png(levels: Levels, symmetric: bool) -> bytes:
    from PIL import Image

    from explorer.atlas import picture

    enlarge = max(1, 112 // max(levels.levels.shape[1:]))  # a 7 x 7 map is too small for a slide
    return images.encode_png(Image.fromarray(picture(levels, symmetric, gap=2, enlarge=enlarge)))
