"""A filtered photo as an exhibit, and the two controls that every such exhibit has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from explorer import palettes
from pages.shared.components.photo_window import GRAY, photo_window
from pages.shared.text import number, size

if TYPE_CHECKING:
    from explorer.photo_filter import Filtered, View

VIEWS: dict[View, str] = {"signed": "Signed", "picture": "As a picture", "absolute": "Strength"}
_ABOUT = {
    "signed": "Signed: blue below zero, white at zero, red above (in colours: gray at zero).",
    "picture": "As a picture: cut off at 0 (black) and 255 (white).",
    "absolute": "Strength: how far from zero, whatever the sign; black is zero.",
}


def choice(label: str, key: str, options: Mapping[str, str], **more: Any) -> str:
    """A row of buttons, one always chosen, whose value outlives a change of page."""
    st.session_state.setdefault(key, next(iter(options)))
    chosen: str = st.segmented_control(
        label,
        list(options),
        required=True,
        format_func=options.__getitem__,
        key=key,
        persist_state="session",
        **more,
    )
    return chosen


def view(key: str, views: Iterable[View] = ("signed", "picture", "absolute")) -> View:
    """How the numbers of the result become a picture."""
    names = tuple(views)
    about = " ".join(_ABOUT[name] for name in names)
    chosen = choice("Show the result", key, {name: VIEWS[name] for name in names}, help=about)
    return next(name for name in names if name == chosen)


def show(
    header: Mapping[str, Any],
    key: str,
    result: Filtered,
    how: View,
    title: str,
    *,
    written: np.ndarray | None = None,
    on_kernel: Callable[[list[float]], None] | None = None,
) -> None:
    """Draws the photo, the result and the window.

    Args:
        header: what `photo_window` has to know beyond the result.
        key: of the component.
        result: what was computed.
        how: the view.
        title: of the photo.
        written: the kernel (kh, kw) as it stands on the page, where a divisor turns it into the one that was applied.
        on_kernel: is told of an edited kernel, row by row.
    """
    from explorer import photo_filter

    shades = photo_filter.levels(result.output, how)
    colours, signed = len(result.output) > 1, how == "signed"
    zero = (", gray is 0" if colours else ", white is 0") if signed else ""
    strongest = np.unravel_index(int(np.abs(result.output).max(axis=0).argmax()), result.output.shape[1:])
    kernel = result.kernel if written is None else np.broadcast_to(written, result.kernel.shape)
    photo_window(
        {
            "kind": "sum",
            "padding": result.padding_mode,
            "bias": result.bias,
            "start": [int(at) for at in strongest],
            "notes": {
                "photo": f"{title}, {size(result.pixels.shape[:0:-1])} pixels",
                "result": f"{size(result.output.shape[:0:-1])}, {VIEWS[how].lower()}{zero}",
            },
            "low": _end(shades.low) + (" or less" if how != "absolute" else ""),
            "high": _end(shades.high) + " or more",
            "file": "filtered.png",
            **header,
        },
        key,
        pixels=result.pixels,
        output=result.output,
        levels=shades.levels,
        table=palettes.DIVERGING if signed and not colours else GRAY,
        rows=result.rows,
        columns=result.columns,
        on_kernel=on_kernel,
        kernel=kernel.astype(np.float32),
        values=None if np.array_equal(result.values, result.pixels) else result.values,
    )


def _end(value: float) -> str:
    return number(float(f"{value:.3g}"))
