"""The four steps in one row, each with its state; one is open."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.shared.text import percent, plain
from pages.shared.tuning import plan, state

_ENDED = "_tuning_ended"
_EVERY = 2.0  # seconds between two looks at a run, from a step that is not about it
_AT = {
    "waiting": "waits for its turn",
    "running": "under way",
    "paused": "paused",
    "done": "done",
    "failed": "failed",
    "stopped": "stopped",
}


def draw(visitor: str) -> None:
    """The steps as buttons."""
    words = _states(visitor)
    with st.container(horizontal=True, gap="small"):
        for number, (step, title) in enumerate(state.STEPS.items(), start=1):
            st.button(
                f"**{number} {title}** · {words[step]}",
                key=f"tuning-to-{step}",
                type="primary" if step == state.step() else "secondary",
                on_click=state.go,
                args=(step,),
                width="stretch",
            )
    job = state.job(visitor)
    if job is not None and not job.finished and state.step() != "run":  # that step looks itself
        st.fragment(_follow, run_every=_EVERY)(visitor, job.state)


def _follow(visitor: str, drawn: str) -> None:
    """Draws the page anew once the run is no longer what the row says."""
    job = state.job(visitor)
    if job is None or job.state != drawn:
        st.rerun()


def _states(visitor: str) -> dict[str, str]:
    from explorer import training

    job = state.job(visitor)
    latest: Any = job.latest if job is not None and job.finished else None
    if latest is not None and latest.best and st.session_state.get(_ENDED) != latest.run:
        st.session_state[_ENDED] = latest.run
        state.look_at(latest.run)  # its result is news, once
    data, runs = state.dataset(), [run for run in training.runs() if run.usable]
    run = state.shown(tuple(runs))
    result = "none yet"
    if run is not None:
        result = percent(run.best.validation_accuracy) if run.best else "brought"
        result += _others(run.data, data.title)
    ran = _AT[job.state] if job is not None else "not started"
    if latest is not None:
        ran += _others(next((each.data for each in runs if each.name == latest.run), data.title), data.title)
    return {
        "data": f"{data.title}, {len(data.classes)} classes",
        "plan": plan.in_words(data),
        "run": ran,
        "result": result,
    }


def _others(theirs: str, ours: str) -> str:
    """Names the pictures of a run if they are not those that step 1 shows."""
    return f" on {plain(theirs)}" if theirs and theirs != ours else ""
