"""What every operation of a network was given for one photo, and what it answered."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from explorer import graph
from explorer.capture import UnknownLayer
from explorer.graph.replay import Made, Recipe, Replay, Step, at, leaves, mapped

if TYPE_CHECKING:
    from PIL import Image

    from explorer.models import Model

_LIMIT = 128 << 20  # bytes of outputs: all of ResNet-18, the later half of a VGG


@dataclass(frozen=True, eq=False)
class Ran:
    """One step as it ran for a photo; its tensors are copies, which no later operation overwrites.

    Attributes:
        step: what ran, with the recipe of its arguments.
        module: the network's own module; None for a step of a container's code.
        args: positional arguments, as they were before the step.
        kwargs: named arguments.
        output: what it answered.
    """

    step: Step
    module: nn.Module | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    output: Any

    def given(self) -> Iterator[tuple[Recipe, Any]]:
        """Each argument's recipe and the argument itself, lists and tuples opened."""
        recipes = (part for _, part in leaves((self.step.args, self.step.kwargs)))
        return zip(recipes, (part for _, part in leaves((self.args, self.kwargs))), strict=True)

    def replaced(self, change: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with each tensor that came from the photo changed by `change(made, tensor)`."""
        values = iter([part for _, part in leaves((self.args, self.kwargs))])

        def changed(recipe: Recipe) -> Any:
            value = next(values)
            return change(recipe, value) if isinstance(recipe, Made) else value

        args, kwargs = mapped(changed, (self.step.args, self.step.kwargs))
        return args, kwargs

    def call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """What the step answers to other arguments."""
        run = self.step.function if self.module is None else self.module
        assert run is not None
        result = run(*args, **kwargs)
        return at((args, kwargs), self.step.written) if self.step.written is not None else result


class Values:
    """All numbers of a network for one photo: computed when they are asked for, the latest ones kept.

    Args:
        model: the network.
        image: the photo.
        limit: bytes of outputs to keep; those next to the photo, which are the largest, go first.
    """

    def __init__(self, model: Model, image: Image.Image, limit: int = _LIMIT) -> None:
        self.model = model
        self.recording = graph.recording_of(model)
        self.inputs = model.preprocess(image)
        self._limit = limit
        self._steps = {step.name: step for step in self.recording.steps}
        self._kept: OrderedDict[str, Ran] = OrderedDict()

    @property
    def graph(self) -> graph.Graph:
        """The network's graph."""
        return self.recording.graph

    def ran(self, name: str) -> Ran:
        """The operation of this name.

        Raises:
            UnknownLayer: the network has none, or tracing did not get that far.
        """
        if name not in self._steps:
            raise UnknownLayer(f"{self.model.card.title} has no operation {name!r}; choose a layer from its list.")
        with self.alone():
            found = self._kept.get(name)
            if found is None:
                found = self._run(self._steps[name])
            return found

    def output(self, name: str, keys: tuple[Any, ...] = ()) -> Tensor:
        """What an operation answered; `graph.INPUT` is the photo as the network is given it."""
        found: Tensor = self.inputs if name == graph.INPUT else at(self.ran(name).output, keys)
        return found

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else touches the network meanwhile, and no gradients are followed."""
        with self.model.lock, torch.inference_mode(False), torch.no_grad():
            yield

    def _run(self, target: Step) -> Ran:
        keeping = _Keeping(self.model.module, self.recording.image, self.inputs)
        needed = _needed(target)
        keeping.run([step for step in self.recording.steps if step in needed], Made(target))
        found = keeping.found[target]
        # What lies behind this one and is kept already stays; what lies before it is as near as the limit allows.
        fresh = {step.name: ran for step, ran in keeping.found.items()}
        self._kept = OrderedDict({**fresh, **self._kept})
        left = self._limit
        for name in reversed(list(fresh)):
            left -= sum(part.nbytes for _, part in leaves(fresh[name].output) if isinstance(part, Tensor))
            if left < 0 and name != target.name:
                del self._kept[name]
        if left < 0:  # so many together would be more than the limit
            self._kept = OrderedDict((name, ran) for name, ran in self._kept.items() if name in fresh)
        return found


class _Keeping(Replay):
    """A replay that keeps copies of what goes into every step and of what comes out."""

    def __init__(self, module: nn.Module, image: Step, inputs: Tensor) -> None:
        super().__init__(module, image, inputs)
        self.found: dict[Step, Ran] = {}
        self._copies: dict[int, tuple[weakref.ref[Tensor], int, Tensor]] = {}

    def _result(self, step: Step, given: Mapping[Step, Any]) -> Any:
        args, kwargs = self._made((step.args, step.kwargs), given)
        values = iter([part for _, part in leaves((args, kwargs))])

        def kept(recipe: Recipe) -> Any:
            value = next(values)
            return self._copy(value) if isinstance(recipe, Made) else value

        before, named = mapped(kept, (step.args, step.kwargs))
        module = None if step.module is None else self._modules[step.path]
        run = step.function if module is None else module
        assert run is not None
        result = run(*args, **kwargs)
        if step.written is not None:
            result = at((args, kwargs), step.written)
        self.found[step] = Ran(step, module, before, named, mapped(self._copy, result))
        return result

    def _copy(self, part: Any) -> Any:
        """A copy, shared by all who meet the tensor before something writes into it."""
        if not isinstance(part, Tensor):
            return part
        ref, version, copy = self._copies.get(id(part), (None, -1, part))
        if ref is None or ref() is not part or version != part._version:
            copy = part.detach().clone()
            self._copies[id(part)] = weakref.ref(part), part._version, copy
        return copy


def _needed(target: Step) -> set[Step]:
    """The step and all that must run before it."""
    needed, waiting = {target}, [target]
    while waiting:
        fresh = set(waiting.pop().inputs) - needed
        needed |= fresh
        waiting += fresh
    return needed
