"""Tab of the Architectures page: the family's block, as its paper draws it and as it really runs here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.shared import blocks, cache, selection
from pages.shared.components.diagram import diagram
from pages.shared.text import count, plain, size

if TYPE_CHECKING:
    from explorer.catalogue import Architecture
    from explorer.graph import Graph


def draw(card: Architecture, network: Graph) -> None:
    """One diagram for each block of the family, this network's first; for a vision transformer also the patches."""
    from explorer.exhibits import EXHIBITS

    found = EXHIBITS.get(card.family, ())
    if card.family == "ViT":
        _patches(card)
    if not found:
        st.markdown(f"No block of **{plain(card.title)}** is set out here; the diagram above shows all that there is.")
    kinds = set(network.modules.values())
    order = sorted(range(len(found)), key=lambda index: cache.exhibit(card.family, index).modules[""] not in kinds)
    for index in order:
        exhibit, graph = found[index], cache.exhibit(card.family, index)
        if graph.modules[""] not in kinds:
            st.caption(f"For comparison; {plain(card.title)} has none of these:")
        st.markdown(f"**{plain(exhibit.title)}**  ·  {plain(exhibit.figure)}")
        st.markdown(plain(exhibit.text))
        _diagram(graph, f"{card.family}-{index}")
        st.caption(
            f"{size(exhibit.input_shape[1:])} in, {size(graph.nodes[-1].shape[1:])} out: {graph.params:,} parameters, "
            f"{count(graph.macs)} MACs. Traced from this project's own code."
        )


def _diagram(graph: Graph, name: str) -> None:
    """The block, unfolded as far as the visitor wants; at first as far as its parts have names."""
    from explorer.graph.folding import fold
    from explorer.graph.layout import place

    key = f"exhibit-{name}"
    mine: dict[str, frozenset[str]] = st.session_state.setdefault("_exhibits", {})
    chosen: dict[str, str] = st.session_state.setdefault("_exhibit_boxes", {})
    folded = fold(graph, mine.get(name, frozenset()))

    def unfold() -> None:
        mine[name] = folded.toggled(st.session_state[key].toggled)

    def select() -> None:
        chosen[name] = st.session_state[key].selected

    diagram(
        place(folded), key, selected=chosen.get(name, ""), on_select=select, on_unfold=unfold, height=320, name=name
    )


def _patches(card: Architecture) -> None:
    from explorer import exhibits, images
    from explorer.preprocessing import centre_crop

    patch = int(card.slug.rsplit("_", 1)[1])
    picture = selection.picture()
    seen = centre_crop(card.input_size).view(picture.open())
    side = card.input_size // patch
    left, right = st.columns([1, 1], gap="medium")
    with left:
        blocks.image(
            images.encode_png(exhibits.patch_grid(seen, patch)), width="stretch", alt="The photo cut into patches"
        )
    with right:
        st.markdown(
            f"**{side} × {side} = {side * side} tokens**, each a patch of {patch} × {patch} pixels: its "
            f"{3 * patch * patch} numbers become a token by one multiplication with a matrix, the same for all. "
            "Their places are learnt and added; one more token, for the class, belongs to no place."
        )
