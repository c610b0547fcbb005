"""The visitor's ZIP of class folders, kept for the session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from explorer import archives, images
from explorer.errors import ExplorerError
from pages.shared.pictures import Picture
from pages.shared.text import plain

_KEPT = "_packed_photos"
_PACKED, _UNPACKED = 50, 100  # MB: the pictures stay in memory while the session lasts


@dataclass
class File:
    """A picture as Streamlit hands over an upload."""

    name: str
    data: bytes

    def getvalue(self) -> bytes:
        """Its bytes."""
        return self.data


@dataclass(frozen=True)
class _Kept:
    name: str
    photos: tuple[tuple[Picture, str], ...]
    refused: tuple[tuple[str, str], ...]


def photos(key: str) -> list[tuple[Picture, str]]:
    """An uploader, and the photos of the last archive with the names of their folders."""
    kept: _Kept | None = st.session_state.get(_KEPT)
    number = st.session_state.get("_packed_uploader", 0)
    name = f"{key}-zip-{number}"
    st.file_uploader(
        "Drop a ZIP here, one folder for each class",
        type=["zip"],
        key=name,
        max_upload_size=_PACKED,
        on_change=_take,
        args=(name,),
        help="A folder's name says what its photos show: a class of the networks, such as 'tabby' or 'golf ball', or "
        "its number. Other names do as well; you can say below what they mean.",
    )
    if error := st.session_state.pop("_packed_error", ""):
        st.warning(error, icon=":material/info:")
    if kept is None:
        st.caption("Nothing is written to a disk; the photos stay in this session only.")
        return []
    folders = len({folder for _, folder in kept.photos})
    noun = "photo" if len(kept.photos) == 1 else "photos"
    what = f"{len(kept.photos):,} {noun} in {folders:,} folder{'' if folders == 1 else 's'}"
    st.caption(f"{plain(kept.name)}: {what}.")
    if kept.refused:
        verb = "file was" if len(kept.refused) == 1 else "files were"
        with st.expander(f"{len(kept.refused):,} {verb} left out", icon=":material/info:"):
            for path, reason in kept.refused[:50]:
                st.caption(f"{plain(path)}: {plain(reason)}")
            if len(kept.refused) > 50:
                st.caption(f"and {len(kept.refused) - 50:,} others.")
    return list(kept.photos)


def _take(key: str) -> None:
    file = st.session_state.get(key)
    if file is None:
        return
    # A fresh uploader: the archive's own bytes need not stay beside the pictures.
    st.session_state["_packed_uploader"] = st.session_state.get("_packed_uploader", 0) + 1
    try:
        st.session_state[_KEPT] = _read(file)
    except ExplorerError as error:
        st.session_state["_packed_error"] = f"{plain(file.name)}: {error}"


def _read(file: Any) -> _Kept:
    found = archives.read(file.getvalue(), archives.Limits(packed=_PACKED * 2**20, total=_UNPACKED * 2**20))
    refused = list(found.refused)
    kept = []
    for folder, files in found.classes.items():
        for path, data in files:
            try:
                images.open_image(data)
            except images.BadImage as error:
                refused.append((path, str(error)))
                continue
            digest = images.digest(data)
            kept.append((Picture(digest, path, "", data, digest), folder))
    if not kept:
        reason = f" The first file: {refused[0][1]}" if refused else ""
        raise archives.BadArchive(f"There is no picture in this archive that can be read.{reason}")
    return _Kept(file.name, tuple(kept), tuple(refused))
