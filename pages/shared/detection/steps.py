"""The steps from a picture to its boxes as a numbered strip, the chosen one drawn below."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.shared import blocks, selection
from pages.shared.detection import cache, decoding, grid, objectness, suppressing, theirs, threshold, truth, why
from pages.shared.detection.asked import CONFIDENCE, LIMIT, Asked

if TYPE_CHECKING:
    from explorer.models import Model
    from pages.shared.pictures import Picture

STEPS = {
    "grid": "1  Grid",
    "objectness": "2  Objectness",
    "decode": "3  Decode",
    "threshold": "4  Threshold",
    "suppression": "5  Suppression",
    "truth": "6  Truth",
    "why": "7  Why?",
}
_SAYS = {
    "grid": "where boxes can come from, the cells and the anchors in each.",
    "objectness": "which cells say that something is there.",
    "decode": "how the raw numbers of a cell become a box.",
    "threshold": "which boxes are sure enough.",
    "suppression": "which of the many boxes on one thing stays.",
    "truth": "the result, the boxes that are left.",
    "why": "where in the picture the evidence for one box lies.",
}
_DRAW: dict[str, Callable[[Asked], Any]] = {
    "grid": grid.draw,
    "objectness": objectness.draw,
    "decode": decoding.draw,
    "threshold": threshold.draw,
    "suppression": suppressing.draw,
    "truth": truth.draw,
    "why": why.draw,
}


@st.fragment
@blocks.kindly()
def draw(model: Model, picture: Picture, seed: int | None) -> None:
    """The strip and the chosen step.

    Args:
        model: the detector.
        picture: a scene or a photo.
        seed: of the scene; None for a photo.
    """
    st.session_state.setdefault("detection-step", "truth")
    st.session_state.setdefault("detection-confidence", CONFIDENCE)
    st.session_state.setdefault("detection-limit", LIMIT)
    step = st.segmented_control(
        "Seven steps from the picture to its boxes",
        list(STEPS),
        required=True,
        format_func=STEPS.__getitem__,
        key="detection-step",
        persist_state="session",
    )
    _where(str(step))
    made = cache.scene(seed)[0] if seed is not None else None
    known = model.card.slug == "yolo_scenes" and made is not None
    asked = Asked(
        model,
        picture,
        seed,
        (made.boxes, made.labels) if known and made is not None else None,
        float(st.session_state["detection-confidence"]),
        float(st.session_state["detection-limit"]),
    )
    waiting = [_DRAW[str(step)](asked)]
    others = st.expander(
        "Torchvision's detectors on this picture",
        icon=":material/frame_inspect:",
        key="detection-others",
        on_change="rerun",
    )
    if others.open:
        with others, blocks.kindly():
            waiting.append(theirs.draw(picture))
    with st.expander("Code for these steps", icon=":material/code:"):
        st.caption("For a loaded `model` and an opened `photo`." if seed is None else "For a loaded `model`.")
        st.code(lines(asked), language="python")
    selection.write_link(in_fragment=True)
    for go in waiting:
        if go is not None:
            go()


def _where(step: str) -> None:
    """Which step this is, and the ways to the first and to the next."""
    names = list(STEPS)
    at = names.index(step)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**Step {at + 1} of {len(names)}:** {_SAYS[step]}", width="content")
        if at >= names.index("truth"):
            _way(names[0], "Start at step", "first_page")
        if at + 1 < len(names):
            _way(names[at + 1], "On to step", "arrow_forward")


def _way(step: str, words: str, icon: str) -> None:
    st.button(
        f"{words} {': '.join(STEPS[step].split())}",
        icon=f":material/{icon}:",
        key=f"detection-way-{words.split()[0].lower()}",
        on_click=lambda: st.session_state.update({"detection-step": step}),
    )


def lines(asked: Asked) -> str:
    """The code that computes what is shown, for a loaded ``model`` and, where it is no scene, an opened ``photo``."""
    place = asked.place
    first = f"scene = detection.make({asked.seed})\nphoto = scene.open()\n" if asked.seed is not None else ""
    last = (
        "matching = detection.match(found, scene.boxes, scene.labels)\nprint(matching.precision, matching.recall)\n"
        if asked.truth is not None
        else ""
    )
    return (
        "from explorer import detection\nfrom explorer.detection import looking\n\n"
        f"{first}"
        "said = looking.look(model, photo)                   # the head's raw numbers and every step of decoding them\n"
        f"print(said.raw[{', '.join(map(str, place))}], said.boxes[{', '.join(map(str, place))}])\n"
        f"boxes = said.above({asked.confidence:.2f})\n"
        f"result = detection.suppress(boxes.boxes, boxes.scores, boxes.labels, limit={asked.limit:.2f})\n"
        "found = boxes.take(result.kept)\n"
        f"{last}"
        f"evidence = looking.evidence(model, photo, {place})  # Grad-CAM of its objectness"
    )
