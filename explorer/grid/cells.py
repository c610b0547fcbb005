"""What one cell of a grid asks, and why a network may have no answer to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from explorer.attribution import METHODS, availability
from explorer.errors import ExplorerError

if TYPE_CHECKING:
    from explorer.attribution import Attribution
    from explorer.models import Model


class Refused(ExplorerError):
    """A cell that means nothing; the message says why and stands in the cell in place of a map."""


@dataclass(frozen=True)
class Cell:
    """The question of one cell.

    Attributes:
        network: slug of the network.
        method: a key of ``attribution.METHODS``.
        photo: name of the photo.
        target: index of the class; the network's own first answer if None.
        label: name of the class: networks that number their classes differently are asked for the one of this name.
            Empty: the number alone counts.
        layer: to read; the usual one if None. Methods that need none take no notice.
        options: of the method, (name, value) each.
    """

    network: str
    method: str = "grad_cam"
    photo: str = ""
    target: int | None = None
    label: str = ""
    layer: str | None = None
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Filled:
    """A cell with its map, or with the reason why there is none.

    Attributes:
        cell: the question.
        found: the map; None where there is none.
        reason: one sentence where there is no map, else empty.
        seconds: that it took; 0 where the same map stood in another cell already.
        done: how many cells are filled by now.
        total: how many there are.
    """

    cell: Cell
    found: Attribution | None
    reason: str
    seconds: float
    done: int
    total: int


def settled(model: Model, cell: Cell, *, untrained: bool = False) -> Cell:
    """The cell as it is asked of ``model``: the class by its number there, no layer for methods that need none.

    Args:
        model: the network that ``cell`` names.
        cell: the question.
        untrained: whether a network with random weights is asked too.

    Raises:
        Refused: the question means nothing to this network.
        NotApplicable: there is no such method.
    """
    reason = availability(model, cell.method, cell.layer)
    if reason:
        raise Refused(reason)
    if not model.weights.trained and not untrained:
        raise Refused(f"{model.card.title} runs with random weights here: it has learnt nothing, so no map is drawn.")
    layer = cell.layer if METHODS[cell.method].needs_layer else None
    return replace(cell, target=_target(model, cell), layer=layer)


def _target(model: Model, cell: Cell) -> int | None:
    if cell.target is None:
        return None
    if not cell.label or model.label(cell.target) == cell.label:
        if model.classes and not 0 <= cell.target < len(model.classes):
            raise Refused(f"{model.card.title} knows classes 0 to {len(model.classes) - 1}, and {cell.target} is none.")
        return cell.target
    if cell.label not in model.classes:
        raise Refused(f"{model.card.title} does not know the class “{cell.label}”.")
    return model.classes.index(cell.label)
