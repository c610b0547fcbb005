"""Which tokens can still change the answer: after the last attention only the class token is read."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from explorer import activations, capture
from explorer.layouts import Layout

if TYPE_CHECKING:
    from explorer.capture import Layer
    from explorer.models import Model

_known: WeakKeyDictionary[nn.Module, frozenset[str]] = WeakKeyDictionary()


def without(model: Model) -> frozenset[str]:
    """Layers of tokens none of whose patches has any influence on the answer.

    Found by trying: patches that are not numbers (NaN) make every answer that depends on them none, whatever the
    weights are. Only what comes after `activations.default_layer` is tried, in one pass: a row of the batch for each.
    """
    with model.lock:
        if model.module not in _known:
            layers = [layer for layer in activations.layers(model) if layer.spatial]
            first = layers.index(activations.default_layer(model))
            tried = [layer for layer in layers[first:] if layer.layout is Layout.TOKENS]
            _known[model.module] = _unread(model, tried) if tried else frozenset()
        return _known[model.module]


def last_norm(model: Model) -> Layer | None:
    """The last layer norm of tokens whose patches have influence: what the last attention gets; None without one."""
    norms = [
        layer
        for layer in activations.layers(model)
        if layer.spatial and layer.layout is Layout.TOKENS and layer.kind.startswith("LayerNorm")
    ]
    return next((layer for layer in reversed(norms) if layer.name not in without(model)), None)


def _unread(model: Model, tried: list[Layer]) -> frozenset[str]:
    """The layers of ``tried`` whose patches can be anything without the answer noticing."""
    side = model.preprocessing.crop
    # What comes before the first of them does not matter: no image goes in, and one patch comes out of it.
    for images, patches in ((0, 1), (1, None)):
        photo = torch.zeros(images, model.preprocessing.channels, side, side, device=model.device)
        with contextlib.suppress(RuntimeError, ValueError, IndexError), _spoiling(model.module, tried, patches):
            answers = model.module(photo)
            if len(answers) == len(tried):
                noticed = [bool(answer.isnan().any()) for answer in answers]
                return frozenset(layer.name for layer, seen in zip(tried, noticed, strict=True) if not seen)
    return frozenset()  # a network that cannot be tried; nothing is barred


@contextlib.contextmanager
def _spoiling(module: nn.Module, tried: list[Layer], patches: int | None) -> Iterator[None]:
    """One image becomes one for each layer; that layer's patches become NaN in its row. For this thread."""
    here = threading.get_ident()
    calls = {layer.name: 0 for layer in tried}

    def spoil(layer: Layer, row: int) -> Callable[[nn.Module, Any, Tensor], Tensor | None]:
        count = layer.shape[1] * layer.shape[2]
        wanted = capture.split(layer.name)[1]

        def hook(child: nn.Module, given: Any, output: Tensor) -> Tensor | None:  # noqa: ARG001
            if threading.get_ident() != here:
                return None
            calls[layer.name] += 1
            if calls[layer.name] != wanted:
                return None
            if row == 0:
                tokens = output.shape[1] - count + (patches or count)
                spoilt = output.new_ones(len(tried), tokens, output.shape[2])
            else:
                spoilt = output.clone()
            spoilt[row, -(patches or count) :] = torch.nan
            return spoilt

        return hook

    handles = []
    try:
        for row, layer in enumerate(tried):
            handles.append(module.get_submodule(capture.split(layer.name)[0]).register_forward_hook(spoil(layer, row)))
        with torch.inference_mode(False), torch.no_grad():
            yield
    finally:
        for handle in handles:
            handle.remove()
