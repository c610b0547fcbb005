"""Receptive fields of everything that ran, along one axis of the image."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from explorer.graph.fields.common import Rule, Terms, flat, pointwise, unknown
from explorer.graph.fields.reach import Reach
from explorer.graph.fields.rules import RULES
from explorer.graph.fields.terms import Digit, Term
from explorer.receptive_field import ReceptiveField


class Call(NamedTuple):
    """One of PyTorch's own operations as it ran."""

    operation: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    output: Any


class Fields:
    """Follows one axis of the image through the operations, in the order in which they ran.

    Args:
        image: the input.
        axis: of the image, counted from its last: -2 is height, -1 width.
    """

    def __init__(self, image: Tensor, axis: int) -> None:
        self._pixels = image.shape[axis]
        axes: list[tuple[Digit, ...]] = [()] * image.ndim
        axes[axis] = (Digit(self._pixels, 1),)
        self._terms: dict[int, Terms] = {id(image): (Term(tuple(axes), Reach()),)}

    def of(self, tensor: Any) -> Terms:
        """What a tensor depends on; nothing for what was not computed from the image."""
        return self._terms.get(id(tensor), ())

    def field(self, tensor: Tensor) -> ReceptiveField | None:
        """The receptive field of a tensor's units; None where it cannot be said, or nothing of the image is seen."""
        terms = self.of(tensor)
        if len(terms) == 1:
            return terms[0].reach.field(self._pixels)
        if terms and all(term.reach.whole for term in terms):
            return max((f for term in terms if (f := term.reach.field(self._pixels))), key=lambda f: f.size)
        return None  # its numbers compare two places, as queries with keys

    def follow(self, call: Call) -> None:
        """Work out what the outputs of one operation depend on. All tensors must stay alive: they are told by id."""
        outputs = call.output if isinstance(call.output, (list, tuple)) else (call.output,)
        known = self._terms
        if not any(id(part) in known for part in flat((*call.args, *call.kwargs.values()))):
            return
        rule, in_place = _rule(call.operation)
        given = _by_name(call)
        for number, output in enumerate(outputs):
            if isinstance(output, Tensor):
                terms = rule(self.of, {**given, "output": number} if number else given, output)
                if terms:
                    known[id(output)] = terms if len(terms) < 5 else (terms[0].lost(),)
                else:
                    known.pop(id(output), None)
        if in_place and outputs and isinstance(outputs[0], Tensor) and outputs[0]._base is not None:
            self._written(outputs[0], outputs[0]._base)

    def _written(self, view: Tensor, base: Tensor) -> None:
        """What was written into a view is in its base; which part is not followed."""
        terms = self.of(view)
        if view.shape == base.shape:
            self._terms[id(base)] = terms
        elif terms:
            self._terms[id(base)] = (Term(((),) * base.ndim, terms[0].reach.unknown()),)


@cache
def _rule(operation: Any) -> tuple[Rule, bool]:
    """The rule of an operation, and whether it writes into its first argument."""
    name = operation._schema.name.removeprefix("aten::").rstrip("_")
    other = pointwise if torch.Tag.pointwise in operation.tags else unknown
    return RULES.get(name, other), operation._schema.is_mutable


@cache
def _defaults(operation: Any) -> Mapping[str, Any]:
    return {argument.name: argument.default_value for argument in operation._schema.arguments}


def _by_name(call: Call) -> dict[str, Any]:
    defaults = _defaults(call.operation)
    return {**defaults, **dict(zip(defaults, call.args, strict=False)), **call.kwargs}
