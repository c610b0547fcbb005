"""A batch of pictures through the networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from explorer import answers
from explorer.evaluate.batches import Batch
from explorer.evaluate.plan import TOP, InvalidPlan

if TYPE_CHECKING:
    from explorer.models import Model
    from explorer.preprocessing import Preprocessing


@dataclass(frozen=True)
class Answered:
    """What M networks say of the N' readable pictures of a batch.

    Attributes:
        shard: the batch's shard.
        number: the batch's number.
        files: N names.
        errors: N reasons; '' for the N' that could be read.
        top: int32 (N', M, K), classes, best first.
        probability: float32 (N', M, K).
        margin: float32 (N', M), the first probability minus the second.
        entropy: float32 (N', M), bits.
        divergence: float32 (N',), as `answers.divergence`.
    """

    shard: int
    number: int
    files: tuple[str, ...]
    errors: tuple[str, ...]
    top: np.ndarray
    probability: np.ndarray
    margin: np.ndarray
    entropy: np.ndarray
    divergence: np.ndarray


class Networks:
    """Networks that are asked together.

    Attributes:
        models: the networks.
        recipes: the different ways in which they look at a photo.
    """

    def __init__(self, models: tuple[Model, ...]) -> None:
        self.models = models
        self.recipes: tuple[Preprocessing, ...] = tuple(dict.fromkeys(model.preprocessing for model in models))
        self._recipe = [self.recipes.index(model.preprocessing) for model in models]

    def answer(self, batch: Batch) -> Answered:
        """What they say; float64 from the logits on."""
        logits = np.stack(
            [self._logits(model, batch.views[place]) for model, place in zip(self.models, self._recipe, strict=True)],
            axis=1,
        )
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        probabilities = powers / powers.sum(axis=-1, keepdims=True)
        top, kept = answers.best(probabilities, TOP)
        margin = kept[..., 0] - kept[..., 1] if kept.shape[-1] > 1 else kept[..., 0]
        return Answered(
            batch.shard,
            batch.number,
            batch.files,
            batch.errors,
            top,
            kept,
            margin,
            answers.entropy(probabilities).astype(np.float32),
            answers.divergence(probabilities).astype(np.float32),
        )

    def _logits(self, model: Model, seen: np.ndarray) -> np.ndarray:
        """Float64 (N, classes)."""
        if not len(seen):
            return np.zeros((0, len(model.classes)))
        with model.lock, torch.inference_mode():
            inputs = normalise(model.preprocessing, torch.from_numpy(seen).to(model.device))
            found: np.ndarray = model.module(inputs).float().cpu().numpy().astype(np.float64)
        return found


def normalise(recipe: Preprocessing, seen: torch.Tensor) -> torch.Tensor:
    """Seen pictures, uint8 (N, H, W, 3), as `Preprocessing.normalise` makes one: float32 (N, C, H, W), bit for bit."""
    values = seen[..., : recipe.channels].permute(0, 3, 1, 2).contiguous().float().div(255)
    mean, std = (torch.tensor(each, device=seen.device).view(-1, 1, 1) for each in (recipe.mean, recipe.std))
    return values.sub(mean).div(std)


def load(slugs: tuple[str, ...], weights: str, device: str) -> Networks:
    """The networks by slug, if they can be asked together.

    Raises:
        InvalidPlan: one does not name photos, or they know different classes.
        ExplorerError: one cannot be loaded.
    """
    from explorer import models

    found = tuple(models.load(slug, weights, device) for slug in slugs)
    for model in found:
        if model.card.task != "classification":
            raise InvalidPlan(f"{model.card.title} does not name photos; leave it out.")
        if model.classes != found[0].classes:
            raise InvalidPlan(
                f"{model.card.title} and {found[0].card.title} know different classes; evaluate them apart."
            )
    return Networks(found)
