"""Step 2 of the Detection page: the objectness, a heat map for each anchor."""

from __future__ import annotations

import numpy as np
import streamlit as st
from PIL import Image

from explorer import images, palettes
from pages.shared import blocks, controls
from pages.shared.components.scene import View, scene
from pages.shared.detection.asked import Asked, picked

_KEY = "detection-objectness"
_SIDE = 150  # px, of a small map


def draw(asked: Asked) -> None:
    """One anchor's objectness over the picture, all of them small beside it."""
    said = asked.said
    names = {
        str(index): f"{index + 1}: {width:.0f} × {height:.0f} px" for index, (width, height) in enumerate(said.anchors)
    }
    left, right = st.columns([6, 7], gap="large")
    with right:
        st.markdown(
            "One number of each anchor, $t_o$, becomes the **objectness**: $1 / (1 + e^{-t_o})$, from 0 to 1. It "
            "answers “does a thing of about my shape have its centre in this cell?”, whatever it is. Small things "
            "light up the small anchor, large ones the large anchor; the brighter a cell, the nearer to 1."
        )
        index = int(controls.kept_choice("Anchor", "detection-anchor", names))
        index = min(index, len(said.anchors) - 1)
        with st.container(horizontal=True, gap="small"):
            for each in range(len(said.anchors)):
                _small(asked, each)
    values = said.objectness[index]
    row, column = map(int, np.unravel_index(values.argmax(), values.shape))
    with left:

        def clicked() -> None:
            at = picked(_KEY, "cell")
            if len(at) == 2:
                asked.choose(index, *at)
                st.session_state["detection-step"] = "decode"

        rest = f"Greatest: {values[row, column]:.2f} in row {row}, column {column}. Click a cell to decode it."
        view = View(
            asked.seen,
            said.grid,
            said.stride,
            f"The objectness of anchor {index + 1} in every cell. Arrow keys move from cell to cell.",
            rest=rest,
            lines=True,
            heat=values,
            measure="objectness",
            pick="cell",
        )
        scene(view, _KEY, f"{asked.identity}|{index}", clicked)
        asked.caption(f"objectness of anchor {index + 1}", f"{(values > 0.5).sum()} cells above 0.5")


def _small(asked: Asked, index: int) -> None:
    said = asked.said
    values = said.objectness[index]
    large = np.kron(values, np.ones((said.stride, said.stride)))
    seen = asked.seen[: large.shape[0], : large.shape[1]]
    with st.container(width=_SIDE):
        picture = Image.fromarray(palettes.overlay(seen, large, 0.9)).resize(
            (_SIDE * 2, _SIDE * 2), Image.Resampling.NEAREST
        )
        blocks.image(images.encode_png(picture), width=_SIDE, alt=f"Objectness of anchor {index + 1}")
        width, height = said.anchors[index]
        st.caption(f"Anchor {index + 1}, {width:.0f} × {height:.0f} px: up to {values.max():.2f}")
