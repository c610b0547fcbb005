"""Tab of the Feature maps page: what a convolution has learnt, its weights as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image

from explorer import images
from pages.shared import blocks, cache, channel_atlas, view_code
from pages.shared.text import plain, size

if TYPE_CHECKING:
    from explorer.filters import Filters
    from explorer.models import Model
    from pages.shared.pictures import Picture

_MOST = 256  # kernels on one sheet


def draw(picture: Picture, model: Model) -> None:
    """The convolution that the atlas shows, or the one nearest before that layer."""
    from explorer import filters

    names = filters.names(model)
    if not names:
        st.info(f"{plain(model.card.title)} has no convolutions.")
        return
    layer = channel_atlas.layer_shown(model)
    name = st.selectbox(
        "Convolution",
        names,
        index=names.index(_near(model, layer, names)),
        key=f"weights-{model.card.slug}-{layer}",
        filter_mode="contains",
        width=420,
    )
    found = filters.find(model, name)
    if found.colours and not found.pointwise:
        tiles = filters.in_colour(found)
        enlarge = max(1, 48 // tiles.shape[1])
        _show(filters.sheet(tiles, enlarge), f"The {len(tiles)} filters of {name}")
        code = f"sheet = filters.sheet(filters.in_colour(found), {enlarge})"
        said = ["each filter as a colour picture about gray: what it looks like is what it looks for"]
    elif found.pointwise:
        matrix = filters.signed(found.weights[:, :, 0, 0])
        scale = max(1, 640 // max(matrix.shape))
        _show(matrix.repeat(scale, 0).repeat(scale, 1), f"The weights of {name}")
        code = (
            f"matrix = filters.signed(found.weights[:, :, 0, 0])\nsheet = matrix.repeat({scale}, 0).repeat({scale}, 1)"
        )
        said = ["a matrix: a row for each output channel, a column for each input channel", _scale(found.weights)]
    else:
        channel = channel_atlas.channel_shown(cache.feature_maps(model, picture, layer).result)
        said, code = _kernels(found, channel)
    groups = f", {found.groups} groups" if found.groups > 1 else ""
    blocks.caption(model, name, f"{size(found.weights.shape)} weights{groups}", *said)
    view_code.offer(lines(model, name, code), "weights")


def lines(model: Model, layer: str, code: str) -> str:
    """The code that draws the sheet: ``code`` makes it of ``found``."""
    return view_code.opening(["filters"], model) + f"found = filters.find(model, {layer!r})\n{code}"


def _kernels(found: Filters, channel: int) -> tuple[list[str], str]:
    """A sheet of small kernels, of all filters where each has one, else of one, ``channel`` at first: (words, code)."""
    from explorer import filters

    if found.weights.shape[1] == 1:
        chosen, said = found.weights[:, 0], "one kernel for each channel"
        code = "kernels = found.weights[:, 0]\n"
    else:
        last = len(found.weights) - 1
        channel = min(channel, last)
        channel = st.slider("Filter", 0, last, channel, key=f"weights-of-{found.layer}-{channel}", width=420)
        order = np.argsort(-found.norms(channel), kind="stable")
        code = f"order = (-found.norms({channel})).argsort(kind='stable')\nkernels = found.weights[{channel}, order]\n"
        chosen, said = found.weights[channel, order], f"the kernels of filter {channel}, largest first"
    tiles = chosen[:_MOST]
    enlarge = max(2, 40 // tiles.shape[1])
    _show(filters.sheet(filters.signed(tiles), enlarge, gap=6), f"Kernels of {found.layer}")
    code += f"sheet = filters.sheet(filters.signed(kernels[:{_MOST}]), {enlarge}, gap=6)"
    return [said + (f", {_MOST} of {len(chosen)}" if len(chosen) > _MOST else ""), _scale(tiles)], code


def _scale(shown: np.ndarray) -> str:
    """What the colours mean."""
    peak = float(np.abs(shown).max())
    return f"blue −{peak:.3g}, white 0, red {peak:.3g}"


def _show(pixels: np.ndarray, alternative: str) -> None:
    blocks.image(images.encode_png(Image.fromarray(pixels)), alt=alternative)


def _near(model: Model, layer: str, names: tuple[str, ...]) -> str:
    """The convolution of the layer's own name, inside it, or the last one before it."""
    from explorer import activations

    inside = [name for name in names if f"{name}.".startswith(f"{layer}.")]
    if inside:
        return inside[-1]
    order = [each.name for each in activations.nodes(model)]
    if layer in order:
        before = [name for name in order[: order.index(layer)] if name in names]
        if before:
            return before[-1]
    return names[0]
