"""The last layer of a network: where it is, and another one in its place."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from explorer.catalogue.tuned import Head
from explorer.errors import ExplorerError


class NoHead(ExplorerError):
    """The network ends in no layer that could be replaced."""


@dataclass(frozen=True)
class Place:
    """Where a network's head is.

    Attributes:
        head: path of the layer that gives the logits: the last linear one; SqueezeNet's is a 1x1 convolution.
        features: length of its input.
        classes: length of its output.
        dropout: path of the dropout just before it, '' where there is none.
        linear: whether its output is the network's output, so that features can be computed once and kept.
        bias: whether it has one (MaxViT's has none), and so will the new one.
    """

    head: str
    features: int
    classes: int
    dropout: str
    linear: bool
    bias: bool

    @property
    def cut(self) -> str:
        """Path of the module whose input are the features."""
        return self.dropout or self.head


def find(network: nn.Module) -> Place:
    """Where the head of ``network`` is. Found by what the module is, never by a name in a parameter's name.

    ('fc' in name, the guide's way, catches the squeeze layers of EfficientNet and misses the head of most networks.)

    Raises:
        NoHead: it ends in neither a linear layer nor a convolution.
    """
    modules = dict(network.named_modules())
    linear = [path for path, module in modules.items() if isinstance(module, nn.Linear)]
    convolutions = [path for path, module in modules.items() if isinstance(module, nn.Conv2d)]
    if not linear and not convolutions:
        raise NoHead(f"{type(network).__name__} ends in no layer that could be replaced; choose another network.")
    path = linear[-1] if linear else convolutions[-1]
    owner, _, name = path.rpartition(".")
    beside = list(modules[owner].named_children())
    place = [child for child, _ in beside].index(name)
    before, module = beside[place - 1] if place else ("", None)
    dropout = f"{owner}.{before}".lstrip(".") if isinstance(module, nn.Dropout) else ""
    layer = modules[path]
    if isinstance(layer, nn.Linear):
        return Place(path, layer.in_features, layer.out_features, dropout, True, layer.bias is not None)
    assert isinstance(layer, nn.Conv2d)
    return Place(path, layer.in_channels, layer.out_channels, dropout, False, layer.bias is not None)


def put(network: nn.Module, head: Head) -> Place:
    """Puts a new head in the place of the old one and returns that place.

    A dropout that stands before it already takes the head's probability. Without hidden units the parameters keep the
    names they had, so that a state dict made elsewhere fits.
    """
    place = find(network)
    old = network.get_submodule(place.head)
    assert isinstance(old, nn.Linear | nn.Conv2d)
    if place.dropout:
        drop = network.get_submodule(place.dropout)
        assert isinstance(drop, nn.Dropout)
        drop.p = head.dropout
    with old.weight.device:
        new = _made(place, head)
    owner, _, name = place.head.rpartition(".")
    setattr(network.get_submodule(owner), name, new)
    return place


def _made(place: Place, head: Head) -> nn.Module:
    def layer(before: int, after: int, bias: bool) -> nn.Module:
        return nn.Linear(before, after, bias) if place.linear else nn.Conv2d(before, after, kernel_size=1, bias=bias)

    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if head.dropout and not place.dropout:
        parts["dropout"] = nn.Dropout(head.dropout)
    width = place.features
    if head.hidden:
        parts["hidden"] = layer(width, head.hidden, bias=True)
        parts["relu"] = nn.ReLU()
        width = head.hidden
    if not parts:
        return layer(width, head.classes, bias=place.bias)
    parts["output"] = layer(width, head.classes, bias=place.bias)
    return nn.Sequential(parts)


def put_seeded(network: nn.Module, head: Head, seed: int) -> Place:
    """As :func:`put`, with weights drawn from a generator of its own: nobody else's random numbers change."""
    place = put_on_meta(network, head)
    generator = torch.Generator().manual_seed(seed)
    for module in network.get_submodule(place.head).modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            bound = 1 / math.sqrt(module.weight[0].numel())  # as PyTorch starts a linear layer
            for parameter in (module.weight, module.bias):
                if parameter is not None:
                    _fill(parameter, bound, generator)
    return place


def put_on_meta(network: nn.Module, head: Head) -> Place:
    """As :func:`put`; the new weights hold memory on the network's device, and no numbers yet."""
    device = next(network.parameters()).device
    place = find(network)
    old = network.get_submodule(place.head)
    old.to("meta")  # so that the new one is built there, where no random numbers are drawn
    put(network, head)
    network.get_submodule(place.head).to_empty(device=device)
    return place


def _fill(parameter: Tensor, bound: float, generator: torch.Generator) -> None:
    with torch.no_grad():
        drawn = torch.rand(parameter.shape, generator=generator) * (2 * bound) - bound
        parameter.copy_(drawn)
