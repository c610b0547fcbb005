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
from typing import Any

import torch
from torch import nn

from explorer.errors import ExplorerError


class UnknownLayer(ExplorerError):
    """The network has no layer of this name."""


@dataclass(frozen=True)
class Layer:
    """One call of one module.

    Attributes:
        name: the module's path, with ``#2`` for its second call if it is called more than once.
        kind: class of the module.
        shape: of the output for one image, without the batch: (C, H, W) or (C,).
        leaf: whether the module holds no other modules.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    leaf: bool

    @property
    def spatial(self) -> bool:
        """Whether the output is maps of more than one position."""
        return len(self.shape) == 3 and self.shape[1] * self.shape[2] > 1


_OnOutput = Callable[[str, int, nn.Module, torch.Tensor], torch.Tensor | None]


@contextmanager
def _listening(module: nn.Module, names: Collection[str] | None, on_output: _OnOutput) -> Iterator[None]:
    """Calls ``on_output(path, call, module, output)`` for tensor outputs of this thread; may return a replacement."""
    here = threading.get_ident()
    calls: Counter[str] = Counter()
    handles = []

    def hook_for(path: str) -> Callable[[nn.Module, Any, Any], torch.Tensor | None]:
        def hook(child: nn.Module, _inputs: Any, output: Any) -> torch.Tensor | None:
            if threading.get_ident() != here or not isinstance(output, torch.Tensor):
                return None
            calls[path] += 1
            return on_output(path, calls[path], child, output)

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

    The network runs on meta tensors: no arithmetic, no memory, parameters untouched.
    """
    found: list[tuple[str, int, nn.Module, tuple[int, ...]]] = []

    def note(path: str, call: int, child: nn.Module, output: torch.Tensor) -> None:
        if output.ndim in (2, 4):
            found.append((path, call, child, tuple(output.shape[1:])))

    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    meta = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors.items()}
    with torch.no_grad(), _listening(module, None, note):
        torch.func.functional_call(module, meta, (torch.empty(shape, device="meta"),))
    repeated = {path for path, call, _, _ in found if call > 1}
    return tuple(
        Layer(
            f"{path}#{call}" if path in repeated else path,
            type(child).__name__,
            size,
            next(child.children(), None) is None,
        )
        for path, call, child, size in found
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
    """The outputs of the layers ``names``, as own copies on the module's device; stops after the last of them.

    Raises:
        UnknownLayer: the network does not compute a layer of such a name.
    """
    wanted = {split(name): name for name in names}
    kept: dict[str, torch.Tensor] = {}

    copy = _Copier()

    def keep(path: str, call: int, _child: nn.Module, output: torch.Tensor) -> None:
        name = wanted.get((path, call))
        if name is not None:
            kept[name] = copy(output)
            if len(kept) == len(wanted):
                raise _Enough

    with torch.no_grad(), _listening(module, {path for path, _ in wanted}, keep), suppress(_Enough):
        module(inputs)
    missing = next((name for name in names if name not in kept), None)
    if missing is not None:
        raise UnknownLayer(f"This network has no layer {missing!r} with maps for output; choose one from its list.")
    return {name: kept[name] for name in names}


def tapped(module: nn.Module, inputs: torch.Tensor, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """A forward pass whose graph starts at the layer ``name``: (its output as a leaf, the network's output).

    The leaf is the layer's own value, from before any in-place operation behind it; parameters may be frozen. Gradients
    must be enabled in this thread.

    Raises:
        UnknownLayer: the network does not compute a layer of this name.
    """
    path, wanted = split(name)
    leaf: list[torch.Tensor] = []

    def tap(_path: str, call: int, _child: nn.Module, output: torch.Tensor) -> torch.Tensor | None:
        if call != wanted:
            return None
        leaf.append(output.detach().clone().requires_grad_(True))
        return leaf[0].clone()  # what follows may overwrite this one

    with _listening(module, {path}, tap):
        answer = module(inputs)
    if not leaf:
        raise UnknownLayer(f"This network has no layer {name!r}; choose one from its list.")
    return leaf[0], answer
