"""Guided backpropagation: at each ReLU only what speaks for the class goes on down.

It is done while functions run and not by hooks on modules: this also finds `F.relu` and ReLU6, it holds for this thread
alone, and it leaves nothing behind. (captum's hooks are silently the plain gradient there.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from explorer.attribution.cams import mean_weighted
from explorer.attribution.question import Found, Question
from explorer.attribution.scaling import enlarged

_RELU = ("relu", "relu6", "hardtanh")
# Activations for which the method is not defined. Sigmoids are not among them: they are gates, which multiply.
_OTHERS = {
    **{"gelu": "GELU", "silu": "SiLU", "hardswish": "hard swish", "mish": "Mish", "tanh": "tanh", "elu": "ELU"},
    **{"leaky_relu": "leaky ReLU", "celu": "CELU", "selu": "SELU", "softplus": "softplus", "prelu": "PReLU"},
    **{"rrelu": "RReLU", "glu": "GLU", "softsign": "softsign", "hardtanh": "hard tanh"},
}


def guided_backprop(question: Question) -> Found:
    """Guided backpropagation (Springenberg et al. 2014), added up over the colours."""
    with Guided():
        gradient, logits, target = question.pixel_slopes(question.inputs)
    return Found(gradient[0].sum(dim=0), logits[0], target, pixels=gradient)


def guided_grad_cam(question: Question) -> Found:
    """Guided Grad-CAM (Selvaraju et al. 2017, section 3.2): guided backpropagation times the positive Grad-CAM."""
    maps, gradients, _, _ = question.slopes()
    cam = enlarged(mean_weighted(maps, gradients).clamp(min=0), question.seen.shape[:2])
    guided = guided_backprop(question)
    assert guided.pixels is not None
    pixels = guided.pixels * cam.to(guided.pixels.device)
    return Found(pixels[0].sum(dim=0), guided.logits, guided.target, pixels=pixels)


class Guided(TorchFunctionMode):
    """Within it, and in this thread, gradients pass a ReLU or ReLU6 only where they are positive too."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Stands in for every function of torch."""
        kwargs = kwargs or {}
        name, ceiling, inplace = _rectifier(func, args, kwargs)
        if name not in _RELU or ceiling is None:
            return func(*args, **kwargs)
        return _Rectify.apply(args[0] if args else kwargs["input"], ceiling, inplace)


class _Rectify(torch.autograd.Function):
    """max(0, x), at most ``ceiling``, with the guided gradient."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, ceiling: float, inplace: bool) -> Tensor:
        ctx.save_for_backward((values > 0) & (values < ceiling))
        if inplace:
            ctx.mark_dirty(values)
            return values.clamp_(0, ceiling)
        return values.clamp(0, ceiling)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (passes,) = ctx.saved_tensors
        return gradients[0].clamp(min=0) * passes, None, None


def _rectifier(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, Any, bool]:
    """An activation function's (name, ceiling, whether in place); a ceiling of None says that it is no ReLU."""
    called = getattr(func, "__name__", "")
    name = called.rstrip("_")
    if name == "relu":
        return name, float("inf"), called == "relu_" or _argument(1, "inplace", False, args, kwargs)
    if name == "relu6":
        return name, 6.0, called == "relu6_" or _argument(1, "inplace", False, args, kwargs)
    if name == "hardtanh":
        low, high = _argument(1, "min_val", -1.0, args, kwargs), _argument(2, "max_val", 1.0, args, kwargs)
        inplace = called == "hardtanh_" or _argument(3, "inplace", False, args, kwargs)
        return name, float(high) if low == 0 else None, inplace
    return name, None, False


def _argument(place: int, name: str, default: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    return args[place] if len(args) > place else kwargs.get(name, default)


class _Census(TorchFunctionMode):
    """Counts activation functions by name; ReLUs of both kinds as 'ReLU'."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name, ceiling, _ = _rectifier(func, args, kwargs)
        if ceiling is not None:
            self.found["ReLU"] += 1
        elif name in _OTHERS:
            self.found[_OTHERS[name]] += 1
        return func(*args, **kwargs)


_counted: WeakKeyDictionary[nn.Module, Mapping[str, int]] = WeakKeyDictionary()


def activation_functions(module: nn.Module, shape: tuple[int, ...]) -> Mapping[str, int]:
    """How often each activation function is called for an input of ``shape``: {'ReLU': 49}.

    It runs on meta tensors; the caller holds the network's lock.
    """
    if module not in _counted:
        tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        meta = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors.items()}
        with torch.no_grad(), _Census() as census:
            torch.func.functional_call(module, meta, (torch.empty(shape, device="meta"),))
        _counted[module] = dict(census.found)
    return _counted[module]
