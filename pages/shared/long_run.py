"""What takes seconds: offered behind a button, with progress, time left and Stop, and kept for the session."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import get_script_run_ctx

from explorer.errors import Cancelled

T = TypeVar("T")
Progress = Callable[[int, int], None]
Stopped = Callable[[], bool]

_KEPT, _MOST_KEPT = "_long_runs_kept", 60
_EVERY = 0.2  # seconds between two updates of a bar
_TURNS = threading.BoundedSemaphore(2)  # of all visitors at once


@dataclass(frozen=True)
class LongRun(Generic[T]):
    """Something to compute.

    Attributes:
        key: of its widgets; starts with the tab's name.
        question: all that the result depends on.
        label: of the button, without the time.
        passes: how many passes through the network it takes.
        bound: word before them where they are not known beforehand: 'at most', 'about'.
        unit: what is counted, where it is not passes.
        seconds: about how long.
        compute: does it; is told where to report passes done and of all, and whom to ask whether to stop.
        show: draws the result.
        patience: seconds; what takes less is computed without being asked for.
    """

    key: str
    question: tuple[Any, ...]
    label: str
    passes: int
    seconds: float
    compute: Callable[[Progress, Stopped], T]
    show: Callable[[T], None]
    patience: float = 0.0
    bound: str = ""
    unit: str = "passes"


def offer(run: LongRun[T]) -> Callable[[], None] | None:
    """Draws the result if it is known, else the button; what it returns computes and draws, once all else is drawn."""
    kept, slot = _kept(), st.empty()
    if run.question in kept:
        with slot.container():
            run.show(kept[run.question])
        return None
    again = st.session_state.pop(f"_{run.key}-again", False)
    if run.seconds > run.patience and not again:
        about = f"about {duration(run.seconds)}, " + f"{run.bound} {run.passes:,} {run.unit}".lstrip()
        if not slot.button(f"{run.label}: {about}", key=f"{run.key}-ask", icon=":material/play_arrow:"):
            return None
    return lambda: _go(run, slot)


def _go(run: LongRun[T], slot: DeltaGenerator) -> None:
    with slot.container(horizontal=True, vertical_alignment="center"):
        bar = st.progress(0.0, "Starting")
        st.button("Stop", key=f"{run.key}-stop", icon=":material/stop:")
    start = last = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < _EVERY:
            return
        last = now
        left = (now - start) / done * (total - done) if done else run.seconds
        bar.progress(min(done / total, 1.0), f"{done:,} of {total:,} {run.unit}, about {duration(left)} left")

    try:
        while not _TURNS.acquire(timeout=_EVERY):
            bar.progress(0.0, "Waiting: other visitors' measurements come first")
            if called_away():
                raise Cancelled("Stopped before it began.")
        try:
            found = run.compute(progress, called_away)
        finally:
            _TURNS.release()
    except Cancelled as error:
        with slot.container(horizontal=True, vertical_alignment="center"):
            # Another key than before: a key counts once a run. What it says, the next run asks for.
            st.button(run.label, key=f"{run.key}-again", icon=":material/replay:", on_click=_again, args=(run.key,))
            st.caption(f"{error} Whatever is chosen or clicked meanwhile stops it.")
        return
    kept = _kept()
    kept[run.question] = found
    while len(kept) > _MOST_KEPT:
        del kept[next(iter(kept))]
    with slot.container():
        run.show(found)


def _again(key: str) -> None:
    st.session_state[f"_{key}-again"] = True


def called_away() -> bool:
    """Whether the visitor has clicked something since this run began.

    Streamlit lets a fragment's run go to its end before it starts the next one, so a Stop button in it would come too
    late; only the queue of requests knows. Where a later Streamlit keeps it elsewhere, Stop waits for the end.
    """
    context = get_script_run_ctx()
    state = getattr(getattr(context, "script_requests", None), "_state", None)
    return getattr(state, "name", "CONTINUE") != "CONTINUE"


def duration(seconds: float) -> str:
    """Seconds for people: 0.4 s, 12 s, 3 min."""
    if seconds < 1:
        return f"{max(seconds, 0.1):.1f} s"
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _kept() -> dict[tuple[Any, ...], Any]:
    kept: dict[tuple[Any, ...], Any] = st.session_state.setdefault(_KEPT, {})
    return kept
