"""Numbers painted on the diagram: what each box costs, sees, takes or leaves silent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pages.shared import box_panel, cache
from pages.shared.components.diagram import Paint
from pages.shared.text import count, memory, percent

if TYPE_CHECKING:
    from explorer.graph import Graph
    from explorer.graph.folding import Box, FoldedGraph
    from explorer.models import Model
    from pages.shared.pictures import Picture

PAINTS = {
    "kind": "Kind of operation",
    "params": "Parameters",
    "macs": "MACs",
    "memory": "Memory of outputs",
    "field": "Receptive field",
    "time": "Time, measured",
    "zeros": "Zeros on this picture",
    "dead": "Dead channels on this picture",
}
_EXPLANATIONS = {
    "kind": "Every box unfolds (+) and folds (−). Skips run outside the row; identical blocks in a row are one box.",
    "params": "Learnt numbers in each box.",
    "macs": "Multiply-accumulates of each box for one image: convolutions, linear layers and attention's two products.",
    "memory": "All outputs inside each box in float32, as training has to hold them.",
    "field": "Side of the square of the photo on which one unit of the box's output depends.",
    "time": "Median of five forward passes on this machine. Steps between modules (sums and the like) are not timed.",
    "zeros": "Share of exact zeros in the box's output for this picture: what a ReLU cut off.",
    "dead": "Share of the channels that are zero everywhere for this picture.",
}


def explanation(paint: str) -> str:
    """What the colours mean, one sentence."""
    return _EXPLANATIONS[paint]


def needs_model(paint: str) -> bool:
    """Whether it takes the loaded network, and not its graph alone."""
    return paint in ("time", "zeros", "dead")


def paint(kind: str, graph: Graph, folded: FoldedGraph, model: Model | None, picture: Picture) -> Paint | None:
    """The colours of all boxes; None for the neutral ones."""
    if kind == "kind":
        return None
    values = _values(kind, graph, folded, model, picture)
    words = _WORDS[kind]
    top = max(values.values(), default=0.0)
    if kind in ("zeros", "dead"):
        top = 1.0
    if kind == "field":
        top = float(graph.input_shape[-1])
        whole = {box.key for box in folded.boxes if box.receptive_field is not None and box.receptive_field.whole}
        texts = {key: "whole image" if key in whole else words(value) for key, value in values.items()}
        shares = {key: 1.0 if key in whole else min(value / top, 1.0) for key, value in values.items()}
        return Paint(shares, texts, PAINTS[kind], words(0.0), f"{words(top)}, the whole image, or more")
    shares = {key: (value / top if top else 0.0) for key, value in values.items()}
    texts = {key: words(value) for key, value in values.items()}
    return Paint(shares, texts, PAINTS[kind], words(0.0), words(top))


def _values(kind: str, graph: Graph, folded: FoldedGraph, model: Model | None, picture: Picture) -> dict[str, float]:
    boxes = [box for box in folded.boxes if box.nodes]
    if kind == "params":
        return {box.key: box.params for box in boxes}
    if kind == "macs":
        return {box.key: box.macs for box in boxes}
    if kind == "memory":
        return {box.key: box.activation_bytes for box in boxes}
    if kind == "field":
        return {box.key: box.receptive_field.size for box in boxes if box.receptive_field is not None}
    if model is None:
        return {}
    if kind == "time":
        times = cache.milliseconds(model, picture)
        return {box.key: value for box in boxes if (value := _time(box, times)) is not None}
    summaries = cache.summaries(model, picture)
    found = {}
    for box in boxes:
        layer = box_panel.layer_of(graph, box, model).removesuffix("#1")
        if layer in summaries:
            found[box.key] = summaries[layer].zeros if kind == "zeros" else summaries[layer].dead
    return found


def _time(box: Box, times: dict[str, float]) -> float | None:
    if box.module and box.module in times:
        return times[box.module]
    first = (name.removesuffix("#1") for name in box.nodes)  # measures call a first call by the module's name alone
    timed = [times[name] for name in first if name in times]
    return sum(timed) if timed else None


_WORDS: dict[str, Callable[[float], str]] = {
    "params": count,
    "macs": count,
    "memory": memory,
    "field": lambda value: f"{value:.0f} px",
    "time": lambda value: f"{value:.2g} ms",
    "zeros": lambda value: percent(value) if value else "0 %",
    "dead": lambda value: percent(value) if value else "0 %",
}
