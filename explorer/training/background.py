"""Runs that go on while nobody looks: one at a time for each visitor, one queue for everybody."""

from __future__ import annotations

from explorer import catalogue, jobs
from explorer.jobs import Job
from explorer.training import fitting
from explorer.training.checkpoints import RunBusy
from explorer.training.datasets import Dataset
from explorer.training.plan import Plan
from explorer.training.progress import Epoch
from explorer.training.records import Run


def start(dataset: Dataset, plan: Plan, visitor: str, device: str = "auto") -> Job[Epoch]:
    """Puts a run into the queue; its ``latest`` is a `Progress`, its ``results`` are the epochs.

    `Job.pause` rests between two steps and keeps all in memory; `Job.stop` ends the run and keeps its best epoch.

    Args:
        dataset: what to learn from.
        plan: how.
        visitor: whose run it is, any name.
        device: as for `models.load`.

    Raises:
        RunBusy: the visitor has a run going or waiting.
        QueueFull: too many are waiting.
    """
    _free(visitor)
    title = plan.title or f"Training {catalogue.get(plan.network).title} on {dataset.title}"
    return jobs.submit(lambda: fitting.fit(dataset, plan, device=device), _key(visitor), title=title)


def go_on(run: Run, visitor: str, device: str = "auto") -> Job[Epoch]:
    """Puts the rest of a stopped or interrupted run into the queue; see :func:`start`."""
    _free(visitor)
    return jobs.submit(lambda: fitting.resume(run.folder, device=device), _key(visitor), title=run.title)


def of(visitor: str) -> Job[Epoch] | None:
    """The visitor's run: waiting, going on or, for a while, finished."""
    return jobs.find(_key(visitor))


def _key(visitor: str) -> str:
    return f"training {visitor}"


def _free(visitor: str) -> None:
    job = of(visitor)
    if job is not None and not job.finished:
        raise RunBusy("You have a run going already; stop it or wait for its end.")
