"""Tabs of the Architectures page: numbers by depth with the table to keep, and the network's own code."""

from __future__ import annotations

import csv
import importlib
import inspect
import io
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.shared.text import plain

if TYPE_CHECKING:
    from explorer.catalogue import Architecture
    from explorer.graph import Graph, Node


def draw(card: Architecture, graph: Graph) -> None:
    """Four charts over one axis, and every layer as a table and as files."""
    from explorer.figures.architectures import by_depth

    st.plotly_chart(by_depth(graph), key="by-depth", config={"displayModeBar": False})
    st.caption(
        f"{plain(card.title)} at {card.input_size} × {card.input_size}: each bar is a layer with multiplications; "
        "hover for its name."
    )
    rows = [row(node) for node in graph.nodes]
    st.dataframe(
        rows,
        hide_index=True,
        height=360,
        column_config={
            "parameters": st.column_config.NumberColumn(format="localized"),
            "MACs": st.column_config.NumberColumn(format="localized"),
            "output MB": st.column_config.NumberColumn(format="%.3f"),
        },
    )
    with st.container(horizontal=True):
        _keep("Table as CSV", lambda: table(rows), f"{card.slug}.csv", "text/csv")
        _keep("Graph as JSON", lambda: as_json(card, graph), f"{card.slug}.json", "application/json")


def _keep(label: str, data: object, name: str, kind: str) -> None:
    st.download_button(
        label,
        data,  # type: ignore[arg-type]  # a function that makes the file when it is asked for
        name,
        kind,
        on_click="ignore",
        type="tertiary",
        icon=":material/download:",
    )


def row(node: Node) -> dict[str, Any]:
    """One operation as a line of the table."""
    field = node.receptive_field
    return {
        "layer": node.name,
        "operation": node.operation,
        "output": " × ".join(map(str, node.shape[1:])),
        "parameters": node.params,
        "MACs": node.macs,
        "output MB": node.activation_bytes / 1e6,
        "sees, px": "" if field is None else "whole image" if field.whole else str(field.size),
        "stride, px": "" if field is None or field.whole else str(field.stride),
    }


def table(rows: list[dict[str, Any]]) -> bytes:
    """The lines as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_json(card: Architecture, graph: Graph) -> bytes:
    """The whole graph as JSON."""
    content = {
        "network": card.slug,
        "input_shape": graph.input_shape,
        "params": graph.params,
        "macs": graph.macs,
        "outputs": graph.outputs,
        "modules": dict(graph.modules),
        "nodes": [
            {**asdict(node), "settings": {name: str(value) for name, value in node.settings.items()}}
            for node in graph.nodes
        ],
    }
    return json.dumps(content, indent=1, default=str).encode()


def code(card: Architecture) -> None:
    """The file in which the network is written, to read beside the paper."""
    module = importlib.import_module(card.builder.partition(":")[0])
    if not module.__name__.startswith("explorer."):
        from torchvision.models import get_model_builder

        module = inspect.getmodule(get_model_builder(card.slug)) or module
    st.code(inspect.getsource(module), "python", line_numbers=True, height=640)
    st.caption(f"{module.__name__}, whole, as it runs.")
