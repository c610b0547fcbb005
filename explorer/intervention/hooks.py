"""Hooks that change what a module hands on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from explorer import capture
from explorer.layouts import Layout


class Alteration:
    """A hook on one module. It is an object and not a function so that a copy of the network has one of its own."""

    def __init__(
        self,
        path: str,
        number: int | None,
        change: Callable[[Tensor], Tensor],
        thread: int | None,
        before: bool = False,
    ) -> None:
        self.path, self._number, self._change, self._thread = path, number, change, thread
        self.before = before
        self._calls = 0

    def restart(self, *_: Any) -> None:
        """A forward pass begins."""
        if self._here():
            self._calls = 0

    def on_output(self, module: nn.Module, inputs: Any, output: Any) -> Any:  # noqa: ARG002
        """The changed output; None leaves it."""
        return self._changed(output) if self._mine() else None

    def on_input(self, module: nn.Module, inputs: tuple[Any, ...]) -> Any:  # noqa: ARG002
        """The changed inputs; None leaves them."""
        return (self._changed(inputs[0]), *inputs[1:]) if self._mine() else None

    def _here(self) -> bool:
        return self._thread is None or self._thread == threading.get_ident()

    def _mine(self) -> bool:
        if not self._here():
            return False
        self._calls += 1
        return self._number is None or self._number == self._calls

    def _changed(self, value: Any) -> Any:
        return self._change(value) if isinstance(value, Tensor) else value


@dataclass(frozen=True)
class Scaling:
    """Multiplies some indices along an axis; exact zeros for 0, whatever the numbers are."""

    axis: int
    indices: tuple[int, ...] | None
    factor: float

    def __call__(self, values: Tensor) -> Tensor:
        """The values after it."""
        shape = [1] * values.ndim
        flags = [True]
        if self.indices is not None:
            shape[self.axis] = values.shape[self.axis]
            chosen = frozenset(self.indices)
            flags = [index in chosen for index in range(shape[self.axis])]
        mask = torch.tensor(flags, device=values.device).view(shape)
        if self.factor == 0:
            # A clone keeps its place in memory, on which the next layer's rounding depends; masked_fill alone does not.
            return values.clone().masked_fill_(mask, 0)
        return values * torch.where(mask, self.factor, 1.0).to(values.dtype)


def install(module: nn.Module, alterations: Sequence[Alteration]) -> list[Any]:
    """Sets the hooks. Those that listen later hear what these have changed."""
    handles: list[Any] = []
    for alteration in alterations:
        part = module.get_submodule(alteration.path)
        handles.append(module.register_forward_pre_hook(alteration.restart))
        if alteration.before:
            handles.append(part.register_forward_pre_hook(alteration.on_input))
        else:
            handles.append(part.register_forward_hook(alteration.on_output))
    return handles


def call_of(name: str) -> tuple[str, int | None]:
    """Path and number of a layer's call; None where the module is called only once."""
    path, number = capture.split(name)
    return path, number if "#" in name else None


def axis_of(layout: Layout) -> int:
    """Where the channels are."""
    return -1 if layout in (Layout.CHANNELS_LAST, Layout.TOKENS) else 1
