"""What was recorded of a run, and running it again, each step from nothing but the steps that feed it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor, nn

Recipe = Any
"""Arguments with recipes (`Made`, `Stored`, `Constant`, `HERE`) in the place of tensors and of the device."""

HERE = object()
"""Stands for the device on which the network runs."""


@dataclass(eq=False, slots=True)
class Step:
    """A node in the making: a module that was called, or a step of a container's own code.

    Attributes:
        operation: class of the module, or name of the function.
        path: of the module that it is, or that it is a step of.
        module: the meta module; None for a step.
        function: what a step calls; None for a module.
        args: recipe of the positional arguments.
        kwargs: recipe of the named ones.
        inputs: the steps that must have run before, those that wrote into an argument's memory included.
        spans: of PyTorch's own operations, from and to, that belong to it; the last is the call itself.
        outputs: every tensor that it returns, on meta.
        written: keys of the argument that it hands on where its function returns nothing, as `x[0] = y`.
        number: which call of the module, or which step of this name, from 1.
        name: of the node.
        merged_into: the module of which this became a part.
    """

    operation: str
    path: str = ""
    module: nn.Module | None = None
    function: Callable[..., Any] | None = None
    args: Recipe = ()
    kwargs: Recipe = field(default_factory=dict)
    inputs: tuple[Step, ...] = ()
    spans: list[tuple[int, int]] = field(default_factory=list)
    outputs: tuple[Tensor, ...] = ()
    written: tuple[Any, ...] | None = None
    number: int = 1
    name: str = ""
    merged_into: Step | None = None

    def final(self) -> Step:
        """The step of which it is a part in the end."""
        return self if self.merged_into is None else self.merged_into.final()


class Made(NamedTuple):
    """A tensor that a step returned; the keys lead to it in what was returned."""

    step: Step
    keys: tuple[Any, ...] = ()


class Stored(NamedTuple):
    """A parameter or buffer, by its name in the network."""

    name: str


@dataclass(eq=False, slots=True)
class Preparation:
    """A call that does not depend on the image, as making a mask; it runs again for each step that needs it."""

    index: int
    function: Callable[..., Any]
    args: Recipe
    kwargs: Recipe
    span: tuple[int, int]
    claimed: bool = False


class Constant(NamedTuple):
    """A tensor that does not depend on the image: what was stored or prepared, after these preparations."""

    origin: Stored | Preparation
    keys: tuple[Any, ...]
    preparations: tuple[Preparation, ...]


def mapped(change: Callable[[Any], Any], value: Any) -> Any:
    """The same lists, tuples and dictionaries with everything else in them changed."""
    if isinstance(value, (Made, Stored, Constant)) or not isinstance(value, (list, tuple, dict)):
        return change(value)
    if isinstance(value, dict):
        return {key: mapped(change, part) for key, part in value.items()}
    parts = [mapped(change, part) for part in value]
    if isinstance(value, list):
        return parts
    return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)


def leaves(value: Any, keys: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Everything in lists, tuples and dictionaries, with the keys that lead to it."""
    if isinstance(value, (Made, Stored, Constant)) or not isinstance(value, (list, tuple, dict)):
        yield keys, value
    else:
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(part, (*keys, key))


def at(value: Any, keys: tuple[Any, ...]) -> Any:
    """What the keys lead to."""
    for key in keys:
        value = value[key]
    return value


class Replay:
    """Runs recorded steps on a module of the same kind, in evaluation mode."""

    def __init__(self, module: nn.Module, image: Step, inputs: Tensor) -> None:
        self._modules = dict(module.named_modules(remove_duplicate=False))
        self._tensors: dict[str, Tensor] = {
            **dict(module.named_parameters(remove_duplicate=False)),
            **dict(module.named_buffers(remove_duplicate=False)),
        }
        self._image = image
        self._inputs = inputs.clone()  # the network may write into its image

    def run(self, steps: list[Step], answer: Recipe) -> Any:
        """What the network answers."""
        results: dict[Step, Any] = {self._image: self._inputs}
        last = {source: number for number, step in enumerate(steps) for source in step.inputs}
        kept = {part.step for _, part in leaves(answer) if isinstance(part, Made)}
        for number, step in enumerate(steps):
            # Only what the edges bring: a missing edge is an error here, not a picture that lies.
            results[step] = self._result(step, {source: results[source] for source in step.inputs})
            for source in step.inputs:
                if last[source] == number and source not in kept:
                    del results[source]
        return self._made(answer, results)

    def _result(self, step: Step, given: Mapping[Step, Any]) -> Any:
        args, kwargs = self._made((step.args, step.kwargs), given)
        result = (step.function or self._modules[step.path])(*args, **kwargs)
        return at((args, kwargs), step.written) if step.written is not None else result

    def _made(self, recipe: Recipe, given: Mapping[Step, Any]) -> Any:
        prepared: dict[Preparation, Any] = {}

        def made(part: Any) -> Any:
            if isinstance(part, Made):
                return at(given[part.step] if part.step is not self._image else self._inputs, part.keys)
            if isinstance(part, Stored):
                return self._tensors[part.name]
            if isinstance(part, Constant):
                origin = part.origin
                return at(self._tensors[origin.name] if isinstance(origin, Stored) else prepared[origin], part.keys)
            return self._inputs.device if part is HERE else part

        needed = {call for _, part in leaves(recipe) if isinstance(part, Constant) for call in part.preparations}
        for call in sorted(needed, key=lambda call: call.index):
            args, kwargs = mapped(made, (call.args, call.kwargs))
            prepared[call] = call.function(*args, **kwargs)
        return mapped(made, recipe)
