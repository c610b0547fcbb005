"""A photo beside what a window made of it, and under both the numbers of the window that is pointed at.

Everything is in the browser: pointing asks nobody. Only an edited kernel comes to Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from explorer import palettes
from pages.shared.components.payload import UNPACK, pack

if TYPE_CHECKING:
    from explorer.photo_filter import Span

_HTML = """
<div class="root">
  <div class="pictures">
    <figure class="left"><figcaption></figcaption>
      <div class="pane"><canvas class="picture"></canvas><canvas class="mark" tabindex="0" role="application"></canvas></div></figure>
    <figure class="right"><figcaption></figcaption>
      <div class="pane"><canvas class="picture"></canvas><canvas class="mark" tabindex="0" role="application"></canvas></div>
      <div class="below"><span class="scale"><span class="low"></span><canvas class="bar" aria-hidden="true"></canvas><span class="high"></span></span>
        <button type="button" class="png" title="Save the result as PNG">PNG</button></div></figure>
  </div>
  <div class="strip" hidden></div>
  <div class="said" aria-live="polite"></div>
  <div class="lens"></div>
  <div class="hint">
    <span class="mouse">Click holds a place, Esc frees it; arrow keys step, with Shift by ten.<span class="edits"> Click a number of the kernel to change it.</span></span>
    <span class="touch">Tap either picture to look there.<span class="edits"> Tap a number of the kernel to change it.</span></span>
    Rows and columns count from 0.
  </div>
</div>
"""
_HERE = Path(__file__)
_component = st.components.v2.component(
    "photo_window",
    html=_HTML,
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
    js=UNPACK + _HERE.with_suffix(".js").read_text(encoding="utf-8"),
)
GRAY = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)


def spans(rows: Span, columns: Span, prefix: str = "") -> dict[str, np.ndarray]:
    """The windows of rows and columns as arrays for `photo_window`; ``prefix`` is empty or 'seen'."""
    names = {"row": rows, "column": columns}
    return {
        (f"{prefix}{name[0].upper()}{name[1:]}" if prefix else name) + edge: np.asarray(cells, np.int32)
        for name, axis in names.items()
        for edge, cells in (("First", axis.first), ("Last", axis.last))
    }


def photo_window(
    header: Mapping[str, Any],
    key: str,
    *,
    pixels: np.ndarray,
    output: np.ndarray,
    levels: np.ndarray,
    table: np.ndarray,
    rows: Span,
    columns: Span,
    on_kernel: Callable[[list[float]], None] | None = None,
    **more: np.ndarray | None,
) -> None:
    """Draws the two pictures and the window.

    Args:
        header: titles, notes and settings, see `photo_window.js`.
        key: of the component.
        pixels: uint8 (P, H, W), the photo.
        output: float32 (K, H_out, W_out).
        levels: uint8 (K, H_out, W_out), the result as shades.
        table: uint8 (256, 3), the colours of the scale, and of one map.
        rows: which rows of the numbers each output row reads.
        columns: the same for columns.
        on_kernel: is told of an edited kernel, row by row, before the next run.
        **more: kernel, values (float32, the numbers if they are not the pixels), winners, stages, and `spans` of the photo.
    """

    def edited() -> None:
        told = st.session_state[key].get("kernel")
        if told and on_kernel:
            on_kernel([float(value) for value in told])

    photo, result = pixels.shape, output.shape
    full = {
        "photo": {"planes": photo[0], "h": photo[1], "w": photo[2]},
        "before": {"planes": photo[0], "h": photo[1], "w": photo[2]},
        "out": {"planes": result[0], "h": result[1], "w": result[2]},
        "rowStep": rows.step,
        "columnStep": columns.step,
        "divisor": 1,
        "bias": 0,
        "biased": False,
        "kernel": None,
        "editable": on_kernel is not None,
        "range": (0, 255),
        **header,
    }
    blobs = {name: blob.ravel() for name, blob in more.items() if blob is not None}
    payload = pack(
        full,
        pixels=pixels.ravel(),
        output=output.astype(np.float32, copy=False).ravel(),
        levels=levels.ravel(),
        table=table.ravel(),
        signed=palettes.DIVERGING.ravel(),
        **spans(rows, columns),
        **blobs,
    )
    _component(data=payload, key=key, on_kernel_change=edited)
