"""Tab of the Feature maps page: several layers of the network, or several networks, on the same photo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from explorer import palettes
from pages.shared import blocks, cache, channel_atlas, controls, selection, view_code
from pages.shared.components.layer_row import layer_row
from pages.shared.maps.cache import layer_views
from pages.shared.text import size

if TYPE_CHECKING:
    from explorer.layer_views import LayerView
    from explorer.models import Model
    from pages.shared.pictures import Picture

_WHAT = {"layers": "Layers of this network", "networks": "Several networks"}
_MAPS = {"strongest": "Strongest channels", "mean": "Mean of all channels"}
_KEY, _KEPT = "layers-beside", "_layers_beside"
_MOST, _COUNT = 8, 3  # layers that still fit beside each other; channels of each


def draw(picture: Picture, model: Model) -> None:
    """The choice between layers and networks, and what was chosen."""
    what = controls.kept_choice("Side by side", "side-by-side", _WHAT, label_visibility="collapsed")
    if what == "networks":
        from pages.shared import comparison

        comparison.draw(picture)
        return
    layers, maps = _controls(model)
    if not layers:
        st.info(f"Choose up to {_MOST} layers to see them side by side.", icon=":material/compare:")
        return
    timed = layer_views(model, picture, layers, _COUNT)
    _row(model, picture, timed.result, maps)
    shown = f"{_COUNT} strongest channels each" if maps == "strongest" else "mean of all channels"
    blocks.caption(model, f"{len(layers)} layers", shown, seconds=timed.seconds)
    st.caption(
        "Every map is drawn as large as the photo and on a scale of its own, dark (its least value) to bright (its "
        "greatest). Point at a place to see it in all; click a map to open it in the atlas above. Strongest: largest "
        "mean absolute value. Stride: pixels of the photo between two neighbouring units."
    )
    view_code.offer(lines(model, picture, layers), "side-by-side")


def lines(model: Model, picture: Picture, layers: tuple[str, ...]) -> str:
    """The code that computes the maps."""
    return (
        view_code.opening(["layer_views"], model, picture)
        + f"views = layer_views.views(model, photo, {list(layers)!r}, count={_COUNT})\n"
        + "for view in views:\n"
        + "    print(view.layer, view.shape, view.stride, view.channels)  # view.maps, view.mean: the numbers"
    )


def beside(model: Model) -> tuple[str, ...]:
    """The layers that the visitor chose for this network; one for each resolution to begin with."""
    from explorer import activations

    kept: dict[str, tuple[str, ...]] = st.session_state.setdefault(_KEPT, {})
    return kept.get(model.card.slug, tuple(layer.name for layer in activations.resolutions(model)))


def _controls(model: Model) -> tuple[tuple[str, ...], str]:
    from explorer import activations, layer_views

    names = layer_views.spatial(model)
    known = {layer.name: layer for layer in activations.nodes(model)}
    key = f"{_KEY}-{model.card.slug}"
    st.session_state[key] = [name for name in beside(model) if name in names][:_MOST]

    def keep() -> None:
        st.session_state[_KEPT] |= {model.card.slug: tuple(st.session_state[key])}

    st.multiselect(
        "Layers",
        names,
        format_func=lambda name: f"{name}  ·  {size(known[name].shape)}",
        max_selections=_MOST,
        wrap=True,
        key=key,
        on_change=keep,
        placeholder=f"Choose up to {_MOST}",
        help="Every layer with maps, and every sum and concatenation between layers. Type to search.",
    )
    maps = controls.kept_choice("Of each", "layers-maps", _MAPS)
    order = {name: place for place, name in enumerate(names)}
    return tuple(sorted(st.session_state[key], key=order.__getitem__)), maps


def _row(model: Model, picture: Picture, views: tuple[LayerView, ...], maps: str) -> None:
    blobs: dict[str, np.ndarray | bytes] = {"photo": cache.seen(model, picture), "table": palettes.SEQUENTIAL}
    shown = channel_atlas.layer_shown(model)
    channel_shown = channel_atlas.channel_shown(cache.feature_maps(model, picture, shown).result)
    layers = []
    for place, view in enumerate(views):
        tiles: list[dict[str, Any]] = []
        pairs = [(None, view.mean)] if maps == "mean" else list(zip(view.channels, view.maps, strict=True))
        for channel, values in pairs:
            blob = f"map{place}_{len(tiles)}"
            low, high = float(values.min()), float(values.max())
            share = (values - low) / (high - low) if high > low else np.zeros_like(values)
            blobs[blob] = np.rint(255 * share).astype(np.uint8)
            tiles.append(
                {
                    "blob": blob,
                    "rows": values.shape[0],
                    "columns": values.shape[1],
                    "low": low,
                    "high": high,
                    "channel": channel,
                    "title": "mean" if channel is None else f"channel {channel}",
                }
            )
        texts = [view.kind, size(view.shape), f"stride {view.stride:.3g} px"]
        layers.append({"name": view.layer, "lines": texts, "chosen": view.layer == shown, "tiles": tiles})
    header = {
        "side": model.preprocessing.crop,
        "channel": None if maps == "mean" else channel_shown,  # a mean is of no channel
        "layers": layers,
        "id": f"{model.key}|{picture.digest}|{maps}|{','.join(view.layer for view in views)}",
    }
    layer_row(header, "layer-row", _on_open, **blobs)


def _on_open() -> None:
    opened = st.session_state["layer-row"].opened
    if opened is not None:
        layer, channel = opened
        channel_atlas.reveal()
        selection.change(layer=str(layer), channel=None if channel is None else int(channel), unit=None)
