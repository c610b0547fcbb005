"""What of a network is trained: its stages by stride, the last n of which may be unfrozen, and its head.

Stages are what lies at one resolution, as everywhere in this app; the blocks of a vision transformer, which all have
one, are a stage each; linear layers before the head (VGG, AlexNet) are the last stage.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor, nn

from explorer import catalogue, cost
from explorer.catalogue.tuned import Head
from explorer.errors import ExplorerError
from explorer.training import heads

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)


class NotTrainable(ExplorerError):
    """This network cannot be tuned here."""


@dataclass(frozen=True)
class Stage:
    """Consecutive modules at one resolution.

    Attributes:
        name: of its modules, for people: 'layer4', 'features.6 to features.8'.
        modules: their paths; what is in them is frozen or trained together.
        stride: pixels of the input between neighbouring units, a power of two; 0 where there are no positions.
        parameters: learnable numbers.
        own: names of parameters that belong to it and to no module of it (class token, positions).
    """

    name: str
    modules: tuple[str, ...]
    stride: int
    parameters: int
    own: tuple[str, ...] = ()


@dataclass(frozen=True)
class Anatomy:
    """A network's stages from the image on, and its head.

    Attributes:
        place: where the head is.
        stages: everything else that has parameters.
    """

    place: heads.Place
    stages: tuple[Stage, ...]

    @property
    def backbone(self) -> int:
        """Parameters of all stages."""
        return sum(stage.parameters for stage in self.stages)


@dataclass(frozen=True)
class Split:
    """What a plan trains.

    Attributes:
        stages: all of them, from the image on.
        unfrozen: the trained ones.
        head: path of the head.
        head_parameters: of the new head.
        trainable: parameters that are trained.
        total: all parameters.
    """

    stages: tuple[Stage, ...]
    unfrozen: tuple[Stage, ...]
    head: str
    head_parameters: int
    trainable: int
    total: int

    @property
    def text(self) -> str:
        """As the guide prints it: '527,114 / 24,035,146 (2.2 %)'."""
        return f"{self.trainable:,} / {self.total:,} ({100 * self.trainable / self.total:.1f} %)"

    @property
    def modules(self) -> tuple[str, ...]:
        """Paths of the modules that are trained, for the diagram; what lies in them is trained too."""
        return (*(path for stage in self.unfrozen for path in stage.modules), self.head)


def split(anatomy: Anatomy, unfreeze: int, head: Head) -> Split:
    """What is trained when the last ``unfreeze`` stages and a new ``head`` are.

    Raises:
        NotTrainable: the network has fewer stages.
    """
    if unfreeze > len(anatomy.stages):
        raise NotTrainable(
            f"{unfreeze} stages are to be trained, and this network has {len(anatomy.stages)}; choose at most so many."
        )
    inputs = anatomy.place.features
    sizes = (inputs, head.hidden, head.classes) if head.hidden else (inputs, head.classes)
    new = sum(before * after + after for before, after in pairwise(sizes))
    new -= 0 if anatomy.place.bias else head.classes
    unfrozen = anatomy.stages[len(anatomy.stages) - unfreeze :]
    trainable = new + sum(stage.parameters for stage in unfrozen)
    return Split(anatomy.stages, unfrozen, anatomy.place.head, new, trainable, anatomy.backbone + new)


@lru_cache(maxsize=64)
def of(slug: str) -> Anatomy:
    """The anatomy of the network ``slug``, without its weights.

    Raises:
        UnknownArchitecture: there is no such network.
        NotTrainable: it answers with something else than one class.
    """
    card = catalogue.get(slug)
    if card.task != "classification":
        raise NotTrainable(f"{card.title} does not answer with one class for a photo; choose a classification network.")
    network = card.unfilled()
    return anatomy(network, (1, card.channels, card.input_size, card.input_size))


def anatomy(network: nn.Module, input_shape: Sequence[int]) -> Anatomy:
    """The stages of ``network``, which stays as it is: a twin without numbers runs once to see the resolutions.

    Args:
        network: a classification network.
        input_shape: (1, C, H, W).
    """
    place = heads.find(network)
    units = [path for path in _units(network, place.head) if path]
    strides = _strides(network, units, input_shape)
    groups: list[tuple[int, list[str]]] = []
    for path, stride in strides.items():
        small = isinstance(network.get_submodule(path), _NORMS)
        if groups and (small or (stride == groups[-1][0] and stride >= 0)):
            groups[-1][1].append(path)
        else:
            groups.append((stride, [path]))
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    rest = [name for name in sizes if not _inside(name, [*strides, place.head])]
    stages = []
    for number, (stride, paths) in enumerate(groups):
        own = () if number else tuple(rest)
        parameters = sum(size for name, size in sizes.items() if _inside(name, paths) or name in own)
        modules = _shortened(network, paths, place.head)
        stages.append(Stage(_named(modules), modules, max(stride, 0), parameters, own))
    return Anatomy(place, tuple(stages))


def _units(module: nn.Module, head: str, prefix: str = "") -> Iterator[str]:
    """Paths of the blocks: what is not opened, because only the whole of it ends at the resolution it belongs to."""
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        # torchvision's ViT keeps its blocks in an 'Encoder' of its own.
        plain = type(child) in (nn.Sequential, nn.ModuleList) or type(child).__name__ == "Encoder"
        if path != head and (plain or head.startswith(f"{path}.")):
            yield from _units(child, head, f"{path}.")
        elif path != head and next(child.parameters(), None) is not None:
            yield path


def _strides(network: nn.Module, units: Sequence[str], input_shape: Sequence[int]) -> dict[str, int]:
    """Stride of each unit's output in the order of computing; 0 without positions, -1 for tokens."""
    twin = cost.meta_twin(network)
    found: dict[str, int] = {}

    def listen(path: str) -> None:
        def note(_: nn.Module, __: object, output: object) -> None:
            if isinstance(output, Tensor):
                found[path] = _stride(output.shape, input_shape[-1])

        twin.get_submodule(path).register_forward_hook(note)

    for path in units:
        listen(path)
    with torch.inference_mode(False), torch.no_grad():
        twin(torch.empty(*input_shape, device="meta"))
    return found


def _stride(shape: Sequence[int], side: int) -> int:
    if len(shape) == 3:
        return -1
    if len(shape) != 4:
        return 0
    positions = shape[2] if shape[2] == shape[3] else shape[1]  # Swin's maps have their channels last
    return 2 ** round(math.log2(side / positions)) if positions > 1 else 0


def _inside(name: str, paths: Sequence[str]) -> bool:
    return any(name == path or name.startswith(f"{path}.") for path in paths)


def _shortened(network: nn.Module, paths: Sequence[str], head: str) -> tuple[str, ...]:
    """Blocks by the name of their container, where all of it belongs to the stage: 'layer4', not three blocks."""
    kept = list(paths)
    for owner in dict.fromkeys(path.rpartition(".")[0] for path in paths):
        within = [f"{owner}.{name}" for name, child in network.get_submodule(owner).named_children() if owner]
        learnt = [path for path in within if next(network.get_submodule(path).parameters(), None) is not None]
        if owner and len(learnt) > 0 and set(learnt) <= set(kept) and not head.startswith(f"{owner}."):
            first = kept.index(learnt[0])
            kept = [path for path in kept if path not in learnt]
            kept.insert(first, owner)
    return tuple(kept)


def _named(modules: Sequence[str]) -> str:
    return modules[0] if len(modules) == 1 else f"{modules[0]} to {modules[-1]}"
