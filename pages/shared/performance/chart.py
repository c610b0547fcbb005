"""Tab of the Performance page: any number of every network against any other; each dot and each name chooses one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.shared import blocks, selection
from pages.shared.components.room import narrow
from pages.shared.performance import benchmark_plan, choices, measured, table, tabs
from pages.shared.text import plain

if TYPE_CHECKING:
    import pandas as pd

    from explorer.performance.views import View
    from pages.shared.performance.choices import Choices

_CHART = "performance-chart"
_MOST = 10  # networks in one plan: some are large, and each takes seconds
_WHOLE = "_performance_whole"  # asks for a run of the whole page


@st.fragment
@blocks.kindly()
def draw() -> None:
    """Controls, the chart with what it says, the table, the code."""
    from explorer import performance

    rows = performance.with_latency(performance.table(), measured.latencies())
    asked, place = choices.ask(rows)
    phone = narrow("performance-room")
    with place:
        if asked.unmeasured:
            _unmeasured(asked)
        if asked.shown.empty:
            st.info(_nothing(asked), icon=":material/filter_alt:")
        else:
            _chart(asked, phone)
    if not asked.shown.empty:
        table.draw(asked.shown, choose)
    _code(asked)
    if st.session_state.pop(_WHOLE, False):
        st.rerun()  # more than this fragment has changed: the sidebar's network, or the open tab


def _chart(asked: Choices, phone: bool) -> None:
    from explorer.figures.performance import chart
    from explorer.performance.views import view

    chosen = selection.current().network
    seen = view(
        asked.shown,
        asked.x,
        asked.y,
        area=asked.area,
        colour=asked.colour,
        log=asked.log,
        chosen=chosen,
        width=285 if phone else 800,  # of the place for dots on a phone 390 pixels wide, and on a small laptop
        height=380 if phone else 450,
    )
    if not len(seen.rows):
        st.info("None of these networks has both numbers; choose another one.", icon=":material/info:")
        return
    st.plotly_chart(
        chart(seen, asked.shown, chosen, joined=asked.joined, front=asked.front, phone=phone, ink=_ink()),
        key=_CHART,
        on_select=_from_chart,
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"{len(seen.rows)} networks: {seen.y.metric.title} against {seen.x.metric.title}; the table below has the "
        "same figures",
    )
    if "latency_ms" in asked.limits:
        st.markdown(_fitting(asked))
    if asked.front and seen.front and len(seen.rows) > 1:
        st.markdown(_front(seen, asked.shown))
    st.caption(_caption(seen, asked, chosen))


def _nothing(asked: Choices) -> str:
    if not asked.slower:
        return "No network keeps to all of these limits; allow more of one."
    who = "The one measured network is" if asked.slower == 1 else f"All {asked.slower} measured networks are"
    return f"{who} slower than {asked.limits['latency_ms']:g} ms; allow more, or measure others."


def _fitting(asked: Choices) -> str:
    networks, slower = asked.shown["slug"].nunique(), asked.slower
    return (
        f"**{networks} measured network{'' if networks == 1 else 's'} answer{'s' if networks == 1 else ''} one image "
        f"within {asked.limits['latency_ms']:g} ms** on this device; "
        f"{slower or 'none'} of the measured ones {'are' if slower > 1 else 'is'} slower."
    )


def _front(seen: View, shown: pd.DataFrame) -> str:
    dots = sorted(seen.front, key=lambda dot: -seen.y.metric.better * seen.up[dot])  # the most accurate first
    titles = list(dict.fromkeys(shown["network"].iloc[seen.rows[dots]]))
    names = ", ".join(f"**{plain(title)}**" for title in titles[:8])
    more = f" and {len(titles) - 8} more" if len(titles) > 8 else ""
    if len(dots) == 1:
        return (
            f"On the Pareto front: {names} alone. No other network here is better in {seen.y.metric.title} or in "
            f"{seen.x.metric.title}."
        )
    return (
        f"On the Pareto front: {names}{more}. No other network here is better than one of these in "
        f"{seen.y.metric.title} without being worse in {seen.x.metric.title}."
    )


def _caption(seen: View, asked: Choices, chosen: str) -> str:
    from explorer.performance import METRICS
    from explorer.performance.views import FAMILY, FLAT

    networks = asked.shown["slug"].nunique()
    parts = [f"{networks} of {asked.total} networks" if networks < asked.total else f"{networks} networks"]
    if asked.area != FLAT:
        parts.append(f"area: {METRICS[asked.area].title} (the smallest are drawn larger, the largest smaller)")
    parts.append("colour: family, grey for torchvision's others" if asked.colour == FAMILY else "")
    parts.append("thin lines: families, and the same network with other weights" if asked.joined else "")
    parts.append("dashed: the Pareto front" if asked.front and len(seen.front) > 1 else "")
    parts.append("diamonds: the guide's figures where they differ" if seen.claimed else "")
    text = "; ".join(part for part in parts if part) + ". "
    ring = asked.shown.loc[asked.shown["slug"] == chosen, "network"]
    text += f"The ring is {plain(ring.iloc[0])}. " if len(ring) else ""
    if seen.missing:
        lacking = f"{len(seen.missing)} networks" if len(seen.missing) > 4 else ", ".join(map(plain, seen.missing))
        gone = asked.shown[asked.shown["network"].isin(seen.missing)]
        metrics = dict.fromkeys((seen.x.metric, seen.y.metric))
        wanted = " or ".join(each.title for each in metrics if gone[each.column].isna().any())
        text += f"Not drawn, for want of {wanted}: {lacking}. "
    return (
        text
        + "**Recipes differ, so accuracy is not the architecture's alone.** A click chooses the network for all pages."
    )


def _ink() -> str:
    """The theme's text colour: Streamlit's charts have a paler one, hard to read at this size."""
    kind = st.context.theme.type or "light"
    return str(st.get_option(f"theme.{kind}.textColor") or "")


def _unmeasured(asked: Choices) -> None:
    """Whose latency nobody knows, and where to measure it."""
    if asked.unmeasured == asked.total:
        words = "None of these has been measured on this device yet, so none has a latency; MACs stand in for it."
    else:
        words = f"{asked.unmeasured} of {asked.total} networks have no latency: they were not measured on this device."
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(words, icon=":material/timer:")
        slugs = asked.to_measure[:_MOST]
        if slugs:
            st.button(
                "Measure these" if len(asked.to_measure) <= _MOST else f"Measure the {_MOST} smallest of these",
                key="performance-measure",
                icon=":material/speed:",
                help="Puts them into the plan of “Benchmark here”, one image at once in fp32. Smallest: fewest MACs.",
                on_click=_measure,
                args=(slugs,),
            )


def _measure(slugs: tuple[str, ...]) -> None:
    benchmark_plan.propose(slugs)
    st.session_state[tabs.KEY] = tabs.BENCHMARK
    st.session_state[_WHOLE] = True


def _from_chart() -> None:
    points = st.session_state[_CHART].selection.points
    if points:
        slug = points[0]["customdata"]
        choose(slug if isinstance(slug, str) else slug[0])


def choose(slug: str) -> None:
    """Takes a network for all pages."""
    selection.change(network=slug)
    st.session_state[_WHOLE] = True


def _code(asked: Choices) -> None:
    with st.expander("Code for this view", icon=":material/code:"):
        st.code(lines(asked), language="python")


def lines(asked: Choices) -> str:
    """Python that gives the rows that are shown, and their Pareto front."""
    from explorer.performance import METRICS

    rows = "" if asked.base == "all" else f'table = table[table["{asked.base}"]]\n'
    if not asked.versions:
        rows += 'table = table[table["loaded"]]  # the weights that the app loads\n'
    timed = "latency_ms" in (asked.x, asked.y, *asked.limits)
    if timed:
        rows += "table = performance.with_latency(table, benchmark.latencies())\n"
    options = "".join(
        f", {name}={value!r}"
        for name, value in (("families", asked.families), ("years", asked.years), ("most", asked.limits))
        if value
    )
    better = METRICS[asked.x].better, METRICS[asked.y].better
    code = f"from explorer import {'benchmark, ' if timed else ''}performance\n\ntable = performance.table()\n{rows}"
    code += f"shown = performance.within(table{options})\n" if options else "shown = table\n"
    if 0 not in better and asked.x != asked.y:
        ways = "" if better == (-1, 1) else f", better={better}"
        code += f'front = shown[performance.pareto(shown, "{asked.x}", "{asked.y}"{ways})]\n'
    return code
