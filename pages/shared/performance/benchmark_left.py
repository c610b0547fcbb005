"""Part of "Benchmark here": the plan that was broken off, to go on with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from explorer import catalogue
from explorer.errors import ExplorerError
from pages.shared.text import plain

if TYPE_CHECKING:
    from explorer.benchmark import Plan
    from explorer.benchmark.store import Run

_NAMED = 4  # networks of the plan, and how many more


def draw(go_on: Callable[[Plan, str], None]) -> None:
    """Offers to go on with the last plan that was stopped, or killed with the server.

    Args:
        go_on: starts a plan under the name of its run.
    """
    from explorer import benchmark

    runs = [run for run in benchmark.store.runs() if _readable(run)]
    left = [run for place, run in enumerate(runs) if not run.finished and not superseded(run, runs[place + 1 :])]
    if not left:
        return
    run, plan = left[-1], benchmark.Plan.from_json(left[-1].plan)
    count, titles = len(plan.points), catalogue.titles()
    networks = [titles[slug] for slug in dict.fromkeys(plan.slugs)]
    more = f" and {len(networks) - _NAMED} more" if len(networks) > _NAMED else ""
    kept = "" if not run.results else "; it is kept" if run.results == 1 else "; they are kept"
    begun = run.begun.astimezone().strftime("%Y-%m-%d %H:%M")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(
            f"The plan of {plain(', '.join(networks[:_NAMED]))}{more}, begun {plain(begun)}, was interrupted after "
            f"{run.results} of {count} measurement{'' if count == 1 else 's'}{kept}.",
            icon=":material/history:",
            width=560,
        )
        st.button(
            "Continue", key="benchmark-continue", icon=":material/play_arrow:", on_click=go_on, args=(plan, run.name)
        )
        st.button("Leave it", key="benchmark-leave", type="tertiary", on_click=_leave)


def superseded(run: Run, later: Sequence[Run]) -> bool:
    """Whether a run that was begun later, and has finished, measured all that this one was to measure.

    Args:
        run: that was broken off.
        later: runs that were begun after it.
    """
    from explorer.benchmark import Plan

    plan = Plan.from_json(run.plan)
    others = [Plan.from_json(each.plan) for each in later if each.finished]
    return any(plan.device == other.device and set(plan.points) <= set(other.points) for other in others)


def _readable(run: Run) -> bool:
    """Whether all that a plan names is still there: a tuned network may have been deleted."""
    from explorer.benchmark import Plan

    try:
        return bool(Plan.from_json(run.plan).points)
    except (ExplorerError, TypeError, ValueError):
        return False


def _leave() -> None:
    from explorer import benchmark

    for run in benchmark.store.runs():
        if not run.finished:
            benchmark.store.finish(run.name)
