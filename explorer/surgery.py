"""Stride and dilation surgery: the same weights on a finer map.

A convolution or pooling of stride 2 throws three of four places away. On a copy of the network the stride can be
removed; every window behind then sees neighbours that lie closer together than those it was trained on, unless its
elements are spread by as much as the stride that is gone (dilation; the "à trous" algorithm, as in Yu and Koltun 2015,
arXiv:1511.07122, and DeepLab, arXiv:1412.7062). The copy shares the weights, which nobody writes.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from explorer import graph
from explorer.errors import ExplorerError
from explorer.graph import INPUT, Graph, Node
from explorer.models import Model

_WINDOWS = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
_STEPS = ("conv2d", "max_pool2d", "avg_pool2d")


class Inoperable(ExplorerError):
    """This surgery cannot be done on this network; the message says why."""


@dataclass(frozen=True)
class Level:
    """A place where the network halves its maps, or divides them by more.

    Attributes:
        before: pixels between neighbouring units before it, in the network as it was trained.
        stride: pixels between neighbouring units behind it.
        modules: paths of what has the stride; several where branches do it side by side.
    """

    before: int
    stride: int
    modules: tuple[str, ...]


@dataclass(frozen=True)
class Cut:
    """What to do at one level.

    Attributes:
        remove: whether the stride becomes 1.
        spread: whether windows behind are dilated by the removed stride, so that each weight meets what it was
            trained to meet.
        dilation: by what the windows of this level, up to the next one, are dilated besides.
    """

    remove: bool = False
    spread: bool = False
    dilation: int = 1


@dataclass(frozen=True)
class Operated:
    """A network after surgery.

    Attributes:
        model: the copy: a network of its own with its own key and lock, whose weights are the original's; the original
            itself where nothing was cut.
        graph: of the copy, at the original's input size.
        changed: paths of the modules that differ from the original's.
    """

    model: Model
    graph: Graph
    changed: tuple[str, ...]


class SpreadMaxPool2d(nn.Module):
    """Max pooling whose padding may be wider than half of its window, which PyTorch's own refuses.

    Args:
        like: the pooling whose window it takes.
        stride: from one window to the next.
        dilation: from one element of the window to the next; the padding grows along.
    """

    def __init__(self, like: nn.MaxPool2d, stride: tuple[int, int], dilation: int) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.ceil_mode = _pair(like.kernel_size), stride, like.ceil_mode
        self.dilation = _times(like.dilation, dilation)
        self.padding = _times(like.padding, dilation)

    def forward(self, x: Tensor) -> Tensor:
        """Largest of the window's elements: (B, C, H, W) -> (B, C, H', W')."""
        (height, width), nothing = self.padding, -float("inf")
        x = F.pad(x, (width, width, height, height), value=nothing)
        return F.max_pool2d(x, self.kernel_size, self.stride, 0, self.dilation, self.ceil_mode)


class SpreadAvgPool2d(nn.Module):
    """Average pooling with dilation, which PyTorch's own does not have; padding counts as zeros, as there.

    Args:
        like: the pooling whose window it takes.
        stride: from one window to the next.
        dilation: from one element of the window to the next.
    """

    def __init__(self, like: nn.AvgPool2d, stride: tuple[int, int], dilation: int) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.dilation = _pair(like.kernel_size), stride, dilation
        self.padding = _times(like.padding, dilation)

    def forward(self, x: Tensor) -> Tensor:
        """Mean over the window's elements: (B, C, H, W) -> (B, C, H', W')."""
        (kh, kw), (ph, pw), d = self.kernel_size, self.padding, self.dilation
        x = F.pad(x, (pw, pw, ph, ph))
        rows, columns = x.shape[-2] - d * (kh - 1), x.shape[-1] - d * (kw - 1)
        total = sum(
            x[..., d * i : d * i + rows : self.stride[0], d * j : d * j + columns : self.stride[1]]
            for i in range(kh)
            for j in range(kw)
        )
        assert isinstance(total, Tensor)
        return total / (kh * kw)


def levels(model: Model) -> tuple[Level, ...]:
    """Where the network divides its resolution, in order.

    Raises:
        Inoperable: it has no such places, or enlarges its maps again, or is not made of windows.
    """
    traced, title = graph.of_model(model), model.card.title
    _operable(traced, title)
    found: dict[tuple[int, int], list[str]] = {}
    fixed = set()
    for node in traced.nodes:
        module = model.module.get_submodule(node.module) if node.module else None
        place = _stride(traced, node), node.receptive_field.stride if node.receptive_field else 0
        if isinstance(module, _WINDOWS) and max(_pair(module.stride)) > 1:
            found.setdefault(place, []).append(node.module)
        elif node.operation in _STEPS and place[1] > place[0]:
            fixed.add(place)  # its stride stands in code and stays, and beside it all others have to
    found = {place: names for place, names in found.items() if place not in fixed}
    if not found:
        raise Inoperable(f"{title} has no convolution or pooling with a stride that could be removed.")
    return tuple(Level(before, after, tuple(dict.fromkeys(names))) for (before, after), names in found.items())


def operate(model: Model, cuts: Mapping[int, Cut]) -> Operated:
    """The network with other strides and dilations, and the same weights.

    Args:
        model: stays as it is.
        cuts: what to do, by the `stride` of a level; levels that are not named stay.

    Raises:
        Inoperable: these cuts leave nothing that could run.
    """
    here = {(level.before, level.stride): cuts.get(level.stride, Cut()) for level in levels(model)}
    free = {after: cut.dilation for (_, after), cut in here.items()}
    traced = graph.of_model(model)
    if not any(cut.remove or cut.dilation > 1 for cut in here.values()):
        return Operated(model, traced, ())
    with model.lock:
        shared = {id(tensor): tensor for tensor in (*model.module.parameters(), *model.module.buffers())}
        module = copy.deepcopy(model.module, shared)
    scales = {INPUT: 1}
    plans: dict[str, tuple[bool, int]] = {}
    for node in traced.nodes:
        scale = scales[node.name] = _scale(traced, node, scales)
        part = module.get_submodule(node.module) if node.module else None
        before = _stride(traced, node)
        if not isinstance(part, _WINDOWS):
            wide = node.operation in _STEPS
            if wide and (scale > 1 or free.get(before, 1) > 1):
                raise Inoperable(f"{node.name} has a fixed window in code, not in a module, and cannot be dilated.")
            continue
        strided = max(_pair(part.stride)) > 1
        cut = here.get((before, node.receptive_field.stride if node.receptive_field else 0), Cut())
        remove = strided and cut.remove
        plan = (remove, scale * free.get(before, 1))
        if plans.setdefault(node.module, plan) != plan:
            raise Inoperable(f"{node.module} runs at several resolutions, so its stride serves more than one of them.")
        if remove and cut.spread:
            scales[node.name] = scale * max(_pair(part.stride))
    changed = [path for path, (remove, dilation) in plans.items() if _change(module, path, remove, dilation)]
    names = ";".join(
        f"{stride}{'-' if cut.remove else ''}{'*' if cut.spread and cut.remove else ''}{cut.dilation}"
        for stride, cut in sorted(cuts.items())
    )
    twin = Model(
        model.card, module, model.weights, model.device, model.classes, model.preprocessing, f"{model.key}|cut {names}"
    )
    after = graph.of_model(twin)
    if after.failure:
        place = re.match(r"Tracing ended in (.*?):", after.failure)
        raise Inoperable(
            f"With these cuts {model.card.title} does not run: what reaches {place[1] if place else 'its end'} no "
            "longer fits there. Keep this stride, or choose another level."
        )
    return Operated(twin, after, tuple(changed))


def _operable(traced: Graph, title: str) -> None:
    if traced.failure:
        raise Inoperable(f"{title} could not be followed to its end: {traced.failure}")
    if any(_compares(node) and node.name not in traced.outputs for node in traced.nodes):
        raise Inoperable(
            f"{title} compares patches or windows with each other (attention), in numbers fixed by its weights; the "
            "stride that cuts them out cannot be removed."
        )
    if _enlarges(traced):
        raise Inoperable(
            f"{title} enlarges its maps again and joins them with earlier ones of the same size; without a stride on "
            "the way down they would no longer fit."
        )


def _compares(node: Node) -> bool:
    operation = node.operation.lower()
    return "softmax" in operation or "attention" in operation


def _enlarges(traced: Graph) -> bool:
    """Whether some operation halves the pixels between its units."""
    return any(
        node.receptive_field is not None and _places(node) and node.receptive_field.stride < _stride(traced, node)
        for node in traced.nodes
    )


def _places(node: Node) -> bool:
    """Whether an output has more than one place; channels may be split into groups on the way."""
    return len(node.shape) > 2 and node.shape[-2:] != (1, 1)


def _stride(traced: Graph, node: Node) -> int:
    """Pixels between the units that a node reads."""
    found = [
        source.receptive_field.stride
        for name in node.inputs
        if name != INPUT and (source := traced.node(name)).receptive_field is not None and _places(source)
    ]
    return max(found, default=1)


def _scale(traced: Graph, node: Node, scales: Mapping[str, int]) -> int:
    """By how much neighbours of the original lie further apart in what the node reads after the cut."""
    # Gates of one place fit every map.
    wide = {scales[name] for name in node.inputs if name == INPUT or _places(traced.node(name))}
    if len(wide) > 1:
        raise Inoperable(f"Branches that meet at {node.name} would differ in resolution.")
    return wide.pop() if wide else 1


def _change(module: nn.Module, path: str, remove: bool, dilation: int) -> bool:
    """Sets stride, dilation and padding of one window; returns whether anything is different now."""
    part = module.get_submodule(path)
    assert isinstance(part, _WINDOWS)
    stride = (1, 1) if remove else _pair(part.stride)
    spread = dilation > 1 and max(_pair(part.kernel_size)) > 1
    if not remove and not spread:
        return False
    if not spread or isinstance(part, nn.Conv2d):
        part.stride = stride
    if spread and isinstance(part, nn.Conv2d):
        part.dilation = _times(part.dilation, dilation)
        if not isinstance(part.padding, str):
            part.padding = _times(part.padding, dilation)
            # What padding modes other than zeros read.
            part._reversed_padding_repeated_twice = [dilation * each for each in part._reversed_padding_repeated_twice]
    elif spread and not isinstance(part, nn.Conv2d):
        pool = _spread(part, stride, dilation)
        parent, _, name = path.rpartition(".")
        setattr(module.get_submodule(parent), name, pool)
    return True


def _spread(part: nn.MaxPool2d | nn.AvgPool2d, stride: tuple[int, int], dilation: int) -> nn.Module:
    if isinstance(part, nn.AvgPool2d):
        return SpreadAvgPool2d(part, stride, dilation)
    return SpreadMaxPool2d(part, stride, dilation)


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


def _times(value: int | tuple[int, ...], factor: int) -> tuple[int, int]:
    height, width = _pair(value)
    return height * factor, width * factor
