"""Step 1 of the Detection page: the grid, the anchors of a cell, and how many numbers that makes."""

from __future__ import annotations

import numpy as np
import streamlit as st

from explorer.detection import shape_iou
from pages.shared.components.scene import Drawn, View, scene
from pages.shared.detection.asked import Asked, picked, table

_KEY = "detection-grid"


def draw(asked: Asked) -> None:
    """The picture with its grid, the chosen cell's anchors, and the count of channels."""
    said = asked.said
    rows, columns = said.grid
    _, row, column = asked.place
    middle = ((column + 0.5) * said.stride, (row + 0.5) * said.stride)
    left, right = st.columns([6, 7], gap="large")
    with right:
        st.markdown(
            f"The trunk halves the picture again and again: {said.width} × {said.height} px become {rows} × {columns} "
            f"cells, **one for each {said.stride} × {said.stride} px**. The cell that holds the **centre** of a thing "
            "must speak for it. It starts from a few fixed shapes, its anchors, and says how to change them."
        )
        shapes = _anchors(asked)
        _count(asked)
    with left:
        boxes = [
            Drawn(
                (middle[0] - width / 2, middle[1] - height / 2, middle[0] + width / 2, middle[1] + height / 2),
                "anchor",
                still=True,
            )
            for width, height in shapes
        ]
        view = View(
            asked.seen,
            said.grid,
            said.stride,
            f"The picture under a grid of {rows} by {columns} cells. Arrow keys move from cell to cell.",
            boxes,
            f"Row {row}, column {column} and its anchors. Click another cell.",
            {"anchor": "anchors, before the network has said anything"},
            lines=True,
            cell=(row, column),
            pick="cell",
        )

        def clicked() -> None:
            at = picked(_KEY, "cell")
            if len(at) == 2:
                asked.choose(asked.place[0], *at)

        scene(view, _KEY, f"{asked.identity}|{row},{column}|{shapes[0][0]:.1f}", clicked)
        asked.caption(f"{rows} × {columns} cells of {said.stride} × {said.stride} px")


def _anchors(asked: Asked) -> np.ndarray:
    """The anchors' widths and heights (A, 2), as large as the visitor wants them, and how well they fit the things."""
    scale = float(
        st.slider(
            "Size of the anchors",
            0.5,
            2.0,
            1.0,
            0.1,
            format="× %.1f",
            key="detection-anchor-scale",
            persist_state="session",
            width=300,
            help="To see what other shapes would cover; the network keeps those that it was trained with.",
        )
    )
    shapes = asked.said.anchors * scale
    table(
        ("Anchor", "Width", "Height"),
        [(str(index + 1), f"{width:.0f} px", f"{height:.0f} px") for index, (width, height) in enumerate(shapes)],
    )
    if asked.truth is not None and len(asked.truth[0]):
        boxes = asked.truth[0]
        fit = float(shape_iou(boxes[:, 2:] - boxes[:, :2], shapes).max(1).mean())
        st.markdown(f"Laid on the centre of each thing here, the best of them has a mean IoU of **{fit:.2f}** with it.")
    st.caption(
        "As trained, they were found by k-means among the 2,100 boxes of 600 training scenes, with 1 − IoU as the "
        "distance: the best of three shapes has a mean IoU of 0.76 with a box; one shape alone would reach 0.58, five "
        "0.80."
    )
    return shapes


def _count(asked: Asked) -> None:
    st.markdown("##### How many numbers is that?")
    anchors, numbers = len(asked.said.anchors), asked.said.raw.shape[3] - 5
    with st.container(horizontal=True, vertical_alignment="bottom"):
        many = int(
            st.number_input("Anchors", 1, 9, anchors, key="detection-anchors", persist_state="session", width=130)
        )
        kinds = int(
            st.number_input("Classes", 1, 1000, numbers, key="detection-kinds", persist_state="session", width=130)
        )
        st.button(
            "The guide's head",
            key="detection-guide",
            on_click=lambda: st.session_state.update({"detection-anchors": 3, "detection-kinds": 80}),
        )
    rows, columns = asked.said.grid
    channels = many * (5 + kinds)
    st.markdown(
        f"Each anchor tells 4 numbers for its box, 1 for “is anything here?” and {kinds} for the classes: "
        f"**{many} × (5 + {kinds}) = {channels:,} channels**, the outputs of the last 1×1 convolution, in each of "
        f"{rows} × {columns} cells: {channels * rows * columns:,} numbers from one pass."
    )
    st.caption("With 3 anchors and COCO's 80 classes, as in the guide: 3 × (5 + 80) = 255.")
