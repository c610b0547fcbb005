"""Interventions, and a network under them."""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from torch import nn

from explorer import activations
from explorer.errors import ExplorerError
from explorer.intervention.hooks import Alteration, Scaling, axis_of, call_of, install
from explorer.intervention.parts import blocks, heads
from explorer.models import Model

Kind = Literal["channels", "head", "block"]


class NoSuchPart(ExplorerError):
    """The network has no such channel, head or block; the message says what it has."""


@dataclass(frozen=True)
class Intervention:
    """One change to what a network computes.

    Attributes:
        layer: whose output is changed: a layer's name; of a head, the path of its attention (see `heads`); of a block,
            the block's name (see `blocks`).
        channels: indices of the channels, or of the heads; None for all. A block has none.
        factor: by which the numbers are multiplied; 0 switches off, 1 changes nothing.
        kind: 'channels', 'head' (before the heads are mixed by the projection), or 'block' (the residual branch: with
            factor 0 only the shortcut is left).
    """

    layer: str
    channels: tuple[int, ...] | None = None
    factor: float = 0.0
    kind: Kind = "channels"


@contextmanager
def active(model: Model, interventions: Sequence[Intervention]) -> Iterator[None]:
    """Holds the network's lock; whatever this thread computes with it meanwhile, it computes with the interventions.

    What is kept by the network's key must not be computed in here; :func:`intervened` has a key of its own.

    Raises:
        NoSuchPart: an intervention names a channel, head or block that is not there.
        UnknownLayer: or a layer.
    """
    with model.lock:
        alterations = _alterations(model, interventions, threading.get_ident())
        handles = install(model.module, alterations)
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def intervened(model: Model, interventions: Sequence[Intervention]) -> Model:
    """The network with the interventions: its own key and lock, the same weights; ``model`` itself if none matters.

    Why a copy of the structure, and not the network with hooks: it costs some 20 ms and no memory for weights, nobody
    waits for its lock, no function has to know of it, and what others compute meanwhile cannot go wrong.

    Raises:
        NoSuchPart: an intervention names a channel, head or block that is not there.
        UnknownLayer: or a layer.
    """
    ordered = sorted(interventions, key=_written)  # the order in which they were made is nobody's business
    alterations = _alterations(model, ordered, None)
    if not alterations:
        return model
    with model.lock:
        shared = {id(tensor): tensor for tensor in (*model.module.parameters(), *model.module.buffers())}
        module = copy.deepcopy(model.module, shared)
    install(module, alterations)
    key = f"{model.key}|with {';'.join(_written(each) for each in ordered if _matters(each))}"
    twin = Model(model.card, module, model.weights, model.device, model.classes, model.preprocessing, key)
    activations.alike(twin, model)
    return twin


def describe(intervention: Intervention) -> str:
    """An intervention in a few words."""
    channels, factor = intervention.channels, intervention.factor
    done = "off" if factor == 0 else f"times {signed(factor, '.3g')}"
    if intervention.kind == "block":
        return f"residual branch of {intervention.layer} {done}"
    if channels is None:
        return f"all {'heads' if intervention.kind == 'head' else 'channels'} of {intervention.layer} {done}"
    word = "head" if intervention.kind == "head" else "channel"
    numbers = ", ".join(map(str, channels[:4])) + (f" and {len(channels) - 4:,} more" if len(channels) > 4 else "")
    return f"{word}{'s' if len(channels) != 1 else ''} {numbers} of {intervention.layer} {done}"


def _alterations(model: Model, interventions: Sequence[Intervention], thread: int | None) -> list[Alteration]:
    """Checks every intervention; those that change nothing get no hook."""
    checked = [_alteration(model, each, thread) for each in interventions]
    return [made for made, each in zip(checked, interventions, strict=True) if _matters(each)]


def _matters(intervention: Intervention) -> bool:
    return intervention.factor != 1 and intervention.channels != ()


def _alteration(model: Model, intervention: Intervention, thread: int | None) -> Alteration:
    name, channels, factor = intervention.layer, intervention.channels, float(intervention.factor)
    if not math.isfinite(factor):
        raise NoSuchPart(f"The factor {factor} is no finite number; take one like 0, 0.5 or 2.")
    if intervention.kind == "block":
        block = next((each for each in blocks(model) if each.name == name), None)
        if block is None:
            raise NoSuchPart(f"{model.card.title} has no residual block {name!r}; choose one from its list.")
        return Alteration(*call_of(block.branch), Scaling(0, None, factor), thread)
    if intervention.kind == "head":
        attention = next((each for each in heads(model) if each.layer == name), None)
        if attention is None:
            raise NoSuchPart(f"{model.card.title} has no attention {name!r} with heads; choose one from its list.")
        _check(channels, attention.count, f"{name} has heads")
        projection = model.module.get_submodule(f"{name}.projection")
        assert isinstance(projection, nn.Linear)
        wide = projection.in_features // attention.count
        indices = None if channels is None else tuple(c * wide + i for c in channels for i in range(wide))
        return Alteration(f"{name}.projection", None, Scaling(-1, indices, factor), thread, before=True)
    layer = activations.find_layer(model, name)
    _check(channels, layer.shape[0], f"{name} has channels")
    return Alteration(*call_of(name), Scaling(axis_of(layer.layout), channels, factor), thread)


def _check(channels: tuple[int, ...] | None, count: int, has: str) -> None:
    wrong = next((channel for channel in channels or () if not 0 <= channel < count), None)
    if wrong is not None:
        raise NoSuchPart(f"{has} 0 to {count - 1}; there is no {wrong}.")


def check_classes(model: Model, classes: int, target: int, against: int | None) -> None:
    """Whether a network of so many classes can be asked about one, and against another one.

    Raises:
        NoSuchPart: it cannot.
    """
    for index in (target, against):
        if index is not None and not 0 <= index < classes:
            raise NoSuchPart(f"{model.card.title} knows classes 0 to {classes - 1}; there is no class {index}.")
    if target == against:
        raise NoSuchPart(f"Class {target} cannot be asked against itself; choose two different classes.")


def signed(value: float, form: str = ".2f") -> str:
    """A number with a true minus sign."""
    return format(value, form).replace("-", "−")


def _written(intervention: Intervention) -> str:
    channels = intervention.channels
    which = "all" if channels is None else ",".join(map(str, sorted(set(channels))))
    return f"{intervention.kind} {intervention.layer}:{which}*{float(intervention.factor) + 0.0!r}"
