"""Step 6 of the Detection page: the boxes that are left, against the truth; and the same over many fresh scenes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer.detection import Matching, match, overlap
from explorer.errors import Cancelled
from pages.shared import blocks
from pages.shared.components.scene import Drawn, View, scene
from pages.shared.detection import cache
from pages.shared.detection.asked import Asked, picked, table
from pages.shared.detection.threshold import confidence_slider, limit_slider
from pages.shared.long_run import LongRun, offer
from pages.shared.text import plain

if TYPE_CHECKING:
    from explorer.detection import MeanPrecision

_KEY = "detection-truth"
_FRESH = 100  # scenes; 0.03 s each, most of it to make them
_ROWS = 20  # boxes listed
_FIRST = 20_000  # the page's own scenes end at 9,999; the card measures 10,000 to 10,499 and 50,000 to 50,499


def draw(asked: Asked) -> Callable[[], None] | None:
    """The final boxes; what it returns measures fresh scenes, once all else is drawn."""
    found = asked.found
    matching = None
    left, right = st.columns([6, 7], gap="large")
    with right:
        first = st.container()  # the result stands above the controls that it depends on
        with st.container(horizontal=True):
            confidence_slider()
            limit_slider()
            needed = _needed_slider() if asked.truth is not None else 0.0
        if asked.truth is not None:
            matching = match(found, *asked.truth, needed)
            with first:
                _figures(asked, matching)
            _table(asked, matching)
        else:
            with first:
                _no_truth(asked)
            _scores(asked)
    with left:
        view = _view(asked, matching)

        def clicked() -> None:
            at = picked(_KEY, "box")
            if len(at) == 1 and 0 <= at[0] < len(found):
                asked.choose(*found.places[at[0]].tolist())
                st.session_state["detection-step"] = "why"

        scene(view, _KEY, f"{asked.identity}|{asked.confidence}|{asked.limit}", clicked)
        asked.caption(f"confidence {asked.confidence:.2f}", f"IoU limit {asked.limit:.2f}", f"{len(found)} boxes")
    if asked.model.card.slug != "yolo_scenes":
        return None
    return _fresh(asked)


def _needed_slider() -> float:
    return float(
        st.slider(
            "IoU from which a box counts as right",
            0.05,
            0.95,
            0.5,
            0.05,
            key="detection-needed",
            persist_state="session",
            width=300,
            help="With the thing itself, whose box is known: how well a box must fit.",
        )
    )


def _figures(asked: Asked, matching: Matching) -> None:
    assert asked.truth is not None
    found, things = asked.found, len(asked.truth[1])
    wrong = len(found) - matching.right
    say = [
        f"**{matching.right} of {things} things found**",
        f"{wrong} box{'es' * (wrong != 1)} wrong" if wrong else "no box wrong",
    ]
    st.markdown(f"{', '.join(say)}: precision {_share(matching.precision)}, recall {_share(matching.recall)}.")


def _table(asked: Asked, matching: Matching) -> None:
    assert asked.truth is not None
    found, rows = asked.found, []
    for index in range(min(len(found), _ROWS)):
        name = plain(asked.name(found.labels[index]))
        rows.append((name, f"{found.scores[index]:.2f}", f"{matching.iou[index]:.2f}", _why(asked, matching, index)))
    rows += [(plain(asked.name(asked.truth[1][each])), "–", "–", "missed") for each in matching.missed]
    table(("Box", "Score", "IoU with the truth", ""), rows)
    _listed(len(found))
    st.caption(
        "Precision: of the boxes, how many are right. Recall: of the things, how many were found. A box is right if "
        "its class is, if the IoU is high enough, and if no better box has found the thing already."
    )


def _why(asked: Asked, matching: Matching, index: int) -> str:
    """Whether a box is right, and if not, what is wrong with it."""
    assert asked.truth is not None
    if matching.thing[index] >= 0:
        return "right"
    boxes, labels = asked.truth
    shared = overlap(asked.found.boxes[index : index + 1], boxes)[0]
    if not len(shared) or shared.max() < 0.05:  # hardly touches anything
        return "wrong: there is nothing"
    nearest = int(shared.argmax())
    if labels[nearest] != asked.found.labels[index]:
        return f"wrong: that is a {plain(asked.name(labels[nearest]))}"
    if nearest in matching.thing:
        return "wrong: a better box has it"
    return "wrong: too far off"


def _no_truth(asked: Asked) -> None:
    count = len(asked.found)
    why = (
        "Nobody has told what is in this picture, so precision and recall cannot be known; the scenes know, because "
        "they are made."
        if asked.seed is None
        else "This network has other classes than the things of a scene, so there is nothing to compare its boxes with."
    )
    st.markdown((f"**{count} box{'es' * (count != 1)}.** " if count else f"**No box**: {_best_score(asked)} ") + why)


def _best_score(asked: Asked) -> str:
    best = float(asked.said.scores.max())
    least = asked.confidence
    return f"the best of {asked.said.scores.size:,} scores is {best:.3f}, less than the confidence of {least:.2f}."


def _scores(asked: Asked) -> None:
    pairs = list(zip(asked.found.labels, asked.found.scores, strict=True))
    if pairs:
        table(("Box", "Score"), [(plain(asked.name(label)), f"{score:.2f}") for label, score in pairs[:_ROWS]])
        _listed(len(pairs))
    if asked.model.card.slug == "yolo_scenes":
        st.caption(
            "This network knows five digits and four shapes and nothing else: a box on any other thing is a mistake."
        )


def _listed(boxes: int) -> None:
    if boxes > _ROWS:
        st.caption(f"The best {_ROWS} of {boxes} boxes are listed.")


def _view(asked: Asked, matching: Matching | None) -> View:
    found, boxes = asked.found, []
    for index in range(len(found)):
        name = asked.titled(found.labels[index], found.scores[index])
        anchor, row, column = found.places[index].tolist()
        right = matching is None or matching.thing[index] >= 0
        left, top, far, bottom = found.boxes[index]
        detail = (
            f"{name}: {far - left:.0f} × {bottom - top:.0f} px, from anchor {anchor + 1}, row {row}, column {column}."
        )
        if matching is not None:
            detail += f" {'Right' if right else 'Wrong'}, IoU {matching.iou[index]:.2f}."
        boxes.append(Drawn(found.boxes[index], "right" if right else "wrong", name, f"{detail} Click to ask why."))
    key = {"right": "right", "wrong": "wrong", "truth": "truth", "missed": "missed"}
    if matching is None:
        key = {"right": "found"} if len(found) else {}
    if matching is not None and asked.truth is not None:
        for index, box in enumerate(asked.truth[0]):
            missed = index in matching.missed
            tag = asked.name(asked.truth[1][index]) if missed else ""
            boxes.append(Drawn(box, "missed" if missed else "truth", tag, still=True))
    return View(
        asked.seen,
        asked.said.grid,
        asked.said.stride,
        f"{len(found)} boxes over the picture. Arrow keys go from box to box.",
        boxes,
        "Point at a box for its numbers, click it to ask why."
        if len(found)
        else "No box is left; lower the confidence.",
        key,
        pick="box",
    )


def _fresh(asked: Asked) -> Callable[[], None] | None:
    st.markdown("##### Over many scenes")
    st.markdown(
        f"One scene is luck. The **mean average precision** (mAP) asks the same of {_FRESH} fresh scenes, of photos "
        "and digits that the network never saw while it was trained, and of every confidence at once."
    )

    def compute(progress: Any, stopped: Any) -> tuple[MeanPrecision, float]:
        from explorer.detection import looking, make, mean_precision, suppress

        start, found, truth = time.perf_counter(), [], []
        for index in range(_FRESH):
            if stopped():
                raise Cancelled(f"Stopped after {index} of {_FRESH} scenes.")
            scene_now = make(_FIRST + index)
            boxes = looking.look(asked.model, scene_now.open()).above(0.01)
            found.append(boxes.take(suppress(boxes.boxes, boxes.scores, boxes.labels, asked.limit).kept))
            truth.append((scene_now.boxes, scene_now.labels))
            progress(index + 1, _FRESH)
        return mean_precision(found, truth), time.perf_counter() - start

    def show(result: tuple[MeanPrecision, float]) -> None:
        from explorer.figures import detection as figures

        measured, seconds = result
        st.markdown(
            f"**mAP@0.5 = {measured.at_50:.3f}**, mAP@0.75 = {measured.at_75:.3f}, mAP@[.5:.95] = "
            f"{measured.overall:.3f}. The mean over classes, where a box counts as right from an IoU of 0.5, of "
            "0.75, or of ten limits from 0.5 to 0.95."
        )
        st.plotly_chart(
            figures.shares(
                [value for _, value in measured.by_class],
                [asked.name(label) for label, _ in measured.by_class],
                "average precision, mean over IoU limits 0.5 to 0.95",
            ),
            key="detection-by-class",
            config={"displayModeBar": False},
            width=620,
        )
        blocks.caption(
            asked.model,
            f"scenes {_FIRST} to {_FIRST + _FRESH - 1}",
            f"IoU limit {asked.limit:.2f}",
            "torchmetrics",
            seconds=seconds,
        )

    pace = cache.looked(asked.model, asked.picture).seconds
    question = ("detection-fresh", asked.model.key, asked.limit)
    return offer(
        LongRun("detection-fresh", question, "Measure it", _FRESH, 2 + _FRESH * (0.015 + min(pace, 0.1)), compute, show)
    )


def _share(value: float) -> str:
    return "unknown" if value != value else f"{value:.2f}"
