"""Step 7 of the Detection page: where in the picture is the evidence for one box?"""

from __future__ import annotations

import numpy as np
import streamlit as st

from explorer import palettes
from pages.shared import controls
from pages.shared.components.scene import Drawn, View, scene
from pages.shared.detection import cache
from pages.shared.detection.asked import Asked, picked
from pages.shared.text import number, plain

_KEY = "detection-why"
_STYLES = {"grad_cam": "Grad-CAM", "hires_cam": "HiResCAM"}


def draw(asked: Asked) -> None:
    """The evidence for the objectness or the class of the chosen box."""
    from explorer.detection import looking

    said, found, place = asked.said, asked.found, asked.place
    best = int(said.labels[place])
    left, right = st.columns([6, 7], gap="large")
    with right:
        st.markdown(
            f"Why is there **{plain(asked.titled(best, said.scores[place]))}** in row {place[1]}, column {place[2]}? "
            "One raw number of its anchor is traced back to a block of the trunk."
        )
        if said.scores[place] < asked.confidence:
            st.markdown(
                f"Its score is below the confidence of {asked.confidence:.2f}, so it is none of the final boxes: "
                "the colours show its own strongest evidence, however weak that is."
            )
        asks = {"objectness": "Why anything?", "class": "Why this class?"}
        question = controls.kept_choice("Question", "detection-question", asks)
        names = looking.blocks(asked.model)
        block = st.selectbox(
            "Block",
            names[::-1],
            format_func=lambda name: f"backbone.{name}{', the last' * (name == names[-1])}",
            key="detection-block",
            persist_state="session",
            width=260,
            help="Late blocks know things, early ones edges.",
        )
        style = controls.kept_choice("Method", "detection-style", _STYLES)
        asked_number = looking.OBJECTNESS if question == "objectness" else 5 + best
        timed = cache.evidence(asked.model, asked.picture, place, asked_number, str(block), style == "grad_cam")
        result = timed.result
        name = "$t_o$" if question == "objectness" else f"the raw score of {plain(asked.name(best))}"
        st.markdown(f"Asked for: {name} = **{number(round(result.number, 2))}**, before sigmoid or softmax.")
        if not result.heatmap.any():
            st.markdown("Nothing in this block speaks for it: every weighted sum is at or below zero.")
        st.caption(
            "Grad-CAM weights each channel by its mean gradient and shows the sum everywhere, so that like things "
            "light up too. HiResCAM multiplies place by place: it shows only what this number came from. The head "
            "looks at 3 × 3 cells of the last block."
        )
    with left:
        boxes = [
            Drawn(
                box,
                "right faint",
                detail=f"{asked.titled(label, score)}. Click to ask about it.",
            )
            for box, label, score in zip(found.boxes, found.labels, found.scores, strict=True)
        ]
        boxes.append(Drawn(said.boxes[place], "told", asked.titled(best, float(said.scores[place])), still=True))

        def clicked() -> None:
            at = picked(_KEY, "box")
            if len(at) == 1 and 0 <= at[0] < len(found):
                asked.choose(*found.places[at[0]].tolist())

        view = View(
            palettes.overlay(asked.seen, np.asarray(result.heatmap, np.float64)),
            said.grid,
            said.stride,
            f"The evidence for {asked.name(best)} over the picture. Arrow keys go from box to box.",
            boxes,
            "Click another box to ask about it.",
            {"told": "the box in question", "right faint": "other boxes"},
            pick="box",
        )
        scene(view, _KEY, f"{asked.identity}|{place}|{question}|{block}|{style}", clicked)
        asked.caption(_STYLES[style], result.block, question if question == "objectness" else asked.name(best))
