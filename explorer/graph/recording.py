"""Watching a network run: which modules were called, what containers did themselves, and what fed what.

Three things listen at once. Each module's `forward` says that it is running. A function mode hears what a container's
own code calls, as it is written there (`torch.cat`, `x + y`, `x.flatten(2)`). A dispatch mode hears PyTorch's own
operations beneath, in which the work, the parameters and the receptive fields are found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from explorer.graph.fields.following import Call
from explorer.graph.ledger import Given, Ledger, tensors_in
from explorer.graph.replay import Made, Recipe, Step, Stored, mapped
from explorer.graph.shapes import Shapes


@dataclass(slots=True)
class _Frame:
    """A module that is running."""

    path: str
    given: Given
    first_step: int
    first_call: int
    met: int
    has_parts: bool = False


class _Calls(TorchDispatchMode):
    """Keeps PyTorch's own operations with all their tensors, so that none's id is given again."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[Call] = []
        self._shapes = Shapes()

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        output = self._shapes.run(func, args, kwargs or {})
        self.calls.append(Call(func, args, kwargs or {}, output))
        return output


class Recorder(TorchFunctionMode):
    """Records one run of a network on meta tensors.

    Args:
        network: a copy of one's own.
        image: the input.

    Attributes:
        network: as given.
        steps: what became nodes, in the order in which they ran.
        calls: PyTorch's own operations.
        modules: class of every module that ran, by path.
        image: stands for the input among the steps.
        answer: recipe of what the network returned.
    """

    def __init__(self, network: nn.Module, image: Tensor) -> None:
        super().__init__()
        self.network = network
        self._tensor = image
        self._frames: list[_Frame] = []
        self._inside = False  # a module without parts, which is a node
        self._error, self._where = 0, ("", network)
        self._ledger = Ledger()
        self._dispatch = _Calls()
        self.calls = self._dispatch.calls
        self.steps = self._ledger.steps
        self.modules: dict[str, str] = {}
        self.image = Step("input", outputs=(image,), name="input")
        self.answer: Recipe = None
        self._ledger.meet(image, Made(self.image))
        for name, tensor in (*network.named_parameters(), *network.named_buffers()):
            self._ledger.meet(tensor, Stored(name))

    @property
    def where(self) -> tuple[str, nn.Module]:
        """Path and module of what raised the last exception."""
        return self._where

    def run(self) -> None:
        """Run the network; what it raises is raised, and `steps` are those that ran until then."""
        watched = list(self.network.named_modules())
        for path, module in watched:
            module.forward = self._watched(path, module, module.forward)
        try:
            with torch.inference_mode(False), torch.no_grad(), self._dispatch, self:
                result = self.network(self._tensor)
            self.answer = mapped(self._handed_on, result)
        finally:
            for _, module in watched:
                del module.forward  # it leads back here: without it nothing goes round in a circle

    # Modules

    def _watched(self, path: str, module: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        # PyTorch's own modules are nodes even if they are the network; anybody else's network is opened.
        known = type(module).__module__.startswith("torch.nn.")
        leaf = next(module.children(), None) is None and (bool(path) or known)

        def run(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return forward(*args, **kwargs)
            if self._frames:
                self._frames[-1].has_parts = True
            self.modules.setdefault(path, type(module).__name__)
            given = self._ledger.given((args, kwargs))
            frame = _Frame(path, given, len(self.steps), len(self.calls), self._ledger.met)
            self._frames.append(frame)
            self._inside = leaf
            try:
                output = forward(*args, **kwargs)
            except Exception as error:
                if self._error != id(error):  # the innermost module is the one to name
                    self._error, self._where = id(error), (path, module)
                raise
            finally:
                self._frames.pop()
                self._inside = False
            self._error = 0  # whatever was raised before has been caught
            opened = frame.has_parts or not (leaf or path)
            return output if opened else self._closed(module, frame, output)

        return run

    def _closed(self, module: nn.Module, frame: _Frame, output: Any) -> Any:
        """A module has run in which no other did: it becomes one step."""
        writes = self._writes(frame.first_call)
        same = {id(tensor) for _, tensor in tensors_in(frame.given.arguments)} if not writes else set()
        if any(id(tensor) in same for _, tensor in tensors_in(output)):
            if isinstance(module, nn.Sequential):
                return output  # an empty one, as a shortcut that changes nothing
            # An identity is a node: what it returns must not be mistaken for what it was given.
            with torch._C.DisableTorchFunction():
                output = mapped(lambda part: torch.ops.aten.alias(part) if id(part) in same else part, output)
        step = Step(type(module).__name__, frame.path, module)
        outside = [span for old in self.steps[frame.first_step :] for span in old.spans if span[0] < frame.first_call]
        for old in self.steps[frame.first_step :]:
            old.merged_into = step
        del self.steps[frame.first_step :]
        for preparation in self._ledger.preparations:
            preparation.claimed |= preparation.span[0] >= frame.first_call
        self._ledger.add(step, frame.given, output, (frame.first_call, len(self.calls)), writes, frame.met)
        step.spans[:0] = outside
        return output

    # Steps of containers

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if self._inside:
            return func(*args, **kwargs)
        first = len(self.calls)
        result = func(*args, **kwargs)
        returned = [tensor for _, tensor in tensors_in(result)]
        writes = self._writes(first)
        if not writes:
            known = [tensor for _, tensor in tensors_in((args, kwargs))] if returned else []
            if all(any(tensor is each for each in known) for tensor in returned):
                return result  # nothing came of it, as of `x.shape` or of a copy that was not needed
        name = _name_of(func)
        new = name.startswith("new_") and bool(args) and isinstance(args[0], Tensor)
        if new:
            args = (self._tensor, *args[1:])  # only its type matters
        given = self._ledger.given((args, kwargs))
        span = (first, len(self.calls))
        if given.inputs and not (new and given.inputs == (self.image,)):
            self._ledger.add(Step(name, self._frames[-1].path, function=func), given, result, span, writes)
        else:
            self._ledger.prepare(func, given, result, span, writes)
        return result

    def _writes(self, first: int) -> list[Tensor]:
        """What PyTorch's operations from the `first` on have written into."""
        return [
            tensor
            for call in self.calls[first:]
            for position, name in _written_arguments(call.operation)
            for tensor in (call.args[position] if position < len(call.args) else call.kwargs.get(name),)
            if isinstance(tensor, Tensor)
        ]

    def _handed_on(self, part: Any) -> Any:
        """Recipe of a part of the answer; a constant becomes a step of its own, so that the graph has it."""
        if not isinstance(part, Tensor):
            return part
        given = self._ledger.given(((part,), {}))
        recipe = given.recipe[0][0]
        if isinstance(recipe, Made):
            return Made(recipe.step.final(), recipe.keys)
        step = Step("constant", function=torch.clone)
        self._ledger.add(step, given, part, (0, 0), ())
        return Made(step)


@cache
def _written_arguments(operation: Any) -> tuple[tuple[int, str], ...]:
    """Position and name of the arguments that an operation overwrites."""
    arguments = enumerate(operation._schema.arguments)
    return tuple((place, each.name) for place, each in arguments if each.alias_info and each.alias_info.is_write)


_SIDES = {"add", "sub", "mul", "truediv", "div", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"}


def _name_of(function: Callable[..., Any]) -> str:
    """What people call it: 'add' for +, += and `add_`; 'T' for the property."""
    name: str = getattr(function, "__name__", type(function).__name__)
    if name == "__get__":
        return getattr(getattr(function, "__self__", None), "__name__", "attribute")
    core = name.strip("_")
    if name.startswith("__") and core[:1] in ("i", "r") and core[1:] in _SIDES:
        core = core[1:]
    return {"truediv": "div", "rsub": "sub"}.get(core, core)
