"""Figures of the Architectures page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

if TYPE_CHECKING:
    from explorer.graph import Graph, Node

_BLUE, _ORANGE, _GREEN, _PURPLE = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#aa4499",
)  # Okabe and Ito's and Tol's, colour-blind safe

_PRODUCTS = ("matmul", "bmm", "baddbmm")


def by_depth(graph: Graph) -> go.Figure:
    """Parameters, MACs, resolution and channels of the layers with weights, in the order in which they run."""
    nodes = [node for node in graph.nodes if node.macs]
    names = [node.name for node in nodes]
    rows: Sequence[tuple[str, list[float | None], str, bool]] = (
        ("parameters", [node.params for node in nodes], _BLUE, True),
        ("MACs", [node.macs for node in nodes], _ORANGE, True),
        ("resolution, positions along a side", [_resolution(node) for node in nodes], _GREEN, False),
        ("channels", [_channels(node) for node in nodes], _PURPLE, False),
    )
    figure = make_subplots(
        rows=4, cols=1, shared_xaxes=True, vertical_spacing=0.07, subplot_titles=[row[0] for row in rows]
    )
    for number, (title, values, colour, bars) in enumerate(rows, start=1):
        hover = f"%{{customdata}}<br>{title}: %{{y:,}}<extra></extra>"
        x = list(range(1, len(nodes) + 1))
        if bars:
            trace: go.Bar | go.Scatter = go.Bar(
                x=x, y=values, marker_color=colour, customdata=names, hovertemplate=hover
            )
        else:
            line = {"color": colour, "shape": "hvh"}
            trace = go.Scatter(
                x=x, y=values, connectgaps=True, mode="lines", line=line, customdata=names, hovertemplate=hover
            )
        figure.add_trace(trace, row=number, col=1)
    figure.update_yaxes(rangemode="tozero", nticks=4, tickformat="~s")
    figure.update_xaxes(title="layers with multiplications, from the photo to the answer", row=4, col=1)
    figure.update_annotations(font_size=13, x=0, xanchor="left")
    figure.update_layout(height=560, showlegend=False, bargap=0.1, margin={"l": 50, "r": 10, "t": 30, "b": 50})
    return figure


def _resolution(node: Node) -> float | None:
    """Side of the maps; None where there are no positions left, or where tokens meet tokens (attention)."""
    shape = node.shape
    if node.operation in _PRODUCTS:
        return None
    if len(shape) == 4:
        # Channels last have equal sides first.
        return shape[2] if shape[2] == shape[3] else shape[1]
    if len(shape) == 3:
        return int((shape[1]) ** 0.5)  # tokens of a square grid, with or without one for the class
    return None


def _channels(node: Node) -> float | None:
    shape = node.shape
    if node.operation in _PRODUCTS:
        return None
    return shape[1] if len(shape) == 2 or (len(shape) == 4 and shape[2] == shape[3]) else shape[-1]


def weights(values: np.ndarray, edges: np.ndarray) -> go.Figure:
    """Histogram of weights.

    Args:
        values: how many weights lie in each bin, (bins,).
        edges: of the bins, (bins + 1,).
    """
    centres = (edges[:-1] + edges[1:]) / 2
    bars = go.Bar(
        x=centres,
        y=values,
        width=np.diff(edges),
        marker_color=_BLUE,
        hovertemplate="around %{x:.3g}: %{y:,} weights<extra></extra>",
    )
    figure = go.Figure(bars)
    figure.update_xaxes(title="weight", zeroline=True)
    figure.update_yaxes(title="count", nticks=4)
    figure.update_layout(height=190, margin={"l": 40, "r": 5, "t": 5, "b": 40}, bargap=0)
    return figure
