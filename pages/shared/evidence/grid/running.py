"""What takes longer than a moment: behind a button, in slices, drawing what is done after each; Stop keeps it all."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.shared.long_run import called_away, duration

PATIENCE = 2.0
"""Seconds; what takes less is computed without being asked for."""
_OPENING = 6.0  # seconds at most without being asked: also a busy machine is to open a small grid whole
_SLICE = 0.8  # seconds between two drawings of the grid
_EVERY = 0.2  # seconds between two updates of the bar
_TURNS = threading.BoundedSemaphore(2)  # grids of all visitors at once
Told = Callable[[float], None]
Stopped = Callable[[], bool]


@dataclass(frozen=True)
class Work:
    """What is missing.

    Attributes:
        key: of its widgets.
        question: all that it depends on: another question, another run.
        weights: about how many seconds each missing piece takes.
        total: how many pieces there are, those that are known included.
        noun: of a piece, in the plural: 'maps'.
        passes: through networks, for all that is missing.
        bound: word before them where they are not known beforehand: 'at most', 'about'.
        steps: computes and keeps; yields after each piece. Is told whom to tell which share of a piece is done, and
            whom to ask whether to stop.
    """

    key: str
    question: tuple[Any, ...]
    weights: Sequence[float]
    total: int
    noun: str
    passes: int
    bound: str
    steps: Callable[[Told, Stopped], Iterator[Any]]


def place() -> DeltaGenerator:
    """Where the button stands, or the bar. No `st.empty`: Stop would go and come with each slice, and miss clicks."""
    return st.container(horizontal=True, vertical_alignment="center")


def begins(work: Work) -> bool:
    """Whether something is done without being asked for: all of it where that takes a moment, else a first piece."""
    if not work.weights or f"_{work.key}-going" in st.session_state:
        return False
    untouched = len(work.weights) == work.total
    return sum(work.weights) <= PATIENCE or (untouched and work.weights[0] <= PATIENCE)


def at_once(work: Work) -> None:
    """Computes what takes a moment; where nothing is there yet, as much as does before patience ends."""
    untouched, began = len(work.weights) == work.total, time.monotonic()
    with st.spinner(f"Drawing {work.noun}", show_time=True):
        steps = work.steps(lambda _: None, called_away)
        for number, _ in enumerate(steps, 1):
            if number == len(work.weights):
                break
            ahead = work.weights[number] if untouched else sum(work.weights[: number + 1])
            if time.monotonic() - began > _OPENING or ahead > PATIENCE:
                break


def offer(work: Work, slot: DeltaGenerator) -> Callable[[], None] | None:
    """Draws a button, or a bar while it runs; what it returns does a slice, once all else is drawn."""
    token = f"_{work.key}-going"
    going = st.session_state.get(token)
    context = get_script_run_ctx()
    alone = context is not None and bool(context.fragment_ids_this_run)
    if going and (not work.weights or going["question"] != work.question or not (alone or going["asked"])):
        going = None  # done, or another question, or the visitor went elsewhere meanwhile
        st.session_state.pop(token, None)
    if not work.weights:
        return None
    left, done = sum(work.weights), work.total - len(work.weights)
    if going is None:
        start = {"question": work.question, "began": time.monotonic(), "seconds": left, "asked": True}
        slot.button(
            f"{'Continue' if done else 'Draw them'}: {len(work.weights)} of {work.total} {work.noun}, "
            f"about {duration(left)}, " + f"{work.bound} {work.passes:,} passes".lstrip(),
            key=f"{work.key}-ask",
            icon=":material/play_arrow:",
            on_click=_start,
            args=(token, start),
        )
        return None
    going["asked"] = False
    # First, so that it never moves: the button that was clicked stays behind them, faded, for the first slice.
    slot.button("Stop", key=f"{work.key}-stop", icon=":material/stop:", on_click=_stop, args=(token,))
    bar = slot.progress(0.0, "Starting")

    def tell(rest: float) -> None:
        spent, gone = time.monotonic() - going["began"], going["seconds"] - rest
        ahead = spent / gone * rest if gone > 0.05 * going["seconds"] else rest
        share = min(max(gone / going["seconds"], 0.0), 1.0)
        bar.progress(share, f"{done} of {work.total} {work.noun}, about {duration(ahead)} left")

    tell(left)

    def go() -> None:
        if _slice(work, token, tell, bar, _SLICE if alone else math.inf):
            st.rerun(scope="fragment" if alone else "app")

    return go


def _start(token: str, start: dict[str, Any]) -> None:
    st.session_state[token] = start | {"began": time.monotonic()}


def _stop(token: str) -> None:
    st.session_state.pop(token, None)


def _slice(work: Work, token: str, tell: Callable[[float], None], bar: DeltaGenerator, seconds: float) -> bool:
    """Computes for some seconds; whether to draw what is done and go on."""
    while not _TURNS.acquire(timeout=_EVERY):
        bar.progress(0.0, "Waiting: other visitors' grids come first")
        if called_away():
            return False
    left = list(work.weights)
    last = began = time.monotonic()

    def told(share: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _EVERY and left:
            last = now
            tell(sum(left) - share * left[0])

    try:
        for _ in work.steps(told, called_away):
            left.pop(0)
            if time.monotonic() - began > seconds or called_away():
                break
            told(0.0)
    except Exception:
        st.session_state.pop(token, None)
        raise
    finally:
        _TURNS.release()
    if called_away():
        return False  # the click that called is served next, and goes on if it was none that stops
    if len(left) == len(work.weights):
        st.session_state.pop(token, None)  # nothing was done: better to stop than to try for ever
        return False
    return True
