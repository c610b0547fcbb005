"""Part of "Benchmark here": what was measured, as charts and as a table beside earlier ones, to keep or to delete."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.shared import controls, selection
from pages.shared.text import plain

if TYPE_CHECKING:
    import pandas as pd

    from explorer.benchmark import Benchmark
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
    "passes",
    "before ms",
    "change",
    "measured",
    "machine",
)
_NEWEST, _EVERYTHING = "newest", "all"
_SHOWN, _SHOW_NEWEST = "benchmark-shown", "_benchmark_show_newest"
_NAMED = 2  # networks of a run, and how many more


def show_newest() -> None:
    """Lets the page show the newest run, whatever was chosen before."""
    st.session_state[_SHOW_NEWEST] = True


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
        placeholder="–",
        column_config={
            name: st.column_config.NumberColumn(format=form)
            for name, form in {
                "median ms": "%.3g",
                "p95 ms": "%.3g",
                "images/s": "%.3g",
                "peak MB": "%.1f",
                "before ms": "%.3g",
            }.items()
        }
        | {"change": st.column_config.TextColumn(width=105)},  # pixels; "within noise" whole
    )
    st.caption(
        "Before: the measurement before this one of the same network, settings and machine. Within noise: the medians "
        "differ by less than the larger of the two spreads (95th percentile less median). Peak: parameters, buffers, "
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
        options[run] = f"{_moment(members[0].measured)}, {_results(len(members))}: {_networks(members)}"
    options[_EVERYTHING] = f"Everything, all machines ({len(everything)})"
    if st.session_state.pop(_SHOW_NEWEST, False) and by_run:
        st.session_state[_SHOWN] = max(by_run, key=lambda run: by_run[run][-1].number)
    if st.session_state.get(_SHOWN) not in options:
        st.session_state.pop(_SHOWN, None)
    chosen = st.selectbox(
        "Results",
        list(options),
        format_func=options.__getitem__,
        key=_SHOWN,
        persist_state="session",
        width=520,
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
    elif view == "times":
        bars = f"The last {_MOST_BARS} of {len(results)}; the table has all. " if len(results) > _MOST_BARS else ""
        beyond = max(each.p95_ms for each in results[-_MOST_BARS:]) > figure.layout.xaxis.range[1]
        whisker = "A whisker without an end goes on beyond the chart." if beyond else ""
        if bars or whisker:
            st.caption(bars + whisker)


def table(shown: tuple[Kept, ...], everything: tuple[Kept, ...], here: Any) -> pd.DataFrame:
    """One row a measurement, newest first, each beside the one before it.

    Args:
        shown: what to list.
        everything: among which the one before is looked for.
        here: fingerprint of this machine.
    """
    import pandas as pd

    before: dict[int, Benchmark] = {}
    last: dict[Any, Benchmark] = {}
    for kept in everything:
        question = (kept.result.slug, kept.result.side, kept.result.settings, kept.result.fingerprint.hash)
        if question in last:
            before[kept.number] = last[question]
        last[question] = kept.result
    rows = []
    for kept in reversed(shown):
        row = kept.result.row()
        earlier = before.get(kept.number)
        other = here.differences(kept.result.fingerprint)
        row |= {
            "settings": kept.result.settings.words,
            "before ms": None if earlier is None else earlier.median_ms,
            "change %": None if earlier is None else 100 * (kept.result.median_ms / earlier.median_ms - 1),
            "change": None if earlier is None else _change(earlier, kept.result),
            "measured": _moment(kept.measured),
            "machine": "this one" if not other else f"another: {', '.join(other)}",
        }
        del row["slug"]
        rows.append(row)
    return pd.DataFrame(rows).astype({"before ms": float, "change %": float, "peak MB": float})


def _change(earlier: Benchmark, now: Benchmark) -> str:
    """How much slower, in percent; or that it is no more than what passes of one measurement differ by."""
    spread = max(each.p95_ms - each.median_ms for each in (earlier, now))
    if abs(now.median_ms - earlier.median_ms) < spread:
        return "within noise"
    return f"{100 * (now.median_ms / earlier.median_ms - 1):+.1f} %".replace("-", "−")


def _networks(members: list[Kept]) -> str:
    titles = list(dict.fromkeys(kept.result.title for kept in members))
    more = f" and {len(titles) - _NAMED} more" if len(titles) > _NAMED else ""
    return ", ".join(titles[:_NAMED]) + more


def _results(count: int) -> str:
    return f"{count} result{'' if count == 1 else 's'}"


def _delete(shown: tuple[Kept, ...]) -> None:
    label = "Delete this one" if len(shown) == 1 else f"Delete these {len(shown)}"
    with st.popover(label, icon=":material/delete:", type="tertiary"):
        go = "goes" if len(shown) == 1 else "go"
        st.markdown(f"The {_results(len(shown))} of this table {go} for good; a CSV keeps what may be needed.")

        def forget() -> None:
            from explorer import benchmark

            benchmark.store.forget(kept.number for kept in shown)
            st.session_state["_benchmark_deleted"] = True

        st.button("Delete for good", key="benchmark-forget", on_click=forget)


def _moment(when: datetime) -> str:
    return when.astimezone().strftime("%Y-%m-%d %H:%M")
