"""Listening to a network: its layers by name, their outputs, and gradients with respect to one of them.

Three rules, each paid for elsewhere: an output is cloned at once, because the next in-place ReLU overwrites shared
memory; a hook serves only the thread that set it; a module called twice is two layers, ``relu#1`` and ``relu#2``.
Whoever calls these functions holds the network's lock.
"""

from __future__ import annotations

import threading
import weakref
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import nn

from explorer.errors import ExplorerError
from explorer.layouts import Call, Layout, Layouts

_T = TypeVar("_T")


class UnknownLayer(ExplorerError):
    """The network has no layer of this name."""


@dataclass(frozen=True)
class Layer:
    """One call of one module.

    Attributes:
        name: the module's path, with ``#2`` for its second call if it is called more than once.
        kind: class of the module.
        shape: of the output for one image, as maps (C, H, W) or as a vector (C,), however the module lays it out.
        leaf: whether the module holds no other modules.
        layout: how the module lays it out.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    leaf: bool
    layout: Layout = Layout.MAPS

    @property
    def spatial(self) -> bool:
        """Whether the output is maps of more than one position."""
        return len(self.shape) == 3 and self.shape[1] * self.shape[2] > 1

    def maps(self, output: torch.Tensor) -> torch.Tensor:
        """The module's output as (B, C, H, W); the class token, which lies nowhere, is left out."""
        if self.layout is Layout.CHANNELS_LAST:
            return output.permute(0, 3, 1, 2)
        if self.layout is Layout.TOKENS:
            _, height, width = self.shape
            return output[:, -height * width :].transpose(1, 2).reshape(len(output), -1, height, width)
        return output if output.ndim == 4 else output[:, :, None, None]


_OnOutput = Callable[[Call], torch.Tensor | None]


@contextmanager
def _listening(module: nn.Module, names: Collection[str] | None, on_output: _OnOutput) -> Iterator[None]:
    """Calls ``on_output`` for tensor outputs of this thread; it may return a replacement."""
    here = threading.get_ident()
    calls: Counter[str] = Counter()
    handles = []

    def hook_for(path: str) -> Callable[[nn.Module, Any, Any], torch.Tensor | None]:
        def hook(child: nn.Module, inputs: Any, output: Any) -> torch.Tensor | None:
            if threading.get_ident() != here or not isinstance(output, torch.Tensor):
                return None
            calls[path] += 1
            return on_output(Call(path, calls[path], child, inputs, output))

        return hook

    try:
        for path, child in module.named_modules():
            if path and (names is None or path in names):
                handles.append(child.register_forward_hook(hook_for(path)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def layers(module: nn.Module, shape: tuple[int, ...]) -> tuple[Layer, ...]:
    """Every layer with maps or a vector for output, in the order in which they finish, for an input of ``shape``.

    The network runs on meta tensors: no arithmetic, no memory, parameters untouched. Tokens of a transformer count as
    maps, a position for each patch; attention's own matrices and windows cut out of maps do not.
    """
    found: list[tuple[Call, Layout]] = []
    layouts = Layouts(square=shape[-1] == shape[-2])

    def note(call: Call) -> None:
        layout = layouts.of(call)
        if layout is not None:
            found.append((call, layout))

    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    meta = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors.items()}
    with torch.no_grad(), _listening(module, None, note):
        torch.func.functional_call(module, meta, (torch.empty(shape, device="meta"),))
    repeated = {call.path for call, _ in found if call.number > 1}
    return tuple(
        Layer(
            f"{call.path}#{call.number}" if call.path in repeated else call.path,
            type(call.module).__name__,
            layout.shape(call.output),
            next(call.module.children(), None) is None,
            layout,
        )
        for call, layout in found
    )


def split(name: str) -> tuple[str, int]:
    """Module path and number of the call of a layer's name: 'relu#2' is ('relu', 2), 'conv1' is ('conv1', 1)."""
    path, _, call = name.partition("#")
    return path, int(call) if call.isdecimal() else 1


class _Copier:
    """Copies outputs; a container that hands on its last child's output, unchanged, shares that child's copy."""

    def __init__(self) -> None:
        self._last: Callable[[], torch.Tensor | None] = lambda: None
        self._version = -1
        self._copy = torch.empty(0)

    def __call__(self, output: torch.Tensor) -> torch.Tensor:
        # The version counts in-place operations (not in inference mode, which is why no_grad is used here).
        if self._last() is not output or self._version != output._version:
            self._last, self._version, self._copy = weakref.ref(output), output._version, output.detach().clone()
        return self._copy


class _Enough(BaseException):
    """Ends a forward pass once all that was asked for is there; no layer further on needs to be computed."""


def outputs(module: nn.Module, inputs: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
    """The outputs of the layers ``names``, as the modules lay them out; stops after the last of them.

    They are copies of their own, on the module's device; :meth:`Layer.maps` turns them into maps.

    Raises:
        UnknownLayer: the network does not compute a layer of such a name.
    """
    wanted = {split(name): name for name in names}
    kept: dict[str, torch.Tensor] = {}

    copy = _Copier()

    def keep(call: Call) -> None:
        name = wanted.get((call.path, call.number))
        if name is not None:
            kept[name] = copy(call.output)
            if len(kept) == len(wanted):
                raise _Enough

    with torch.no_grad(), _listening(module, {path for path, _ in wanted}, keep), suppress(_Enough):
        module(inputs)
    missing = next((name for name in names if name not in kept), None)
    if missing is not None:
        raise UnknownLayer(f"This network has no layer {missing!r} with maps for output; choose one from its list.")
    return {name: kept[name] for name in names}


def met(module: nn.Module, inputs: torch.Tensor, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """What reaches the layer ``name`` and what it answers, copies of both; the pass ends there.

    Raises:
        UnknownLayer: the network does not compute a layer of this name.
    """
    path, wanted = split(name)
    found: list[torch.Tensor] = []

    def keep(call: Call) -> None:
        if call.number == wanted:
            found.extend(each.detach().clone() for each in (call.inputs[0], call.output))
            raise _Enough

    with torch.no_grad(), _listening(module, {path}, keep), suppress(_Enough):
        module(inputs)
    if not found:
        raise UnknownLayer(f"This network has no layer {name!r}; choose one from its list.")
    return found[0], found[1]


def reduced(module: nn.Module, inputs: torch.Tensor, reduce: Callable[[str, torch.Tensor], _T]) -> dict[str, _T]:
    """``reduce(name, output)`` of every module's every call, by layer name, without keeping an output.

    A first call is called 'relu' even where there is a second one, 'relu#2'.
    """
    found: dict[str, _T] = {}

    def note(call: Call) -> None:
        name = call.path if call.number == 1 else f"{call.path}#{call.number}"
        found[name] = reduce(name, call.output)

    with torch.no_grad(), _listening(module, None, note):
        module(inputs)
    return found


def durations(module: nn.Module, inputs: torch.Tensor, clock: Callable[[], float]) -> dict[str, float]:
    """How long each call of each module took in one forward pass, by layer name as in :func:`reduced`, in seconds.

    Args:
        module: the network.
        inputs: its input.
        clock: seconds; on a graphics card it must wait for the card.
    """
    here = threading.get_ident()
    started: dict[str, float] = {}
    found: dict[str, float] = {}
    calls: Counter[str] = Counter()
    handles = []

    def hooks_for(path: str) -> tuple[Callable[..., None], Callable[..., None]]:
        def before(*_: Any) -> None:
            if threading.get_ident() == here:
                started[path] = clock()

        def after(*_: Any) -> None:
            if threading.get_ident() == here:
                calls[path] += 1
                name = path if calls[path] == 1 else f"{path}#{calls[path]}"
                found[name] = clock() - started[path]

        return before, after

    try:
        for path, child in module.named_modules():
            before, after = hooks_for(path)
            handles += [child.register_forward_pre_hook(before), child.register_forward_hook(after)]
        with torch.no_grad():
            module(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return found


def reached(module: nn.Module, inputs: torch.Tensor, name: str) -> torch.Tensor:
    """The output of the layer ``name``, still joined to ``inputs``, so that gradients lead back to it.

    The pass ends there: nothing later can overwrite it. Gradients must be enabled in this thread.

    Raises:
        UnknownLayer: the network does not compute a layer of this name.
    """
    path, wanted = split(name)
    found: list[torch.Tensor] = []

    def take(call: Call) -> None:
        if call.number == wanted:
            found.append(call.output)
            raise _Enough

    with _listening(module, {path}, take), suppress(_Enough):
        module(inputs)
    if not found:
        raise UnknownLayer(f"This network has no layer {name!r}; choose one from its list.")
    return found[0]


def tapped(module: nn.Module, inputs: torch.Tensor, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """A forward pass whose graph starts at the layer ``name``: (its output as a leaf, the network's output).

    The leaf is the layer's own value, from before any in-place operation behind it; parameters may be frozen. Gradients
    must be enabled in this thread.

    Raises:
        UnknownLayer: the network does not compute a layer of this name.
    """
    path, wanted = split(name)
    leaf: list[torch.Tensor] = []

    def tap(call: Call) -> torch.Tensor | None:
        if call.number != wanted:
            return None
        leaf.append(call.output.detach().clone().requires_grad_(True))
        return leaf[0].clone()  # what follows may overwrite this one

    with _listening(module, {path}, tap):
        answer = module(inputs)
    if not leaf:
        raise UnknownLayer(f"This network has no layer {name!r}; choose one from its list.")
    return leaf[0], answer
