"""The controls of the Chart tab: which networks, which numbers, and presets that set several at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer.performance import METRICS, within
from explorer.performance.views import FAMILY, FLAT
from pages.shared.text import count

if TYPE_CHECKING:
    import pandas as pd
    from streamlit.delta_generator import DeltaGenerator

_LIMITS: dict[str, tuple[str, tuple[float, ...], Callable[[float], str]]] = {
    "parameters": ("Parameters, up to", (2e6, 5e6, 10e6, 20e6, 30e6, 50e6, 100e6, 200e6), count),
    "macs": ("MACs, up to", (0.1e9, 0.3e9, 0.5e9, 1e9, 2e9, 5e9, 10e9, 20e9, 50e9), count),
    "latency_ms": ("Latency, up to", (5, 10, 20, 50, 100, 200, 500, 1000), lambda value: f"{value:g} ms"),
}
_LATENCY = "Fits my latency"
_WIDE = 164  # pixels: five in a row, and two on a phone
_SHAPES = {FLAT: "All alike", FAMILY: "Family"}


@dataclass(frozen=True)
class Choices:
    """What the visitor asked for.

    Attributes:
        base: which networks are looked through, 'ten', 'guide' or 'all'.
        families: that are left; all if empty.
        years: first and last that are left; None if all.
        versions: whether each network has a row for every version of its weights.
        total: networks of the base.
        shown: rows of the table that are left.
        x: column of the horizontal axis.
        y: column of the vertical axis.
        area: column of the dots' areas, or `FLAT`.
        colour: column of their colours, or `FAMILY`.
        log: whether each axis is logarithmic.
        joined: whether families are joined.
        front: whether the Pareto front is drawn.
        limits: the largest allowed value by column.
        slower: networks that only the limit of latency leaves out.
        unmeasured: networks of the base without a latency, where latency was asked for; if all, MACs stand in for it.
        to_measure: slugs of those without one that keep to all other limits, those with the fewest MACs first.
    """

    base: str
    families: tuple[str, ...]
    years: tuple[int, int] | None
    versions: bool
    total: int
    shown: pd.DataFrame
    x: str
    y: str
    area: str
    colour: str
    log: tuple[bool, bool]
    joined: bool
    front: bool
    limits: dict[str, float]
    slower: int
    unmeasured: int
    to_measure: tuple[str, ...]


def presets(years: tuple[int, int]) -> dict[str, dict[str, Any]]:
    """What each preset sets; the first one is how the page opens."""
    free: dict[str, Any] = {"perf-families": [], "perf-years": years} | {f"perf-{column}": 0 for column in _LIMITS}
    return {
        "The guide's ten": free | {"perf-base": "ten"},
        "The guide's networks": free | {"perf-base": "guide"},
        "All networks": free | {"perf-base": "all"},
        "Under 10 M parameters": free | {"perf-base": "all", "perf-parameters": 10e6},
        _LATENCY: free | {"perf-base": "all", "perf-latency_ms": 50},
    }


def ask(table: pd.DataFrame) -> tuple[Choices, DeltaGenerator]:
    """Draws the controls and says what they say; the place for the chart lies between them.

    Args:
        table: all rows, with their latency.
    """
    years = int(table["year"].min()), int(table["year"].max())
    known = presets(years)
    for key, value in next(iter(known.values())).items():
        st.session_state.setdefault(key, value)
    _presets(known)
    x, y, area, colour, (log, joined, front, versions) = _look()
    place = st.container()
    families, between, limits = _filters(sorted(set(table["family"])), years)
    base: str = st.session_state["perf-base"]
    rows = table if base == "all" else table[table[base]]
    asked = "latency_ms" in (x, y, area, colour, *limits)
    unmeasured = rows.loc[rows["loaded"] & rows["latency_ms"].isna(), "slug"].nunique() if asked else 0
    total = rows["slug"].nunique()
    if unmeasured == total:
        limits.pop("latency_ms", None)
        x, y, area, colour = ("macs" if column == "latency_ms" else column for column in (x, y, area, colour))
    rows = rows if versions else rows[rows["loaded"]]
    shown = within(rows, families=families, years=between, most=limits)
    others = {column: limit for column, limit in limits.items() if column != "latency_ms"}
    any_speed = within(rows[rows["loaded"]], families=families, years=between, most=others)
    unknown = any_speed[any_speed["latency_ms"].isna()].sort_values("macs")
    choices = Choices(
        base=base,
        families=tuple(families),
        years=None if between == years else between,
        versions=versions,
        total=total,
        shown=shown,
        x=x,
        y=y,
        area=area,
        colour=colour,
        log=log,
        joined=joined,
        front=front,
        limits=limits,
        slower=int((any_speed["latency_ms"] > limits.get("latency_ms", math.inf)).sum()),
        unmeasured=unmeasured,
        to_measure=tuple(dict.fromkeys(unknown["slug"])) if asked else (),
    )
    return choices, place


def _presets(known: dict[str, dict[str, Any]]) -> None:
    """Names that set several controls at once; the one that the controls show is lit."""
    lit = [name for name, values in known.items() if all(st.session_state.get(k) == v for k, v in values.items())]
    st.session_state["perf-preset"] = lit[0] if lit else None

    def take() -> None:
        name = st.session_state["perf-preset"]
        st.session_state.update(known.get(name, {}))
        if name == _LATENCY:
            st.session_state["perf-x"] = "latency_ms"
        elif name and st.session_state["perf-x"] == "latency_ms":
            st.session_state["perf-x"] = "parameters"

    st.pills("Presets", list(known), key="perf-preset", on_change=take, label_visibility="collapsed")


def _look() -> tuple[str, str, str, str, tuple[tuple[bool, bool], bool, bool, bool]]:
    """Which numbers the chart shows, and how."""
    costs = ["parameters", "macs", "activation_mb", "file_mb", "latency_ms"]
    with _row():
        x = _select("Across", "perf-x", list(METRICS), "parameters")
        y = _select("Up", "perf-y", list(METRICS), "top1")
        area = _select("Area", "perf-area", [*costs, FLAT], "macs")
        colour = _select("Colour", "perf-colour", [FAMILY, "year", "top1", "depth", *costs], FAMILY)
        with st.popover("Scales, lines", icon=":material/tune:", width=_WIDE):
            log = _log(x, "across"), _log(y, "up")
            joined = _toggle("Join families", "perf-joined", True)
            front = _toggle("Pareto front", "perf-front", True)
            versions = _toggle("Every version of the weights", "perf-versions", False)
    return x, y, area, colour, (log, joined, front, versions)


def _filters(families: Sequence[str], years: tuple[int, int]) -> tuple[list[str], tuple[int, int], dict[str, float]]:
    """Which networks are left: families, years, and the budgets that were set."""
    with _row():
        chosen = st.multiselect(
            "Families", families, key="perf-families", placeholder="All", persist_state="session", width=_WIDE
        )
        between: Any = st.slider(
            "Years", years[0], years[1], key="perf-years", persist_state="session", width=_WIDE
        )  # two numbers, because the session's value is two
        limits = {
            name: _limit(label, f"perf-{name}", values, words) for name, (label, values, words) in _LIMITS.items()
        }
    return chosen, between, {name: limit for name, limit in limits.items() if limit}


def _row() -> DeltaGenerator:
    """Controls side by side; two in a row on a phone."""
    return st.container(horizontal=True, vertical_alignment="bottom", gap="small")


def _select(label: str, key: str, options: Sequence[str], start: str) -> str:
    st.session_state.setdefault(key, start)
    chosen: str = st.selectbox(label, options, format_func=_title, key=key, persist_state="session", width=_WIDE)
    return chosen


def _title(column: str) -> str:
    return _SHAPES[column] if column in _SHAPES else METRICS[column].label


def _log(column: str, axis: str) -> bool:
    return _toggle(f"Logarithmic {axis}: {METRICS[column].title}", f"perf-log-{axis}-{column}", METRICS[column].log)


def _toggle(label: str, key: str, start: bool) -> bool:
    st.session_state.setdefault(key, start)
    return st.toggle(label, key=key, persist_state="session")


def _limit(label: str, key: str, values: Sequence[float], words: Callable[[float], str]) -> float:
    """The largest value that is allowed; 0 where there is no limit."""
    chosen: float = st.selectbox(
        label,
        [0, *values],
        format_func=lambda value: words(value) if value else "No limit",
        key=key,
        persist_state="session",
        width=_WIDE,
    )
    return chosen
