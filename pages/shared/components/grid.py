"""Input, kernel and output of a sliding window, cell by cell, with the sum written out below in the cells' colours.

Pointing, stepping and playing happen in the browser (`grid.js`); only an edited cell comes to Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from explorer import palettes
from explorer.arithmetic import Convolution, Pooling, TransposedConvolution
from pages.shared.components.payload import UNPACK, pack
from pages.shared.text import size

if TYPE_CHECKING:
    from explorer.arithmetic.sliding import Sliding

_HTML = """
<div class="root">
  <div class="tools" role="toolbar" aria-label="Steps">
    <button type="button" class="previous" aria-label="Previous output"><svg viewBox="0 0 14 14" aria-hidden="true"><path d="M11 1.5v11l-7-5.5zM2 1.5h1.8v11h-1.8z"/></svg></button>
    <button type="button" class="play"></button>
    <button type="button" class="next" aria-label="Next output"><svg viewBox="0 0 14 14" aria-hidden="true"><path d="M3 1.5v11l7-5.5zM10.2 1.5h1.8v11h-1.8z"/></svg></button>
    <span class="where"></span>
    <span class="pace"><button type="button" class="slower" aria-label="Slower" title="Slower">−</button><span class="rate"></span><button type="button" class="faster" aria-label="Faster" title="Faster">+</button></span>
    <span class="end">
      <button type="button" class="count" title="How often each cell is used, in place of its value">Count</button>
      <button type="button" class="pencil" title="Edit a cell with one click or tap">Edit</button>
      <button type="button" class="png" title="Save the picture as PNG">PNG</button>
    </span>
  </div>
  <div class="stage"></div>
  <div class="legend"></div>
  <div class="said" aria-live="polite"></div>
  <div class="sum"></div>
  <div class="hint">
    <span class="mouse">Click holds a cell, Esc frees it.<span class="edits"> A double click or a digit on the keyboard edits it.</span> Rows, columns and channels count from 0, as in PyTorch.</span>
    <span class="touch">A tap holds a cell, another frees it.<span class="edits"> “Edit” lets a tap change it.</span> Rows, columns and channels count from 0, as in PyTorch.</span>
  </div>
</div>
"""
_HERE = Path(__file__)
_component = st.components.v2.component(
    "grid",
    html=_HTML,
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
    js=UNPACK + _HERE.with_suffix(".js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Edit:
    """A cell that the visitor changed: ``plane`` is input, kernel or bias; ``index`` counts in that array, flat."""

    plane: str
    index: int
    value: float


def grid(
    result: Sliding,
    key: str,
    *,
    titles: Mapping[str, str] | None = None,
    editable: Sequence[str] = (),
    on_edit: Callable[[list[Edit]], None] | None = None,
    bias: bool = False,
    bins: bool = False,
    start: int = 0,
    file: str = "convolution",
) -> None:
    """Draws ``result``: a Convolution, a TransposedConvolution or a Pooling.

    Args:
        result: what was computed.
        key: of the component.
        titles: of ``input``, ``kernel`` and ``output``.
        editable: planes that may be edited: of input, kernel and bias.
        on_edit: is told of edited cells before the next run.
        bias: whether the biases are shown.
        bins: whether bars beside the input show what each row and column of a pooling reads.
        start: the output that is shown first, flat.
        file: name of the saved picture, without its ending.
    """
    header = describe(result, titles or {}, bias=bias, bins=bins)
    header |= {"name": key, "editable": list(editable), "start": start, "file": file}

    def edited() -> None:
        told = st.session_state[key].get("edited")
        if told and on_edit:
            on_edit([Edit(str(plane), int(index), float(value)) for plane, index, value in told])

    terms = result.terms
    payload = pack(
        header,
        starts=terms.starts.astype(np.int32),
        cells=terms.cells.astype(np.int32),
        weights=terms.weights.astype(np.int32),
        origin=result.origin.astype(np.int32).ravel(),
        unused=result.unused.astype(np.uint8).ravel(),
        signed=palettes.DIVERGING.ravel(),
    )
    _component(data=payload, key=key, on_edited_change=edited)


def describe(result: Sliding, titles: Mapping[str, str], *, bias: bool = False, bins: bool = False) -> dict[str, Any]:
    """Everything but the large arrays: shapes, values, where each kernel stands, what the marks mean."""
    channels, rows, columns = result.inputs.shape
    padded = result.padded
    output = result.output.reshape(-1, *result.output.shape[-2:])
    top, left = _corner(result)
    kind = _kind(result)
    header: dict[str, Any] = {
        "kind": kind,
        "titles": {"input": "Input", "kernel": "Kernel", "output": "Output", **titles},
        "sizes": {"input": size((rows, columns)), "kernel": "", "output": size(output.shape[-2:])},
        "input": {
            "c": channels,
            "h": padded.shape[1],
            "w": padded.shape[2],
            "rows": rows,
            "columns": columns,
            "top": top,
            "left": left,
            "values": _numbers(padded),
        },
        "output": {"c": output.shape[0], "h": output.shape[1], "w": output.shape[2], "values": _numbers(output)},
        "kernel": None,
        "bias": None,
        "why": why_unused(result),
    }
    if padded.shape[1:] != (rows, columns):
        header["sizes"]["input"] += f", padded to {size(padded.shape[1:])}"
    if isinstance(result, Convolution | TransposedConvolution):
        height, width = result.kernel.shape[2:]
        places = kernel_places(kind, result.kernel.shape, result.groups)
        header["kernel"] = {"h": height, "w": width, "places": places, "values": _numbers(result.kernel)}
        header["sizes"]["kernel"] = size((height, width))
        header["bias"] = _numbers(result.bias) if bias else None
    elif isinstance(result, Pooling):
        header["sizes"]["kernel"] = f"{'largest' if kind == 'max' else 'mean'} of up to {size(result.window)}"
        header["bins"] = {"rows": result.row_bins, "columns": result.column_bins} if bins else None
        header["divisors"] = _numbers(result.divisors)
        if kind == "max":
            header["winners"] = [int(winner) for winner in result.winners.ravel()]
    layout = (
        kind,
        header["input"]["c"],
        padded.shape,
        rows,
        columns,
        top,
        left,
        output.shape,
        header["kernel"] and (height, width, places),
        bias,
        header.get("bins"),
    )
    header["layout"] = str(layout)
    return header


def _kind(result: Sliding) -> str:
    if isinstance(result, Pooling):
        return result.kind
    return "transposed" if isinstance(result, TransposedConvolution) else "convolution"


def kernel_places(kind: str, shape: tuple[int, ...], groups: int) -> list[list[int]]:
    """Row (input channel) and column (output channel) of each kernel plane, in the order in which PyTorch holds them."""
    if len(shape) == 2:
        return [[0, 0]]
    first, second = shape[:2]
    places = []
    for a in range(first):
        group = a // (first // groups)
        for b in range(second):
            other = group * second + b
            places.append([a, other] if kind == "transposed" else [other, a])
    return places


def why_unused(result: Sliding) -> str:
    """Why a cell may never be read, in one or two sentences."""
    said = []
    for axis, name in ((0, "row"), (1, "column")):
        rest = result.dropped[axis]
        if rest:
            last = f"last {name} is" if rest == 1 else f"last {rest} {name}s are"
            said.append(
                f"The {last} beyond the last window: there is no room for another step, and PyTorch rounds down."
            )
    return " ".join(said) or "Windows lie too far apart to touch it."


def _corner(result: Sliding) -> tuple[int, int]:
    """Rows and columns of padding above and left of the image."""
    if isinstance(result, Convolution):
        return result.padding[0], result.padding[2]
    inside = result.origin >= 0  # the others pad with nothing that repeats a pixel
    return int(inside.any(axis=1).argmax()), int(inside.any(axis=0).argmax())


def _numbers(values: np.ndarray) -> list[float | None]:
    """For JSON, which has no infinity: None stands for the padding of max pooling."""
    return [None if not np.isfinite(value) else float(value) for value in values.ravel()]
