"""What is to be evaluated, and how a later run knows that it is the same."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.errors import ExplorerError

if TYPE_CHECKING:
    from explorer.models import Model

FORMAT = 1
"""Of the result; a file of another one is refused."""
TOP = 5
SHARD = 1024
"""Pictures in one part: half a minute of a small network on a processor is the most that can be lost."""
_DIFFERENCES = {
    "listing": "the folder has changed since",
    "limit": "it began with another --limit",
    "networks": "it began with other networks or weights",
    "batch_size": "it began with another --batch-size",
    "shard": "it began with other shards",
    "device": "it began on another kind of device",
    "torch": "it began with another version of torch",
    "format": "it began with another version of this program",
}


class InvalidPlan(ExplorerError):
    """An evaluation that cannot be done as asked; one plain sentence with the remedy."""


@dataclass(frozen=True)
class Plan:
    """An evaluation.

    Attributes:
        images: the folder; a picture's label is the name of the folder it lies in.
        models: slugs of networks that know the same classes.
        out: the result, a Parquet file; parts lie beside it in a folder until it is complete.
        weights: for `models.load`, the same for all.
        device: for `models.load`; on a cluster 'auto' is a GPU where there is one.
        batch_size: pictures that go through a network at once.
        workers: processes that read pictures on one machine; None leaves as many cores as torch uses.
        limit: only the first so many pictures.
        shard: pictures in one part.
        ray: '' for this machine; 'local' or a cluster's address for Ray Data.
        fresh: throws away what an earlier run left.
    """

    images: Path
    models: tuple[str, ...]
    out: Path
    weights: str = "auto"
    device: str = "auto"
    batch_size: int = 32
    workers: int | None = None
    limit: int | None = None
    shard: int = SHARD
    ray: str = ""
    fresh: bool = False

    @property
    def parts(self) -> Path:
        """The folder for parts, beside the result."""
        return self.out.with_name(self.out.name + ".parts")

    def check(self) -> None:
        """Refuses what cannot work before anything is loaded.

        Raises:
            InvalidPlan: with the remedy.
        """
        if not self.images.is_dir():
            raise InvalidPlan(f"There is no folder {self.images}; give one that holds pictures.")
        if not self.models:
            raise InvalidPlan("No network is named; give one or more, such as --models resnet50,efficientnet_lite0.")
        if len(set(self.models)) < len(self.models):
            raise InvalidPlan("A network is named twice; name each of them once.")
        if self.batch_size < 1 or self.shard < 1:
            raise InvalidPlan("A batch and a shard hold at least one picture; give a positive number.")
        if self.limit is not None and self.limit < 1:
            raise InvalidPlan(f"A limit of {self.limit} leaves no picture; give a positive number.")
        if self.workers is not None and self.workers < 0:
            raise InvalidPlan(f"There cannot be {self.workers} workers; give 0 or more.")
        if self.out.is_dir() or not self.out.resolve().parent.is_dir():
            raise InvalidPlan(f"{self.out} cannot be written; give a file in a folder that exists.")


def identity(model: Model) -> str:
    """The network with its weights, whatever device it is on: equal identities give equal answers."""
    return model.key.rsplit("|", 1)[0]


def settings(plan: Plan, models: tuple[Model, ...], listing: str, files: int, device: str) -> dict[str, Any]:
    """All that the result depends on, as JSON takes it: equal settings give equal results.

    Args:
        plan: the evaluation.
        models: its networks.
        listing: SHA-256 of the names, sizes and times of all pictures.
        files: how many.
        device: kind of device that answers: 'cpu', 'cuda' or 'mps'.
    """
    import torch

    return {
        "format": FORMAT,
        "networks": [
            {
                "slug": model.card.slug,
                "title": model.card.title,
                "weights": model.weights.name,
                "trained": model.weights.trained,
                "identity": identity(model),
                "recipe": repr(model.preprocessing),
            }
            for model in models
        ],
        "classes": hashlib.sha256("\0".join(models[0].classes).encode()).hexdigest(),
        "listing": listing,
        "files": files,
        "limit": plan.limit,
        "batch_size": plan.batch_size,
        "shard": plan.shard,
        "top": min(TOP, len(models[0].classes)),
        "device": device,
        "torch": torch.__version__,
    }


def compare(found: dict[str, Any], now: dict[str, Any], where: Path) -> None:
    """Refuses to go on with something else.

    Raises:
        InvalidPlan: the settings differ.
    """
    if found == now:
        return
    reasons = [words for name, words in _DIFFERENCES.items() if found.get(name) != now.get(name)]
    raise InvalidPlan(
        f"{where} holds another evaluation: {' and '.join(reasons) or 'its settings differ'}; add --fresh to throw it "
        "away, or give another --out."
    )


def default_workers() -> int:
    """Processes for reading: the cores that torch leaves free, one at least, 16 at most."""
    from explorer import devices

    return max(1, min(16, (os.cpu_count() or 1) - devices.configure_threads()))
