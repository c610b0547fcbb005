"""The list of pages, and the guard every page starts with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from pages.shared.components.data_url import data_url

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage


class _Entry(NamedTuple):
    stem: str
    title: str
    heading: str
    about: str


_PAGES = (
    _Entry(
        "home",
        "Home",
        "What a network sees",
        "Drop in a photo and look inside the network that names it: what it answers, **where** it looks, "
        "and what **every layer** makes of it.",
    ),
    _Entry(
        "architectures",
        "Architectures",
        "Architectures",
        "What a network is made of and what that costs: **unfold** any box down to its layers, on your photo.",
    ),
    _Entry(
        "performance",
        "Performance",
        "What does each design cost and buy?",
        "Every network of the app by **accuracy**, size, work, memory and speed: compare any two, and choose one.",
    ),
    _Entry(
        "convolution",
        "Convolution",
        "How is one number computed?",
        "Nearly every number in a network begins as a sum of products. **Point at one** to see what it is made of, by "
        "hand and in a real network.",
    ),
    _Entry(
        "receptive_field",
        "Receptive field",
        "How far does a unit see?",
        "Every number inside a network looks at a part of your photo: as far as it **could**, and as far as it "
        "**really** does.",
    ),
    _Entry(
        "feature_maps",
        "Feature maps",
        "Feature maps",
        "Every channel of a layer is a map of where the network found **its** pattern in the photo.",
    ),
    _Entry(
        "attribution",
        "Attribution",
        "Why this class?",
        "**Where** in the photo is the evidence for a class, any class you ask for? Seventeen methods answer, "
        "and the tabs ask how far to trust them.",
    ),
    _Entry(
        "detection",
        "Detection",
        "How does one pass find every thing?",
        "A YOLO lays a grid over the picture, and every cell says what it sees, **all at once**: follow it from raw "
        "numbers to the final boxes.",
    ),
    _Entry(
        "segmentation",
        "Segmentation",
        "Which pixels belong to it?",
        "A U-Net answers for **every pixel**. This one learnt from made pictures alone; open it step by step, and cut "
        "its skips.",
    ),
    _Entry(
        "transfer_learning",
        "Training",
        "Teach a network something of your own",
        "Drop in photos of **your own classes**, choose what of a network is trained, watch it learn, and use what "
        "came of it on every page.",
    ),
)
_ICON = Path(__file__).parents[2] / "assets" / "icon.png"


def _build() -> StreamlitPage:
    # Without an icon of our own the browser would fetch the page's symbol from a font server.
    st.set_page_config(page_title="CNN Explorer", page_icon=data_url(_ICON.read_bytes()), layout="wide")
    return st.navigation(
        [
            st.Page(
                page(entry.stem),
                title=entry.title,
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
