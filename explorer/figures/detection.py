"""Figures of the Detection page: shares of classes, scores of boxes, precision by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

if TYPE_CHECKING:
    import numpy as np

_BLUE, _GREY = "#0060c0", "#808088"


def shares(values: Sequence[float], names: Sequence[str], axis: str) -> go.Figure:
    """Bars from 0 to 1, one for each name, the first on top.

    Args:
        values: 0 to 1.
        names: of the bars.
        axis: what is measured.
    """
    figure = go.Figure(
        go.Bar(
            x=list(values),
            y=list(names),
            orientation="h",
            marker={"color": _BLUE},
            text=[f"{value:.3f}" for value in values],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.4f}<extra></extra>",
        )
    )
    figure.update_xaxes(range=[0, 1.12], tickvals=[0, 0.25, 0.5, 0.75, 1], title=axis, fixedrange=True)
    figure.update_yaxes(autorange="reversed", fixedrange=True)
    figure.update_layout(height=90 + 24 * len(names), dragmode=False, margin={"l": 5, "r": 10, "t": 5, "b": 40})
    return figure


def scores(values: np.ndarray, confidence: float) -> go.Figure:
    """How many anchors have which score (a logarithmic axis, since most have nearly none), and where the limit lies.

    Args:
        values: of all anchors, 0 to 1, any shape.
        confidence: the limit.
    """
    figure = go.Figure(
        go.Histogram(
            x=values.ravel(),
            xbins={"start": 0, "end": 1.0001, "size": 0.05},
            marker={"color": _BLUE},
            hovertemplate="score %{x}: %{y} anchors<extra></extra>",
        )
    )
    figure.add_vline(x=confidence, line={"color": "#f86800", "width": 2.5})
    figure.update_xaxes(title="score", range=[0, 1], fixedrange=True)
    figure.update_yaxes(title="anchors", type="log", dtick=1, range=[-0.3, 3], fixedrange=True)
    figure.update_layout(height=240, dragmode=False, bargap=0.08, margin={"l": 50, "r": 10, "t": 10, "b": 40})
    return figure
