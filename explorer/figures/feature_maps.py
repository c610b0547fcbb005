"""Figures of the Feature maps page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go
from plotly.subplots import make_subplots

if TYPE_CHECKING:
    from explorer.measures import Summary

_BLUE, _ORANGE, _GREEN, _PURPLE = "#0072b2", "#d55e00", "#009e73", "#aa4499"  # colour-blind safe (Okabe, Ito; Tol)


def overview(names: Sequence[str], summaries: Mapping[str, Summary], chosen: str) -> go.Figure:
    """Mean with spread, range, zeros and dead channels of each layer, in the order in which they finish.

    Args:
        names: of the layers, one to a place on the axis; the figure's points carry them.
        summaries: of the layers, by name.
        chosen: the layer that is marked.
    """
    titles = ("mean and spread", "largest value", "zeros, % of all values", "dead channels, %")
    figure = make_subplots(rows=2, cols=2, shared_xaxes=True, vertical_spacing=0.14, subplot_titles=titles)
    x = list(range(1, len(names) + 1))
    found = [summaries[name] for name in names]
    rows = (
        ([each.mean for each in found], _BLUE, "mean: %{y:.3g}"),
        ([each.maximum for each in found], _ORANGE, "largest: %{y:.3g}"),
        ([100 * each.zeros for each in found], _GREEN, "zeros: %{y:.1f} %"),
        ([100 * each.dead for each in found], _PURPLE, "dead: %{y:.1f} %"),
    )
    for number, (values, colour, words) in enumerate(rows):
        spread = {"type": "data", "array": [each.spread for each in found], "thickness": 1, "width": 0}
        sizes = [11 if name == chosen else 6 for name in names]
        trace = go.Scatter(
            x=x,
            y=values,
            error_y=spread if number == 0 else None,
            mode="markers",
            marker={"color": colour, "size": sizes, "line": {"width": 0}},
            customdata=list(names),
            hovertemplate=f"%{{customdata}}<br>{words}<extra></extra>",
        )
        figure.add_trace(trace, row=number // 2 + 1, col=number % 2 + 1)
        if chosen in names:
            figure.add_vline(
                x=names.index(chosen) + 1, line_width=1, line_dash="dot", row=number // 2 + 1, col=number % 2 + 1
            )
    figure.update_yaxes(nticks=5)
    figure.update_yaxes(range=[-4, 104], row=2)
    figure.update_xaxes(title="layer", row=2)
    figure.update_annotations(font_size=13)
    figure.update_layout(height=430, showlegend=False, margin={"l": 40, "r": 10, "t": 30, "b": 45}, dragmode=False)
    return figure
