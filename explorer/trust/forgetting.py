"""Does a map change when the network forgets what it learnt?

Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim, "Sanity Checks for Saliency Maps", 2018 (arXiv:1810.03292), section 3:
cascading randomisation, from the last layer to the first. A map that stays the same shows the photo, not the network.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from explorer import attribution, capture
from explorer.attribution import Attribution
from explorer.models import Model, Weights
from explorer.trust.agreement import rank_correlation
from explorer.trust.steps import Progress, Steps

if TYPE_CHECKING:
    from PIL import Image

CHANGED, UNCHANGED = 0.4, 0.7
"""Rank correlations, signs aside, below and above which a map counts as another one and as the same one.

A Grad-CAM of 49 numbers reaches 0.3 by chance with one random network in five, measured on EfficientNet-Lite0 and 18
pictures, which is why the last stage is drawn several times.
"""
_DRAWS = 3

Explain = Callable[..., Attribution]
"""As `attribution.attribute`: from (model, image, method, target, layer) to a map."""


@dataclass(frozen=True)
class Stage:
    """The network with random weights from its end down to some layer.

    Attributes:
        down_to: the lowest module that has forgotten; '' stands for the input's class token and positions.
        forgotten: how many modules have.
        correlation: Spearman's, between this map's own numbers and the original's.
        similarity: SSIM of the enlarged maps, 1 if equal (Wang et al. 2004).
        heatmap: float32 (H, W) in [0, 1], the map.
    """

    down_to: str
    forgotten: int
    correlation: float
    similarity: float
    heatmap: np.ndarray


@dataclass(frozen=True)
class Forgetting:
    """A map while the network forgets.

    Attributes:
        method: its key.
        label: name of the class, the same at all stages.
        original: the map of the network as it is.
        stages: from the last layer to the first.
        final: correlations of three networks that have forgotten everything, the last stage's first.
        trained: whether there was anything to forget.
    """

    method: str
    label: str
    original: Attribution
    stages: tuple[Stage, ...]
    final: tuple[float, ...]
    trained: bool

    @property
    def left(self) -> float:
        """How much of the map's order is left when all is forgotten: the mean of `final`, signs aside, 0 to 1."""
        return float(np.mean(np.abs(self.final)))

    @property
    def passed(self) -> bool:
        """Whether the map has become another one when all is forgotten."""
        return self.left < UNCHANGED

    @property
    def sentence(self) -> str:
        """For people."""
        value = f"rank correlation {self.left:.2f}, signs aside, over {len(self.final)} random networks"
        if not self.passed:
            found = (
                f"When the network has forgotten everything, the map is nearly the same ({value}): it shows the photo, "
                "not what the network looks for. Do not trust it here."
            )
        elif self.left >= CHANGED:
            found = (
                f"When the network has forgotten everything, the map has changed, but not all of it ({value}): part of "
                "it comes from the photo alone."
            )
        else:
            found = (
                f"When the network has forgotten everything, the map is another one ({value}): it depends on what was "
                "learnt, as it should."
            )
        return found if self.trained else f"{found} These weights were random to begin with."


def randomisation(
    model: Model,
    image: Image.Image,
    method: str = "grad_cam",
    target: int | None = None,
    layer: str | None = None,
    *,
    against: int | None = None,
    seed: int = 0,
    stages: int = 6,
    options: Mapping[str, Any] | None = None,
    explain: Explain = attribution.attribute,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Forgetting:
    """Makes the network forget from its last layer to its first, on a copy, and looks at the map at each stage.

    First the last module goes, then the others in equal steps. Weights of convolutions and linear layers are drawn anew
    as before training (normal, variance 2 / fan-in), biases become 0, norms start as they do, what else was learnt
    (class token, positions, layer scales) is shuffled. The last stage, all forgotten, is drawn three times.

    Args:
        model: the network; its weights are not written.
        image: the photo.
        method: of attribution.
        target: index of the class; the most probable one of the network as it is if None.
        layer: to read the evidence at; the default one if None.
        against: index of another class that the map is asked against.
        seed: of the random weights.
        stages: at most so many.
        options: of the method.
        explain: what draws the maps.
        progress: called with the number of maps drawn and of all.
        cancelled: asked after each map; True ends it.

    Raises:
        NotApplicable: the method means nothing here.
        Cancelled: ``cancelled`` said so.
    """
    groups = _groups(model, image, stages)
    steps = Steps(len(groups) + _DRAWS, progress, cancelled)
    asked = {**({} if against is None else {"against": against}), **(options or {})}
    original = explain(model, image, method, target, layer, **asked)
    steps.advance()
    with model.lock:
        # All tensors are shared at first; those that are forgotten are replaced, and never written.
        shared = {id(tensor): tensor for tensor in (*model.module.parameters(), *model.module.buffers())}
        module = copy.deepcopy(model.module, shared)

    def drawn(paths: Sequence[str], random: torch.Generator, name: str) -> Attribution:
        for path in paths:
            _forget(module.get_submodule(path), random)
        weights = Weights(f"forgotten down to {paths[-1]}" if paths[-1] else "forgotten", "random")
        key = f"{model.key}|forgotten {name} of {len(groups)}"
        twin = Model(model.card, module, weights, model.device, model.classes, model.preprocessing, key)
        found = explain(twin, image, method, original.target, layer, **asked)
        steps.advance()
        return found

    random = torch.Generator().manual_seed(seed)
    found = []
    for number, group in enumerate(groups):
        now = drawn(group, random, f"{number + 1}, seed {seed},")
        found.append(
            Stage(
                down_to=group[-1],
                forgotten=sum(map(len, groups[: number + 1])),
                correlation=rank_correlation(original.raw, now.raw),
                similarity=_ssim(original.signed, now.signed),
                heatmap=now.heatmap,
            )
        )
    everything = [path for group in groups for path in group]
    final = [found[-1].correlation]
    for draw in range(1, _DRAWS):  # the same generator goes on, so these differ from what any seed draws first
        now = drawn(everything, random, f"all, draw {draw}, seed {seed},")
        final.append(rank_correlation(original.raw, now.raw))
    return Forgetting(method, original.label, original, tuple(found), tuple(final), model.weights.trained)


def _groups(model: Model, image: Image.Image, stages: int) -> list[list[str]]:
    """Paths of the modules with parameters of their own, from the end of the network, in the order of the stages."""
    inputs = model.preprocess(image)
    with model.lock:
        finished = list(capture.durations(model.module, inputs, lambda: 0.0))
    place = {name: index for index, name in enumerate(finished) if "#" not in name}
    place[""] = -1  # what the network itself holds, as a class token, is added near its input
    own = [
        path
        for path, module in model.module.named_modules()
        if next(module.parameters(recurse=False), None) is not None
    ]

    def turn(path: str) -> int:
        # A module that never ran by itself (inside fused attention, an auxiliary head) goes with what contains it.
        while path not in place:
            path = path.rpartition(".")[0]
        return place[path]

    last_first = sorted(own, key=turn, reverse=True)
    # The last module alone, then the others in equal parts.
    rest = last_first[1:]
    size = max(1, math.ceil(len(rest) / max(1, stages - 1)))
    return [last_first[:1], *(rest[start : start + size] for start in range(0, len(rest), size))]


def _forget(module: nn.Module, random: torch.Generator) -> None:
    """Replaces the module's own parameters and statistics."""
    for name, parameter in module.named_parameters(recurse=False):
        setattr(module, name, nn.Parameter(_fresh(module, name, parameter, random), requires_grad=False))
    for name, buffer in module.named_buffers(recurse=False):
        if name in ("running_mean", "running_var"):
            setattr(module, name, torch.zeros_like(buffer) if name == "running_mean" else torch.ones_like(buffer))


def _fresh(module: nn.Module, name: str, parameter: Tensor, random: torch.Generator) -> Tensor:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) and name == "weight":
        fan_in = parameter[0].numel()
        drawn = torch.randn(parameter.shape, generator=random) * math.sqrt(2 / fan_in)
        return drawn.to(parameter)
    if name == "bias":
        return torch.zeros_like(parameter)
    if name == "weight" and parameter.ndim == 1:
        return torch.ones_like(parameter)
    order = torch.randperm(parameter.numel(), generator=random).to(parameter.device)
    return parameter.detach().flatten()[order].view_as(parameter)


def _ssim(first: np.ndarray, second: np.ndarray) -> float:
    """Structural similarity of two maps in [-1, 1]."""
    from skimage.metrics import structural_similarity

    window = min(7, *first.shape)
    window -= 1 - window % 2  # it has to be odd
    return float(structural_similarity(first, second, data_range=2.0, win_size=window))  # type: ignore[no-untyped-call]
