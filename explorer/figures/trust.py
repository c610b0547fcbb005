"""Figures of trust: what the pixels of a map are worth, and which maps agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from explorer import palettes

if TYPE_CHECKING:
    from explorer.trust import Agreements, Curve, Curves

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


def agreement(found: Agreements, names: Sequence[str], *, overlap: bool = False) -> go.Figure:
    """Every map against every other: rank correlation about zero, or the overlap of their best pixels."""
    values = found.overlap if overlap else found.correlation
    table = palettes.SEQUENTIAL if overlap else palettes.DIVERGING
    low = 0.0 if overlap else -1.0
    places = np.clip(np.rint((values - low) / (1 - low) * 255), 0, 255).astype(int)
    what = f"top {100 * found.share:.0f} % overlap" if overlap else "rank correlation"
    numbers = [[(f"{100 * v:.0f}" if overlap else f"{v:.2f}").replace("-", "−") for v in row] for row in values]
    count = len(names)
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=list(range(count)),
            y=list(range(count)),
            zmin=low,
            zmax=1,
            colorscale=[(i / 255, f"rgb({r},{g},{b})") for i, (r, g, b) in enumerate(table)],
            customdata=[
                [f"{a} and {b}: {what} {n}{' %' if overlap else ''}" for b, n in zip(names, row, strict=True)]
                for a, row in zip(names, numbers, strict=True)
            ],
            hovertemplate="%{customdata}<extra></extra>",
            showscale=False,
            xgap=1,
            ygap=1,
        )
    )
    for row in range(count):
        for column in range(count):
            bright = table[places[row, column]] @ (0.299, 0.587, 0.114) > 140
            figure.add_annotation(
                x=column,
                y=row,
                text=numbers[row][column],
                showarrow=False,
                font={"size": 11, "color": "#000000" if bright else "#ffffff"},
            )
    ticks = {"tickmode": "array", "tickvals": list(range(count)), "ticktext": list(names), "fixedrange": True}
    figure.update_xaxes(**ticks, tickangle=-45, showgrid=False, automargin=True)
    figure.update_yaxes(**ticks, autorange="reversed", showgrid=False, automargin=True)
    figure.update_layout(height=110 + 34 * count, dragmode=False, margin={"l": 10, "r": 10, "t": 10, "b": 10})
    return figure
