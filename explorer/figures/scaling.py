"""Figures of the scaling lab: what designs cost, and how gradients run through depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from explorer import palettes

if TYPE_CHECKING:
    from explorer.scaling import Design, GradientNorms, Path

_HERE = "#f058c8"  # unlike every line it may stand on
_DASHES = {
    "width alone": "dot",
    "depth alone": "dash",
    "resolution alone": "dashdot",
    "V1 at 224 px": "dash",
    "ResNet, basic blocks": "dash",
}
_LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"}


def cost_plane(paths: Sequence[Path], here: Design) -> go.Figure:
    """MACs against parameters, both on logarithmic scales, with the design of the moment as a diamond."""
    figure = go.Figure()
    for path in paths:
        x, y = [each.parameters for each in path.designs], [each.macs for each in path.designs]
        figure.add_trace(go.Scatter(x=x, y=y, **_style(path), hovertemplate=_HOVER))
    figure.add_trace(_here([here.parameters], [here.macs]))
    figure.update_xaxes(type="log", title="parameters", **_LOG)
    figure.update_yaxes(type="log", title="MACs, one image", **_LOG)
    figure.update_layout(height=430, legend=_LEGEND, dragmode=False, margin={"l": 60, "r": 35, "t": 10, "b": 50})
    return figure


def by_depth(paths: Sequence[Path], here: Design) -> go.Figure:
    """Parameters and MACs against the number of layers."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    for row, field in ((1, "parameters"), (2, "macs")):
        for path in paths:
            x, y = [each.layers for each in path.designs], [getattr(each, field) for each in path.designs]
            hover = "%{customdata} layers: %{y:.4s}<extra>%{fullData.name}</extra>"
            style = _style(path, named=row == 1) | {"showlegend": row == 1}
            figure.add_trace(go.Scatter(x=x, y=y, **style, hovertemplate=hover), row=row, col=1)
        figure.add_trace(_here([here.layers], [getattr(here, field)], legend=row == 1), row=row, col=1)
    figure.update_xaxes(title="layers with weights, one after the other", row=2, col=1)
    figure.update_xaxes(fixedrange=True, rangemode="tozero")
    figure.update_yaxes(fixedrange=True, rangemode="tozero", tickformat="~s", nticks=6)
    figure.update_yaxes(title="parameters", row=1, col=1)
    figure.update_yaxes(title="MACs, one image", row=2, col=1)
    figure.update_layout(height=520, legend=_LEGEND, dragmode=False, margin={"l": 60, "r": 15, "t": 10, "b": 50})
    return figure


def gradients(plain: GradientNorms, residual: GradientNorms) -> go.Figure:
    """The norm of each layer's gradient in a plain and in a residual network, logarithmic."""
    figure = go.Figure()
    for name, norms, family in (("plain", plain, "other"), ("with shortcuts", residual, "ResNet")):
        colour = palettes.family_colour(family)
        figure.add_trace(
            go.Scatter(
                x=list(range(1, len(norms.layers) + 1)),
                y=norms.layers,
                name=name,
                mode="lines+markers",
                marker={"size": 5, "color": colour, "symbol": "circle" if family == "ResNet" else "square"},
                line={"color": colour, "width": 2},
                hovertemplate="layer %{x}: %{y:.3g}<extra>%{fullData.name}</extra>",
            )
        )
    ends = [0.5, len(plain.layers) + 0.5]
    figure.update_xaxes(title="convolution, from image to loss", range=ends, nticks=10, fixedrange=True)
    figure.update_yaxes(type="log", title="norm of the gradient", exponentformat="power", dtick=1, fixedrange=True)
    figure.update_layout(height=400, legend=_LEGEND, dragmode=False, margin={"l": 60, "r": 15, "t": 10, "b": 50})
    return figure


_HOVER = "%{customdata}: %{x:.4s} parameters, %{y:.4s} MACs<extra>%{fullData.name}</extra>"
_LOG: dict[str, Any] = {"fixedrange": True, "dtick": "D2", "tickformat": "~s"}


def _style(path: Path, named: bool = True) -> dict[str, Any]:
    colour = palettes.family_colour(path.family)
    shown = path.published and named
    return {
        "name": path.name,
        "mode": ("lines+markers+text" if shown else "lines+markers") if path.published else "lines",
        "text": path.labels if shown else None,
        "textposition": "bottom right" if path.name.startswith("V2") else "top left",
        "customdata": path.labels,
        "marker": {"size": 9, "color": colour},
        "line": {
            "color": colour,
            "width": 1.3 if path.name.endswith("alone") else 2,
            "dash": _DASHES.get(path.name, "solid"),
        },
        "cliponaxis": False,
    }


def _here(x: Sequence[float], y: Sequence[float], legend: bool = True) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=y,
        name="you are here",
        mode="markers",
        marker={"symbol": "diamond-open", "size": 17, "color": _HERE, "line": {"width": 3}},
        hovertemplate="you are here<extra></extra>",
        showlegend=legend,
        cliponaxis=False,
    )
