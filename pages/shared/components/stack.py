"""A stack of sliding windows: its cone of cells, the photo with the square a unit sees, and a table to change it.

Pointing happens in the browser (`stack.js`); only a changed list of layers comes to Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import streamlit as st

from explorer.stacks import Examined, Kind, Layer
from pages.shared.components.payload import UNPACK, pack

_HTML = """
<div class="root">
  <div class="exhibit">
    <div class="left">
      <canvas class="cone" tabindex="0" role="application"
        aria-label="Cells of every layer, the input at the bottom. Left and right choose a unit, up and down a layer."></canvas>
      <div class="key">
        <span><i class="chosen"></i>the unit</span><span><i class="read"></i>what it reads</span>
        <span><i class="reader"></i>what reads it</span><span><i class="dashed"></i>padding</span>
        <span class="routes"><i class="route"></i>routes from each pixel to the unit</span>
      </div>
    </div>
    <div class="right">
      <canvas class="photo" tabindex="0" role="application"
        aria-label="The photo with the square that the unit sees. Arrow keys choose another unit of the layer."></canvas>
      <div class="seen"></div>
    </div>
  </div>
  <div class="stop warn" role="status" hidden></div>
  <div class="said" aria-live="polite"></div>
  <div class="formula"></div>
  <div class="scroll" tabindex="-1">
    <table>
      <thead><tr><th>Layer</th><th>Kind</th><th title="k: cells that the window reads">Kernel</th>
        <th title="s: cells from one position to the next">Stride</th><th title="p: cells added at each end">Padding</th>
        <th title="d: cells from one that is read to the next">Dilation</th>
        <th class="number" title="units along one side">Output</th><th class="number" title="r: pixels that one unit sees">Field</th>
        <th class="number" title="j: pixels from one unit to the next">Jump</th>
        <th class="number" title="first pixel that unit 0 sees; below 0 is padding">Start</th>
        <th class="number" title="the pixel on which unit 0 is centred">Centre</th><th></th></tr></thead>
      <tbody></tbody>
    </table>
  </div>
  <div class="tools">
    <button type="button" class="add" data-kind="conv">+ convolution</button>
    <button type="button" class="add" data-kind="max pool">+ pooling</button>
    <span class="full" role="status"></span>
  </div>
</div>
"""
_HERE = Path(__file__)
_component = st.components.v2.component(
    "stack",
    html=_HTML,
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
    js=UNPACK + _HERE.with_suffix(".js").read_text(encoding="utf-8"),
)
MOST = {"kernel": 64, "stride": 64, "padding": 99, "dilation": 64}
"""The largest settings that can be chosen; the smallest are 1, and 0 for the padding."""
MOST_LAYERS = 256


def stack(
    examined: Sequence[Examined], pixels: int, photo: bytes, key: str, on_change: Callable[[tuple[Layer, ...]], None]
) -> None:
    """Draws a stack.

    Args:
        examined: the layers as they work out.
        pixels: of the input, along one side.
        photo: a PNG or JPEG of `pixels` x `pixels`, what the network would see.
        key: of the component.
        on_change: is told the layers when the visitor has changed them, before the next run.
    """
    asked = f"_{key}-asked"  # the browser numbers its changes, so that a late answer does not undo a newer one

    def changed() -> None:
        told = st.session_state[key].get("layers")
        if isinstance(told, dict):
            st.session_state[asked] = int(told.get("number", 0))
            on_change(layers_of(told.get("layers")))

    header = {
        "pixels": pixels,
        "rows": [_row(each) for each in examined],
        "answered": st.session_state.get(asked, 0),
        "most": MOST,
        "mostLayers": MOST_LAYERS,
    }
    _component(data=pack(header, photo=photo), key=key, on_layers_change=changed)


def _row(each: Examined) -> dict[str, Any]:
    layer, field = each.layer, each.field
    row: dict[str, Any] = {
        "kind": layer.kind,
        "k": layer.kernel,
        "s": layer.stride,
        "p": layer.padding,
        "d": layer.dilation,
        "extra": layer.extra,
        "name": layer.name,
        "reason": each.reason,
    }
    if field is not None:
        row |= {
            "size": each.size,
            "field": field.size,
            "jump": field.stride,
            "start": -field.padding,
            "centre": field.centre(0),
        }
    return row


def layers_of(told: Any) -> tuple[Layer, ...]:
    """The layers that the browser sent, within what can be chosen; what is no layer is left out."""
    found = []
    for each in told[:MOST_LAYERS] if isinstance(told, list) else ():
        try:
            numbers = (each[name] for name in ("k", "s", "p", "d", "extra"))
            kernel, stride, padding, dilation, extra = map(int, numbers)
            layer = Layer(each["kind"], kernel, stride, padding, dilation, extra, str(each["name"])[:200])
        except (KeyError, TypeError, ValueError):
            continue
        if layer.kind in get_args(Kind):
            found.append(_within(layer))
    return tuple(found)


def _within(layer: Layer) -> Layer:
    return replace(
        layer,
        kernel=min(max(layer.kernel, 1), MOST["kernel"]),
        stride=min(max(layer.stride, 1), MOST["stride"]),
        padding=min(max(layer.padding, 0), MOST["padding"]),
        dilation=min(max(layer.dilation, 1), MOST["dilation"]),
        extra=min(max(layer.extra, 0), MOST["padding"]),
    )
