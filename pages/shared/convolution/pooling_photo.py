"""The pooling of the Pooling tab on the photo, once or again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import streamlit as st

from pages.shared import blocks
from pages.shared.components.photo_window import GRAY, photo_window, spans
from pages.shared.convolution import filtered
from pages.shared.text import size

if TYPE_CHECKING:
    from explorer.photo_filter import Colour
    from explorer.photo_pooling import Pooled
    from pages.shared.convolution.pool_choice import PoolChoice
    from pages.shared.pictures import Picture

_COLOURS = {"gray": "Gray", "each": "In colour"}
_MOST = 6


@st.fragment
@blocks.kindly()
def draw(picture: Picture, choice: PoolChoice) -> None:
    """The photo beside the pooled one."""
    from explorer import photo_pooling

    st.markdown(
        "The same pooling on your photo. **Point at either picture**: below stand the pixels of that window and what "
        "became of them."
    )
    adaptive = choice.kind.startswith("adaptive")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        colour = filtered.choice("Photo", "pooling-photo-colour", _COLOURS)
        times = 1 if adaptive else _times()
    pooled = photo_pooling.pool(
        picture.open(),
        choice.kind,
        choice.kernel,
        stride=choice.stride,
        padding=choice.padding,
        dilation=choice.dilation,
        ceil_mode=choice.ceil_mode,
        size=choice.size,
        times=times,
        colour=cast("Colour", colour),
    )
    _window(picture, choice, pooled)
    if pooled.stopped:
        st.caption(f"{len(pooled.stages) - 1} times is all there is: {pooled.stopped[0].lower()}{pooled.stopped[1:]}")
    st.caption(_said(picture, choice, pooled))


def _times() -> int:
    st.session_state.setdefault("pooling-photo-times", 2)
    times = st.segmented_control(
        "How often, one pooling after the other",
        list(range(1, _MOST + 1)),
        required=True,
        format_func=lambda number: f"{number}×",
        key="pooling-photo-times",
        persist_state="session",
    )
    return int(times or 1)


def _window(picture: Picture, choice: PoolChoice, pooled: Pooled) -> None:
    kind = "max" if "max" in choice.kind else "average"
    done = len(pooled.stages) - 1
    before, sides = pooled.stages[-2], size(pooled.pixels.shape[:0:-1])
    levels = np.clip(np.rint(pooled.output), 0, 255).astype(np.uint8)
    stages = np.concatenate([np.clip(np.rint(stage), 0, 255).astype(np.uint8).ravel() for stage in pooled.stages])
    more: dict[str, Any] = {}
    if done > 1:
        more = {"values": before, "stages": stages, **spans(pooled.seen_rows, pooled.seen_columns, "seen")}
    photo_window(
        {
            "id": f"{picture.digest}|{choice}|{done}|{len(pooled.pixels)}",
            "subject": picture.digest,
            "kind": kind,
            "padding": "none" if kind == "max" else "zeros",
            "before": {"planes": len(before), "h": before.shape[1], "w": before.shape[2]},
            "stages": [list(stage.shape[1:]) for stage in pooled.stages] if done > 1 else None,
            "start": [side // 2 for side in pooled.output.shape[1:]],
            "unit": "Pixels, 0 to 255",
            "titles": {"photo": "Photo", "result": f"Pooled {done}×" if done > 1 else "Pooled", "kernel": ""},
            "notes": {
                "photo": f"{picture.title}, {sides} pixels",
                "result": f"{size(pooled.output.shape[:0:-1])}, drawn as large as the photo",
            },
            "low": "0",
            "high": "255",
            "file": "pooled.png",
        },
        "pooling-photo",
        pixels=pooled.pixels,
        output=pooled.output,
        levels=levels,
        table=GRAY,
        rows=pooled.rows,
        columns=pooled.columns,
        winners=pooled.winners,
        **more,
    )


def _said(picture: Picture, choice: PoolChoice, pooled: Pooled) -> str:
    pixels, values = pooled.pixels[0].size, pooled.output[0].size
    what = "the largest pixel" if "max" in choice.kind else "the mean"
    keeps = f"{pixels:,} pixels become {values:,}; of each window {what} is kept."
    if "max" in choice.kind:
        keeps += " A maximum favours what is bright, so the photo gets lighter; the dot marks the pixel that won."
    else:
        keeps += " A mean keeps the brightness and takes detail away."
    longest = max(pooled.pixels.shape[1:])
    return keeps + (
        f" The photo is used at {longest} pixels on its longer side." if max(picture.open().size) > longest else ""
    )
