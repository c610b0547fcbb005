"""Code for a view: the lines of `explorer` that compute what a page shows, whole, to be copied and run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from pages.shared import pictures

if TYPE_CHECKING:
    from explorer.models import Model
    from pages.shared.pictures import Picture


def offer(text: str, key: str) -> None:
    """The lines, folded."""
    with st.expander("Code for this view", icon=":material/code:", key=f"code-{key}"):
        st.code(text, language="python")


def opening(uses: Iterable[str], model: Model | Sequence[Model], picture: Picture | None = None) -> str:
    """Imports, the network and the photo; ends with an empty line.

    Args:
        uses: modules of explorer that the lines below need.
        model: becomes ``model``; several become ``networks``.
        picture: becomes ``photo``; nothing if None.
    """
    modules = sorted({*uses, "models", *(["images"] if picture is not None else [])})
    lines = [f"from explorer import {', '.join(modules)}", ""]
    if isinstance(model, Sequence):
        lines += ["networks = [", *(f"    {loaded(each)}," for each in model), "]"]
    else:
        lines.append(f"model = {loaded(model)}")
    if picture is not None:
        lines.append(f"photo = {opened(picture)}")
    if picture is not None and _file(picture):
        lines.insert(0, "from pathlib import Path\n")
    return "\n".join((*lines, "", ""))


def loaded(model: Model) -> str:
    """The call that loads a network with these weights."""
    weights = {
        "bundled": "bundled",
        "torchvision": model.weights.name,
        "file": model.weights.origin,
    }.get(model.weights.source, "random")
    seed = re.search(r"seed (\d+)", model.weights.name) if weights == "random" else None
    more = f", seed={seed[1]}" if seed and seed[1] != "0" else ""
    return f"models.load({model.card.slug!r}, {weights!r}{more})"


def opened(picture: Picture) -> str:
    """The call that opens a photo; of an upload its own name, wherever the visitor keeps it."""
    if not _file(picture):
        return f"images.samples()[{picture.name!r}].open()"
    return f"images.open_image(Path({picture.title!r}).read_bytes())"


def _file(picture: Picture) -> bool:
    return picture.name not in pictures.samples()
