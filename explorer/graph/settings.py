"""The settings of a node: what a module was built with, what a step was given besides tensors."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from explorer.graph.replay import HERE, Constant, Made, Recipe, Step, Stored, leaves


def of_step(step: Step) -> dict[str, object]:
    """Numbers, words and tuples of them, by name.

    Of a module its own attributes ('kernel_size', 'groups') and whether it has a 'bias'; of a step its named arguments,
    and the others that are no tensors as 'arguments'; of an index, as in `x[:, 0]`, its text as 'index'.
    """
    if step.module is not None:
        return _of_module(step.module)
    if step.operation in ("getitem", "setitem"):
        return {"index": _index(step.args[1])}
    positional = tuple(_plain(part) for part in step.args if not _has_tensor(part))
    named = {name: _plain(part) for name, part in step.kwargs.items() if not _has_tensor(part)}
    return {**({"arguments": positional} if positional else {}), **named}


def _of_module(module: nn.Module) -> dict[str, object]:
    found = {
        name: _plain(value)
        for name, value in vars(module).items()
        if not name.startswith("_") and name != "training" and _is_plain(value)
    }
    if "bias" in module._parameters:
        found["bias"] = module._parameters["bias"] is not None
    return found


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_plain(part) for part in value)
    return isinstance(value, (bool, int, float, str)) or value is None


def _has_tensor(part: Recipe) -> bool:
    return any(isinstance(leaf, (Made, Stored, Constant, torch.Tensor)) for _, leaf in leaves(part))


def _plain(value: Any) -> object:
    if isinstance(value, (list, tuple)):
        return tuple(_plain(part) for part in value)
    if _is_plain(value):
        return value
    if value is HERE:
        return "device"
    return str(value) if isinstance(value, (torch.dtype, torch.device)) else type(value).__name__


def _index(index: Recipe) -> str:
    """As it is written: ':, 0'."""
    parts = index if isinstance(index, tuple) and not isinstance(index, (Made, Stored, Constant)) else (index,)
    return ", ".join(_index_part(part) for part in parts)


def _index_part(part: Recipe) -> str:
    if isinstance(part, slice):
        text = f"{'' if part.start is None else part.start}:{'' if part.stop is None else part.stop}"
        return text if part.step is None else f"{text}:{part.step}"
    if part is Ellipsis:
        return "..."
    return "tensor" if _has_tensor(part) else str(part)
