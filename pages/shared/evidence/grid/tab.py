"""The tab: one photo or many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.shared import blocks, controls, selection
from pages.shared.evidence.grid import many, one_photo

if TYPE_CHECKING:
    from explorer.models import Model
    from pages.shared.pictures import Picture

_MODES = {"one": "One photo", "many": "Many photos"}


@st.fragment
@blocks.kindly()
def draw(picture: Picture, model: Model) -> None:
    """The mode, and what belongs to it."""
    bar = st.container(horizontal=True, vertical_alignment="bottom")
    with bar:
        mode = controls.kept_choice("Show", "grid-mode", _MODES)
    if selection.current().against is not None:
        st.caption(
            "“And not” is left out here: each map asks about its class alone, and so does a cell opened in One map."
        )
    {"one": one_photo.draw, "many": many.draw}[mode](picture, model, bar)
    selection.write_link(in_fragment=True)
