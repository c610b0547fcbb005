"""How large boxes and headings are on a diagram, and what fits into them."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from explorer.graph.folded import Box, Frame

Form = Literal["box", "circle", "bar", "pill"]
_SIGNS = {"add": "+", "iadd": "+", "mul": "×", "imul": "×", "sub": "−", "isub": "−", "div": "÷"}
_WIDEST, _HEADING = 178.0, 240.0  # texts of boxes and of frames
_NAME = 12.5  # letters of a heading
_HANDLE = 20.0  # beside the name of what can be unfolded or folded
_CIRCLE = 26.0
_BAR = 18.0, 64.0
# Letters by width: fonts differ, so that all are taken a little wide.
_NARROW, _WIDE = frozenset("iljtfrI.,:;|!'()[]/ "), frozenset("mwMWO@%…")


@lru_cache(4096)
def text_width(text: str, size: float = 13.0) -> float:
    """About the width of a text in a proportional font of so many pixels, rather too much than too little."""
    ems = sum(0.34 if c in _NARROW else 0.9 if c in _WIDE else 0.66 if c.isupper() else 0.56 for c in text)
    return ems * size


def fitted(text: str, width: float, size: float = 13.0) -> str:
    """The text, cut with an ellipsis if it is wider than so many pixels."""
    if text_width(text, size) <= width:
        return text
    end = len(text)
    while end > 1 and text_width(text[:end] + "…", size) > width:
        end -= 1
    return text[:end].rstrip() + "…"


def heading(frame: Frame) -> str:
    """The name over a frame, as far as it fits."""
    return fitted(" · ".join(filter(None, (frame.label, frame.detail))), _HEADING, _NAME)


def heading_width(name: str) -> float:
    """Room for a heading and its handle."""
    return text_width(name, _NAME) + _HANDLE + 24


def outline(box: Box, right: bool) -> tuple[Form, float, float, tuple[str, ...]]:
    """Form, width, height and text of a box."""
    shape = " × ".join(map(str, box.shape[1:]))
    if box.operation in _SIGNS:
        return "circle", _CIRCLE, _CIRCLE, (_SIGNS[box.operation],)
    if box.operation in ("cat", "concat", "stack"):
        return "bar", *(_BAR if right else _BAR[::-1]), (box.operation,)
    small = box.kind in ("view", "other") and not box.parts
    sizes = (11.0, 10.0) if small else (13.0, 11.0, 11.0)
    texts = (box.label, shape) if small else (box.label, box.detail, shape)
    lines = tuple(fitted(text, _WIDEST, size) for text, size in zip(texts, sizes, strict=True))
    room = [text_width(line, size) for line, size in zip(lines, sizes, strict=True)]
    room[0] += 2 * _HANDLE if box.parts else 0  # the label stands in the middle
    if small:
        return "pill", max(room) + 16, 34.0, lines
    return "box", max(*room, 56.0) + 20, 58.0, lines
