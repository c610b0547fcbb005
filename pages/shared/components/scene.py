"""A picture with boxes over it: pointing at a box tells its numbers, a click chooses a box or a cell of the grid.

Pointing and moving by keyboard happen in the browser (`scene.js`); only a choice comes to Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from explorer import images, palettes
from pages.shared.components.payload import UNPACK, pack

_HTML = """
<div class="root">
  <div class="frame"><svg tabindex="0" role="application"></svg></div>
  <div class="key"></div>
  <div class="here" aria-live="polite"></div>
</div>
"""
_HERE = Path(__file__)
_component = st.components.v2.component(
    "scene",
    html=_HTML,
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
    js=UNPACK
    + _HERE.with_name("scene_labels.js").read_text(encoding="utf-8")
    + _HERE.with_suffix(".js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Drawn:
    """A box to draw.

    Attributes:
        at: left, top, right, bottom, pixels of the picture.
        kind: right, wrong, truth, missed, candidate, keeper, removed, anchor or told; with ' faint' it steps back.
        tag: a few words on the box.
        detail: what is said when it is pointed at.
        still: it can neither be pointed at nor chosen.
    """

    at: Sequence[float]
    kind: str
    tag: str = ""
    detail: str = ""
    still: bool = False


@dataclass(frozen=True)
class View:
    """All that is drawn.

    Attributes:
        picture: what the network sees, uint8 (H, W, 3).
        grid: rows and columns of cells.
        stride: side of a cell, pixels.
        alternative: for who cannot see it.
        boxes: over it, the lowest first.
        rest: what is said while nothing is pointed at.
        key: kinds of boxes and what they stand for.
        lines: whether the grid is drawn.
        heat: (rows, columns), 0 to 1, over the cells.
        measure: what the heat is.
        cell: the chosen one, row and column.
        point: x and y of a dot, pixels.
        chosen: index of the chosen box.
        pick: what a click chooses: 'cell', 'box' or nothing.
    """

    picture: np.ndarray
    grid: tuple[int, int]
    stride: int
    alternative: str
    boxes: Sequence[Drawn] = ()
    rest: str = ""
    key: Mapping[str, str] = field(default_factory=dict)
    lines: bool = False
    heat: np.ndarray | None = None
    measure: str = ""
    cell: tuple[int, int] | None = None
    point: tuple[float, float] | None = None
    chosen: int | None = None
    pick: str = ""


def scene(view: View, key: str, identity: str, on_pick: Callable[[], None] | None = None) -> Any:
    """Draws ``view``; ``result.cell`` is [row, column], ``result.box`` an index, in the run of a click.

    Args:
        view: what to draw.
        key: of the component.
        identity: names what is shown, for tests and for those who wait for it.
        on_pick: called after a choice.
    """
    from PIL import Image

    height, width = view.picture.shape[:2]
    header = {
        "id": identity,
        "width": width,
        "height": height,
        "rows": view.grid[0],
        "columns": view.grid[1],
        "stride": view.stride,
        "alternative": view.alternative,
        "boxes": [
            {
                "at": [round(float(value), 2) for value in box.at],
                "kind": box.kind,
                "tag": box.tag,
                "detail": box.detail,
                "still": box.still,
            }
            for box in view.boxes
        ],
        "rest": view.rest,
        "key": list(view.key.items()),
        "grid": view.lines,
        "heat": view.heat is not None,
        "measure": view.measure,
        "cell": view.cell,
        "point": view.point,
        "chosen": view.chosen,
        "pick": view.pick,
    }
    blobs: dict[str, np.ndarray | bytes] = {"photo": images.encode_png(Image.fromarray(view.picture))}
    if view.heat is not None:
        blobs |= {
            "levels": np.rint(np.clip(view.heat, 0, 1) * 255).astype(np.uint8).ravel(),
            "values": view.heat.astype(np.float32).ravel(),
            "table": palettes.HEAT.ravel(),
        }
    pick = on_pick or (lambda: None)
    return _component(data=pack(header, **blobs), key=key, on_cell_change=pick, on_box_change=pick)
