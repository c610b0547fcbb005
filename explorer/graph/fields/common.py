"""What all rules of receptive fields share, and the two that fit any operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from explorer.graph.fields.terms import Axis, Digit, Term, merged

Terms = tuple[Term, ...]
Of = Callable[[Any], Terms]
"""What a tensor depends on; nothing for what was not computed from the image."""
Rule = Callable[[Of, Mapping[str, Any], Tensor], Terms]
"""Takes the arguments by name, 'output' being the number of this output among several, and the output."""


def unknown(of: Of, given: Mapping[str, Any], output: Tensor) -> Terms:
    """An operation without a rule."""
    terms = [term for part in flat(given.values()) for term in of(part)]
    return (Term(((),) * output.ndim, terms[0].reach.unknown()),)


def pointwise(of: Of, given: Mapping[str, Any], output: Tensor) -> Terms:
    """Each number of the output from the numbers at its place in the inputs."""
    parts = [(part, terms) for part in flat(given.values()) if (terms := of(part))]
    if len(parts) == 1 and parts[0][0].shape == output.shape:
        return parts[0][1]
    return merged([term.broadcast(part.shape, output.shape) for part, terms in parts for term in terms])


def flat(parts: Any) -> list[Any]:
    """Everything in it, lists among it opened."""
    found: list[Any] = []
    for part in parts:
        if isinstance(part, (list, tuple)):
            found.extend(part)
        else:
            found.append(part)
    return found


def first(given: Mapping[str, Any]) -> Tensor:
    """The first argument."""
    x: Tensor = next(iter(given.values()))
    return x


def nth(numbers: Any, index: int) -> int:
    """One of several numbers, or the one for all axes."""
    listed = numbers if isinstance(numbers, (list, tuple)) else (numbers,)
    number: int = listed[min(index, len(listed) - 1)]
    return number


def put(term: Term, axis: int, size: int) -> tuple[Axis, ...]:
    """The axes of a term with the image's axis in this place, `size` units long."""
    return (*term.axes[:axis], (Digit(size, 1),), *term.axes[axis + 1 :])


def same(of: Of, given: Mapping[str, Any], output: Tensor) -> Terms:
    """The numbers in their places."""
    return of(first(given)) if first(given).shape == output.shape else unknown(of, given, output)
