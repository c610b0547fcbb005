"""Small things that pages draw alike: captions, notes, numbers for people."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import streamlit as st

from explorer.errors import ExplorerError
from pages.shared import cache, pictures, selection
from pages.shared.components.data_url import data_url
from pages.shared.text import plain

if TYPE_CHECKING:
    from explorer.models import Model
    from pages.shared.pictures import Picture


_LOG = logging.getLogger(__name__)
_SUBJECTS = {
    "photos": ("photos", "a photo"),
    "digits": ("handwritten digits", "a digit"),
    "scenes": ("scenes of digits and shapes", "a scene"),
    "cells": ("cells, coins and other blobs", "a picture of such things"),
}
"""What networks were made to look at: all of it, and one of it."""


def subject() -> tuple[Picture, Model]:
    """What every page is about: the photo and the loaded network; says above the page what could not be had."""
    model = cache.network()
    complaints()
    weights_note(model)
    picture = selection.picture()
    subject_note(model, picture)
    return picture, model


def complaints() -> None:
    """Shows once what could not be done since the last run, one sentence each."""
    for sentence in st.session_state.pop("complaints", []):
        st.warning(sentence, icon=":material/info:")


@contextmanager
def kindly() -> Iterator[None]:
    """Turns whatever goes wrong inside into one sentence; Streamlit's own signals (stop, rerun) pass through."""
    try:
        yield
    except ExplorerError as error:
        st.warning(str(error), icon=":material/info:")
    except Exception:  # the last resort: a visitor never meets a traceback
        _LOG.exception("a page failed")
        st.warning(
            "Something went wrong here, and the server's log says what. Choose another layer, network or photo, "
            "or reload; your photos and choices are kept.",
            icon=":material/info:",
        )


def weights_note(model: Model) -> None:
    """Says so where the network has learnt nothing; random weights are never silent."""
    if not model.weights.trained:
        st.warning(
            f"{model.card.title} runs with random weights: it has learnt nothing, so its answers mean nothing."
            + (f" {model.weights.note}" if model.weights.note else ""),
            icon=":material/casino:",
        )
    elif model.weights.note:
        st.warning(model.weights.note, icon=":material/info:")


def subject_note(model: Model, picture: Picture) -> None:
    """Says so where a network is shown what it was never made to look at."""
    subject = model.card.subject
    if picture.subject in ("", subject):
        return
    all_of_it, one = _SUBJECTS[subject]
    st.warning(
        f"{model.card.title} knows {all_of_it} only; of “{plain(picture.title)}” it can make nothing.",
        icon=":material/info:",
    )
    st.button(f"Show it {one}", on_click=lambda: selection.change(image=pictures.default(subject)))


def no_classes(model: Model) -> str:
    """Why there is nothing to rank or to explain for a network that does not name photos."""
    answer = {"detection": "boxes", "segmentation": "a label for every pixel"}[model.card.task]
    return (
        f"**{model.card.title}** does not name the photo: it answers with {answer}, so there is no class to rank or to "
        "ask about. What each of its layers makes of the photo can be seen all the same."
    )


def image(picture: bytes, width: int | Literal["stretch", "content"] = "content", *, alt: str) -> None:
    """A picture, PNG or JPEG, with the words for those who cannot see it."""
    st.image(data_url(picture), width=width, alt=alt)


def caption(model: Model, *parts: str, seconds: float | None = None) -> None:
    """The line under a picture: network, weights, what is shown, how long it took."""
    time = () if seconds is None else (f"{seconds:.2f} s",)
    st.caption(plain(" · ".join((model.card.title, model.weights.name, *parts, *time))))


def file_stem(model: Model, *parts: str) -> str:
    """A name for a file to keep: photo, network and what is shown, in letters every system knows."""
    words = (selection.picture().title, model.card.slug, *parts)
    return "-".join("".join(c if c.isalnum() or c in "._" else "_" for c in word) for word in words)[:120]
