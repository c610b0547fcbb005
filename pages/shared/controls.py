"""Widgets that read and write the selection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.shared import pictures, selection
from pages.shared.components.pad import drawing, pad


def _from_widget(field: str, key: str) -> None:
    selection.change(**{field: st.session_state[key]})


def select(label: str, field: str, options: list[Any], *, default: Any = None, **arguments: Any) -> Any:
    """A select box whose value is a field of the selection; shows ``default`` (the page's) while nothing was chosen."""
    key = f"select-{field}"
    value = getattr(selection.current(), field)
    if value not in options:
        value = options[0] if default is None else default
    st.session_state[key] = value
    st.selectbox(label, options, key=key, on_change=_from_widget, args=(field, key), **arguments)
    return value


def choose(label: str, field: str, options: Mapping[str, str], **arguments: Any) -> str:
    """A row of buttons, one always chosen, whose value is a field of the selection."""
    key = f"choose-{field}"
    value: str = getattr(selection.current(), field)
    st.session_state[key] = value
    st.segmented_control(
        label,
        list(options),
        required=True,
        format_func=options.__getitem__,
        key=key,
        on_change=_from_widget,
        args=(field, key),
        **arguments,
    )
    return value


def kept_choice(label: str, key: str, options: Mapping[str, str], **arguments: Any) -> str:
    """A row of buttons, one always chosen, whose value outlives a change of pages; the first one to begin with."""
    chosen: str = st.segmented_control(
        label,
        list(options),
        default=next(iter(options)),
        required=True,
        format_func=options.__getitem__,
        key=key,
        persist_state="session",
        **arguments,
    )
    return chosen


def _from_files(key: str) -> None:
    value = st.session_state[key]
    files = value if isinstance(value, list) else [value] if value is not None else []
    kept, complaints = pictures.take(files)
    selection.complain(complaints)
    if kept:
        selection.change(image=kept[-1].name)
    # A fresh uploader: what was taken stands in the sidebar, where it can be chosen and removed.
    st.session_state["_uploader"] = st.session_state.get("_uploader", 0) + 1


def uploader(place: str, label: str) -> None:
    """A place to drop photos on; the last of them becomes the image."""
    key = f"files-{place}-{st.session_state.get('_uploader', 0)}"
    st.file_uploader(
        label,
        type=["jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff"],
        accept_multiple_files=True,
        key=key,
        on_change=_from_files,
        args=(key,),
    )


def camera() -> None:
    """The camera, once it has been switched on."""
    if st.toggle("Use the camera", key="camera-on"):
        key = f"camera-{st.session_state.get('_uploader', 0)}"
        st.camera_input("Take a photo", key=key, on_change=_from_files, args=(key,))


def _from_pad(key: str) -> None:
    data, before = drawing(st.session_state[key].drawn), pictures.drawing()
    picture = pictures.drawn(data) if data else None
    if picture is not None:
        selection.change(image=picture.name)
    elif not data and before is not None:  # wiped: what was read there is gone as well
        pictures.remove(before.name)
        selection.change(image=pictures.default("digits"))


def drawing_pad(place: str) -> None:
    """Paper to draw a digit on; after each stroke it is the image."""
    key, before = f"pad-{place}", pictures.drawing()
    pad(key, lambda: _from_pad(key), before.data if before else b"")
