"""The exhibit of the Architectures page: the diagram with its controls, and the panel of the selected box beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.shared import blocks, box_panel, cache, painting, selection, sidebar
from pages.shared.components.diagram import diagram
from pages.shared.text import plain

if TYPE_CHECKING:
    from explorer.catalogue import Architecture
    from explorer.graph import Graph
    from explorer.graph.folding import FoldedGraph
    from explorer.graph.layout import Direction

_LOWEST, _TALLEST, _MARGIN = 240, 460, 60  # pixels of the diagram's frame
_DIRECTIONS: dict[Direction, str] = {
    "right": ":material/arrow_right_alt: Left to right",
    "down": ":material/arrow_downward: Top to bottom",
}


def fit(card: Architecture, graph: Graph) -> None:
    """Drops a selected layer that this network does not have; says so where a link asked for it."""
    layer = selection.current().layer
    if not layer or any(f"{node.name}.".startswith(f"{layer}.") for node in graph.nodes):
        return
    if st.session_state.pop("_linked", False):
        selection.complain([f"{card.title} has no layer “{plain(layer[:60])}”; it was left out."])
    selection.change(layer="", channel=None, unit=None)


def explore(card: Architecture, graph: Graph) -> None:
    """Draws the controls, the diagram, and the panel; a click in it reruns nothing else.

    A graph needs no weights: the network is loaded only once something is asked that its graph alone does not know.
    """
    from explorer.graph.folding import fold
    from explorer.graph.layout import place

    folded = fold(graph, _unfolded(card.slug, graph))
    chosen = _selected(folded)
    direction, paint = _controls()
    sheet, below = st.container(), st.container()
    model = None
    with below:
        if chosen or painting.needs_model(paint):
            model = cache.network()
            blocks.weights_note(model)
        else:
            sidebar.reserve()
    drawing = place(folded, direction)
    with sheet:
        if graph.failure:
            st.warning(graph.failure, icon=":material/info:")
        diagram(
            drawing,
            "diagram",
            selected=chosen,
            paint=painting.paint(paint, graph, folded, model, selection.picture()),
            on_select=lambda: _choose(card.slug, st.session_state["diagram"].selected),
            on_unfold=lambda: _toggle(card.slug, folded, st.session_state["diagram"].toggled),
            on_seek=lambda: _seek(card.slug, graph, st.session_state["diagram"].sought),
            height=round(min(_TALLEST, max(_LOWEST, drawing.height + 2 * _MARGIN))),
            name=card.slug,
        )
        st.caption(st.session_state.pop("_sought", "") or painting.explanation(paint))
    with below:
        if model is None or not chosen:
            st.caption("Click a box to see what it is, what it costs, and what it makes of your picture.")
            return
        shown = folded
        if chosen in {frame.key for frame in folded.frames}:  # as the one box that it was
            shown = fold(graph, folded.unfolded - {chosen})
        box_panel.draw(graph, shown, shown.box(chosen), model, selection.picture(), lambda key: _choose(card.slug, key))


def _controls() -> tuple[Direction, str]:
    """Direction and colours; both outlive a change of page."""
    kept: dict[str, str] = st.session_state.setdefault("_diagram_view", {"direction": "right", "paint": "kind"})

    def keep(name: str) -> None:
        kept[name] = st.session_state[f"diagram-{name}"]

    for name, value in kept.items():
        st.session_state[f"diagram-{name}"] = value
    with st.container(horizontal=True, vertical_alignment="bottom"):
        direction = st.segmented_control(
            "Direction", list(_DIRECTIONS), format_func=_DIRECTIONS.__getitem__, required=True,
            key="diagram-direction", on_change=keep, args=("direction",),
        )  # fmt: skip
        paint = st.selectbox(
            "Colour by", list(painting.PAINTS), format_func=painting.PAINTS.__getitem__, key="diagram-paint", width=280,
            on_change=keep, args=("paint",),
        )  # fmt: skip
    return direction or "right", paint


def _unfolded(slug: str, graph: Graph) -> frozenset[str]:
    """What is open: what the visitor opened, else the stages, and in any case what holds the selected layer."""
    from explorer.graph.folding import opening

    mine: dict[str, frozenset[str]] = st.session_state.setdefault("_unfolded", {})
    layer = selection.current().layer
    if slug not in mine:
        mine[slug] = opening(graph)
    shown: dict[str, str] = st.session_state.setdefault("_shown_layer", {})
    if layer and shown.get(slug) != layer:  # came from a link or another page
        mine[slug] |= _around(graph, layer)
        st.session_state.setdefault("_box", {})[slug] = layer
    shown[slug] = layer
    return mine[slug]


def _around(graph: Graph, layer: str) -> frozenset[str]:
    """What must be open for a layer, a single operation or a module of many, to be a box of its own."""
    from explorer.graph.folding import around

    inside = (node.name for node in graph.nodes if f"{node.name}.".startswith(f"{layer}."))
    first = next(inside, "")
    return frozenset(key for key in around(graph, first) if not f"{key}.".startswith(f"{layer}."))


def _selected(folded: FoldedGraph) -> str:
    """Key of the selected box: the one that was clicked, or that holds it once it has been folded away; '' if none."""
    wanted = st.session_state.get("_box", {}).get(selection.current().network, "")
    keys = {box.key for box in folded.boxes if box.nodes} | {frame.key for frame in folded.frames}
    if wanted in keys:
        return wanted
    if folded.locate(wanted):
        return folded.locate(wanted)
    holders = [box.key for box in folded.boxes if any(f"{name}.".startswith(f"{wanted}.") for name in box.nodes)]
    return holders[-1] if wanted and holders else ""


def _choose(slug: str, key: str) -> None:
    """Selects a box or frame; where the other pages know it as a layer, they follow."""
    st.session_state.setdefault("_box", {})[slug] = key
    graph = cache.graph(slug)
    name = key.rpartition(":")[0] or key
    if name in graph.modules or any(node.module and node.name == name for node in graph.nodes):
        st.session_state.setdefault("_shown_layer", {})[slug] = name
        selection.change(layer=name, channel=None, unit=None)


def _toggle(slug: str, folded: FoldedGraph, key: str) -> None:
    st.session_state["_unfolded"][slug] = folded.toggled(key)


def _seek(slug: str, graph: Graph, query: str) -> None:
    """Opens what holds the first operation that fits, and selects it; one sentence if nothing does."""
    from explorer.graph.folding import around
    from explorer.graph.search import BadQuery, search

    try:
        found = search(graph, query)
    except BadQuery as error:
        st.session_state["_sought"] = str(error)
        return
    if not found:
        st.session_state["_sought"] = f"Nothing in this network fits “{plain(query[:60])}”."
        return
    many = f"{len(found)} operations fit" if len(found) > 1 else "1 operation fits"
    st.session_state["_sought"] = f"{many} “{plain(query[:60])}”; the first is selected."
    st.session_state["_unfolded"][slug] |= around(graph, found[0])
    _choose(slug, found[0])
