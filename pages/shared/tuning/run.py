"""Step 3: the run. It goes on in the background; this only looks on, and may pause or stop it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from explorer import catalogue
from explorer.errors import ExplorerError
from pages.shared import blocks, selection
from pages.shared.long_run import duration
from pages.shared.text import percent, plain
from pages.shared.tuning import plan as planning
from pages.shared.tuning import state

if TYPE_CHECKING:
    from explorer.jobs import Job
    from explorer.training import Epoch, Run

_EVERY = 0.7  # seconds between two looks at a run
_LAST_STATE = "_tuning_last_state"


def draw(visitor: str) -> None:
    """What there is to start, or how it goes."""
    job = state.job(visitor)
    if job is None or job.finished:
        _start(visitor, again=job is not None)
        _unfinished(visitor)
    if job is not None:
        looking = st.fragment(_look, run_every=None if job.finished else _EVERY)
        looking(visitor)


def _start(visitor: str, *, again: bool) -> None:
    dataset, plan = state.dataset(), planning.asked()
    found = planning.split(dataset, plan)
    st.markdown(
        f"**{plain(dataset.title)}**, {len(dataset.train):,} pictures of {len(dataset.classes)} classes, on "
        f"**{catalogue.get(plan.network).title}**: {plan.epochs} epoch{'s' * (plan.epochs > 1)}, {found.text} trained."
    )
    unlearnt = planning.unlearnt_note(plan.network)
    if unlearnt:
        st.warning(unlearnt, icon=":material/casino:")
    st.button(
        "Start another run" if again else "Start",
        type="secondary" if again else "primary",
        icon=":material/play_arrow:",
        key="tuning-start",
        on_click=_begin,
        args=(visitor,),
    )
    if not again:
        st.caption(
            "It runs in the background: leave the page or close the tab, and find it here again. A crash loses at most "
            "one epoch."
        )


def _begin(visitor: str) -> None:
    from explorer import training

    state.began()
    try:
        training.start(state.dataset(), planning.asked(), visitor, selection.current().device)
    except ExplorerError as error:
        selection.complain([plain(str(error))])


def _go_on(run: Run, visitor: str) -> None:
    from explorer import training

    state.began()
    try:
        training.go_on(run, visitor, selection.current().device)
    except ExplorerError as error:
        selection.complain([plain(str(error))])


def _drop(run: Run) -> None:
    from explorer import training

    try:
        training.forget(run.name)
    except ExplorerError as error:
        selection.complain([plain(str(error))])


def _unfinished(visitor: str) -> None:
    """Runs that a stop, a crash or the end of the server cut short."""
    from explorer import training

    waiting = [run for run in training.runs() if run.resumable]
    waiting.sort(key=lambda run: run.created, reverse=True)
    if not waiting:
        return
    with st.expander(f"{len(waiting)} unfinished run{'s' * (len(waiting) > 1)}", icon=":material/history:"):
        for run in waiting[:10]:
            assert run.plan is not None
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"{plain(run.title)}, {run.state} after {len(run.epochs)} of {run.plan.epochs} epochs")
                st.button(
                    "Go on",
                    key=f"tuning-go-on-{run.name}",
                    icon=":material/resume:",
                    on_click=_go_on,
                    args=(run, visitor),
                )
                if not run.usable:
                    with st.popover("Delete", icon=":material/delete:", type="tertiary"):
                        st.markdown(f"“{plain(run.title)}” goes for good, for everyone.")
                        st.button("Delete for good", key=f"tuning-drop-{run.name}", on_click=_drop, args=(run,))


@blocks.kindly()
def _look(visitor: str) -> None:
    """One look at the run; the fragment comes back to it."""
    from explorer import training

    job = state.job(visitor)
    if job is None:
        return
    before, now = st.session_state.get(_LAST_STATE), (job.state, job.finished)
    st.session_state[_LAST_STATE] = now
    if before is not None and before != now:
        st.rerun()  # the row of steps, and what can be done, follow
    progress: Any = job.latest
    st.markdown(f"##### {plain(job.title)}")
    _bar(job, progress)
    if not job.finished:
        with st.container(horizontal=True):
            if job.state == "paused":
                st.button("Go on", icon=":material/play_arrow:", key="tuning-resume", on_click=job.resume)
            else:
                st.button("Pause", icon=":material/pause:", key="tuning-pause", on_click=job.pause)
            kept = progress is not None and progress.best
            st.button(
                "Stop, keep the best" if kept else "Stop, with nothing learnt yet",
                icon=":material/stop:",
                key="tuning-stop",
                on_click=job.stop,
                disabled=job.stopping,
            )
    if progress is None:
        return
    try:
        run = training.get(progress.run)
    except training.UnknownRun:
        st.caption("This run has been deleted; start another one, or look at other results.")
        return
    _curves(run, progress)
    if job.finished:
        _ended(progress)


def _bar(job: Job[Epoch], progress: Any) -> None:
    if job.state == "failed":
        st.warning(plain(job.error), icon=":material/info:")
        return
    if job.state == "waiting":
        ahead = job.ahead
        st.progress(0.0, f"Waits for its turn: {ahead} run{'s' * (ahead != 1)} before it" if ahead else "Starting")
        return
    if progress is None:
        st.progress(0.0, "Starting")
        return
    left = job.seconds_left
    words = {
        "done": "Done",
        "stopped": "Stopped",
        "paused": f"Paused. {progress.text}",
    }.get(job.state, progress.text + (f", about {duration(left)} left" if left is not None else ""))
    st.progress(progress.share, "Stopping" if job.stopping else words)
    if progress.note:
        st.caption(progress.note)


def _curves(run: Run, progress: Any) -> None:
    from explorer.figures import training as figures

    if not progress.history and not len(progress.losses):
        return
    if run.weights.startswith("random"):
        st.warning(
            f"{run.base or 'It'} began with random weights: it had learnt nothing before this run.",
            icon=":material/casino:",
        )
    assert run.plan is not None
    steps = math.ceil(sum(learnt for learnt, _ in run.counts) / run.plan.batch_size)  # of an epoch
    drawn = figures.curves(progress.history, np.asarray(progress.losses), steps, progress.epochs, progress.best)
    for column, figure, name in zip(st.columns(3), drawn, ("loss", "accuracy", "rate"), strict=True):
        with column:
            st.plotly_chart(figure, key=f"tuning-curve-{name}", config={"displayModeBar": False})
    if progress.history:
        last = progress.history[-1]
        st.caption(
            f"Epoch {last.number}: {percent(last.validation_accuracy)} of the pictures to check with are right, "
            f"{percent(last.accuracy)} of those to learn from; {_time(last.seconds)}. The ring marks the best epoch, "
            "which is kept."
        )


def _time(seconds: float) -> str:
    return "below 0.1 s" if seconds < 0.1 else f"{seconds:.1f} s"


def _ended(progress: Any) -> None:
    if not progress.best:
        st.caption("It ended before its first epoch did; nothing was learnt.")
        return
    best = progress.history[progress.best - 1]
    st.markdown(
        f"**{percent(best.validation_accuracy)}** of the pictures to check with are right after epoch {best.number}, "
        "whose weights are kept."
    )
    if st.button(
        "Next: result", type="primary", icon=":material/arrow_forward:", key="tuning-next", on_click=state.go,
        args=("result",),
    ):  # fmt: skip
        st.rerun()  # out of the fragment
