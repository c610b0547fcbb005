"""What the steps of the Detection page are about: the picture, its truth, the network and what it said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from explorer.detection import Candidates, Decoded, Suppression, suppress
from pages.shared import blocks
from pages.shared.detection import cache

if TYPE_CHECKING:
    from explorer.models import Model
    from pages.shared.pictures import Picture

CONFIDENCE, LIMIT = 0.3, 0.45  # to begin with; 0.45 is the limit of YOLO's authors (darknet's default)
_PLACES = "_detection_places"
_MOST_PLACES = 100


@dataclass(frozen=True)
class Asked:
    """A picture before a detector.

    Attributes:
        model: the network.
        picture: what it is shown.
        seed: of the scene; None for a photo.
        truth: boxes (N, 4) and labels (N,) of the scene; None for a photo, and for a network of other classes.
        confidence: least score of a box.
        limit: IoU above which a box removes another.
    """

    model: Model
    picture: Picture
    seed: int | None
    truth: tuple[np.ndarray, np.ndarray] | None
    confidence: float
    limit: float

    @cached_property
    def said(self) -> Decoded:
        """The network's answer, decoded."""
        return cache.looked(self.model, self.picture).result

    @cached_property
    def seen(self) -> np.ndarray:
        """The picture as the network sees it, uint8 (H, W, 3)."""
        return np.asarray(self.model.preprocessing.view(self.picture.open()))

    @cached_property
    def candidates(self) -> Candidates:
        """Boxes that reach the confidence."""
        return self.said.above(self.confidence)

    @cached_property
    def suppression(self) -> Suppression:
        """Which of them stay."""
        return suppress(self.candidates.boxes, self.candidates.scores, self.candidates.labels, self.limit)

    @cached_property
    def found(self) -> Candidates:
        """Those that stay."""
        return self.candidates.take(self.suppression.kept)

    @property
    def identity(self) -> str:
        """Names picture and network."""
        return f"{self.picture.digest}|{self.model.key}"

    def name(self, label: int) -> str:
        """Of a class."""
        return self.model.label(int(label))

    def titled(self, label: int, score: float) -> str:
        """A class with its score: 'circle 0.97'."""
        return f"{self.name(label)} {score:.2f}"

    @property
    def place(self) -> tuple[int, int, int]:
        """The anchor, row and column that the steps look at: the chosen one, else that of the best box."""
        kept: dict[str, tuple[int, int, int]] = st.session_state.setdefault(_PLACES, {})
        anchor, row, column = kept.get(self.identity) or map(
            int, np.unravel_index(self.said.scores.argmax(), self.said.scores.shape)
        )
        return anchor, row, column

    def choose(self, anchor: int, row: int, column: int) -> None:
        """Makes another anchor of another cell the one to look at; what cannot be is ignored."""
        anchors, (rows, columns) = len(self.said.anchors), self.said.grid
        if 0 <= anchor < anchors and 0 <= row < rows and 0 <= column < columns:
            kept: dict[str, tuple[int, int, int]] = st.session_state.setdefault(_PLACES, {})
            kept.pop(self.identity, None)
            kept[self.identity] = (anchor, row, column)
            while len(kept) > _MOST_PLACES:
                del kept[next(iter(kept))]

    def caption(self, *parts: str) -> None:
        """The line under a picture."""
        title = f"scene {self.seed}" if self.seed is not None else self.picture.title
        blocks.caption(self.model, title, *parts, seconds=cache.looked(self.model, self.picture).seconds)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A small table in Markdown; cells may hold its marks."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    st.markdown("\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]))


def picked(key: str, what: str) -> list[int]:
    """The whole numbers that a click on the component ``key`` chose; empty if it chose nothing."""
    value = st.session_state[key].get(what)
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, int) and not isinstance(each, bool)]
