"""The list of pages, and the guard every page starts with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage


class _Entry(NamedTuple):
    stem: str
    title: str
    icon: str
    heading: str
    about: str


_PAGES = (
    _Entry(
        "home",
        "Home",
        "visibility",
        "What a network sees",
        "Drop in a photo and look inside the network that names it: what it answers, **where** it looks, "
        "and what **every layer** makes of it.",
    ),
    _Entry(
        "architectures",
        "Architectures",
        "account_tree",
        "Architectures",
        "What a network is made of and what that costs: **unfold** any box down to its layers, on your photo.",
    ),
    _Entry(
        "convolution",
        "Convolution",
        "grid_on",
        "How is one number computed?",
        "Nearly every number in a network begins as a sum of products. **Point at one** to see what it is made of, by "
        "hand and in a real network.",
    ),
    _Entry(
        "receptive_field",
        "Receptive field",
        "center_focus_strong",
        "How far does a unit see?",
        "Every number inside a network looks at a part of your photo: as far as it **could**, and as far as it "
        "**really** does.",
    ),
    _Entry(
        "feature_maps",
        "Feature maps",
        "grid_view",
        "Feature maps",
        "Every channel of a layer is a map of where the network found **its** pattern in the photo.",
    ),
    _Entry(
        "attribution",
        "Attribution",
        "local_fire_department",
        "Why this class?",
        "Grad-CAM shows **where** in the photo a layer found evidence for a class, any class you ask for.",
    ),
)
_ICON = Path(__file__).parents[2] / "assets" / "icon.png"


def _build() -> StreamlitPage:
    # Without an icon of our own the browser would fetch the page's symbol from a font server.
    st.set_page_config(page_title="CNN Explorer", page_icon=str(_ICON), layout="wide")
    return st.navigation(
        [
            st.Page(
                page(entry.stem),
                title=entry.title,
                icon=f":material/{entry.icon}:",
                help=entry.about.replace("**", ""),
                url_path=entry.stem,  # the file's stem: the only address that also works before the first routing
                default=entry.stem == "home",
            )
            for entry in _PAGES
        ],
        position="top",
    )


def route() -> StreamlitPage:
    """Declares the pages and returns the one that was asked for; called by ``app.py`` alone."""
    st.session_state["_routed"] = True
    return _build()


def heading(chosen: StreamlitPage) -> None:
    """The page's title and the sentence below it, before anything that takes time."""
    entry = next(entry for entry in _PAGES if entry.title == chosen.title)
    st.title(entry.heading)
    st.markdown(entry.about)


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
