"""Figures of trust: what the pixels of a map are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

if TYPE_CHECKING:
    from explorer.trust import Curve, Curves

_DELETION, _INSERTION = "#0060c0", "#f86800"


def worth(curves: Curves) -> go.Figure:
    """Probability of the class by the share of pixels deleted and inserted, beside those of random maps."""
    figure = go.Figure()
    _line(figure, curves.deletion, "deleted, best first", _DELETION)
    _line(figure, curves.random_deletion, "deleted at random", _DELETION, control=True)
    _line(figure, curves.insertion, "inserted, best first", _INSERTION)
    _line(figure, curves.random_insertion, "inserted at random", _INSERTION, control=True)
    figure.update_xaxes(title="share of the pixels", tickformat=".0%", range=[0, 1], fixedrange=True)
    figure.update_yaxes(title=f"probability of {curves.label}", tickformat=".0%", rangemode="tozero", fixedrange=True)
    figure.update_layout(
        height=360,
        dragmode=False,
        margin={"l": 60, "r": 15, "t": 10, "b": 45},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"},
    )
    return figure


def _line(figure: go.Figure, curve: Curve, name: str, colour: str, *, control: bool = False) -> None:
    figure.add_scatter(
        x=curve.shares,
        y=curve.probability,
        mode="lines",
        name=f"{name}: {curve.area:.2f}",
        line={"color": colour, "width": 1.5 if control else 2.5, "dash": "dot" if control else "solid"},
        hovertemplate=f"%{{x:.0%}} {name}: %{{y:.1%}}<extra></extra>",
    )
