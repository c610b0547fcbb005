"""The stack of sliding windows inside a real network: the path from the image along which a unit comes to see most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from explorer.graph import INPUT, Graph, Node
from explorer.receptive_field import PIXEL, ReceptiveField, through
from explorer.stacks import Kind, Layer

_POOLS: dict[str, Kind] = {
    "MaxPool2d": "max pool",
    "max_pool2d": "max pool",
    "AvgPool2d": "average pool",
    "avg_pool2d": "average pool",
    "AdaptiveAvgPool2d": "average pool",
}


@dataclass(frozen=True)
class OwnStack:
    """A network's own stack.

    Attributes:
        layers: from the image on; runs of 1 x 1 convolutions, which see no further, are one layer.
        pixels: of the network's input.
        end: name of the operation at which it ends.
        field: of that operation's units, as the graph has it.
        note: what the stack leaves out, one or two sentences; empty if nothing.
    """

    layers: tuple[Layer, ...]
    pixels: int
    end: str
    field: ReceptiveField
    note: str


@dataclass(frozen=True)
class _Path:
    """Layers from the image to an operation, along height and width."""

    fields: tuple[ReceptiveField, ReceptiveField] = (PIXEL, PIXEL)
    layers: tuple[tuple[Layer, Layer], ...] = ()

    @property
    def size(self) -> int:
        return max(field.size for field in self.fields)

    def over(self, pair: tuple[Layer, Layer]) -> _Path:
        first, second = (
            through(field, layer.kernel, layer.stride, layer.padding, layer.dilation)
            for field, layer in zip(self.fields, pair, strict=True)
        )
        return _Path((first, second), (*self.layers, pair))


def of_network(graph: Graph) -> OwnStack:
    """The sliding operations along the path with the largest field, up to the last map that they alone explain.

    A path ends where the graph's own field is another than that of the windows passed so far: at global pooling, at
    maps that are made larger, at attention in windows.
    """
    paths, shapes = {INPUT: _Path()}, {INPUT: graph.input_shape}
    shapes |= {node.name: node.shape for node in graph.nodes}
    for node in graph.nodes:
        before = [paths[name] for name in node.inputs if name in paths]
        if not before or node.receptive_field is None or _is_global(node):
            continue
        path = max(before, key=lambda each: each.size)
        pair = _windows(node, shapes[node.inputs[0]] if node.inputs else ())
        path = path.over(pair) if pair else path
        if _agree(path, node.receptive_field):
            paths[node.name] = path
    ends = [node for node in graph.nodes if node.name in paths]
    if not ends:
        return OwnStack((), graph.input_shape[-1], "", PIXEL, "No window slides in this network.")
    last = max(ends, key=lambda node: paths[node.name].size)  # the first that sees so far; what follows adds nothing
    path = paths[last.name]
    equal = [node for node in ends if paths[node.name].size == path.size and _slides(node)]
    last = equal[-1] if equal else last
    path = paths[last.name]
    axis = max((0, 1), key=lambda index: path.fields[index].size)
    field = last.receptive_field or path.fields[axis]
    layers = _folded([pair[axis] for pair in path.layers])
    return OwnStack(layers, graph.input_shape[axis - 2], last.name, field, _note(graph, last))


def _agree(path: _Path, field: ReceptiveField) -> bool:
    return not field.pattern and any(
        (field.size, field.stride, field.padding) == (each.size, each.stride, each.padding) for each in path.fields
    )


def _is_global(node: Node) -> bool:
    """Whether it pools a whole map into one number."""
    return node.operation == "AdaptiveAvgPool2d" and node.shape[-2:] == (1, 1)


def _slides(node: Node) -> bool:
    return "kernel_size" in node.settings


def _windows(node: Node, shape: tuple[int, ...]) -> tuple[Layer, Layer] | None:
    """The window that a node slides along height and width; None if it slides none."""
    kind = _POOLS.get(node.operation, "conv")
    settings = node.settings
    if len(shape) != 4 or len(node.shape) != 4 or (kind == "conv" and "in_channels" not in settings):
        return None
    if settings.get("transposed"):
        return None
    found = []
    for axis in (0, 1):
        before, after = shape[2 + axis], node.shape[2 + axis]
        if node.operation == "AdaptiveAvgPool2d":
            kernel = stride = max(1, before // after)
            padding, dilation = 0, 1
        else:
            names = ("kernel_size", "stride", "padding", "dilation")
            arguments = _named(settings, names if kind == "max pool" else names[:3])
            kernel = _nth(arguments["kernel_size"], axis)
            stride = _nth(arguments.get("stride") or (kernel if kind != "conv" else 1), axis)
            dilation = _nth(arguments.get("dilation") or 1, axis)
            given = arguments.get("padding") or 0
            padding = 0 if isinstance(given, str) else _nth(given, axis)
        window, extra = dilation * (kernel - 1) + 1, 0
        needed = (after - 1) * stride + window - before - 2 * padding  # more than the padding gives
        if needed > 0 and kind == "conv":  # padded by the layer's own code, as SAME: half before, the rest after
            padding, extra = padding + needed // 2, needed % 2
        elif needed > 0:  # ceil_mode: a last window that reaches beyond the map
            extra = needed
        found.append(Layer(kind, kernel, stride, padding, dilation, extra, node.name))
    return found[0], found[1]


def _named(settings: Any, names: Sequence[str]) -> dict[str, Any]:
    """Arguments by name, those of a call by position included."""
    positional = settings.get("arguments", ())
    named = {name: settings[name] for name in ("kernel_size", "stride", "padding", "dilation") if name in settings}
    return {**dict(zip(names, positional, strict=False)), **named}


def _nth(numbers: Any, index: int) -> int:
    return int(numbers[index] if isinstance(numbers, tuple) else numbers)


def _folded(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Runs of layers that see no further as one."""
    found: list[Layer] = []
    for layer in layers:
        idle = (layer.kernel, layer.stride, layer.padding, layer.extra) == (1, 1, 0, 0)
        if idle and layer.kind != "conv":
            continue
        last = found[-1] if found else None
        if idle and last and (last.kernel, last.stride, last.padding, last.extra) == (1, 1, 0, 0):
            found[-1] = replace(last, name=f"{last.name.split(' to ')[0]} to {layer.name}")
        else:
            found.append(layer)
    return tuple(found)


def _note(graph: Graph, last: Node) -> str:
    """What else the network sees, which no stack of windows shows."""
    attention = any("attention" in name.lower() for name in graph.modules.values())
    if attention and any(node.receptive_field and node.receptive_field.pattern for node in graph.nodes):
        return "Only its patch embedding slides a window; after it, attention mixes whole windows of patches."
    if attention:
        return (
            "Only its patch embedding slides a window; from the first attention on, every token sees the whole image."
        )
    if last.receptive_field and last.receptive_field.whole:
        return (
            "Its gates (squeeze and excitation) average whole maps besides, so its units see the whole image, faintly."
        )
    later = graph.nodes[graph.nodes.index(last) + 1 :]
    if any("Transpose" in node.operation or "interpolate" in node.operation for node in later):
        return "It ends where the maps are smallest; what follows makes them larger again."
    return ""
