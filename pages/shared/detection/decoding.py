"""Step 3 of the Detection page: the raw numbers of one anchor in one cell become a box, number by number."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st

from explorer.detection import Decoded, decode
from pages.shared.components.scene import Drawn, View, scene
from pages.shared.detection.asked import Asked, picked, table
from pages.shared.text import plain

_KEY = "detection-decode"
_RAW = ("t_x", "t_y", "t_w", "t_h", "t_o")
_MOST_CLASSES = 12  # bars
_SIGMA = "\N{GREEK SMALL LETTER SIGMA}"


def draw(asked: Asked) -> None:
    """The cell, its anchor and its box on the picture; beside it every step from the raw numbers."""
    left, right = st.columns([6, 7], gap="large")
    with right:
        anchor = _choices(asked)
        _, row, column = asked.place
        said = _changed(asked, (anchor, row, column))
        account(asked, said, (anchor, row, column))
    with left:
        _picture(asked, said, (anchor, row, column))


def _choices(asked: Asked) -> int:
    said, place = asked.said, asked.place
    names = [f"{width:.0f} × {height:.0f} px" for width, height in said.anchors]
    key = "detection-decode-anchor"
    st.session_state[key] = place[0]  # the place is chosen elsewhere too

    def chosen() -> None:
        if st.session_state[key] is not None:
            asked.choose(int(st.session_state[key]), *asked.place[1:])

    st.segmented_control(
        "Anchor",
        range(len(names)),
        required=True,
        format_func=lambda index: f"{index + 1}: {names[index]}",
        key=key,
        on_change=chosen,
        help="Each cell has all of them; the network has numbers for each.",
    )
    return place[0]


def _changed(asked: Asked, place: tuple[int, int, int]) -> Decoded:
    """The answer, with other raw numbers in this place if the visitor wants to see what they do."""
    said = asked.said
    if not st.toggle(
        "Change the raw numbers", key="detection-change", help="What would the box be if they were others?"
    ):
        return said
    raw = said.raw.copy()
    spot = "-".join(map(str, place))
    with st.container(horizontal=True):
        for index, name in enumerate(_RAW):
            own, most = float(raw[place][index]), 3.0 if index in (2, 3) else 8.0
            raw[(*place, index)] = st.slider(
                f"${name}$",
                float(min(-most, math.floor(own))),  # wide enough for what the network said: nothing moves by itself
                float(max(most, math.ceil(own))),
                own,
                0.05,
                key=f"change-{spot}-{name}-{asked.identity}",
                width=150,
            )
    anchors = [(float(width), float(height)) for width, height in said.anchors]
    return decode(raw, anchors, said.stride, (said.width, said.height))


def account(asked: Asked, said: Decoded, place: tuple[int, int, int]) -> None:
    """Every formula with its numbers, and the classes."""
    from explorer.figures import detection as figures

    _, row, column = place
    raw, stride, best = said.raw[place], said.stride, int(said.labels[place])
    objectness, share = said.objectness[place], said.classes[place][best]
    rows = []
    for index, (axis, cell) in enumerate((("x", column), ("y", row))):
        inside, centre = said.offsets[place][index], said.centres[place][index]
        sum_up = f"({_SIGMA}({_n(raw[index])}) + {cell}) × {stride} = ({inside:.3f} + {cell}) × {stride}"
        rows.append((f"$t_{axis}$", _n(raw[index]), sum_up, f"centre {axis} **{centre:.1f} px**"))
    for index, (axis, name) in enumerate((("w", "width"), ("h", "height"))):
        own, times, length = said.anchors[place[0]][index], said.scales[place][index], said.sizes[place][index]
        product = f"{own:.0f} × exp({_n(raw[2 + index])}) = {own:.0f} × {times:.3f}"
        rows.append((f"$t_{axis}$", _n(raw[2 + index]), product, f"{name} **{length:.1f} px**"))
    rows.append(("$t_o$", _n(raw[4]), f"{_SIGMA}({_n(raw[4])})", f"objectness **{objectness:.3f}**"))
    name = plain(asked.name(best))
    rows.append(("score", "", f"{objectness:.3f} × {share:.3f} ({name})", f"**{said.scores[place]:.3f}**"))
    table(("", "Raw", "What becomes of it", "Value"), rows)
    st.caption(
        f"{_SIGMA}(t) = 1 / (1 + exp(−t)) keeps the centre inside its cell; exp keeps sizes above 0, so that t = 0 "
        "leaves the anchor as it is. The box ends at the edge of the picture. Rows and columns count from 0. YOLO9000 "
        "(arXiv:1612.08242), Figure 3."
    )
    order = np.argsort(-said.classes[place], kind="stable")[:_MOST_CLASSES]
    shown = sorted(order) if said.classes.shape[3] <= _MOST_CLASSES else order
    names = [f"{asked.name(label)} ({_n(raw[5 + label])})" for label in shown]
    st.plotly_chart(
        figures.shares(
            [float(said.classes[place][label]) for label in shown],
            names,
            "share of the class (its raw number), softmax",
        ),
        key="detection-classes",
        config={"displayModeBar": False},
    )


def _picture(asked: Asked, said: Decoded, place: tuple[int, int, int]) -> None:
    anchor, row, column = place
    x, y = map(float, said.centres[place])
    width, height = said.anchors[anchor]
    middle = ((column + 0.5) * said.stride, (row + 0.5) * said.stride)
    best, score = int(said.labels[place]), float(said.scores[place])
    boxes = [
        Drawn(
            (middle[0] - width / 2, middle[1] - height / 2, middle[0] + width / 2, middle[1] + height / 2),
            "anchor",
            still=True,
        ),
        Drawn(said.boxes[place], "told", asked.titled(best, score), still=True),
    ]
    view = View(
        asked.seen,
        said.grid,
        said.stride,
        f"Row {row}, column {column} with anchor {anchor + 1} and the box it tells of. Arrow keys move to other cells.",
        boxes,
        f"Row {row}, column {column}, anchor {anchor + 1}: {asked.titled(best, score)}. Click another cell.",
        {"anchor": "the anchor", "told": "the box that the numbers make of it"},
        lines=True,
        cell=(row, column),
        point=(x, y),
        pick="cell",
    )

    def clicked() -> None:
        at = picked(_KEY, "cell")
        if len(at) == 2:
            # The anchor that says most there: to see the others, there are buttons.
            asked.choose(int(asked.said.scores[:, at[0], at[1]].argmax()) if _inside(asked, at) else 0, *at)

    scene(view, _KEY, f"{asked.identity}|{place}", clicked)
    asked.caption(f"anchor {anchor + 1}, row {row}, column {column}", f"{asked.name(best)}, score {score:.2f}")


def _inside(asked: Asked, at: list[int]) -> bool:
    rows, columns = asked.said.grid
    return 0 <= at[0] < rows and 0 <= at[1] < columns


def _n(value: float) -> str:
    return f"{value:.4f}".replace("-", "−")  # so that a calculator gives the third digit of what follows
