"""How far units see as a network gets deeper: what they could depend on, and what they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer import activations, graph
from explorer.effective import EffectiveField, side_holding

if TYPE_CHECKING:
    from explorer.capture import Layer
    from explorer.models import Model


@dataclass(frozen=True)
class Reach:
    """One depth of a network.

    Attributes:
        layer: its name.
        depth: share of the network's operations that have run by then, 0 to 1.
        theoretical: side of the theoretical field, no more than the photo's, pixels; None where it cannot be said.
        whole: whether the unit may depend on the whole photo besides.
        half: side of the square that holds half of the gradient, pixels.
        most: side of the square that holds 90 % of it.
    """

    layer: str
    depth: float
    theoretical: int | None
    whole: bool
    half: int
    most: int


def layers(model: Model, count: int = 6) -> tuple[Layer, ...]:
    """Layers that stand for the network's depth, evenly spaced; outer modules rather than their parts."""
    spatial = [layer for layer in activations.layers(model) if layer.spatial]
    first = spatial[0].name
    spatial = [layer for layer in spatial if not first.startswith(f"{layer.name}.")]
    last = depth(model, activations.default_layer(model).name)
    chosen: dict[str, Layer] = {}
    for step in range(1, count + 1):
        wanted = last * step / count

        def far(layer: Layer, wanted: float = wanted) -> float:
            return abs(depth(model, layer.name) - wanted) + 0.02 * layer.name.count(".")

        nearest = min(spatial, key=far)
        chosen[nearest.name] = nearest
    return tuple(sorted(chosen.values(), key=lambda layer: depth(model, layer.name)))


def depth(model: Model, layer: str) -> float:
    """Share of the network's operations that have run when a layer is done, 0 to 1."""
    nodes = graph.of_model(model).nodes
    inside = [index for index, node in enumerate(nodes) if f"{node.name}.".startswith(f"{layer}.")]
    return (inside[-1] + 1) / len(nodes) if inside else 0.0


def reach(model: Model, found: EffectiveField) -> Reach:
    """What one measured field says of its layer's depth."""
    side, field = len(found.gradient), found.field
    return Reach(
        layer=found.layer,
        depth=depth(model, found.layer),
        theoretical=None if field is None else side if field.whole else min(side, field.size),
        whole=field is not None and field.whole,
        half=found.half,
        most=side_holding(found.gradient, 0.9),
    )
