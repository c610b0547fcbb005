"""Torchvision's pretrained detectors on the same picture, where their weights are at hand."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from explorer.errors import Cancelled
from pages.shared.components.scene import Drawn, View, scene
from pages.shared.long_run import LongRun, Progress, Stopped, offer
from pages.shared.text import plain

if TYPE_CHECKING:
    from explorer.detection import Candidates
    from pages.shared.pictures import Picture

_SIDE = 640  # px, of the longer side
_SECONDS = {"ssdlite320_mobilenet_v3_large": 1.0, "fasterrcnn_mobilenet_v3_large_320_fpn": 1.5}


def draw(picture: Picture) -> Any:
    """A choice of detectors, and their boxes; what it returns computes, once all else is drawn."""
    from explorer.detection import pretrained

    cards = {card.slug: card for card in pretrained.detectors()}
    st.markdown(
        "Detectors of torchvision's that were trained on COCO's photos of 80 kinds of things. Their weights do not "
        "come with this app."
    )
    slug = st.selectbox(
        "Detector",
        list(cards),
        format_func=lambda each: f"{cards[each].title}  ·  mAP {cards[each].mean_precision:.3f} on COCO",
        key="detection-theirs",
        persist_state="session",
        width=420,
    )
    card = cards[str(slug)]
    megabytes = round(card.megabytes)
    if not card.at_hand:
        st.markdown(
            f"**{plain(card.file)} is not at hand.** Fetching it takes a connection and {megabytes} MB; "
            f"without one, fetch [it]({card.url}) elsewhere and put it into torch's folder of checkpoints."
        )

    def compute(progress: Progress, stopped: Stopped) -> tuple[np.ndarray, Candidates, float]:
        def fetched(done: int, total: int) -> None:
            if stopped():
                raise Cancelled("Stopped; what is on its way goes on to arrive, and is kept.")
            if total:
                progress(done // 1_000_000, megabytes)

        start = time.perf_counter()
        photo = picture.open().copy()
        photo.thumbnail((_SIDE, _SIDE))
        found = pretrained.detect(card.slug, photo, progress=fetched)
        return np.asarray(photo.convert("RGB")), found, time.perf_counter() - start

    def show(result: tuple[np.ndarray, Candidates, float]) -> None:
        seen, found, seconds = result
        count, names = f"{len(found)} box{'es' * (len(found) != 1)}", pretrained.categories(card.slug)
        boxes = [
            Drawn(box, "right", f"{names[label]} {score:.2f}", f"{names[label]}, score {score:.3f}")
            for box, label, score in zip(found.boxes, found.labels, found.scores, strict=True)
        ]
        view = View(
            seen,
            (1, 1),
            max(seen.shape[:2]),
            f"{count} of {card.title}. Arrow keys go from box to box.",
            boxes,
            "Point at a box for its score." if boxes else "It finds nothing that it knows.",
            {"right": "found, score 0.3 or more"},
        )
        scene(view, "detection-theirs-scene", f"{picture.digest}|{card.slug}")
        st.caption(plain(f"{card.title} · COCO · {picture.title} · {count} · {seconds:.2f} s"))

    question, seconds = ("theirs", picture.digest, card.slug), _SECONDS.get(card.slug, 6.0)
    label, amount, unit = "Find things", 1, "pass"
    if not card.at_hand:
        label, amount, unit = "Fetch it and find things", megabytes, "MB"
        seconds += megabytes / 5
    return offer(LongRun("detection-theirs-run", question, label, amount, seconds, compute, show, unit=unit))
