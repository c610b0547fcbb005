"""The real graph of any network: its operations with shapes, counts and receptive fields, and the edges between them.

Importing this package imports no torch; tracing does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from explorer.graph.model import INPUT, Graph, Node

if TYPE_CHECKING:
    from torch import Tensor, nn

    from explorer.graph.tracing import Recording
    from explorer.models import Model

__all__ = ["INPUT", "Graph", "Node", "execute", "of_model", "recording_of", "trace"]


def trace(module: nn.Module, input_shape: tuple[int, ...]) -> Graph:
    """The graph of a network for one image of `input_shape`; see `explorer.graph.tracing.trace`."""
    from explorer.graph.tracing import trace as traced

    return traced(module, input_shape)


def execute(graph: Graph, module: nn.Module, inputs: Tensor) -> Any:
    """What the network answers, computed from the graph; see `explorer.graph.tracing.execute`."""
    from explorer.graph.tracing import execute as executed

    return executed(graph, module, inputs)


_of_models: WeakKeyDictionary[nn.Module, Recording] = WeakKeyDictionary()


def of_model(model: Model) -> Graph:
    """The graph of a loaded network at the size of its own input; traced once."""
    return recording_of(model).graph


def recording_of(model: Model) -> Recording:
    """As `of_model`, with what it takes to run parts of the network again."""
    from explorer.graph.tracing import record

    with model.lock:
        if model.module not in _of_models:
            side = model.preprocessing.crop
            _of_models[model.module] = record(model.module, (1, model.preprocessing.channels, side, side))
        return _of_models[model.module]
