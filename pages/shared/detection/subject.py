"""What the Detection page looks at, and with which network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from explorer import catalogue
from pages.shared import blocks, controls, selection
from pages.shared.detection import cache
from pages.shared.text import plain

if TYPE_CHECKING:
    from explorer.models import Model
    from pages.shared.pictures import Picture

OURS = "yolo_scenes"
FIRST = 4  # the scene to begin with
_SEED, _MOST = "detection-seed", 9_999  # the scenes above are measured in the card of the weights


def network() -> Model:
    """The selected network if it detects, else the one that was trained for this page."""
    if catalogue.get(selection.current().network).task == "detection":
        from pages.shared.cache import network as selected

        model = selected()
        blocks.complaints()
        blocks.weights_note(model)
        return model
    from explorer import models

    blocks.complaints()
    title = catalogue.get(OURS).title
    with st.spinner(f"Loading {title}", show_time=True):
        return models.load(OURS, device=selection.current().device)


def chosen(model: Model) -> tuple[Picture, int | None]:
    """The picture to look at and, if it is a scene, its seed; draws the controls."""
    st.session_state.setdefault(_SEED, FIRST)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        source = controls.kept_choice("Picture", "detection-source", {"scene": "A scene", "photo": "Your picture"})
        if source == "scene":
            seed = int(
                st.number_input(
                    "Scene",
                    0,
                    _MOST,
                    key=_SEED,
                    persist_state="session",
                    width=130,
                    help="The seed it is made from: the same number, the same scene.",
                )
            )
            st.button("Another scene", icon=":material/casino:", on_click=_another)
        if model.card.slug != selection.current().network:
            st.button(
                f"Choose {model.card.title} on all pages",
                icon=":material/deployed_code:",
                on_click=lambda: selection.change(network=model.card.slug),
                type="tertiary",
            )
    if source == "scene":
        return cache.scene(seed)[1], seed
    photo = selection.picture()
    if model.card.slug == selection.current().network:
        blocks.subject_note(model, photo)
    if model.card.slug == OURS and photo.subject != "scenes":
        st.caption(
            f"“{plain(photo.title)}” is chosen in the sidebar, where you can drop in your own. The network knows the "
            "digits 1 to 5, circles, triangles, squares and stars: try a photo of some."
        )
    side = model.preprocessing.crop
    # What the sidebar dims is what the network chosen there leaves out.
    dimmed = "; the sidebar dims the rest" if model.card.slug == selection.current().network else ""
    st.caption(f"The network sees the middle square of a picture, {side} × {side} pixels{dimmed}.")
    return photo, None


def _another() -> None:
    st.session_state[_SEED] = (int(st.session_state[_SEED]) + 1) % (_MOST + 1)
