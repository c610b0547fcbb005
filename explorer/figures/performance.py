"""The chart of the Performance page: what designs cost, and what they buy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from explorer import palettes
from explorer.performance.views import RING

if TYPE_CHECKING:
    import pandas as pd

    from explorer.performance.metrics import Metric
    from explorer.performance.placing import Name
    from explorer.performance.views import Axis, View

_FADED = "rgba(128,128,136,0.55)"


def chart(
    view: View,
    table: pd.DataFrame,
    chosen: str,
    *,
    joined: bool = True,
    front: bool = True,
    phone: bool = False,
    ink: str = "",
) -> go.Figure:
    """Dots, what joins them, and their names.

    Args:
        view: what to draw.
        table: the rows that the view was made of.
        chosen: slug of the network with a ring.
        joined: whether networks of a family are joined, and the same network's other weights.
        front: whether the Pareto front is drawn.
        phone: whether the page is narrow: margins are smaller then.
        ink: colour of names and axes; Plotly's own if empty.
    """
    shown = table.iloc[view.rows]
    figure = go.Figure()
    if joined:
        for line in view.lines:
            figure.add_trace(_series(view, shown, line))
        figure.add_trace(_segments(view, [(view.across[b], view.up[b], a) for a, b in view.versions], "solid"))
    if front and len(view.front) > 1:
        figure.add_trace(_front(view))
    figure.add_trace(_segments(view, [(x, y, dot) for dot, x, y in view.claimed], "dot"))
    figure.add_trace(_dots(view, shown, ink))
    if view.claimed:
        figure.add_trace(_claims(view, shown))
    figure.add_trace(_ring(view, shown, chosen))
    for name in view.names:
        figure.add_annotation(_name(view, name, ink))
    figure.update_xaxes(**_axis(view.x, ink))
    figure.update_yaxes(**_axis(view.y, ink))
    top = 10 if view.colour is None else 62  # room for the bar of colours
    figure.update_layout(
        height=(440 if phone else 510) + top,
        showlegend=False,
        dragmode=False,
        hovermode="closest",
        margin={"l": 50 if phone else 60, "r": 4 if phone else 12, "t": top, "b": 50},
    )
    return figure


def _axis(axis: Axis, ink: str) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "title": {"text": axis.metric.label, "font": {"color": ink or None}},
        "tickfont": {"color": ink or None},
        "range": list(axis.ends),
        "zeroline": False,
        "fixedrange": True,
        "type": "log" if axis.log else "linear",
    }
    if axis.log:
        decades = axis.ends[1] - axis.ends[0]
        settings |= {"dtick": "D2" if decades < 2.2 else 1, "tickformat": "~g"}
        if decades < 1:  # 1, 2, 5, 10 ... would leave one tick, or none
            settings |= {"tickmode": "array", "tickvals": _ticks(*(10.0**end for end in axis.ends))}
    elif axis.metric.digits == 0:
        settings |= {"tickformat": "d", "nticks": 8}
    return settings


def _ticks(low: float, high: float) -> list[float]:
    """Three to eight round numbers between two that are less than a decade apart, for a logarithmic axis."""
    if high > 4 * low:
        powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))))
        ticks = [each * 10.0**power for power in powers for each in (1, 1.5, 2, 3, 4, 6, 8)]
        return [each for each in ticks if low <= each <= high]
    least = (high - low) / 3
    power = 10.0 ** np.floor(np.log10(least))
    step = power * max(each for each in (1, 2, 5) if each * power <= least)
    return [float(step * each) for each in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


def _dots(view: View, shown: pd.DataFrame, ink: str) -> go.Scatter:
    order = np.argsort(-view.diameter)  # large ones first, so that no small dot is covered
    marker: dict[str, Any] = {
        "size": view.diameter[order],
        "opacity": 0.88,
        "line": {"width": 0.8, "color": "rgba(255,255,255,0.85)"},
    }
    if view.colour is None or view.shade is None or np.isnan(view.shade).all():
        marker["color"] = [palettes.family_colour(family) for family in shown["family"].iloc[order]]
    else:
        marker |= _shades(view.shade[order], view.colour, ink)
    return go.Scatter(
        x=view.across[order],
        y=view.up[order],
        mode="markers",
        marker=marker,
        # Nothing fades when a dot is clicked: the click chooses a network, and the ring shows which.
        selected={"marker": {"opacity": 0.88}},
        unselected={"marker": {"opacity": 0.88}},
        customdata=list(shown["slug"].iloc[order]),
        text=[_card(row) for row in shown.iloc[order].to_dict("records")],
        hovertemplate="%{text}<extra></extra>",
        cliponaxis=False,
    )


def _shades(values: np.ndarray, metric: Metric, ink: str) -> dict[str, Any]:
    """Colours of a sequential map whose darkest eighth is left out: it would sink into the dark theme."""
    steps = palettes.SEQUENTIAL[32:]
    scale = [(i / (len(steps) - 1), f"rgb({r},{g},{b})") for i, (r, g, b) in enumerate(steps)]
    font = {"color": ink or None}
    bar: dict[str, Any] = {
        "title": {"text": metric.label, "side": "top", "font": font},
        "tickfont": font,
        "orientation": "h",  # above the chart, where it takes no room from the dots
        "thickness": 8,
        "x": 0,
        "xanchor": "left",
        "len": 0.9,
        "y": 1.02,
        "yanchor": "bottom",
    }
    if metric.log:
        low, high = np.nanmin(values), np.nanmax(values)
        ticks = [step * 10.0**power for power in range(-3, 7) for step in (1, 3) if low <= step * 10.0**power <= high]
        bar |= {"tickvals": np.log10(ticks), "ticktext": [f"{tick:g}" for tick in ticks]}
        values = np.log10(values)
    return {"color": values, "colorscale": scale, "colorbar": bar}


def _ring(view: View, shown: pd.DataFrame, chosen: str) -> go.Scatter:
    found = np.flatnonzero((shown["slug"] == chosen).to_numpy())
    return go.Scatter(
        x=view.across[found],
        y=view.up[found],
        mode="markers",
        marker={
            "symbol": "circle-open",
            "size": view.diameter[found] + RING,
            "color": palettes.OTHER,
            "opacity": 1,
            "line": {"width": 2.5},
        },
        unselected={"marker": {"opacity": 1}},
        hoverinfo="skip",
        cliponaxis=False,
    )


def _series(view: View, shown: pd.DataFrame, line: tuple[int, ...]) -> go.Scatter:
    colour = palettes.family_colour(shown["family"].iloc[line[0]])
    indices = list(line)
    return go.Scatter(
        x=view.across[indices],
        y=view.up[indices],
        mode="lines",
        line={"color": colour, "width": 1.5},
        opacity=0.6,
        hoverinfo="skip",
    )


def _segments(view: View, ends: list[tuple[float, float, int]], dash: str) -> go.Scatter:
    """Thin lines from dots to other places: what the same network reaches otherwise, what the guide says."""
    x: list[float | None] = []
    y: list[float | None] = []
    for across, up, dot in ends:
        x += [view.across[dot], across, None]
        y += [view.up[dot], up, None]
    return go.Scatter(x=x, y=y, mode="lines", line={"color": _FADED, "width": 1.5, "dash": dash}, hoverinfo="skip")


def _front(view: View) -> go.Scatter:
    """A staircase: what the best network reaches for at most so much."""
    indices = list(view.front)
    return go.Scatter(
        x=view.across[indices],
        y=view.up[indices],
        mode="lines",
        line={"color": palettes.OTHER, "width": 2, "dash": "dash", "shape": "hv" if view.x.metric.better < 0 else "vh"},
        hoverinfo="skip",
    )


def _claims(view: View, shown: pd.DataFrame) -> go.Scatter:
    titles = [shown["network"].iloc[dot] for dot, _, _ in view.claimed]
    return go.Scatter(
        x=[x for _, x, _ in view.claimed],
        y=[y for _, _, y in view.claimed],
        mode="markers",
        marker={
            "symbol": "diamond",
            "size": 8,
            "color": "#ffffff",
            "opacity": 1,
            "line": {
                "width": 2,
                "color": [palettes.family_colour(shown["family"].iloc[dot]) for dot, _, _ in view.claimed],
            },
        },
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
        customdata=[shown["slug"].iloc[dot] for dot, _, _ in view.claimed],
        text=titles,
        hovertemplate="%{text} as the guide has it<extra></extra>",
    )


def _name(view: View, name: Name, ink: str) -> dict[str, Any]:
    # An annotation lies at the logarithm of its place where the axis is logarithmic.
    x, y = (
        float(np.log10(value[name.index])) if axis.log else float(value[name.index])
        for axis, value in ((view.x, view.across), (view.y, view.up))
    )
    where: dict[str, Any] = {"showarrow": False, "xshift": name.right, "yshift": name.up}
    if name.led:
        where = {
            "showarrow": True,
            "ax": name.right,
            "ay": -name.up,
            "arrowhead": 0,
            "arrowwidth": 1,
            "arrowcolor": _FADED,
        }
    return {"x": x, "y": y, "text": name.text, "font": {"size": 12, "color": ink or None}, **where}


def _card(row: dict[str, Any]) -> str:
    """What hovering shows."""
    weights = f" · {row['weights']}" if row["weights"] else ""
    lines = [f"<b>{row['network']}</b>, {row['year']}{weights}"]
    if row["top1"] == row["top1"]:
        fifth = f", {row['top5']:.2f} % top-5" if row["top5"] == row["top5"] else ""
        lines.append(f"{row['top1']:.2f} % top-1{fifth} at {row['input_px']} px")
    lines.append(f"{row['parameters'] / 1e6:,.2f} M parameters · {row['macs'] / 1e9:,.3g} G MACs")
    lines.append(f"{row['activation_mb']:,.3g} MB activations · {row['depth']} layers deep")
    seen = "whole image" if row["whole_image"] else f"{row['field_px']:.0f} px"
    lines.append(f"sees {seen}")
    latency = row.get("latency_ms")
    if latency is not None and latency == latency:
        lines.append(f"{latency:.1f} ms for one image on this device")
    return "<br>".join(lines)
