"""Tab of the Architectures page: all networks by year, accuracy and size; each dot and each name chooses one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.shared import selection
from pages.shared.text import count, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from explorer.published import Milestone

_RANGES = {"guide": "The guide's networks", "all": "With torchvision's others"}
_CHART, _CLICK = "timeline-chart", "timeline-click"


def draw() -> None:
    """The chart, what it must not be taken for, and the table with its sources."""
    from explorer import published
    from explorer.figures.timeline import timeline

    shown = st.segmented_control(
        "Networks",
        list(_RANGES),
        default="guide",
        required=True,
        format_func=_RANGES.__getitem__,
        key="timeline-range",
        persist_state="session",
        label_visibility="collapsed",
    )
    chosen = selection.current().network
    milestones = published.timeline(everything=shown == "all")
    st.plotly_chart(
        timeline(milestones, chosen),
        key=_CHART,
        on_select=_from_chart,
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"{len(milestones)} networks by year and accuracy on ImageNet; the table below has the same figures",
    )
    st.caption(_caption(milestones, chosen))
    _table(milestones)
    st.caption(
        "A click on a name or a dot chooses the network for all pages. Parameters and MACs as the source publishes "
        "them (torchvision's to a million MACs), at the input of these weights; where nothing is published, parameters "
        "are counted here."
    )


def _caption(milestones: Sequence[Milestone], chosen: str) -> str:
    ring = next((f"The ring is {plain(each.title)}. " for each in milestones if each.slug == chosen), "")
    return (
        f"{ring}Area: parameters (the smallest are drawn larger); colour: family, grey for torchvision's others; in "
        "a year small networks stand at the left. Below the axis: no accuracy on ImageNet. The dotted line stands for "
        "the years 1999 to 2011. **Recipes differ, so accuracy is not the architecture's alone**: a thin line leads to "
        "what the very same network reaches with other training, more pictures or a larger input. The dots stand for "
        "the weights that the app loads, or for what is published where it has none."
    )


def _table(milestones: Sequence[Milestone]) -> None:
    rows = [_row(each) for each in milestones]
    config = st.column_config
    st.dataframe(
        rows,
        key="timeline-table",
        hide_index=True,
        height=380,
        placeholder="–",
        column_config={
            "network": config.ButtonColumn(
                "network",
                type="tertiary",
                alignment="left",
                pinned=True,
                on_click=_from_table,
                args=(tuple(each.slug for each in milestones),),
                key=_CLICK,
            ),
            "year": config.NumberColumn(format="%d"),
            "top-1, %": config.NumberColumn(format="%.2f"),
            "top-5, %": config.NumberColumn(format="%.2f"),
            "parameters, M": config.NumberColumn(format="%.2f"),
            "MACs, G": config.NumberColumn(format="%.3f"),
            "input, px": config.NumberColumn(format="%d"),
            "source": config.TextColumn(width="medium"),
        },
        alt="All networks by year with their published figures",
    )


def _row(each: Milestone) -> dict[str, Any]:
    shown = each.shown
    return {
        "network": each.title,
        "year": each.year,
        "top-1, %": each.top1,
        "top-5, %": shown.top5 if shown else None,
        "parameters, M": each.parameters / 1e6,
        "MACs, G": shown.macs / 1e9 if shown and shown.macs is not None else None,
        "input, px": shown.side if shown else None,
        "weights": shown.entry if shown else None,
        "other recipes": ", ".join(f"{row.top1:.1f} % ({row.entry})" for row in each.others) or None,
        "source": _source(each),
    }


def _source(each: Milestone) -> str:
    if each.shown is None:
        return f"{count(each.parameters)} parameters counted here"
    extra = "" if each.shown.dataset == "ImageNet" else f": {each.shown.top1} % on {each.shown.dataset}, not comparable"
    return each.shown.source + extra


def _from_chart() -> None:
    points = st.session_state[_CHART].selection.points
    if points:
        slug = points[0]["customdata"]
        selection.change(network=slug if isinstance(slug, str) else slug[0])


def _from_table(slugs: tuple[str, ...]) -> None:
    selection.change(network=slugs[st.session_state[_CLICK].row])
