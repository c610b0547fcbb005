"""Figures of benchmarks: time of a pass, throughput by batch size, time of each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from explorer import catalogue, palettes

if TYPE_CHECKING:
    from explorer.benchmark import Benchmark

_BAR = 30  # pixels of height for each
_REACH = 2.0  # medians: one disturbed pass must not make all bars stumps; hovering tells where the whisker ends
_DASHES = {"fp32": "solid", "bf16": "dash", "fp16": "dot"}
_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x", "star")


def times(results: Sequence[Benchmark]) -> go.Figure:
    """Median of each, with a whisker to the 95th percentile; milliseconds for the whole batch.

    Args:
        results: the first at the top.
    """
    figure = go.Figure()
    figure.add_bar(
        orientation="h",
        y=list(range(len(results))),
        x=[each.median_ms for each in results],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [each.p95_ms - each.median_ms for each in results],
            "color": palettes.OTHER,
            "thickness": 1.5,
            "width": 4,
        },
        marker={"color": [_colour(each) for each in results], "line": {"width": 0}},
        customdata=[[*_names(each), each.p95_ms, each.images_per_second] for each in results],
        hovertemplate=(
            "%{customdata[0]}, %{customdata[1]}<br>median %{x:.3~g} ms, 95th percentile %{customdata[2]:.3~g} ms<br>"
            "%{customdata[3]:.3~g} images/s<extra></extra>"
        ),
    )
    longest = max(each.median_ms for each in results)
    reach = max(each.p95_ms for each in results)
    if len(results) > 1:  # one alone has nobody to be compared with
        reach = min(reach, _REACH * longest)
    figure.update_xaxes(title="ms a batch: median, whisker to p95", range=[0, 1.05 * max(reach, longest)])
    return _barred(figure, [_short(each, results) for each in results])


def throughput(results: Sequence[Benchmark]) -> go.Figure:
    """Images a second against the batch size, a line for each network and set of settings."""
    lines: dict[tuple[str, str], list[Benchmark]] = {}
    for each in results:
        lines.setdefault(_names(each, batch=False), []).append(each)
    figure = go.Figure()
    slugs = list(dict.fromkeys(each.slug for each in results))
    for (title, words), line in lines.items():
        ordered = sorted(line, key=lambda each: each.batch_size)
        figure.add_scatter(
            x=[each.batch_size for each in ordered],
            y=[each.images_per_second for each in ordered],
            name=title if len({words for _, words in lines}) == 1 else f"{title}, {words}",
            mode="lines+markers",
            line={"color": _colour(ordered[0]), "width": 2, "dash": _DASHES[ordered[0].precision]},
            marker={"size": 8, "symbol": _SYMBOLS[slugs.index(ordered[0].slug) % len(_SYMBOLS)]},
            hovertemplate=f"{title}, {words}<br>%{{x}} at once: %{{y:.3~g}} images/s<extra></extra>",
        )
    sizes = sorted({each.batch_size for each in results})
    figure.update_xaxes(
        title="images at once", type="log", tickmode="array", tickvals=sizes, ticktext=list(map(str, sizes))
    )
    figure.update_yaxes(title="images a second", rangemode="tozero")
    figure.update_layout(
        height=420,
        dragmode=False,
        showlegend=True,
        margin={"l": 60, "r": 15, "t": 10, "b": 45},
        legend={"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0, "xanchor": "left"},
    )
    return figure.update_xaxes(fixedrange=True).update_yaxes(fixedrange=True)


def layers(milliseconds: Mapping[str, float], family: str) -> go.Figure:
    """Time of each layer, in the given order from top to bottom."""
    figure = go.Figure()
    figure.add_bar(
        orientation="h",
        y=list(range(len(milliseconds))),
        x=list(milliseconds.values()),
        marker={"color": palettes.family_colour(family)},
        customdata=list(milliseconds),
        hovertemplate="%{customdata}: %{x:.3~g} ms<extra></extra>",
    )
    figure.update_xaxes(title="ms for one image, median", rangemode="tozero")
    return _barred(figure, list(milliseconds))


def _barred(figure: go.Figure, names: Sequence[str]) -> go.Figure:
    figure.update_xaxes(fixedrange=True)
    figure.update_yaxes(
        tickmode="array",
        tickvals=list(range(len(names))),
        ticktext=list(names),
        autorange="reversed",
        automargin=True,
        fixedrange=True,
    )
    figure.update_layout(
        height=90 + _BAR * len(names),
        dragmode=False,
        bargap=0.3,
        showlegend=False,
        margin={"l": 10, "r": 15, "t": 10, "b": 45},
    )
    return figure


def _colour(result: Benchmark) -> str:
    try:
        return palettes.family_colour(catalogue.get(result.slug).family)
    except catalogue.UnknownArchitecture:  # a tuned network that was deleted since
        return palettes.OTHER


def _names(result: Benchmark, *, batch: bool = True) -> tuple[str, str]:
    words = f"batch {result.batch_size}, {result.settings.words}" if batch else result.settings.words
    return result.title, words


def _short(result: Benchmark, results: Sequence[Benchmark]) -> str:
    """The name of a bar: the network, and of its settings only what differs between the bars."""
    parts = [result.title]
    if len({each.batch_size for each in results}) > 1:
        parts.append(f"× {result.batch_size}")
    if len({each.precision for each in results}) > 1:
        parts.append(result.precision)
    if len({each.threads for each in results}) > 1:
        parts.append(f"{result.threads} thr.")
    if len({each.channels_last for each in results}) > 1:
        parts.append("NHWC" if result.channels_last else "NCHW")
    if len({each.compiled for each in results}) > 1:
        parts.append("compiled" if result.compiled else "eager")
    return " ".join(parts)
