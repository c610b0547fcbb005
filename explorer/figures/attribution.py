"""Figures of the Attribution page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from explorer import palettes

if TYPE_CHECKING:
    from explorer.attribution import Attribution


def raw_map(found: Attribution) -> go.Figure:
    """The signed map at the layer's own resolution, blue - white - red about zero, one cell a unit."""
    rows, columns = found.raw.shape
    peak = float(np.abs(found.raw).max()) or 1.0
    figure = go.Figure(
        go.Heatmap(
            z=found.raw,
            zmin=-peak,
            zmax=peak,
            colorscale=[(i / 255, f"rgb({r},{g},{b})") for i, (r, g, b) in enumerate(palettes.DIVERGING)],
            hovertemplate="row %{y}, column %{x}: %{z:.4g}<extra></extra>",
            texttemplate="%{z:.2g}" if rows <= 14 else None,
            xgap=1,
            ygap=1,
        )
    )
    figure.update_yaxes(autorange="reversed", scaleanchor="x", title="row", constrain="domain")
    figure.update_xaxes(title="column", constrain="domain", range=[-0.5, columns - 0.5])
    figure.update_layout(height=460, margin={"l": 40, "r": 10, "t": 10, "b": 40})
    return figure
