"""Tab of the Receptive field page: point at a unit of a real network, and see what it could see and what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from explorer import palettes
from pages.shared import blocks, cache, controls, selection
from pages.shared.components.field import field as exhibit
from pages.shared.fields import alignment_note, depth_panels
from pages.shared.text import percent, plain, size

if TYPE_CHECKING:
    from explorer.activations import FeatureMaps
    from explorer.capture import Layer
    from explorer.effective import EffectiveField
    from explorer.models import Model
    from explorer.receptive_field import ReceptiveField
    from pages.shared.pictures import Picture


@st.fragment
@blocks.kindly()
def draw(picture: Picture, model: Model) -> None:
    """The layer above, the map beside the photo, what was measured below it, and depth and branches folded."""
    layer = _layer(model)
    maps = cache.feature_maps(model, picture, layer.name).result
    channel, unit = _chosen(layer, maps)
    timed = cache.effective_field(model, picture, layer.name, unit)
    st.session_state["_fields_layer"] = layer.name
    header, blobs = _payload(model, picture, maps, channel, timed.result)
    exhibit(header, "fields-map", _on_unit, **blobs)
    where = f"{layer.name} · row {unit[0]}, column {unit[1]}"
    blocks.caption(model, where, _theory(timed.result), _measured(timed.result), seconds=timed.seconds)
    alignment_note.draw(model, layer.name)
    with st.expander("The network's depths in numbers", icon=":material/table:"):
        _table(model)
    depth_panels.growth(model, picture)
    depth_panels.beside_a_transformer(model, picture)
    selection.write_link(in_fragment=True)


def _layer(model: Model) -> Layer:
    from explorer import activations

    layers = {layer.name: layer for layer in activations.layers(model) if layer.spatial}
    depths = activations.resolutions(model)
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
    return layers[name]


def _chosen(layer: Layer, maps: FeatureMaps) -> tuple[int, tuple[int, int]]:
    """The selected channel, else the one of most contrast; the selected unit, else the middle."""
    height, width = layer.shape[1:]
    chosen = selection.current()
    mine = chosen.layer == layer.name
    channel = chosen.channel if mine and chosen.channel is not None else int(maps.contrast.argmax())
    unit = chosen.unit if mine and chosen.unit else (height // 2, width // 2)
    return channel, unit


def _on_unit() -> None:
    clicked = st.session_state["fields-map"].unit
    if clicked is not None:
        channel, row, column = map(int, clicked)
        selection.change(layer=st.session_state["_fields_layer"], channel=channel, unit=(row, column))


def _payload(
    model: Model, picture: Picture, maps: FeatureMaps, channel: int, found: EffectiveField
) -> tuple[dict[str, Any], dict[str, np.ndarray | bytes]]:
    from explorer import atlas

    levels, (_, height, width) = atlas.quantise(maps, np.array([channel])), maps.values.shape
    field = found.field
    header = {
        "layer": f"{model.key}|{maps.layer}|{channel}",
        "title": f"{maps.layer}, channel {channel}: point at a unit",
        "channel": channel,
        "unit": found.unit,
        "height": height,
        "width": width,
        "side": len(found.gradient),
        "low": float(levels.low[0]),
        "high": float(levels.high[0]),
        "photo": f"{picture.digest}|{model.preprocessing.crop}",
        "known": field is not None,
        "whole": field is not None and field.whole,
    }
    # A few pixels outshine all others; the brightest half per cent share one colour.
    peak = float(np.quantile(found.gradient, 0.995)) or float(found.gradient.max()) or 1.0
    return header, {
        "levels": levels.levels[0],
        "rows": _intervals(field, height),
        "columns": _intervals(field, width),
        "gradient": np.rint(255 * np.sqrt(np.minimum(found.gradient / peak, 1))).astype(np.uint8),
        "photo": cache.seen(model, picture),
        "table": palettes.SEQUENTIAL,
        "heats": palettes.HEAT,
    }


def _intervals(field: ReceptiveField | None, units: int) -> np.ndarray:
    """First and last pixel of every unit along one axis, one after the other."""
    pairs = [(0, -1) if field is None else field.interval(unit) for unit in range(units)]
    return np.array(pairs, dtype=np.int32).ravel()


def _theory(found: EffectiveField) -> str:
    field = found.field
    if field is None:
        return "its theoretical field cannot be said"
    if field.whole:
        return "may depend on the whole photo: attention, gates or global pooling lie before it"
    left, top, right, bottom = found.box or (0, 0, 0, 0)
    first, last = field.interval(found.unit[1])
    side = last - first + 1
    cut = f", of which {max(0, right - left)} × {max(0, bottom - top)} lie on the photo and the rest in padding"
    clipped = "" if (right - left, bottom - top) == (side, side) else cut
    return f"could see {side} × {side} px{clipped}; the next unit's square lies {field.stride} px further"


def _measured(found: EffectiveField) -> str:
    if not found.half:
        return "no pixel of this photo has any influence on it"
    within = "" if found.field is None or found.field.whole else f", {percent(found.inside)} inside the square"
    return f"half of its gradient lies within {found.half} × {found.half} px{within} (colours: square root)"


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
