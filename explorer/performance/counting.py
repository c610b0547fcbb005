"""What a network costs, from its code and the size of its input alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from explorer import catalogue

if TYPE_CHECKING:
    from torch import nn

    from explorer.catalogue import Architecture
    from explorer.graph import Graph, Node


@dataclass(frozen=True)
class Counted:
    """What follows from a network's code and the size of its input alone.

    Attributes:
        parameters: learnt numbers, those that layers share counted once.
        macs: multiply-accumulates for one image, see `explorer.cost.Cost`.
        activation_bytes: of all outputs of all layers for one image in float32, as training holds them.
        depth: layers with weights on the longest way from image to answer, see `explorer.comparison.depth`.
        field: receptive field of a unit of the last map that has more than one position, pixels, leaving out what looks
            at the whole image; None where it cannot be said.
        whole: whether such a unit may depend on the whole image besides (attention, squeeze-and-excitation).
    """

    parameters: int
    macs: int
    activation_bytes: int
    depth: int
    field: int | None
    whole: bool


def count(slug: str, side: int) -> Counted:
    """Counts a network now, on tensors without numbers: a tenth of a second, and no memory for its weights."""
    from explorer import comparison, graph

    card = catalogue.get(slug)
    shape = (1, card.channels, side, side)
    module = _build(card, side)
    traced = graph.trace(module, shape)
    last = _last_map(traced)
    field = last.receptive_field if last is not None else None
    return Counted(
        parameters=traced.params,
        macs=traced.macs,
        activation_bytes=traced.activation_bytes,
        depth=comparison.depth(module, shape),
        field=None if field is None else field.size,
        whole=field is not None and field.whole,
    )


def _build(card: Architecture, side: int) -> nn.Module:
    import torch
    from torch.overrides import TorchFunctionMode

    class WeightsOnMeta(TorchFunctionMode):
        """Only what layers allocate has no numbers: RegNet computes its widths with small tensors of its own."""

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = dict(kwargs or {})
            if func is torch.empty:
                kwargs["device"] = "meta"
            return func(*args, **kwargs)

    options = {"image_size": side} if card.fixed_size and side != card.input_size else {}
    with WeightsOnMeta():
        return card.build(**options)


def _last_map(traced: Graph) -> Node | None:
    """The last operation whose units have places, many of them: (1, C, H, W), (1, H, W, C) or tokens (1, N, C)."""
    maps = (
        node
        for node in reversed(traced.nodes)
        if node.receptive_field is not None
        and ((len(node.shape) == 4 and min(node.shape[2:]) > 1) or (len(node.shape) == 3 and node.shape[1] > 1))
    )
    return next(maps, None)
