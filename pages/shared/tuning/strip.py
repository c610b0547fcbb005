"""The four steps in one row, each with its state; one is open."""

from __future__ import annotations

import streamlit as st

from pages.shared.text import percent
from pages.shared.tuning import plan, state

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


def _states(visitor: str) -> dict[str, str]:
    from explorer import training

    data, job, runs = state.dataset(), state.job(visitor), [run for run in training.runs() if run.usable]
    run = state.shown(tuple(runs))
    result = "none yet"
    if run is not None:
        result = percent(run.best.validation_accuracy) if run.best else "brought"
    return {
        "data": f"{data.title}, {len(data.classes)} classes",
        "plan": plan.in_words(data),
        "run": _AT[job.state] if job is not None else "not started",
        "result": result,
    }
