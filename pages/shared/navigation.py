"""The list of pages, and the guard every page starts with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage

_PAGES = (
    ("home", "Home", "visibility", "What a network sees in your photo, at once"),
    ("feature_maps", "Feature maps", "grid_view", "What every layer answers to this photo"),
    ("attribution", "Attribution", "local_fire_department", "Why this class?"),
)


_ICON = Path(__file__).parents[2] / "assets" / "icon.png"


def _build() -> StreamlitPage:
    # Without an icon of our own the browser would fetch the page's symbol from a font server.
    st.set_page_config(page_title="CNN Explorer", page_icon=str(_ICON), layout="wide")
    return st.navigation(
        [
            st.Page(
                page(stem),
                title=title,
                icon=f":material/{icon}:",
                help=about,
                url_path=stem,  # the file's stem: the only address that also works before the first routing
                default=stem == "home",
            )
            for stem, title, icon, about in _PAGES
        ],
        position="top",
    )


def route() -> StreamlitPage:
    """Declares the pages and returns the one that was asked for; called by ``app.py`` alone."""
    st.session_state["_routed"] = True
    return _build()


def guard() -> None:
    """First line of every page: the first visitor of a fresh server may get a page without ``app.py``; start again.

    A folder called ``pages`` next to the app is Streamlit's older way to declare pages, and until ``st.navigation`` has
    run once in the process, a deep link runs the page's file alone.
    """
    if not st.session_state.pop("_routed", False):  # set by app.py just before; one run, one ticket
        _build()
        st.rerun()


def page(stem: str) -> str:
    """The path of a page for ``st.page_link`` and ``st.switch_page``."""
    return f"pages/{stem}.py"
