"""Who comes back in another tab finds the data and the plan of the run that goes on, not only its progress."""

from __future__ import annotations

from typing import Any

import streamlit as st

from explorer.errors import ExplorerError
from pages.shared.tuning import data, plan, state

_KNOWN = "_tuning_returned"


def restore(visitor: str) -> None:
    """Once a session, and only before anything was started in it."""
    job = state.job(visitor)
    latest: Any = job.latest if job is not None else None
    if job is None or job.finished or latest is None or st.session_state.get(_KNOWN) or state.started():
        return
    from explorer import training

    st.session_state[_KNOWN] = True
    try:
        run = training.get(latest.run)
        data.follow(run)
    except ExplorerError:
        return  # deleted meanwhile: the page begins as for anyone
    if run.plan is not None:
        plan.follow(run.plan)
    state.go("run")
