"""A network being tuned: a copy of its own, what of it is trained, and one step of training."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer import models
from explorer.catalogue.tuned import Head, TunedArchitecture
from explorer.digits import DigitPreprocessing
from explorer.errors import ExplorerError
from explorer.models import Model
from explorer.preprocessing import Preprocessing
from explorer.training import heads, stages
from explorer.training.parallel import World
from explorer.training.plan import BadPlan, Plan
from explorer.training.randomness import Noise, SownDropout, sown

_MOST_FEATURES = 2**30  # bytes; 260,000 photos through EfficientNet-Lite0


class Diverged(ExplorerError):
    """The loss is no number any more."""


@dataclass(frozen=True)
class Sums:
    """What one or more batches add up to.

    Attributes:
        loss: sum over the photos.
        right: how many were recognised.
        count: how many there were.
    """

    loss: float = 0.0
    right: float = 0.0
    count: float = 0.0

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.loss + other.loss, self.right + other.right, self.count + other.count)

    @property
    def mean_loss(self) -> float:
        """Cross-entropy, mean over the photos."""
        return self.loss / self.count if self.count else float("nan")

    @property
    def accuracy(self) -> float:
        """Share of photos that were recognised, 0 to 1."""
        return self.right / self.count if self.count else float("nan")


class Learner:
    """The private copy of a network that a plan trains.

    Args:
        plan: how.
        classes: names by index.
        device: as for `models.load`.
        world: the processes that train together.
        photos: how many there are to learn from and to check with; so many features would have to be kept.

    Attributes:
        network: with the new head; everything frozen is in eval mode and stays there.
        split: what of it is trained.
        preprocessing: from a photo to its input.
        card: what the tuned network will be listed as, still without its file.
        identity: names architecture and weights it began with.
        weights: what it began with, for people.
        keeps_features: whether features are computed once and training goes on from them.
    """

    def __init__(self, plan: Plan, classes: tuple[str, ...], device: str, world: World, photos: int = 0) -> None:
        model = models.load(plan.network, plan.weights, device)
        self._plan, self._world, self.device = plan, world, model.device
        self.preprocessing = resized(model, plan.side)
        head = Head(len(classes), plan.hidden, plan.dropout)
        shape = (1, self.preprocessing.channels, self.preprocessing.crop, self.preprocessing.crop)
        with model.lock:
            self.network = copy.deepcopy(model.module)
        anatomy = stages.anatomy(self.network, shape)
        self.split = stages.split(anatomy, plan.unfreeze, head)
        self.place = heads.put_seeded(self.network, head, plan.seed)
        self.card = _card(model, self.preprocessing, head, classes)
        self.identity = model.key.rpartition("|")[0]
        self.weights = model.weights
        self.keeps_features = (
            plan.frozen
            and plan.keep_features
            and not plan.augmentation.active
            and anatomy.place.linear
            and photos * self.place.features * 4 <= _MOST_FEATURES
        )
        self._noise = Noise(self.device)
        sown(self.network, self._noise)
        self._free()
        self._trained = world.wrap(
            _Tail(self.network, self.place) if self.keeps_features else self.network,
            self.device,
            buffers=not plan.frozen,
        )
        self.optimiser = torch.optim.AdamW(self._groups(), lr=plan.learning_rate, weight_decay=plan.weight_decay)

    def _free(self) -> None:
        """Unfreezes what the plan trains; frozen batch norms keep their statistics, because they stay in eval mode."""
        self.network.eval().requires_grad_(False)
        for path in (*self.split.modules, self.place.dropout):
            if path:
                self.network.get_submodule(path).train().requires_grad_(True)
        beside = {path.rpartition(".")[0] for stage in self.split.unfrozen for path in stage.modules}
        for owner in beside:  # VGG's and AlexNet's dropouts stand between the layers that are trained
            for module in self.network.get_submodule(owner).children():
                if isinstance(module, SownDropout):
                    module.train()
        own = {name for stage in self.split.unfrozen for name in stage.own}
        for name, parameter in self.network.named_parameters():
            if name in own:
                parameter.requires_grad_(True)

    def _groups(self) -> list[dict[str, Any]]:
        """Two groups, told apart by what the parameters belong to and not by their names."""
        head = {id(parameter) for parameter in self.network.get_submodule(self.place.head).parameters()}
        learnt = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        groups = {
            "head": [parameter for parameter in learnt if id(parameter) in head],
            "backbone": [parameter for parameter in learnt if id(parameter) not in head],
        }
        return [{"params": members, "name": name} for name, members in groups.items() if members]

    def begin_epoch(self, epoch: int) -> None:
        """Sets the learning rates of ``epoch``, counted from 0."""
        rate = self._plan.rate(epoch)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * (1.0 if group["name"] == "head" else self._plan.backbone_rate)

    def step(self, inputs: Tensor, labels: Tensor, of_batch: int, epoch: int, number: int, weight: float = 1.0) -> Sums:
        """One step of training.

        Args:
            inputs: this process's part of the batch; photos, or their features if those are kept.
            labels: int64 (B,).
            of_batch: how many photos the batch has in all processes together.
            epoch: counted from 0.
            number: of the step in the epoch.
            weight: 0 where this process has no part and steps along only to stay in step.

        Raises:
            Diverged: the loss is no number.
        """
        inputs, labels = inputs.to(self.device), labels.to(self.device)
        self._noise.sow(self._plan.seed, epoch, number, self._world.rank, 7)
        with torch.inference_mode(False), torch.enable_grad():
            logits = self._trained(inputs)
            losses = F.cross_entropy(logits, labels, reduction="none", label_smoothing=self._plan.label_smoothing)
            total = losses.sum()
            if not bool(torch.isfinite(total)):
                raise Diverged(
                    f"The loss is no longer a number in epoch {epoch + 1}; choose a smaller learning rate than "
                    f"{self._plan.learning_rate:g}."
                )
            self.optimiser.zero_grad(set_to_none=True)
            # Processes may have one photo more or less; their mean becomes that of the whole batch.
            (total * (weight * self._world.size / of_batch)).backward()  # type: ignore[no-untyped-call]
            if self._plan.clip:
                learnt = [each for group in self.optimiser.param_groups for each in group["params"]]
                nn.utils.clip_grad_norm_(learnt, self._plan.clip)
            self.optimiser.step()
        if not weight:
            return Sums()
        return Sums(float(total.detach()), float((logits.argmax(1) == labels).sum()), len(labels))

    def check(self, inputs: Tensor, labels: Tensor) -> Sums:
        """Loss and accuracy of a batch in eval mode; the loss without label smoothing."""
        inputs, labels = inputs.to(self.device), labels.to(self.device)
        changed = [module for module in self.network.modules() if module.training]
        for module in changed:
            module.training = False
        try:
            with torch.inference_mode():
                tail = _Tail(self.network, self.place)
                logits = tail(inputs) if self.keeps_features else self.network(inputs)
                total = F.cross_entropy(logits, labels, reduction="sum")
        finally:
            for module in changed:
                module.training = True
        return Sums(float(total.detach()), float((logits.argmax(1) == labels).sum()), len(labels))

    def features(self, inputs: Tensor) -> Tensor:
        """What the head sees of photos: float32 (B, F) on the CPU."""
        seen: list[Tensor] = []
        cut = self.network.get_submodule(self.place.cut)
        hook = cut.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().cpu()))
        try:
            with torch.no_grad():
                self.network(inputs.to(self.device))
        finally:
            hook.remove()
        return seen[0]

    def state(self) -> dict[str, Tensor]:
        """What changes from step to step: trained parameters with their norms' statistics, and the optimiser's own."""
        paths = (*self.split.modules, *(name for stage in self.split.unfrozen for name in stage.own))
        own = {
            f"network/{name}": tensor
            for name, tensor in self.network.state_dict().items()
            if any(name == path or name.startswith(f"{path}.") for path in paths)
        }
        optimiser = self.optimiser.state_dict()["state"]
        moments = {
            f"optimiser/{index}/{name}": value for index, each in optimiser.items() for name, value in each.items()
        }
        return {**own, **moments}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Puts back what `state` has returned."""
        own = self.network.state_dict()
        moments: dict[int, dict[str, Tensor]] = {}
        with torch.no_grad():
            for key, tensor in state.items():
                kind, _, rest = key.partition("/")
                if kind == "network":
                    own[rest].copy_(tensor)
                elif kind == "optimiser":
                    index, _, name = rest.partition("/")
                    moments.setdefault(int(index), {})[name] = tensor
        whole = self.optimiser.state_dict()
        self.optimiser.load_state_dict({"state": moments, "param_groups": whole["param_groups"]})


class _Tail(nn.Module):
    """What comes behind the features: (B, F) -> (B, classes)."""

    def __init__(self, network: nn.Module, place: heads.Place) -> None:
        super().__init__()
        self.dropout = network.get_submodule(place.dropout) if place.dropout else nn.Identity()
        self.head = network.get_submodule(place.head)

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(self.dropout(features))
        return logits


def resized(model: Model, side: int) -> Preprocessing:
    """The network's preprocessing, for inputs of another ``side`` if that is not 0.

    Raises:
        BadPlan: the network cannot take that size.
    """
    recipe, card = model.preprocessing, model.card
    if not side or side == recipe.crop:
        return recipe
    least, most = card.sides
    if isinstance(recipe, DigitPreprocessing) or card.fixed_size or side < least or (most or side) < side:
        sizes = f"from {least} pixels on" if most is None else f"{least} to {most} pixels"
        raise BadPlan(f"The side of the input is {side}, and {card.title} takes {sizes}; choose 0 for its own size.")
    return replace(recipe, resize=max(side, round(recipe.resize * side / recipe.crop)), crop=side)


def _card(model: Model, recipe: Preprocessing, head: Head, classes: tuple[str, ...]) -> TunedArchitecture:
    card = model.card
    before = card if isinstance(card, TunedArchitecture) else None
    options = dict(before.options) if before else {}
    if not before and card.fixed_size and recipe.crop != card.input_size:
        options = {"image_size": recipe.crop}  # weights trained at another size
    return TunedArchitecture(
        slug="",
        title="",
        year=card.year,
        authors=card.authors,
        paper=card.paper,
        family=card.family,
        ideas=card.ideas,
        input_size=recipe.crop,
        builder=card.builder,
        subject=card.subject,
        channels=card.channels,
        classes=classes,
        base=before.base if before else card.slug,
        heads=(*(before.heads if before else ()), head),
        options=options,
        recipe=recipe,
    )
