"""From items to batches of inputs, in an order that depends on the seed and the epoch only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from explorer.orphans import end_with_parent
from explorer.preprocessing import Preprocessing
from explorer.training import augmentation
from explorer.training.datasets import Item
from explorer.training.plan import NONE, Augmentation

CHECKED = 16  # photos a batch where nothing is learnt: enough to keep a CPU busy, small enough for any memory


class Photos(TorchDataset[tuple[Tensor, int, int]]):
    """Items as a network sees them in one epoch: (input, label, index).

    Args:
        items: the pictures.
        preprocessing: from a photo to its input.
        changes: of the photos, drawn anew in each epoch.
        seed: of the changes.
        epoch: counted from 0.
    """

    def __init__(
        self, items: Sequence[Item], preprocessing: Preprocessing, changes: Augmentation, seed: int, epoch: int
    ) -> None:
        self._items, self._preprocessing, self._changes = items, preprocessing, changes
        self._seed, self._epoch = seed, epoch

    def __getitem__(self, index: int) -> tuple[Tensor, int, int]:
        """The photo as it looks in this epoch."""
        item = self._items[index]
        picture = item.open()
        if self._changes.active:
            seen = augmentation.tensor(picture, self._preprocessing, self._changes, self._seed, self._epoch, index)
        else:
            seen = self._preprocessing.tensor(picture)[0]
        return seen, item.label, index


def order(count: int, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Indices of each batch of an epoch, int64; the batches differ by one photo at most.

    So none is left with a single photo, unless batches have one or two anyway. A batch norm that is trained takes even
    that, as long as its maps have more than one position.
    """
    shuffled = np.random.default_rng((seed, epoch, 0, 1)).permutation(count)
    return np.array_split(shuffled, -(-count // batch_size))


def in_turn(count: int) -> list[np.ndarray]:
    """Indices of batches in the order of the items."""
    return np.array_split(np.arange(count), max(1, -(-count // CHECKED)))


def batches(
    items: Sequence[Item],
    preprocessing: Preprocessing,
    parts: Sequence[np.ndarray],
    *,
    changes: Augmentation = NONE,
    seed: int = 0,
    epoch: int = 0,
    workers: int = 0,
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Inputs float32 (B, C, H, W), labels int64 (B,) and indices int64 (B,) of each part in turn.

    Args:
        items: the pictures.
        preprocessing: from a photo to its input.
        parts: indices of each batch.
        changes: of the photos.
        seed: of the changes.
        epoch: counted from 0.
        workers: processes that prepare photos; 0 for this one.
    """
    loader: DataLoader[Any] = DataLoader(
        Photos(items, preprocessing, changes, seed, epoch),
        batch_sampler=[[int(index) for index in part] for part in parts],
        num_workers=min(workers, len(parts)),
        worker_init_fn=end_with_parent,
        generator=torch.Generator(),  # else it would draw from the generator of the whole process
    )
    yield from loader
