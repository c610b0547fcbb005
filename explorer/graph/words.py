"""What sort of thing an operation is, and what parts of a network are called on a diagram."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from explorer.graph.model import Graph, Node
    from explorer.graph.parts import Part

# In this order; whatever fits none is 'other'. Attention comes before the linear layers and products it is made of.
_KINDS = {
    "attention": r"attention",
    "norm": r"norm|localresponse",
    "pooling": r"pool|^a?mean$|^amax$|^sum$|upsample|interpolate",
    "conv": r"conv",
    "linear": r"linear|embedding|^addmm$|matmul|^b?mm$|baddbmm|einsum",
    "activation": r"relu|^elu|gelu|silu|swish|mish|sigmoid|tanh|softmax|hardtanh|softplus",
    "join": r"^(i?add|cat|concat|stack|mul|sub|div|maximum|minimum)_?$",
    "view": r"view|reshape|flatten|permute|transpose|^t$|select|slice|split|chunk|unbind|getitem|squeeze|expand|repeat"
    r"|roll|^pad$|contiguous|^clone$|^to$|shuffle|^movedim$|^narrow$|^index$",
}


def kind_of(operation: str) -> str:
    """The kind of an operation: 'conv', 'linear', 'norm' and so on; 'other' where no word fits."""
    name = operation.lower()
    return next((kind for kind, words in _KINDS.items() if re.search(words, name)), "other")


def kind(part: Part) -> str:
    """The kind of a part; modules with parts are 'module', or 'attention' if they are called so."""
    if part.form in ("run", "repeat"):
        return kind(part.parts[0])
    found = kind_of(part.operation)
    return found if part.form == "step" or found == "attention" else "module"


def label(graph: Graph, part: Part) -> str:
    """The name on the diagram: 'layer3', 'Bottleneck × 5', 'add'; a class where the name is only a number."""
    if part.form == "repeat":
        first = part.parts[0]
        return f"{_run(first) if first.form == 'run' else first.operation} × {part.count}"
    if part.form == "run":
        return _run(part)
    if not part.path:
        return part.operation
    name = part.key.rpartition(".")[2]
    if not name.partition("#")[0].isdecimal():
        return name
    # '3' in a list that is only a list, or of a plain sequence, says more with the word before it: 'encoders.3'.
    container = part.path.rpartition(".")[0]
    return _tail(part.key) if part.operation == "Sequential" or container not in graph.modules else part.operation


def detail(graph: Graph, part: Part) -> str:
    """What a part is, in a few words: 'Conv2d 7×7 / 2', '6 × Bottleneck', 'layer3.2'."""
    if part.form == "repeat":
        first, last = part.parts[0], part.parts[-1]
        return detail(graph, first) if first.form == "run" else f"{_tail(first.key)} … {last.key.rpartition('.')[2]}"
    if part.form == "run":
        return _window(graph.nodes[part.first])
    name = label(graph, part)
    if part.form == "step":
        node = graph.nodes[part.first]
        return " ".join(filter(None, (node.operation if part.path and name != node.operation else "", _window(node))))
    if part.operation == "Sequential":
        classes = Counter(inner.operation for inner in part.parts)
        if len(classes) > 1:
            return f"{len(part.parts)} steps"
        return next(iter(classes)) if len(part.parts) == 1 else f"{len(part.parts)} × {next(iter(classes))}"
    return part.operation if name != part.operation else _tail(part.key)


def title(part: Part) -> str:
    """The whole name: path and class."""
    first, last = part, part
    while first.form in ("run", "repeat"):
        first = first.parts[0]
    while last.form in ("run", "repeat"):
        last = last.parts[-1]
    span = f"{first.key} to {last.key}" if first is not last else first.key
    return f"{span} · {f'{part.count} identical ' if part.count > 1 else ''}{part.operation}"


def _run(part: Part) -> str:
    short = {"conv": "Conv", "linear": "Linear", "norm": "norm"}
    return " + ".join(short.get(kind(inner), inner.operation) for inner in part.parts)


def _tail(key: str) -> str:
    """The last two words of a path."""
    return ".".join(key.split(".")[-2:])


def _window(node: Node) -> str:
    """Kernel and stride, as '3×3 / 2'; '' where there is no window."""
    kernel, stride = (_pair(node.settings.get(name)) for name in ("kernel_size", "stride"))
    if kernel is None:
        return ""
    return f"{kernel[0]}×{kernel[1]}" + (f" / {stride[0]}" if stride not in (None, (1, 1)) and stride else "")


def _pair(value: object) -> tuple[int, int] | None:
    if isinstance(value, int):
        return value, value
    if isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(side, int) for side in value):
        return value[0], value[1]
    return None
