"""Step 5 of the Detection page: non-maximum suppression, one decision after the other."""

from __future__ import annotations

import streamlit as st

from pages.shared.components.scene import Drawn, View, scene
from pages.shared.detection.asked import Asked, table
from pages.shared.detection.threshold import confidence_slider, limit_slider
from pages.shared.text import plain

_STEP = "detection-decision"
_ROWS = 15


def draw(asked: Asked) -> None:
    """Who removes whom up to the chosen decision."""
    steps = asked.suppression.steps
    left, right = st.columns([6, 7], gap="large")
    with right:
        with st.container(horizontal=True):
            confidence_slider()
            limit_slider()
        if not steps:
            st.markdown("No box reaches this confidence, so there is nothing to decide; lower it.")
        at = _decision(len(steps))
        if steps:
            _told(asked, at)
    with left:
        _picture(asked, at)


def _decision(count: int) -> int:
    """Which decision is shown; 0 is before the first."""
    if count == 0:
        return 0
    now = st.session_state.get("_detection_decision", 1)
    st.session_state[_STEP] = min(now, count)

    def moved(by: int = 0) -> None:
        st.session_state["_detection_decision"] = min(count, max(0, st.session_state[_STEP] + by))

    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button("Back", icon=":material/chevron_left:", on_click=moved, args=(-1,), key="detection-back")
        st.button("Next", icon=":material/chevron_right:", on_click=moved, args=(1,), key="detection-next")
        st.slider("Decision", 0, count, key=_STEP, on_change=moved, width=250)
    return int(st.session_state[_STEP])


def _told(asked: Asked, at: int) -> None:
    found, result = asked.candidates, asked.suppression
    gone = len(found) - len(result.kept)
    if at == 0:
        st.markdown(
            f"**{len(found)} boxes, the best first.** Neighbouring cells and anchors often tell of the same thing. The "
            "best box stays and removes every box of its class that overlaps it too much; then the next best that is "
            "left decides, until none is."
        )
    else:
        step = result.steps[at - 1]
        name = plain(asked.titled(found.labels[step.keeper], found.scores[step.keeper]))
        removed = ", ".join(f"{found.scores[each.box]:.2f} (IoU {each.iou:.2f})" for each in step.removed[:6]) + (
            " and more" if len(step.removed) > 6 else ""
        )
        says = (
            f"removes {len(step.removed)} of its class: {removed}"
            if step.removed
            else "overlaps no other of its class by more than the limit"
        )
        st.markdown(f"**Decision {at} of {len(result.steps)}: {name} stays** and {says}.")
    rows = []
    for index, step in enumerate(result.steps[:_ROWS], start=1):
        mark = "**" if index == at else ""
        removed = ", ".join(f"{found.scores[each.box]:.2f} at IoU {each.iou:.2f}" for each in step.removed[:4])
        removed += f" and {len(step.removed) - 4} more" if len(step.removed) > 4 else ""
        kept = plain(asked.titled(found.labels[step.keeper], found.scores[step.keeper]))
        rows.append((f"{mark}{index}{mark}", f"{mark}{kept}{mark}", removed or "–"))
    table(("", "Stays", "Removes (score, overlap)"), rows)
    more = f" The first {_ROWS} of {len(result.steps)} decisions are listed." if len(result.steps) > _ROWS else ""
    st.caption(f"{len(found)} boxes: {len(result.kept)} stay, {gone} go.{more}")


def _picture(asked: Asked, at: int) -> None:
    found, result, said = asked.candidates, asked.suppression, asked.said
    boxes, done = [], set()
    for index, step in enumerate(result.steps[:at], start=1):
        now = index == at
        for each in step.removed:
            done.add(each.box)
            detail = (
                f"{asked.titled(found.labels[each.box], found.scores[each.box])}, removed in decision {index} by "
                f"{asked.titled(found.labels[step.keeper], found.scores[step.keeper])}: IoU {each.iou:.3f}, more than "
                f"{result.limit:.2f}"
            )
            boxes.append(Drawn(found.boxes[each.box], "removed" if now else "removed faint", detail=detail))
        done.add(step.keeper)
        detail = f"{asked.titled(found.labels[step.keeper], found.scores[step.keeper])} stays, decision {index}."
        tag = asked.titled(found.labels[step.keeper], found.scores[step.keeper]) if now else ""
        boxes.append(Drawn(found.boxes[step.keeper], "keeper" if now else "keeper faint", tag, detail))
    waiting = [
        Drawn(
            found.boxes[index],
            "candidate faint",
            detail=f"{asked.titled(found.labels[index], found.scores[index])}, not decided yet",
        )
        for index in range(len(found))
        if index not in done
    ]
    view = View(
        asked.seen,
        said.grid,
        said.stride,
        f"The boxes after decision {at}. Arrow keys go from box to box.",
        [*waiting, *boxes],
        "Point at a box: who removed it, and at which overlap?",
        {"keeper": "stays", "removed": "removed", "candidate": "not decided yet"},
    )
    scene(view, "detection-suppression", f"{asked.identity}|{asked.confidence}|{result.limit}|{at}")
    asked.caption(f"confidence {asked.confidence:.2f}", f"IoU limit {result.limit:.2f}", f"decision {at}")
