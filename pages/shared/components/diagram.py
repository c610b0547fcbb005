"""The diagram of a network: boxes that unfold, lines with shapes, any number painted over it.

What Python has laid out is drawn, moved, searched and exported in the browser (`diagram.js`); only choosing a box and
folding come to Python.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from explorer import palettes
from explorer.graph.folding import Box, Frame
from explorer.graph.layout import Drawing
from explorer.graph.search import channels_and_size
from pages.shared import text

_HTML = """
<div class="root">
  <div class="tools" role="toolbar" aria-label="Diagram">
    <div class="find">
      <input class="query" type="text" placeholder="Find: conv, layer3, params&gt;1e6" aria-label="Find boxes by name, operation or figures, as in conv params>1e6"
        autocomplete="off" spellcheck="false">
      <button type="button" class="previous" aria-label="Previous box found" hidden>&lsaquo;</button>
      <button type="button" class="next" aria-label="Next box found" hidden>&rsaquo;</button>
      <span class="said" role="status"></span>
    </div>
    <button type="button" class="trace" aria-pressed="false" title="Only what the chosen box depends on, and what depends on it (T)">Trace</button>
    <button type="button" class="out" aria-label="Zoom out" title="Zoom out (−)">−</button>
    <button type="button" class="in" aria-label="Zoom in" title="Zoom in (+)">+</button>
    <button type="button" class="fit" title="All of it (F)">Fit</button>
    <button type="button" class="svg-out" title="Save what is on the screen as SVG">SVG</button>
    <button type="button" class="png-out" title="Save what is on the screen as PNG">PNG</button>
  </div>
  <div class="sheet">
    <svg class="sheet-svg" role="group" aria-roledescription="diagram"></svg>
    <canvas class="map" aria-hidden="true" hidden></canvas>
    <div class="tip" aria-hidden="true" hidden></div>
  </div>
  <div class="legend"></div>
</div>
"""
_HERE = Path(__file__)
_CSS = _HERE.with_suffix(".css").read_text(encoding="utf-8")
_JS = _HERE.with_suffix(".js").read_text(encoding="utf-8")
_STOPS = 17  # colours of the legend's ramp

_component = st.components.v2.component("diagram", html=_HTML, css=_CSS, js=_JS)


@dataclass(frozen=True)
class Paint:
    """A number painted over the boxes.

    Attributes:
        values: from 0 to 1 by key of a box; boxes that are missing stay empty.
        texts: the number with its unit by key, shown in place of what the box is.
        title: what the number is, with its unit.
        low: the text at the end of the legend that means 0.
        high: at the end that means 1.
        table: colours, uint8 (256, 3).
    """

    values: Mapping[str, float]
    texts: Mapping[str, str]
    title: str
    low: str
    high: str
    table: np.ndarray = field(default_factory=lambda: palettes.SEQUENTIAL)


def diagram(
    drawing: Drawing,
    key: str,
    *,
    selected: str = "",
    paint: Paint | None = None,
    on_select: Callable[[], None],
    on_unfold: Callable[[], None],
    on_seek: Callable[[], None] | None = None,
    height: int = 460,
    name: str = "network",
) -> Any:
    """Draws the diagram.

    Args:
        drawing: from `explorer.graph.layout.place`.
        key: of the component.
        selected: key of the chosen box or frame.
        paint: a number to paint over the boxes; without it they have the colours of their kinds.
        on_select: called after a box or frame is chosen; `st.session_state[key].selected` is its key in that run.
        on_unfold: called when a box is to be unfolded or a frame folded; `st.session_state[key].toggled` is its key.
        on_seek: called when nothing shown fits and Enter asks to look inside what is folded;
            `st.session_state[key].sought` is the query.
        height: of the sheet in pixels; what is larger is moved about.
        name: of the network, for exported files; with another name the view starts anew.
    """
    data = {
        **drawn(drawing),
        "selected": selected,
        "paint": painted(paint) if paint else None,
        "tall": height,
        "deep": on_seek is not None,
        "name": name,
    }
    return _component(
        data=data,
        key=key,
        on_selected_change=on_select,
        on_toggled_change=on_unfold,
        on_sought_change=on_seek or (lambda: None),
    )


def drawn(drawing: Drawing) -> dict[str, Any]:
    """What the browser needs to know of a drawing, in whole pixels where a tenth does not matter."""
    parents = {each.frame.key: each.frame.parent for each in drawing.frames}
    boxes = [
        {
            "key": placed.box.key,
            **_rectangle(placed.x, placed.y, placed.width, placed.height),
            "form": placed.form,
            "kind": placed.box.kind,
            "lines": placed.lines,
            "title": placed.box.title,
            "about": _about(placed.box),
            "parts": placed.box.parts,
            "count": placed.box.count,
            "parent": placed.box.parent,
            "words": " ".join(_words(placed.box)).lower(),
            "figures": _figures(placed.box),
        }
        for placed in drawing.boxes
    ]
    frames = [
        {
            "key": placed.frame.key,
            **_rectangle(placed.x, placed.y, placed.width, placed.height),
            "ax": round(placed.anchor[0], 1),
            "ay": round(placed.anchor[1], 1),
            "hx": round(placed.heading_x, 1),
            "wide": round(placed.heading_width),
            "heading": placed.heading,
            "title": placed.frame.title,
            "about": _costs(placed.frame),
            "parent": parents[placed.frame.key],
        }
        for placed in drawing.frames
    ]
    lines = [
        {
            "from": route.source,
            "to": route.target,
            "points": [round(value, 1) for point in route.points for value in point],
            "skip": route.kind == "skip",
            "shape": ", ".join(dict.fromkeys(text.size(shape[1:]) for shape in route.shapes)),
        }
        for route in drawing.routes
    ]
    return {
        "direction": drawing.direction,
        "width": round(drawing.width),
        "height": round(drawing.height),
        "boxes": boxes,
        "frames": frames,
        "lines": lines,
    }


def painted(paint: Paint) -> dict[str, Any]:
    """The colours of boxes, of the texts on them, and of the legend."""
    fills = {key: _hex(palettes.colour(np.array(value), paint.table)) for key, value in paint.values.items()}
    stops = palettes.colour(np.linspace(0, 1, _STOPS), paint.table)
    return {
        "fill": fills,
        "ink": {key: ink(fill) for key, fill in fills.items()},
        "text": dict(paint.texts),
        "title": paint.title,
        "low": paint.low,
        "high": paint.high,
        "stops": [_hex(stop) for stop in stops],
    }


def ink(fill: str) -> str:
    """Black or white, whichever stands out more on a colour '#rrggbb'; at least 4.5 : 1, as the two share 21 : 1."""
    channels = [int(fill[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return "#000000" if (luminance + 0.05) ** 2 >= 1.05 * 0.05 else "#ffffff"


def _hex(colour: np.ndarray) -> str:
    return "#" + "".join(f"{int(c):02x}" for c in colour)


def _rectangle(x: float, y: float, width: float, height: float) -> dict[str, float]:
    return {"x": round(x, 1), "y": round(y, 1), "w": round(width, 1), "h": round(height, 1)}


def _words(box: Box) -> tuple[str, ...]:
    """What a box can be found by."""
    return box.key, box.label, box.detail, box.operation, *box.operations


def _about(box: Box) -> str:
    """The figures of a box in one line."""
    words = [f"output {text.size(box.shape[1:])}"]
    if box.kind != "input":
        words.append(_costs(box))
        if box.receptive_field is not None:
            words.append(f"sees {'the whole image' if box.receptive_field.whole else f'{box.receptive_field.size} px'}")
    return " · ".join(words)


def _costs(part: Box | Frame) -> str:
    return f"{text.count(part.params)} parameters · {text.count(part.macs)} MACs"


def _figures(box: Box) -> list[float | None]:
    """What can be compared, in the order of `FIELDS` in diagram.js; None where a box has none."""
    channels, size = channels_and_size(box.shape)
    seen = box.receptive_field.size if box.receptive_field else math.nan
    figures = (box.params, box.macs, box.activation_bytes, channels, size, seen)
    return [None if math.isnan(figure) else figure for figure in figures]
