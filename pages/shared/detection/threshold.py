"""Step 4 of the Detection page: every box whose score reaches the confidence."""

from __future__ import annotations

import streamlit as st

from pages.shared.components.scene import Drawn, View, scene
from pages.shared.detection.asked import Asked, picked

_KEY = "detection-threshold"
_WIDTH = 230  # px: two of them fit beside the picture


def draw(asked: Asked) -> None:
    """The boxes, and how all scores are spread."""
    from explorer.figures import detection as figures

    said, found = asked.said, asked.candidates
    everything = said.scores.size
    left, right = st.columns([6, 7], gap="large")
    with right:
        confidence_slider()
        st.markdown(
            f"**{len(found)} of {everything:,} boxes** have a score of {asked.confidence:.2f} or more. The score is "
            "the objectness times the share of the best class. Lower the confidence, and weaker boxes come in: more "
            "things are found, and more boxes are wrong."
        )
        st.plotly_chart(
            figures.scores(said.scores, asked.confidence), key="detection-scores", config={"displayModeBar": False}
        )
        st.caption("Nearly all anchors say “nothing here”: mind the logarithmic axis.")
    with left:
        boxes = [
            Drawn(
                found.boxes[index],
                "candidate",
                detail=f"{asked.titled(found.labels[index], found.scores[index])} from anchor {anchor + 1}, row {row}, "
                f"column {column}. Click to decode it.",
            )
            for index, (anchor, row, column) in enumerate(found.places.tolist())
        ][::-1]  # the best on top

        def clicked() -> None:
            at = picked(_KEY, "box")
            if len(at) == 1 and 0 <= at[0] < len(boxes):
                asked.choose(*found.places[len(boxes) - 1 - at[0]].tolist())
                st.session_state["detection-step"] = "decode"

        view = View(
            asked.seen,
            said.grid,
            said.stride,
            f"{len(found)} boxes over the picture. Arrow keys go from box to box.",
            boxes,
            "Point at a box for its score." if boxes else "No box reaches this confidence; lower it.",
            {"candidate": "boxes above the confidence"},
            pick="box",
        )
        scene(view, _KEY, f"{asked.identity}|{asked.confidence}", clicked)
        asked.caption(f"confidence {asked.confidence:.2f}", f"{len(found)} boxes")


def confidence_slider() -> None:
    """The least score of a box; the same for all steps."""
    st.slider(
        "Confidence",
        0.01,
        0.95,
        step=0.01,
        key="detection-confidence",
        persist_state="session",
        width=_WIDTH,
        help="The least score of a box: its objectness times the share of its best class.",
    )


def limit_slider() -> None:
    """The overlap above which a box goes; the same for all steps."""
    st.slider(
        "IoU limit",
        0.05,
        0.95,
        step=0.05,
        key="detection-limit",
        persist_state="session",
        width=_WIDTH,
        help="Intersection over union: the area that two boxes share, divided by the area that they cover together.",
    )
