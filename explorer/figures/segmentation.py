"""Figures of segmentation: maps before and after an upsampling, pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from explorer import palettes

_SCALE = [[place / 255, f"rgb({r},{g},{b})"] for place, (r, g, b) in enumerate(palettes.SEQUENTIAL.tolist())]


def grids(panels: Sequence[tuple[str, npt.NDArray[np.generic]]], *, numbers: bool = True) -> go.Figure:
    """Small grids side by side, each with its own colours from its lowest to its highest value.

    Args:
        panels: (title, values (H, W)).
        numbers: whether each cell carries its value.
    """
    figure = make_subplots(cols=len(panels), horizontal_spacing=0.03, subplot_titles=[title for title, _ in panels])
    for column, (_, values) in enumerate(panels, start=1):
        figure.add_heatmap(
            z=values,
            row=1,
            col=column,
            colorscale=_SCALE,
            showscale=False,
            xgap=1,
            ygap=1,
            texttemplate="%{z:.3~g}" if numbers else None,
            hovertemplate="row %{y}, column %{x}: %{z:.4~g}<extra></extra>",
        )
        figure.update_yaxes(
            autorange="reversed",
            visible=False,
            fixedrange=True,
            constrain="domain",
            constraintoward="top",  # under its title, where the figure is higher than wide
            row=1,
            col=column,
        )
        figure.update_xaxes(
            visible=False,
            fixedrange=True,
            constrain="domain",
            scaleanchor=f"y{column if column > 1 else ''}",
            row=1,
            col=column,
        )
    figure.update_annotations(font_size=13)
    figure.update_layout(height=280, dragmode=False, margin={"l": 5, "r": 5, "t": 30, "b": 5})
    return figure
