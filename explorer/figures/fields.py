"""Figures of receptive fields: how far units see by depth, in a convolutional network and in a vision transformer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from explorer import palettes

if TYPE_CHECKING:
    from explorer.growth import Reach


def growth(depths: Sequence[Reach], side: int, family: str) -> go.Figure:
    """Three sides by depth: the theoretical field's, and those of the squares with half and 90 % of the gradient."""
    figure = go.Figure()
    _lines(figure, depths, palettes.family_colour(family), "", most=True)
    return _finished(figure, side)


def beside(
    depths: Sequence[Reach], title: str, family: str, distances: np.ndarray, transformer: str, side: int
) -> go.Figure:
    """A convolutional network's fields and every attention head's mean distance, (blocks, heads), by depth."""
    figure = go.Figure()
    _lines(figure, depths, palettes.family_colour(family), f"{title}: ", most=False)
    blocks, heads = distances.shape
    colour = palettes.family_colour("ViT")
    depth = [(block + 1) / blocks for block in range(blocks)]
    figure.add_scatter(
        x=np.repeat(depth, heads),
        y=distances.ravel(),
        customdata=[[block, head] for block in range(blocks) for head in range(heads)],
        mode="markers",
        name=f"{transformer}: distance of each head",
        marker={"color": colour, "size": 6, "opacity": 0.55},
        hovertemplate="block %{customdata[0]}, head %{customdata[1]}: %{y:.1f} px<extra></extra>",
    )
    figure.add_scatter(
        x=depth,
        y=distances.mean(axis=1),
        mode="lines",
        name=f"{transformer}: mean of its heads",
        line={"color": colour, "width": 2, "dash": "dot"},
        hovertemplate="%{y:.1f} px<extra></extra>",
    )
    return _finished(figure, side)


def _lines(figure: go.Figure, depths: Sequence[Reach], colour: str, prefix: str, *, most: bool) -> None:
    known = [each for each in depths if each.theoretical is not None]
    figure.add_scatter(
        x=[each.depth for each in known],
        y=[each.theoretical for each in known],
        customdata=[[each.layer, ", and the whole photo by gates" if each.whole else ""] for each in known],
        mode="lines+markers",
        name=f"{prefix}could see",
        line={"color": colour, "width": 2, "dash": "dash"},
        marker={"symbol": "square-open", "size": 8},
        hovertemplate="%{customdata[0]} could see %{y} px%{customdata[1]}<extra></extra>",
    )
    for share, name, symbol in (("most", "90 %", "diamond"), ("half", "half", "circle")):
        if share == "most" and not most:
            continue
        figure.add_scatter(
            x=[each.depth for each in depths],
            y=[getattr(each, share) for each in depths],
            customdata=[each.layer for each in depths],
            mode="lines+markers",
            name=f"{prefix}holds {name} of the gradient",
            line={"color": colour, "width": 2},
            marker={"symbol": symbol, "size": 8},
            opacity=0.6 if share == "most" else 1.0,
            hovertemplate=f"%{{customdata}}: {name} within %{{y}} px<extra></extra>",
        )


def _finished(figure: go.Figure, side: int) -> go.Figure:
    figure.update_xaxes(title="share of the network's depth", tickformat=".0%", range=[0, 1.03], fixedrange=True)
    figure.update_yaxes(title="side or distance, px", range=[0, 1.06 * side], fixedrange=True)
    figure.update_layout(
        height=400,
        dragmode=False,
        margin={"l": 60, "r": 15, "t": 10, "b": 50},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"},
    )
    return figure
