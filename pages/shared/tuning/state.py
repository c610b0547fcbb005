"""What a visitor is at: pictures, plan, run. It outlives a change of pages, and the run outlives the tab."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

import streamlit as st

from pages.shared.components.browser_name import browser_name

if TYPE_CHECKING:
    from explorer.jobs import Job
    from explorer.training import Dataset, Epoch, Run

STEPS = {"data": "Data", "plan": "Plan", "run": "Run", "result": "Result"}
_BEGAN = "_tuning_began"
_STEP, _DATASET, _VISITOR, _RUN = "_tuning_step", "_tuning_dataset", "_tuning_visitor", "_tuning_run"


def step() -> str:
    """The step that is open."""
    return str(st.session_state.get(_STEP, "data"))


def go(step: str) -> None:
    """Opens a step; for callbacks."""
    st.session_state[_STEP] = step


def dataset() -> Dataset:
    """The pictures to learn from; the first bundled set to begin with."""
    from explorer import training

    if _DATASET not in st.session_state:
        with st.spinner("Looking at the pictures"):
            take(training.bundled_set(next(iter(training.sets()))))
    found: Dataset = st.session_state[_DATASET]
    return found


def take(dataset: Dataset) -> None:
    """Makes these the pictures to learn from."""
    st.session_state[_DATASET] = dataset


def visitor() -> str:
    """Whose run it is: the browser's own name, or the session's where a browser tells none."""
    told = browser_name("tuning-visitor")
    if re.fullmatch(r"[0-9a-f]{32}", told):
        return told
    name: str = st.session_state.setdefault(_VISITOR, secrets.token_hex(16))
    return name


def job(visitor: str) -> Job[Epoch] | None:
    """The visitor's run as far as the server remembers it."""
    from explorer import training

    return training.of(visitor)


def began() -> None:
    """Notes that a run was started in this session."""
    st.session_state[_BEGAN] = True


def started() -> bool:
    """Whether a run was started in this session."""
    return bool(st.session_state.get(_BEGAN))


def look_at(name: str) -> None:
    """Makes a run the one whose result is shown."""
    st.session_state[_RUN] = name


def shown(runs: tuple[Run, ...]) -> Run | None:
    """The run whose result is shown: the one that was chosen, else the newest."""
    wanted = st.session_state.get(_RUN)
    return next((run for run in runs if run.name == wanted), runs[0] if runs else None)
