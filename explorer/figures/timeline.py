"""The timeline of the Architectures page: year, accuracy and size of every network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from explorer import palettes
from explorer.published import FIRST

if TYPE_CHECKING:
    from explorer.published import Milestone, Published

LABELS: dict[str, tuple[str, str, int, int]] = {
    "lenet5": ("LeNet-5", "center", 0, 16),
    "alexnet": ("AlexNet", "left", 12, 0),
    "alexnet_lrn": ("with LRN", "center", 0, -18),
    "vgg16": ("VGG-16", "right", -16, 12),
    "googlenet": ("GoogLeNet", "center", -6, -24),
    "resnet50": ("ResNet-50", "right", -8, 4),
    "densenet121": ("DenseNet-121", "left", 6, -9),
    "mobilenet_v2": ("MobileNetV2", "left", 7, 0),
    "efficientnet_b0": ("Efficient-<br>Net-B0", "right", -8, 22),
    "vit_b_16": ("ViT-B/16", "right", -4, 60),
    "convnext_tiny": ("Conv-<br>NeXt-T", "right", 20, -22),
    "yolo": ("YOLO", "center", 0, 15),
    "unet": ("U-Net", "right", -9, 0),
}
"""What the chart names, and where it has room on a wide page and on a phone: text, anchor, pixels right and up."""


_RESUMED = 2012  # AlexNet; nothing lies between it and the network at FIRST
_AREA = 2 * 138e6 / 20**2  # plotly's sizeref: VGG-16's dot is 20 pixels wide


def timeline(milestones: Sequence[Milestone], chosen: str) -> go.Figure:
    """Dots of accuracy by year, their area by parameters; those without an ImageNet accuracy in a strip below.

    Args:
        milestones: what to draw.
        chosen: slug of the network with a ring.
    """
    largest_first = sorted(milestones, key=lambda each: -each.parameters)  # so that no small dot is covered
    known = [each for each in largest_first if each.top1 is not None]
    unknown = [each for each in largest_first if each.top1 is None]
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.84, 0.16], vertical_spacing=0.04)
    figure.add_trace(_recipes([each for each in known if each.guide or each.slug == chosen]), row=1, col=1)
    for row, group, heights in ((1, known, [each.top1 for each in known]), (2, unknown, [0.0] * len(unknown))):
        figure.add_trace(_dots(group, heights), row=row, col=1)
        figure.add_trace(_ring(group, heights, chosen), row=row, col=1)
        for name in _names(group, heights):
            figure.add_annotation(name, row=row, col=1)
    years = range(_RESUMED, max((each.year for each in milestones), default=_RESUMED) + 1)
    figure.update_xaxes(
        tickvals=[FIRST, *years],
        ticktext=["1998", *(str(year) if year % 2 == 0 else "" for year in years)],
        tickangle=0,
        range=[FIRST - 0.6, years.stop - 0.25],
        zeroline=False,
        fixedrange=True,
    )
    figure.update_xaxes(showticklabels=True, row=1, col=1)
    figure.update_xaxes(showticklabels=False, row=2, col=1)
    figure.update_yaxes(title="top-1 on ImageNet, %", zeroline=False, fixedrange=True, row=1, col=1)
    figure.update_yaxes(visible=False, range=[-1, 1], fixedrange=True, row=2, col=1)
    figure.add_vline(x=(FIRST + _RESUMED) / 2, line={"width": 1, "dash": "dot", "color": palettes.OTHER})
    figure.update_layout(
        height=520, showlegend=False, dragmode=False, hovermode="closest", margin={"l": 55, "r": 10, "t": 10, "b": 10}
    )
    return figure


def _recipes(known: Sequence[Milestone]) -> go.Scatter:
    """A thin line over all accuracies that one network reaches with other weights."""
    x: list[float | None] = []
    y: list[float | None] = []
    for each in known:
        for other in each.others:
            x += [each.place, each.place, None]
            y += [each.top1, other.top1, None]
    line = {"color": palettes.OTHER, "width": 1.5}
    return go.Scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip")


def _dots(group: Sequence[Milestone], heights: Sequence[float | None]) -> go.Scatter:
    return go.Scatter(
        x=[each.place for each in group],
        y=heights,
        mode="markers",
        marker={
            "size": [each.parameters for each in group],
            "sizemode": "area",
            "sizeref": _AREA,
            "sizemin": 4,
            "color": [palettes.family_colour(each.family) for each in group],
            "opacity": 0.85,
            "line": {"width": 0.8, "color": "rgba(255,255,255,0.8)"},
        },
        # Nothing fades when a dot is clicked: the click chooses a network, and the ring shows which.
        selected={"marker": {"opacity": 0.85}},
        unselected={"marker": {"opacity": 0.85}},
        customdata=[each.slug for each in group],
        text=[_about(each) for each in group],
        hovertemplate="%{text}<extra></extra>",
    )


def _ring(group: Sequence[Milestone], heights: Sequence[float | None], chosen: str) -> go.Scatter:
    found = [(each, height) for each, height in zip(group, heights, strict=True) if each.slug == chosen]
    return go.Scatter(
        x=[each.place for each, _ in found],
        y=[height for _, height in found],
        mode="markers",
        marker={
            "symbol": "circle-open",
            "size": [each.parameters for each, _ in found],
            "sizemode": "area",
            "sizeref": _AREA / 2.2,
            "sizemin": 9,
            "opacity": 1,
            "color": palettes.OTHER,
            "line": {"width": 2.5},
        },
        unselected={"marker": {"opacity": 1}},
        hoverinfo="skip",
    )


def _names(group: Sequence[Milestone], heights: Sequence[float | None]) -> list[dict[str, Any]]:
    names = []
    for each, height in zip(group, heights, strict=True):
        if each.slug in LABELS:
            text, anchor, right, up = LABELS[each.slug]
            place = {"x": each.place, "y": height, "xshift": right, "yshift": up, "xanchor": anchor}
            names.append({**place, "text": text, "showarrow": False, "font": {"size": 12}})
    return names


def _about(each: Milestone) -> str:
    lines = [f"<b>{each.title}</b>, {each.year}"]
    if each.shown is not None and each.shown.top1 is not None:
        lines.append(_reached(each.shown))
    lines.append(f"{each.parameters / 1e6:,.2f} M parameters")
    if each.shown is not None and each.shown.macs is not None:
        lines[-1] += f", {each.shown.macs / 1e9:.3g} G MACs"
    return "<br>".join([*lines, *(f"also {_reached(other)}" for other in each.others)])


def _reached(row: Published) -> str:
    place = "" if row.dataset == "ImageNet" else f" on {row.dataset}"
    side = "" if row.side is None else f" at {row.side} px"
    return f"{row.top1:.1f} % top-1{place} ({row.entry}{side})"
