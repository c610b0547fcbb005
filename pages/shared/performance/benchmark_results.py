"""Part of "Benchmark here": what was measured, as charts and as a table beside earlier ones, to keep or to delete."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.shared import controls, selection
from pages.shared.text import plain

if TYPE_CHECKING:
    import pandas as pd

    from explorer.benchmark.store import Kept

_MOST_BARS = 40  # more are a wall; the table has them all
_VIEWS = {"times": "Time of a batch", "throughput": "Throughput by batch size"}
# The file has more: each setting in a column of its own, weights, number of passes.
_COLUMNS = (
    "network",
    "batch",
    "settings",
    "median ms",
    "p95 ms",
    "images/s",
    "peak MB",
    "before ms",
    "change %",
    "measured",
    "machine",
)
_NEWEST, _EVERYTHING = "newest", "all"


def draw() -> None:
    """The chosen measurements."""
    from explorer import benchmark, devices

    everything = benchmark.store.all()
    if not everything:
        return
    device = devices.choose(selection.current().device)
    here = benchmark.fingerprint(device)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        shown = _choose(everything, here.hash)
        view = controls.kept_choice("Chart", "benchmark-view", _VIEWS)
    _chart(shown, view)
    rows = table(shown, everything, here)
    st.dataframe(
        rows,
        hide_index=True,
        column_order=_COLUMNS,
        column_config={
            name: st.column_config.NumberColumn(format=form)
            for name, form in {
                "median ms": "%.3g",
                "p95 ms": "%.3g",
                "images/s": "%.3g",
                "peak MB": "%.1f",
                "before ms": "%.3g",
                "change %": "%+.1f",
            }.items()
        },
    )
    st.caption(
        "Before: the measurement before this one of the same network, settings and machine. Peak: parameters, buffers, "
        "input and the most that one pass holds besides. This machine: " + plain(here.words) + "."
    )
    with st.container(horizontal=True):
        st.download_button(
            "Table as CSV",
            lambda: rows.to_csv(index=False).encode(),
            "benchmark.csv",
            "text/csv",
            on_click="ignore",
            type="tertiary",
            icon=":material/download:",
        )
        _delete(shown)


def _choose(everything: tuple[Kept, ...], here: str) -> tuple[Kept, ...]:
    """The measurements to show; the newest of this machine to begin with."""
    from explorer import benchmark

    newest = benchmark.store.latest(machine=here)
    options = {_NEWEST: f"The newest of this machine ({len(newest)})"} if newest else {}
    by_run: dict[str, list[Kept]] = {}
    for kept in everything:
        if kept.run:
            by_run.setdefault(kept.run, []).append(kept)
    for run, members in reversed(by_run.items()):
        options[run] = f"{_moment(members[0].measured)}, {len(members)} results"
    options[_EVERYTHING] = f"Everything, all machines ({len(everything)})"
    if st.session_state.get("benchmark-shown") not in options:
        st.session_state.pop("benchmark-shown", None)
    chosen = st.selectbox(
        "Results",
        list(options),
        format_func=options.__getitem__,
        key="benchmark-shown",
        persist_state="session",
        width=340,
    )
    if chosen == _NEWEST:
        return newest
    return everything if chosen == _EVERYTHING else tuple(by_run[chosen])


def _chart(shown: tuple[Kept, ...], view: str) -> None:
    from explorer.figures import benchmark as figures

    latest = {(kept.result.slug, kept.result.settings, kept.result.fingerprint.hash): kept.result for kept in shown}
    results = list(latest.values())
    machines = len({result.fingerprint.hash for result in results})
    if machines > 1:
        st.caption(f"Of {machines} machines: their times do not compare; the table names the machine of each.")
    if view == "throughput":
        figure = figures.throughput(results)
    else:
        figure = figures.times(sorted(results[-_MOST_BARS:], key=lambda each: each.median_ms))
    st.plotly_chart(figure, key=f"benchmark-{view}", config={"displayModeBar": False})
    if view == "throughput" and len({result.batch_size for result in results}) == 1:
        st.caption("One batch size makes points and no lines; measure several to see where throughput levels off.")
    elif view == "times" and len(results) > _MOST_BARS:
        st.caption(f"The last {_MOST_BARS} of {len(results)}; the table has all.")


def table(shown: tuple[Kept, ...], everything: tuple[Kept, ...], here: Any) -> pd.DataFrame:
    """One row a measurement, newest first, each beside the one before it.

    Args:
        shown: what to list.
        everything: among which the one before is looked for.
        here: fingerprint of this machine.
    """
    import pandas as pd

    before: dict[int, float] = {}
    last: dict[Any, float] = {}
    for kept in everything:
        question = (kept.result.slug, kept.result.side, kept.result.settings, kept.result.fingerprint.hash)
        if question in last:
            before[kept.number] = last[question]
        last[question] = kept.result.median_ms
    rows = []
    for kept in reversed(shown):
        row = kept.result.row()
        earlier = before.get(kept.number)
        other = here.differences(kept.result.fingerprint)
        row |= {
            "settings": kept.result.settings.words,
            "before ms": earlier,
            "change %": None if earlier is None else 100 * (kept.result.median_ms / earlier - 1),
            "measured": _moment(kept.measured),
            "machine": "this one" if not other else f"another: {', '.join(other)}",
        }
        del row["slug"]
        rows.append(row)
    return pd.DataFrame(rows).astype({"before ms": float, "change %": float, "peak MB": float})


def _delete(shown: tuple[Kept, ...]) -> None:
    with st.popover(f"Delete these {len(shown)}", icon=":material/delete:", type="tertiary"):
        st.markdown(f"The {len(shown)} results of this table go for good; keep them as CSV first if in doubt.")

        def forget() -> None:
            from explorer import benchmark

            benchmark.store.forget(kept.number for kept in shown)
            st.session_state["_benchmark_deleted"] = True

        st.button("Delete for good", key="benchmark-forget", on_click=forget)


def _moment(when: datetime) -> str:
    return when.astimezone().strftime("%Y-%m-%d %H:%M")
