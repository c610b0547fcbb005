"""The photos of a session: bundled samples and what the visitor brought, each known by the hash of its bytes."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import streamlit as st
from PIL import Image

from explorer import images
from explorer.digits import DigitPreprocessing
from explorer.preprocessing import Preprocessing
from pages.shared.text import plain

DEFAULT = "chelsea"
DRAWING = "Your drawing"
_DEFAULTS = {"photos": DEFAULT, "digits": "digit_3", "scenes": "scene_4", "cells": "coins"}


@dataclass(frozen=True)
class Picture:
    """A photo.

    Attributes:
        name: slug of a sample, or the digest of an upload.
        title: for people.
        credit: licence and source of a sample; empty for an upload.
        data: the file of a sample; an upload as an upright RGB PNG of at most 2048 pixels.
        digest: sha256 of ``data``, the key under which results are cached.
        subject: what it shows ('photos', 'digits', 'scenes', 'cells') where it is known, else ''.
    """

    name: str
    title: str
    credit: str
    data: bytes
    digest: str
    subject: str = ""

    def open(self) -> Image.Image:
        """The decoded photo, upright, RGB."""
        return opened(self)


def by_digest(picture: Picture) -> str:
    """How caches know a picture."""
    return picture.digest


@st.cache_resource(show_spinner=False, max_entries=32, hash_funcs={Picture: by_digest})
def opened(picture: Picture) -> Image.Image:
    """Decodes once; 32 photos of 2048 pixels take 400 MB at most, samples 1 MB each."""
    return images.open_image(picture.data)


@st.cache_resource(show_spinner=False)
def samples() -> dict[str, Picture]:
    """The bundled pictures by slug."""
    found = {}
    for slug, sample in images.samples().items():
        data = sample.read()
        credit = f"{sample.licence}. {sample.source}"
        found[slug] = Picture(slug, sample.title, credit, data, images.digest(data), sample.subject)
    return found


def default(subject: str) -> str:
    """The sample to begin with, for a network that looks at ``subject``."""
    return _DEFAULTS[subject]


def uploads() -> dict[str, Picture]:
    """What this visitor brought, by digest, oldest first."""
    mine: dict[str, Picture] = st.session_state.setdefault("uploads", {})
    return mine


def find(name: str) -> Picture:
    """The picture called ``name``, else the default sample, else a plain test picture (no sample package installed)."""
    picture = uploads().get(name) or samples().get(name) or samples().get(DEFAULT)
    return picture or next(iter(samples().values()), None) or _gradient()


class File(Protocol):
    """What Streamlit hands over for an upload or a camera shot."""

    name: str

    def getvalue(self) -> bytes:
        """The file's bytes."""


_decoding = threading.BoundedSemaphore(2)  # a decoded 50-megapixel photo takes 150 MB: two at a time are enough


def take(files: Iterable[File]) -> tuple[list[Picture], list[str]]:
    """Keeps new photos in the session: (those that could be read, one sentence for each that could not)."""
    kept, complaints = [], []
    for file in files:
        try:
            with _decoding:
                data = images.encode_png(images.open_image(file.getvalue()))
        except images.BadImage as error:
            complaints.append(f"{plain(file.name)}: {error}")
            continue
        digest = images.digest(data)
        picture = Picture(digest, file.name, "", data, digest)
        kept.append(picture)
    st.session_state["uploads"] = {**uploads(), **{picture.name: picture for picture in kept}}
    return kept, complaints


def drawn(data: bytes) -> Picture | None:
    """Keeps a drawing in the session, in place of the one before; None if it is no picture."""
    try:
        data = images.encode_png(images.open_image(data))
    except images.BadImage:
        return None
    digest = images.digest(data)
    picture = Picture(digest, DRAWING, "", data, digest, "digits")
    others = {name: each for name, each in uploads().items() if each.title != DRAWING}
    st.session_state["uploads"] = {**others, digest: picture}
    return picture


def keep(picture: Picture) -> None:
    """Keeps a picture that a page has made among the visitor's own, so that every page can show it."""
    st.session_state["uploads"] = {**uploads(), picture.name: picture}


def drawing() -> Picture | None:
    """What the visitor drew last."""
    return next((each for each in uploads().values() if each.title == DRAWING), None)


def remove(name: str) -> None:
    """Forgets an upload."""
    st.session_state["uploads"] = {digest: picture for digest, picture in uploads().items() if digest != name}


@st.cache_resource(show_spinner=False, max_entries=256, hash_funcs={Picture: by_digest})
def thumbnail(picture: Picture, side: int) -> bytes:
    """A JPEG of at most ``side`` pixels."""
    small = picture.open().copy()
    small.thumbnail((side, side))
    return _jpeg(small)


@st.cache_resource(
    show_spinner=False,
    max_entries=256,
    hash_funcs={Picture: by_digest, Preprocessing: repr, DigitPreprocessing: repr},
)
def framed(picture: Picture, recipe: Preprocessing | None) -> bytes:
    """A JPEG of at most 640 pixels in which all that the network does not see is dimmed."""
    small = picture.open().copy()
    small.thumbnail((640, 640))
    if recipe is not None and not isinstance(recipe, DigitPreprocessing):  # which cuts nothing off that is written
        scale = small.width / picture.open().width
        left, top, right, bottom = (round(side * scale) for side in recipe.seen(picture.open()))
        left, top, right, bottom = max(0, left), max(0, top), min(small.width, right), min(small.height, bottom)
        bright = small.crop((left, top, right, bottom))
        small = Image.blend(small, Image.new("RGB", small.size, "gray"), 0.6)
        small.paste(bright, (left, top))
    return _jpeg(small)


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


@st.cache_resource(show_spinner=False)
def _gradient() -> Picture:
    data = images.encode_png(Image.linear_gradient("L").convert("RGB"))
    return Picture("gradient", "A gradient", "", data, images.digest(data))
