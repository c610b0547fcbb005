"""Tab of the Feature maps page: what a convolution has learnt, its weights as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image

from explorer import images
from pages.shared import blocks, selection
from pages.shared.text import plain, size

if TYPE_CHECKING:
    from explorer.filters import Filters
    from explorer.models import Model

_MOST = 256  # kernels on one sheet


def draw(model: Model) -> None:
    """The chosen convolution, or the one nearest before the chosen layer."""
    from explorer import filters

    names = filters.names(model)
    if not names:
        st.info(f"{plain(model.card.title)} has no convolutions.")
        return
    name = st.selectbox(
        "Convolution",
        names,
        index=names.index(_near(model, names)),
        key=f"weights-{model.card.slug}-{selection.current().layer}",
        filter_mode="contains",
        width=420,
    )
    found = filters.find(model, name)
    channels = len(found.weights)
    if found.colours and not found.pointwise:
        tiles = filters.in_colour(found)
        _show(filters.sheet(tiles, max(1, 48 // tiles.shape[1])), f"The {channels} filters of {name}")
        said = "each filter as a colour picture about gray: what it looks like is what it looks for"
    elif found.pointwise:
        matrix = filters.signed(found.weights[:, :, 0, 0])
        _show(matrix.repeat(max(1, 640 // max(matrix.shape)), 0).repeat(max(1, 640 // max(matrix.shape)), 1), name)
        said = "a matrix: a row for each output channel, a column for each input channel"
    else:
        said = _kernels(found)
    peak = float(np.abs(found.weights).max())
    shape = f"{size(found.weights.shape)} weights" + (f", {found.groups} groups" if found.groups > 1 else "")
    blocks.caption(
        model, name, shape, said, f"blue −{peak:.3g}, white 0, red {peak:.3g}" if "colour" not in said else ""
    )


def _kernels(found: Filters) -> str:
    """Sheets of small kernels: of all filters where each has one, else of one filter."""
    from explorer import filters

    if found.weights.shape[1] == 1:
        tiles, said = found.weights[:_MOST, 0], "one kernel for each channel"
    else:
        channel = selection.current().channel or 0
        channel = st.slider(
            "Filter", 0, len(found.weights) - 1, min(channel, len(found.weights) - 1), key=f"weights-of-{found.layer}"
        )
        order = np.argsort(-found.norms(channel), kind="stable")[:_MOST]
        tiles, said = found.weights[channel, order], f"the kernels of filter {channel}, largest first"
    count = found.weights.shape[0] if found.weights.shape[1] == 1 else found.weights.shape[1]
    _show(filters.sheet(filters.signed(tiles), max(2, 40 // tiles.shape[1])), f"Kernels of {found.layer}")
    return said + (f", the first {_MOST} of {count}" if count > _MOST else "")


def _show(pixels: np.ndarray, alternative: str) -> None:
    st.image(images.encode_png(Image.fromarray(pixels)), alt=alternative)


def _near(model: Model, names: tuple[str, ...]) -> str:
    """The convolution of the selected layer's own name, inside it, or the last one before it."""
    from explorer import activations

    layer = selection.current().layer
    inside = [name for name in names if f"{name}.".startswith(f"{layer}.")] if layer else []
    if inside:
        return inside[-1]
    order = [each.name for each in activations.layers(model)]
    if layer in order:
        before = [name for name in order[: order.index(layer)] if name in names]
        if before:
            return before[-1]
    return names[0]
