"""On one machine: worker processes read pictures while the networks answer."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from explorer.evaluate.asking import Answered, Networks
from explorer.evaluate.batches import Batch, Work
from explorer.orphans import end_with_parent


class _Batches(IterableDataset[Batch]):
    """Batches in order: of W workers each reads every W-th one, and DataLoader asks them in turn."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def __iter__(self) -> Iterator[Batch]:
        own = get_worker_info()
        return self.work.batches(own.id, own.num_workers) if own else self.work.batches()


def answers(work: Work, networks: Networks, workers: int) -> Generator[Answered, None, None]:
    """What the networks say of each batch, in order.

    Args:
        work: what is to be read.
        networks: who is asked.
        workers: processes that read; 0 reads in this one.
    """
    # Without a batch size DataLoader passes on what the workers made; the identity keeps it from making tensors.
    loader = DataLoader(
        _Batches(work),
        batch_size=None,
        num_workers=min(workers, work.count),
        collate_fn=_as_it_is,
        worker_init_fn=end_with_parent,
    )
    for batch in loader:
        yield networks.answer(batch)


def _as_it_is(batch: Any) -> Any:
    return batch
