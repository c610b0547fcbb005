"""Figures of the Transfer learning page: how a run goes, and what was learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

if TYPE_CHECKING:
    from explorer.training import Epoch

_LEARNT, _CHECKED, _RATE = "#0072b2", "#d55e00", "#009e73"  # colour-blind safe (Okabe, Ito)


def curves(
    epochs: Sequence[Epoch], losses: np.ndarray, steps: int, planned: int, best: int
) -> tuple[go.Figure, go.Figure, go.Figure]:
    """Loss, accuracy and learning rate of a run, a figure each.

    Args:
        epochs: that have ended.
        losses: mean loss of each step, (steps,).
        steps: in an epoch.
        planned: number of epochs there will be.
        best: number of the best epoch so far, 0 for none.
    """
    numbers = [each.number for each in epochs]
    loss, accuracy, rate = (_axes(title, planned) for title in ("loss", "accuracy", "learning rate"))
    if len(losses):
        places = (np.arange(len(losses)) + 1) / steps
        shown = slice(None, None, max(1, len(losses) // 500))  # a curve needs no more points than pixels
        _line(loss, places[shown], losses[shown], "each step", _LEARNT, thin=True)
    _line(loss, numbers, [each.loss for each in epochs], "to learn from", _LEARNT)
    _line(loss, numbers, [each.validation_loss for each in epochs], "to check with", _CHECKED)
    drawn = np.array([*losses, *(each.loss for each in epochs), *(each.validation_loss for each in epochs)])
    highest = float(np.max(drawn, initial=0.0, where=np.isfinite(drawn)))
    loss.update_yaxes(range=[0, 1.08 * highest or 1.0])  # a line at the very edge would look cut off
    checked = [100 * each.validation_accuracy for each in epochs]
    _line(accuracy, numbers, [100 * each.accuracy for each in epochs], "to learn from", _LEARNT, unit=" %")
    _line(accuracy, numbers, checked, "to check with", _CHECKED, unit=" %")
    if best:
        accuracy.add_scatter(
            x=[best],
            y=[checked[best - 1]],
            mode="markers",
            marker={"size": 13, "symbol": "circle-open", "color": _CHECKED, "line": {"width": 2}},
            name="the best",
            hovertemplate="the best: %{y:.1f} %<extra></extra>",
        )
    accuracy.update_yaxes(range=[0, 106], ticksuffix=" %")
    _line(rate, numbers, [each.head_rate for each in epochs], "head", _RATE)
    if any(each.backbone_rate for each in epochs):
        _line(rate, numbers, [each.backbone_rate for each in epochs], "backbone", _RATE, thin=True)
    rate.update_yaxes(rangemode="tozero", exponentformat="power", showticklabels=bool(epochs))  # else 0 to 4
    return loss, accuracy, rate


def _axes(title: str, planned: int) -> go.Figure:
    figure = go.Figure()
    figure.update_xaxes(range=[0, planned + 0.3], title="epoch", nticks=6)
    figure.update_layout(
        title={"text": title, "font": {"size": 14}, "x": 0.02, "y": 0.98},
        height=290,
        dragmode=False,
        margin={"l": 40, "r": 10, "t": 32, "b": 40},
        legend={"orientation": "h", "y": -0.33, "yanchor": "top", "x": 0, "xanchor": "left"},
        showlegend=True,
    )
    return figure


def _line(
    figure: go.Figure,
    x: Sequence[float] | np.ndarray,
    y: Sequence[float] | np.ndarray,
    name: str,
    colour: str,
    *,
    thin: bool = False,
    unit: str = "",
) -> None:
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines" if thin and len(x) > 1 else "lines+markers",
        name=name,
        opacity=0.8 if thin else 1,
        line={"color": colour, "width": 1.2 if thin else 2},
        marker={"size": 4 if thin else 6},
        hovertemplate=f"{name}: %{{y:.4g}}{unit}<extra></extra>",
    )


def runs(names: Sequence[str], histories: Sequence[Sequence[Epoch]]) -> go.Figure:
    """Accuracy on the pictures to check with, of several runs, epoch by epoch."""
    figure = go.Figure()
    for name, epochs in zip(names, histories, strict=True):
        figure.add_scatter(
            x=[each.number for each in epochs],
            y=[100 * each.validation_accuracy for each in epochs],
            mode="lines+markers",
            name=name,
            hovertemplate=f"{name}: %{{y:.1f}} % after epoch %{{x}}<extra></extra>",
        )
    figure.update_xaxes(title="epoch", rangemode="tozero", nticks=8)
    figure.update_yaxes(title="accuracy on pictures to check with", ticksuffix=" %", range=[0, 103])
    figure.update_layout(
        height=320,
        dragmode=False,
        margin={"l": 50, "r": 10, "t": 10, "b": 40},
        legend={"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0, "xanchor": "left"},
    )
    return figure
