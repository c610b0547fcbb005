"""From a step that has run to the parts of one of its numbers: which tensors, and where in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from explorer.arithmetic.accounts import Parts, Source
from explorer.graph.replay import Made, at
from explorer.graph.values import Ran


@dataclass(frozen=True, eq=False)
class Operand:
    """One argument of a step.

    Attributes:
        value: the tensor or number.
        source: where it came from; None for what does not depend on the photo.
    """

    value: Any
    source: Source | None

    @property
    def tensor(self) -> Tensor:
        """As a tensor; a number has no axes."""
        return self.value if isinstance(self.value, Tensor) else torch.tensor(float(self.value), dtype=torch.float64)

    @property
    def shape(self) -> tuple[int, ...]:
        """() for a number."""
        return tuple(self.tensor.shape)


def source_of(made: Made, tensor: Tensor) -> Source:
    """The tensor that a step returned."""
    return Source(made.step.name, made.keys, tuple(tensor.shape))


def operands(ran: Ran) -> list[Operand]:
    """The tensors and numbers among a step's arguments, in order."""
    return [
        Operand(value, source_of(recipe, value) if isinstance(recipe, Made) and isinstance(value, Tensor) else None)
        for recipe, value in ran.given()
        if isinstance(value, Tensor) or (isinstance(value, (int, float)) and not isinstance(value, bool))
    ]


def indices(shape: Sequence[int]) -> Tensor:
    """A tensor of this shape that holds, at each place, the place's number: int64."""
    size = 1
    for side in shape:
        size *= side
    return torch.arange(size).reshape(tuple(shape))


def flat_index(index: Sequence[int], shape: Sequence[int]) -> int:
    """Number of a place in a tensor of this shape."""
    return int(np.ravel_multi_index(tuple(index), tuple(shape))) if len(shape) else 0


def taken(tensor: Tensor, flat: np.ndarray) -> np.ndarray:
    """The numbers at these places, float64; 0 where a place is -1."""
    where = torch.from_numpy(np.maximum(flat, 0)).to(tensor.device)
    values = numbers(tensor.reshape(-1)[where])
    return np.where(flat >= 0, values, 0.0)


def numbers(tensor: Tensor) -> np.ndarray:
    """A few numbers of a network, float64."""
    found: np.ndarray = tensor.detach().double().cpu().numpy()
    return found


def parts_of(operand: Operand, flat: np.ndarray, weights: np.ndarray | float = 1.0, **more: Any) -> Parts:
    """Numbers of one tensor, by their places; -1 is padding with zeros."""
    flat = flat.reshape(-1).astype(np.int64)
    sources = () if operand.source is None else (operand.source,)
    if not sources:
        values, flat = taken(operand.tensor, flat), np.full_like(flat, -1)
    else:
        values = taken(operand.tensor, flat)
    spread = np.broadcast_to(np.asarray(weights, dtype=np.float64).reshape(-1), flat.shape).copy()
    return Parts(sources, np.where(flat >= 0, 0, -1), flat, values, spread, **more)


def single(operands_: Sequence[Operand], index: Sequence[int], weights: Sequence[float]) -> Parts:
    """One number of each operand: that which broadcasting brings to this place of the answer."""
    sources: list[Source] = []
    source, flat, values = [], [], []
    for operand in operands_:
        tail = tuple(index)[len(index) - len(operand.shape) :]
        own = tuple(0 if side == 1 else place for place, side in zip(tail, operand.shape, strict=True))
        values.append(float(operand.tensor[own]) if own else float(operand.tensor))
        source.append(len(sources) if operand.source is not None else -1)
        flat.append(flat_index(own, operand.shape) if operand.source is not None else -1)
        if operand.source is not None:
            sources.append(operand.source)
    return Parts(
        tuple(sources),
        np.array(source, dtype=np.int64),
        np.array(flat, dtype=np.int64),
        np.array(values, dtype=np.float64),
        np.array(weights, dtype=np.float64),
    )


def answer(ran: Ran, keys: Sequence[Any]) -> Tensor:
    """The tensor among a step's answers to which the keys lead."""
    found: Tensor = at(ran.output, tuple(keys))
    return found
