"""Runs beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from explorer.training import Run

_MOST = 8


def draw(usable: tuple[Run, ...], shown: Run) -> None:
    """A table of all runs, and the curves of those on the same data as the shown one."""
    from explorer import training
    from explorer.figures import training as figures

    usable = tuple(run for run in usable if run.epochs)  # of what was brought, nothing is known to compare
    if len(usable) < 2:
        return
    with st.expander(f"Compare {len(usable)} tuned networks", icon=":material/compare_arrows:"):
        st.dataframe(training.table(usable), hide_index=True, width="stretch")
        alike = [run for run in usable if run.data == shown.data and run.epochs][:_MOST]
        if len(alike) > 1:
            names = [f"{run.title} ({run.created[5:19].replace('T', ' ')})" for run in alike]
            figure = figures.runs(names, [run.epochs for run in alike])
            st.plotly_chart(figure, key="tuning-compare", config={"displayModeBar": False})
            st.caption(f"Runs on “{shown.data}”. A difference of a picture or two is chance.")
