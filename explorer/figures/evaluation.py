"""Figures of many answers: accuracy, agreement of networks, calibration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from explorer import palettes

if TYPE_CHECKING:
    from explorer.answers import Accuracy
    from explorer.calibration import Reliability

_FIRST, _FIVE, _LINE = "#0060c0", "#f86800", "#808088"
_MARGIN = {"l": 10, "r": 15, "t": 10, "b": 10}
_LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"}


def accuracy(first: Sequence[Accuracy], five: Sequence[Accuracy]) -> go.Figure:
    """Top-1 and top-5 accuracy of each network with their 95 % intervals, the first network on top."""
    figure = go.Figure()
    for found, name, colour in ((first, "top-1", _FIRST), (five, "top-5", _FIVE)):
        shares = np.array([each.share for each in found])
        figure.add_scatter(
            x=shares,
            y=[each.network for each in found],
            mode="markers",
            name=name,
            marker={"color": colour, "size": 11},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": np.array([each.high for each in found]) - shares,
                "arrayminus": shares - np.array([each.low for each in found]),
                "color": colour,
                "thickness": 1.5,
            },
            customdata=[f"{each.hits:,} of {each.of:,}; {each.low:.1%} to {each.high:.1%}" for each in found],
            hovertemplate=f"%{{y}}, {name}: %{{x:.1%}}, %{{customdata}}<extra></extra>",
        )
    figure.update_xaxes(title="accuracy", tickformat=".0%", range=[-0.02, 1.02], fixedrange=True)
    figure.update_yaxes(autorange="reversed", fixedrange=True, automargin=True)
    figure.update_layout(height=130 + 40 * len(first), dragmode=False, margin=_MARGIN, legend=_LEGEND)
    return figure


def agreement(shares: np.ndarray, names: Sequence[str]) -> go.Figure:
    """The share of pictures (M, M) that two networks answer alike, percent in each square."""
    count = len(names)
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=list(range(count)),
            y=list(range(count)),
            zmin=0,
            zmax=1,
            colorscale=[(i / 255, f"rgb({r},{g},{b})") for i, (r, g, b) in enumerate(palettes.SEQUENTIAL)],
            customdata=[
                [f"{a} and {b}: {share:.1%}" for b, share in zip(names, row, strict=True)]
                for a, row in zip(names, shares, strict=True)
            ],
            hovertemplate="%{customdata} of the pictures alike<extra></extra>",
            showscale=False,
            xgap=1,
            ygap=1,
        )
    )
    table = palettes.colour(shares, palettes.SEQUENTIAL)
    for row in range(count):
        for column in range(count):
            bright = table[row, column] @ (0.299, 0.587, 0.114) > 140
            figure.add_annotation(
                x=column,
                y=row,
                text=f"{math.floor(100 * shares[row, column] + 0.5)} %",  # not to even: 5 of 8 are 63 %
                showarrow=False,
                font={"size": 12, "color": "#000000" if bright else "#ffffff"},
            )
    ticks = {"tickmode": "array", "tickvals": list(range(count)), "ticktext": list(names), "fixedrange": True}
    figure.update_xaxes(**ticks, tickangle=-30, showgrid=False, automargin=True)
    figure.update_yaxes(**ticks, autorange="reversed", showgrid=False, automargin=True)
    figure.update_layout(height=120 + 56 * count, dragmode=False, margin=_MARGIN)
    return figure


def reliability(found: Reliability) -> go.Figure:
    """Accuracy by confidence, in bins, against the diagonal on which a network is as right as it is sure."""
    middles = (found.edges[:-1] + found.edges[1:]) / 2
    filled = found.count > 0
    figure = go.Figure()
    figure.add_bar(
        x=middles[filled],
        y=found.accuracy[filled],
        width=np.diff(found.edges)[filled] * 0.94,
        marker={"color": _FIRST, "opacity": _opacity(found.count[filled])},
        customdata=np.column_stack([found.confidence[filled], found.count[filled]]),
        hovertemplate="confidence %{customdata[0]:.1%}, accuracy %{y:.1%}: %{customdata[1]:,} pictures<extra></extra>",
        showlegend=False,
    )
    _gaps(figure, found, filled)
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": _LINE, "dash": "dot"}, hoverinfo="skip", showlegend=False
    )
    _shares(figure, "accuracy")
    return figure.update_yaxes(range=[-0.05, 1.05])  # whole dots at 0 and at 1


def _gaps(figure: go.Figure, found: Reliability, filled: np.ndarray) -> None:
    """A dot for each bin, which is seen at accuracy 0, too, larger for more pictures; its gap to the diagonal."""
    sure, right, count = found.confidence[filled], found.accuracy[filled], found.count[filled]
    x: list[float | None] = []
    y: list[float | None] = []
    for across, up in zip(sure, right, strict=True):
        x += [float(across), float(across), None]
        y += [float(up), float(across), None]
    figure.add_scatter(
        x=x, y=y, mode="lines", line={"color": _FIVE, "width": 2}, hoverinfo="skip", showlegend=False, name="gap"
    )
    figure.add_scatter(
        x=sure,
        y=right,
        mode="markers",
        name="bins",
        marker={
            "color": _FIVE,
            "opacity": 1,
            "size": 7 + 9 * np.sqrt(count / max(count.max(initial=1), 1)),
            "line": {"width": 1, "color": "#ffffff"},
        },
        customdata=count,
        hovertemplate="confidence %{x:.1%}, accuracy %{y:.1%}: %{customdata:,} pictures<extra></extra>",
        showlegend=False,
        cliponaxis=False,
    )


def confidence(values: np.ndarray, bins: int) -> go.Figure:
    """How many pictures (N,) are answered with which confidence, 0 to 1."""
    count, edges = np.histogram(values, bins=bins, range=(0, 1))
    figure = go.Figure()
    figure.add_bar(
        x=(edges[:-1] + edges[1:]) / 2,
        y=count / max(len(values), 1),
        width=np.diff(edges) * 0.94,
        marker={"color": _FIRST},
        customdata=np.column_stack([edges[:-1], edges[1:], count]),
        hovertemplate="confidence %{customdata[0]:.0%} to %{customdata[1]:.0%}: %{customdata[2]:,} pictures"
        "<extra></extra>",
    )
    _shares(figure, "share of the pictures")
    figure.update_yaxes(range=None, rangemode="tozero")
    return figure


def _opacity(count: np.ndarray) -> np.ndarray:
    """Bins with few pictures are paler: they say little."""
    return 0.35 + 0.65 * np.minimum(1.0, count / max(count.max(), 1) * 4)


def _shares(figure: go.Figure, title: str) -> go.Figure:
    figure.update_xaxes(title="confidence", tickformat=".0%", range=[0, 1], fixedrange=True)
    figure.update_yaxes(title=title, tickformat=".0%", range=[0, 1.02], fixedrange=True, automargin=True)
    figure.update_layout(height=290, dragmode=False, margin=_MARGIN, bargap=0)
    return figure
