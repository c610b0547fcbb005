"""The panel beside the diagram: all that is known about the selected box."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from pages.shared import cache, selection
from pages.shared.components.gallery import Tile, gallery
from pages.shared.text import count, memory, percent, plain, size

if TYPE_CHECKING:
    from torch import nn

    from explorer.graph import Graph
    from explorer.graph.folding import Box, FoldedGraph
    from explorer.models import Model
    from explorer.receptive_field import ReceptiveField
    from pages.shared.pictures import Picture

_TILES = 8


def draw(
    graph: Graph, folded: FoldedGraph, box: Box, model: Model, picture: Picture, choose: Callable[[str], None]
) -> None:
    """Draws it.

    Args:
        graph: of the network.
        folded: as it is shown.
        box: the selected one.
        model: the loaded network, for weights and activations.
        picture: the selected photo.
        choose: selects another box.
    """
    layer = layer_of(graph, box, model)
    what, answers, code = st.columns([3, 3, 3], gap="large")
    with what:
        st.markdown(f"**{plain(box.title)}**")
        text = _sentence(box, model)
        if text:
            st.markdown(plain(text))
        _facts(graph, folded, box)
    with answers:
        if layer:
            _activations(model, picture, layer)
    with code:
        _neighbours(folded, box, choose)
        _formulas(graph, box)
        _weights(graph, box, model)
        _source(box, model)


def layer_of(graph: Graph, box: Box, model: Model) -> str:
    """The layer, as the other pages know it, whose output is the box's; '' if no module hands that on."""
    from explorer import activations

    known = {layer.name for layer in activations.layers(model)}
    if not box.nodes:
        return ""
    inside, last = set(box.nodes), graph.node(box.nodes[-1])
    options = [box.module, last.name]
    path = last.parent
    while path:
        options.append(path)
        path = path.rpartition(".")[0]
    for option in filter(None, options):
        within = {
            node.name for node in graph.nodes if node.name == option or f"{node.parent}.".startswith(f"{option}.")
        }
        if option in known and within <= inside:
            return option
    return ""


def _module(box: Box, model: Model) -> nn.Module | None:
    """The module that the box is, or the first of those that it stands for; a mere list gives its first part."""
    modules = dict(model.module.named_modules())
    path = (box.key.rpartition(":")[0] if box.count > 1 else box.module) or (
        box.nodes[0] if len(box.nodes) == 1 else ""
    )
    found = modules.get(path.partition("#")[0]) if path else None
    if type(found).__name__ in ("Sequential", "ModuleList"):
        return next(iter(found.children()), found) if found is not None else None
    return found


def _sentence(box: Box, model: Model) -> str:
    from explorer import explanations

    known = explanations.sentence(box.operation)
    module = _module(box, model)
    if known or module is None or not type(module).__module__.startswith("explorer."):
        return known or (explanations.sentence(type(module).__name__) if len(box.nodes) == 1 else "")
    about = (inspect.getdoc(type(module)) or "").split("\n")[0].partition(": (")[0].rstrip(".")  # without the shapes
    several = box.parts > 1 and box.operation in ("Sequential", "ModuleList")
    return f"{box.detail}. {about}." if several or box.count > 1 else f"{about}."


def _facts(graph: Graph, folded: FoldedGraph, box: Box) -> None:
    shapes = [size(shape[1:]) for edge in folded.edges if edge.target == box.key for shape in edge.shapes]
    rows = {
        "In": " and ".join(dict.fromkeys(shapes)) or "-",
        "Out": size(box.shape[1:]),
        "Parameters": f"{box.params:,}" + (f" ({percent(box.params / graph.params)} of all)" if box.params else ""),
        "MACs": f"{count(box.macs)}" + (f" ({percent(box.macs / graph.macs)} of all)" if box.macs else ""),
        "Memory of outputs": memory(box.activation_bytes),
        "One unit sees": _field(box.receptive_field, graph.input_shape[-1]),
    }
    st.markdown("\n".join(f"- {name}: **{plain(value)}**" for name, value in rows.items()))


def _field(field: ReceptiveField | None, side: int) -> str:
    if field is None:
        return "-"
    if field.whole:
        return f"the whole image ({field.size} px without gates and attention)" if field.size > 1 else "the whole image"
    more = f", more than the {side} px there are" if field.size > side else ""
    return f"{field.size} × {field.size} px, every {field.stride} px{more}"


def _formulas(graph: Graph, box: Box) -> None:
    from explorer import explanations
    from explorer.graph import INPUT

    if len(box.nodes) != 1:
        return
    node = graph.node(box.nodes[0])
    shapes = [graph.input_shape if name == INPUT else graph.node(name).shape for name in node.inputs]
    for formula in explanations.formulas(node, shapes):
        st.caption(f"{formula.name}: ${formula.latex} = {formula.value:,}$".replace(",", r"\,"))


def _activations(model: Model, picture: Picture, layer: str) -> None:
    from explorer import activations

    def open_channel() -> None:
        selection.change(layer=layer, channel=int(st.session_state["panel-tiles"].chosen), unit=None)
        st.session_state["_open"] = "feature_maps"

    tiles = [
        Tile(str(channel), png, f"channel {channel}") for channel, png in cache.strongest(model, picture, layer, _TILES)
    ]
    gallery(tiles, "panel-tiles", open_channel, width=64, text=False)
    st.caption(f"{model.weights.name}: the channels that answer most strongly to this picture; click one.")
    spatial = activations.find(model, layer).spatial
    pages = {"feature_maps": "Feature maps"}
    if spatial:
        pages |= {"attribution": "Attribution", "receptive_field": "Receptive field"}
    if model.card.task != "classification":
        pages.pop("attribution", None)
    with st.container(horizontal=True):
        for stem, title in pages.items():
            st.button(
                f"Open in {title}",
                key=f"open-{stem}",
                type="tertiary",
                icon=":material/open_in_new:",
                on_click=_open,
                args=(stem, layer),
            )


def _open(stem: str, layer: str) -> None:
    selection.change(layer=layer)
    st.session_state["_open"] = stem
    st.session_state["_fields_tab"] = "Real network"  # where the Receptive field page shows a layer


def _neighbours(folded: FoldedGraph, box: Box, choose: Callable[[str], None]) -> None:
    for title, keys, icon in (("From", box.inputs, "west"), ("To", box.outputs, "east")):
        if keys:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.caption(title, width="content")
                for key in keys[:12]:
                    st.button(
                        plain(folded.box(key).label),
                        key=f"go-{title}-{key}",
                        type="tertiary",
                        icon=f":material/{icon}:",
                        help=plain(folded.box(key).title),
                        on_click=choose,
                        args=(key,),
                    )


def _weights(graph: Graph, box: Box, model: Model) -> None:
    if len(box.nodes) != 1 or not graph.node(box.nodes[0]).params:
        return
    module = _module(box, model)
    parameter = getattr(module, "weight", None)
    if parameter is None:
        return
    shown = st.expander("Weights", icon=":material/bar_chart:", key="panel-weights", on_change="rerun")
    if shown.open:
        import numpy as np

        from explorer.figures.architectures import weights

        values = parameter.detach().float().cpu().numpy().ravel()
        with shown:
            bins = np.histogram(values, 60)
            st.plotly_chart(weights(*bins), key="panel-histogram", config={"displayModeBar": False})
            st.caption(
                f"{len(values):,} weights, {model.weights.name}: mean {values.mean():.3g}, "
                f"standard deviation {values.std():.3g}."
            )


def _source(box: Box, model: Model) -> None:
    module = _module(box, model)
    if module is None:
        return
    kind = type(module)
    shown = st.expander(f"Code of {kind.__name__}", icon=":material/code:", key="panel-code", on_change="rerun")
    if shown.open:
        with shown:
            try:
                st.code(inspect.getsource(kind), "python", height=360)
            except (OSError, TypeError):
                st.caption("Its source code is not on this machine.")
            st.caption(kind.__module__)
