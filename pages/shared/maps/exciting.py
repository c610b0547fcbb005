"""Tab of the Feature maps page: what excites the chosen channel most, in the visitor's own photos."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from explorer import images
from pages.shared import blocks, cache, channel_atlas, pictures, view_code
from pages.shared.text import number, plain

if TYPE_CHECKING:
    from explorer.exemplars import Exemplar
    from explorer.models import Model
    from pages.shared.pictures import Picture

_SIDE = 132  # pixels of a patch on the page


def draw(picture: Picture, model: Model) -> None:
    """Twelve patches, strongest first."""
    from explorer import activations

    spatial = {layer.name: layer for layer in activations.nodes(model) if layer.spatial}
    layer = channel_atlas.layer_shown(model)
    if layer not in spatial:
        st.info(f"{plain(layer)} has a single position, so no patch belongs to it; choose a layer with maps.")
        return
    channel = channel_atlas.channel_shown(cache.feature_maps(model, picture, layer).result)
    mine = list(pictures.uploads().values())
    shown = mine or [each for each in pictures.samples().values() if each.subject == model.card.subject]
    searched = "1 picture" if len(shown) == 1 else f"{len(shown)} pictures"
    with st.spinner(f"Looking through {searched}"):
        timed = cache.exemplars(model, tuple(shown), layer, channel)
    whose = "your own pictures" if mine else "the bundled pictures; drop in some of your own to search those"
    st.markdown(f"What excites **channel {channel}** of **{plain(layer)}** most, in {whose}.")
    with st.container(horizontal=True):
        for exemplar in timed.result:
            _patch(exemplar, shown[exemplar.photo])
    blocks.caption(model, layer, f"channel {channel}", f"{searched}, four places each at most", seconds=timed.seconds)
    view_code.offer(lines(model, mine, layer, channel), "exciting")


def lines(model: Model, mine: list[Picture], layer: str, channel: int) -> str:
    """The code that finds the patches, in ``mine`` or else in the bundled pictures."""
    text = view_code.opening(["exemplars", "images"], model)
    if mine:
        files = ", ".join(repr(each.title) for each in mine)
        text = f"from pathlib import Path\n\n{text}photos = [\n"
        text += f"    images.open_image(Path(name).read_bytes()) for name in ({files},)\n]\n"
    else:
        text += "photos = [\n    sample.open()\n    for sample in images.samples().values()\n"
        text += f"    if sample.subject == {model.card.subject!r}\n]\n"
    return text + f"found = exemplars.find(model, photos, {layer!r}, {channel})  # strongest first"


def _patch(exemplar: Exemplar, photo: Picture) -> None:
    from PIL import Image

    height, width = exemplar.patch.shape[:2]
    scale = max(1, round(2 * _SIDE / max(height, width)))
    patch = Image.fromarray(exemplar.patch).resize((width * scale, height * scale), Image.Resampling.NEAREST)
    side = max(patch.size)  # a patch at the border is cut off; on a square sheet all stand in line
    large = Image.new("RGBA", (side, side))
    large.paste(patch, ((side - patch.width) // 2, (side - patch.height) // 2))
    with st.container(width=_SIDE):
        blocks.image(images.encode_png(large), width=_SIDE, alt=f"What excites the channel in {photo.title}")
        row, column = exemplar.unit
        st.caption(f"**{number(round(exemplar.value, 3))}** at {row}, {column} of {plain(photo.title)}")
