"""The real graph of any network: its operations with shapes, counts and receptive fields, and the edges between them.

Importing this package imports no torch; tracing does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from explorer.graph.model import INPUT, Graph, Node

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["INPUT", "Graph", "Node", "execute", "trace"]


def trace(module: nn.Module, input_shape: tuple[int, ...]) -> Graph:
    """The graph of a network for one image of `input_shape`; see `explorer.graph.tracing.trace`."""
    from explorer.graph.tracing import trace as traced

    return traced(module, input_shape)


def execute(graph: Graph, module: nn.Module, inputs: Tensor) -> Any:
    """What the network answers, computed from the graph; see `explorer.graph.tracing.execute`."""
    from explorer.graph.tracing import execute as executed

    return executed(graph, module, inputs)
