"""What a tuned network has learnt: what it confuses, what it gets most wrong, where it looks now and looked before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from explorer import attribution
from explorer.attribution import Attribution
from explorer.models import Model
from explorer.training import kept_data, loading, records, registry
from explorer.training.datasets import Dataset, Item
from explorer.training.records import Run
from explorer.trust.steps import Progress, Steps

if TYPE_CHECKING:
    from PIL import Image

_METHODS = ("grad_cam", "tokens_cam", "saliency")  # the first that means something for the network


@dataclass(frozen=True)
class Mistake:
    """A picture that was taken for something else.

    Attributes:
        index: of the item that was checked.
        name: of its file.
        truth: index of its class.
        answer: index of the class it was taken for.
        probability: of that answer, 0 to 1.
        of_truth: probability of its class, 0 to 1.
    """

    index: int
    name: str
    truth: int
    answer: int
    probability: float
    of_truth: float


@dataclass(frozen=True)
class Evaluation:
    """A network on pictures whose classes are known.

    Attributes:
        classes: names by index, C of them.
        probabilities: float64 (N, C), of each picture.
        truths: int64 (N,), classes by picture.
        confusion: int64 (C, C): pictures of the class of the row that were taken for the class of the column.
    """

    classes: tuple[str, ...]
    probabilities: np.ndarray
    truths: np.ndarray
    confusion: np.ndarray
    names: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        """Share that was recognised, 0 to 1."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def precision(self) -> np.ndarray:
        """Of what was taken for a class, the part that is of it: float64 (C,); NaN where nothing was."""
        return _shares(np.diag(self.confusion), self.confusion.sum(axis=0))

    @property
    def recall(self) -> np.ndarray:
        """Of what is of a class, the part that was recognised: float64 (C,); NaN where nothing is."""
        return _shares(np.diag(self.confusion), self.confusion.sum(axis=1))

    @property
    def f1(self) -> np.ndarray:
        """Harmonic mean of the two, float64 (C,); NaN where both are unknown."""
        return _shares(2 * np.diag(self.confusion), self.confusion.sum(axis=0) + self.confusion.sum(axis=1))

    @property
    def support(self) -> np.ndarray:
        """Pictures of each class: int64 (C,)."""
        counts: np.ndarray = self.confusion.sum(axis=1)
        return counts

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """All of them, first what the network was surest of while wrong."""
        answers = self.probabilities.argmax(axis=1)
        wrong = np.flatnonzero(answers != self.truths)
        order = wrong[np.argsort(-self.probabilities[wrong, answers[wrong]], kind="stable")]
        return tuple(
            Mistake(
                int(index),
                self.names[index],
                int(self.truths[index]),
                int(answers[index]),
                float(self.probabilities[index, answers[index]]),
                float(self.probabilities[index, self.truths[index]]),
            )
            for index in order
        )


@dataclass(frozen=True)
class Looks:
    """Where a network looks on one photo, before it was tuned and after.

    Attributes:
        method: key of the method of both maps.
        before: for the class the network was surest of before, one of its own.
        after: for the class of the tuned network.
    """

    method: str
    before: Attribution
    after: Attribution


def evaluate(
    model: Model,
    items: Sequence[Item],
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Evaluation:
    """What ``model`` says about pictures whose classes are known.

    Args:
        model: its classes are those of the items.
        items: at least one.
        progress: called with the number of pictures done and of all.
        cancelled: asked after each batch; True ends it.

    Raises:
        Cancelled: ``cancelled`` said so.
    """
    steps = Steps(len(items), progress, cancelled)
    answers = []
    for inputs, _, _ in loading.batches(items, model.preprocessing, loading.in_turn(len(items))):
        with model.lock, torch.inference_mode():
            logits = model.module(inputs.to(model.device)).cpu().double()  # Apple's GPUs have no float64
            answers.append(torch.softmax(logits, 1).numpy())
        steps.advance(len(inputs))
    probabilities = np.concatenate(answers)
    truths = np.array([item.label for item in items], np.int64)
    confusion = np.zeros((probabilities.shape[1],) * 2, np.int64)
    np.add.at(confusion, (truths, probabilities.argmax(axis=1)), 1)
    for array in (probabilities, truths, confusion):
        array.flags.writeable = False
    return Evaluation(model.classes, probabilities, truths, confusion, tuple(item.name for item in items))


def of_run(
    run: Run,
    device: str = "auto",
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Evaluation:
    """The best network of ``run`` on the pictures it was checked with; see :func:`evaluate`."""
    items = data(run).validation
    return evaluate(registry.load(run, device), items, progress=progress, cancelled=cancelled)


def data(run: Run) -> Dataset:
    """The pictures of a run; its ``validation`` are those that a mistake's index counts.

    Raises:
        BadCheckpoint: they are gone or were never here (a checkpoint that was brought).
    """
    return kept_data.read(run.folder)


def looks(before: Model, after: Model, image: Image.Image, target: int | None = None) -> Looks:
    """Where both networks look on ``image``: Grad-CAM, or what means the same where that does not apply.

    Args:
        before: the network as it was, see `registry.before`.
        after: the tuned one, see `registry.load`.
        image: the photo.
        target: class of the tuned network; its most probable one if None.
    """
    method = next(key for key in _METHODS if not attribution.availability(after, key))
    return Looks(
        method,
        attribution.attribute(before, image, method),
        attribution.attribute(after, image, method, target),
    )


def table(runs: Sequence[Run]) -> list[dict[str, str | float | int | None]]:
    """Runs beside each other: a row for each, the keys are headings with units."""
    rows: list[dict[str, str | float | int | None]] = []
    for run in runs:
        plan, kept = run.plan, run.best
        rows.append(
            {
                "Network": run.title,
                "Validation accuracy, %": round(100 * kept.validation_accuracy, 1) if kept else None,
                "Began with": ", ".join(filter(None, (run.base or "a network deleted since", run.weights))),
                "Trained": run.trained,
                "Unfrozen stages": plan.unfreeze if plan else None,
                "Augmented": ("yes" if plan.augmentation.active else "no") if plan else "",
                "Epochs": len(run.epochs),
                "Best epoch": kept.number if kept else None,
                "Validation loss": round(kept.validation_loss, 3) if kept else None,
                "Time, s": round(run.seconds, 1),
                "State": run.state,
                "Size, MB": round(records.size(run.folder) / 1e6, 1),
            }
        )
    return rows


def _shares(part: np.ndarray, of: np.ndarray) -> np.ndarray:
    return np.divide(part, of, out=np.full(len(of), np.nan), where=of > 0)
