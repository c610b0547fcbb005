"""Where every tensor of a run comes from, and who has written into its memory since."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from explorer.graph.replay import HERE, Constant, Made, Preparation, Recipe, Step, Stored, leaves, mapped


@dataclass(slots=True)
class _Value:
    """A tensor that has been met: its recipe, and the steps that have written into its memory since."""

    tensor: Tensor
    number: int
    recipe: Made | Stored | Constant
    writers: list[Step] = field(default_factory=list)


@dataclass(slots=True)
class Given:
    """The arguments of a call."""

    arguments: Any
    recipe: Recipe
    inputs: tuple[Step, ...]
    preparations: tuple[Preparation, ...]


class Ledger:
    """Keeps account of tensors while steps and preparations run.

    Attributes:
        steps: what has run and depends on the image, in order.
        preparations: what has run and does not.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.preparations: list[Preparation] = []
        self._values: dict[int, _Value] = {}
        self._memory: dict[int, list[_Value]] = {}

    def given(self, arguments: Any) -> Given:
        """Recipes of arguments, and what must have run before."""
        inputs: dict[Step, None] = {}
        preparations: dict[Preparation, None] = {}

        def recipe(part: Any) -> Any:
            if isinstance(part, torch.device):
                return HERE if part.type == "meta" else part
            value = self._values.get(id(part)) if isinstance(part, Tensor) else None
            if value is None:
                return part
            if isinstance(value.recipe, Made):
                inputs[value.recipe.step.final()] = None
            elif isinstance(value.recipe, Constant):
                preparations.update(dict.fromkeys(value.recipe.preparations))
            inputs.update(dict.fromkeys(step.final() for step in value.writers))
            return value.recipe

        made = mapped(recipe, arguments)
        return Given(arguments, made, tuple(inputs), tuple(preparations))

    @property
    def met(self) -> int:
        """How many tensors have been met."""
        return len(self._values)

    def add(
        self,
        step: Step,
        given: Given,
        result: Any,
        span: tuple[int, int],
        writes: Sequence[Tensor],
        met: int | None = None,
    ) -> None:
        """A step has run.

        Args:
            step: what ran; what is known of it from here on is filled in.
            given: its arguments.
            result: what it returned.
            span: of PyTorch's own operations.
            writes: what it has overwritten.
            met: how many tensors had been met when it began; those met since are its own affair.

        Raises:
            NotImplementedError: it has overwritten a part of what did not depend on the image until then.
        """
        step.args, step.kwargs = given.recipe
        step.inputs = given.inputs
        for preparation in given.preparations:
            if not preparation.claimed:
                preparation.claimed = True
                step.spans.append(preparation.span)
        step.spans.append(span)
        self.steps.append(step)
        made = list(tensors_in(result))
        if not made and writes:
            step.written, written = next(
                (keys, part) for keys, part in tensors_in(given.arguments) if any(map(partial(_overlap, part), writes))
            )
            made = [((), written)]
        step.outputs = tuple(tensor for _, tensor in made)
        overwritten = [value for value in self._overwritten(writes) if met is None or value.number < met]
        for keys, tensor in made:
            self.meet(tensor, Made(step, keys))
        for value in overwritten:
            new = next((self._values[id(tensor)] for tensor in step.outputs if _same_place(tensor, value.tensor)), None)
            if new is not None:
                value.recipe, value.writers = new.recipe, []
            elif isinstance(value.recipe, Made):
                value.writers.append(step)
            else:
                raise NotImplementedError("it writes what it saw of the image into a part of a constant")

    def prepare(
        self, func: Callable[..., Any], given: Given, result: Any, span: tuple[int, int], writes: Sequence[Tensor]
    ) -> None:
        """Something has run that does not depend on the image; arguments as for `add`."""
        args, kwargs = given.recipe
        call = Preparation(len(self.preparations), func, args, kwargs, span)
        self.preparations.append(call)
        history = (*given.preparations, call)
        known = [tensor for _, tensor in tensors_in(given.arguments)]
        for value in self._overwritten(writes):
            if isinstance(value.recipe, Made):
                raise NotImplementedError("it writes a constant into memory that holds what it saw of the image")
            value.recipe = _after(value.recipe, history)
        for keys, tensor in tensors_in(result):
            if all(tensor is not each for each in known):
                self.meet(tensor, Constant(call, keys, history))

    def meet(self, tensor: Tensor, recipe: Made | Stored | Constant) -> None:
        """From now on, this is where the tensor comes from."""
        known = self._values.get(id(tensor))
        if known is None:
            self._values[id(tensor)] = known = _Value(tensor, self.met, recipe)
            self._memory.setdefault(tensor.untyped_storage()._cdata, []).append(known)
        known.recipe, known.writers = recipe, []

    def _overwritten(self, writes: Sequence[Tensor]) -> Iterator[_Value]:
        """Everything met that lies in memory that has been written to."""
        for memory in {tensor.untyped_storage()._cdata for tensor in writes}:
            for value in self._memory.get(memory, ()):
                if any(_overlap(value.tensor, tensor) for tensor in writes):
                    yield value


def tensors_in(value: Any) -> Iterator[tuple[tuple[Any, ...], Tensor]]:
    """Every tensor in lists, tuples and dictionaries, with the keys that lead to it."""
    return ((keys, part) for keys, part in leaves(value) if isinstance(part, Tensor))


def _after(recipe: Made | Stored | Constant, history: tuple[Preparation, ...]) -> Constant:
    if isinstance(recipe, Constant):
        return Constant(recipe.origin, recipe.keys, tuple(dict.fromkeys((*recipe.preparations, *history))))
    assert isinstance(recipe, Stored)
    return Constant(recipe, (), history)


def _same_place(one: Tensor, other: Tensor) -> bool:
    return one.untyped_storage()._cdata == other.untyped_storage()._cdata and (
        one.shape,
        one.stride(),
        one.storage_offset(),
    ) == (other.shape, other.stride(), other.storage_offset())


def _overlap(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors may share memory: their first and last numbers enclose some in common."""
    if one.untyped_storage()._cdata != other.untyped_storage()._cdata:
        return False
    begin, end = _extent(one)
    first, last = _extent(other)
    return begin <= last and first <= end


def _extent(tensor: Tensor) -> tuple[int, int]:
    begin = int(tensor.storage_offset())
    return begin, begin + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True))
