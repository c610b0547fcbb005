"""Work that goes on while nobody looks: one queue for everybody, one job at a time.

The contract. A job is a generator function without arguments whose generator yields a `Step` now and then, ten times a
second where it can: only between two steps a job can be stopped or paused. It runs from beginning to end in a thread
of its own, so locks, ``torch.inference_mode()`` and the like may be held across a yield; they are held through a pause
as well, so what others wait for should not be. `Job.stop` closes the generator: its ``finally`` clauses run, and what
it has put somewhere safe stays. A job that is paused gives its turn to the next one. Where the queue is full, the one
that has rested longest is stopped for a new one, since whoever paused it may never come back.

    job = jobs.submit(lambda: work(plan), key="benchmark")
    job.state, job.progress, job.seconds_left, job.results     # from any thread, at any time
    job.pause(); job.resume(); job.stop(); job.wait()

Jobs live in the process: they survive a change of pages and a reload of the browser, not the end of the server.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from explorer.errors import ExplorerError
from explorer.jobs.job import Job, State
from explorer.jobs.steps import Progress, Step
from explorer.jobs.turns import Turns

__all__ = ["MOST", "Job", "Progress", "QueueFull", "State", "Step", "find", "submit", "unfinished"]

MOST = 8
"""Jobs that run, wait or are paused at once: an hour of work for one machine is enough to promise."""
_REMEMBERED = 50  # finished jobs that can still be asked for; their results stay in memory
T = TypeVar("T")


class QueueFull(ExplorerError):
    """As many jobs as this machine promises are waiting already."""


_turns = Turns()
_jobs: dict[str, Job[Any]] = {}  # by key, oldest first
_guard = threading.Lock()


def submit(
    factory: Callable[[], Iterator[Step[T]]],
    key: str,
    *,
    title: str = "",
    clock: Callable[[], float] = time.monotonic,
) -> Job[T]:
    """Puts work into the queue; where an unfinished job has the same key, that one is returned instead.

    Args:
        factory: called in the job's thread; its iterator does the work, see the contract above.
        key: names the job, for `find`; 'benchmark', or a visitor's own to allow each only one.
        title: for people.
        clock: seconds; the pace is measured by it.

    Raises:
        QueueFull: too many are waiting, and none of them rests.
    """
    with _guard:
        before = _jobs.get(key)
        if before is not None and not before.finished:
            return before
        if sum(not job.finished and not job.stopping for job in _jobs.values()) >= MOST:
            _make_room()
        _jobs.pop(key, None)
        job = Job(factory, key, title or key, _turns, clock)
        _jobs[key] = job
        for old in [each.key for each in _jobs.values() if each.finished][:-_REMEMBERED]:
            del _jobs[old]
        _turns.enter(job)
    threading.Thread(target=job.run, name=f"job {key}", daemon=True).start()
    return job


def _make_room() -> None:
    resting = [(since, job) for job in _jobs.values() if (since := job.resting_since) is not None]
    if not resting:
        raise QueueFull(f"{MOST} jobs are waiting on this machine, and more it does not promise; try again later.")
    min(resting, key=lambda each: each[0])[1].stop()


def find(key: str) -> Job[Any] | None:
    """The job of this name, also for a while after it has finished."""
    with _guard:
        return _jobs.get(key)


def unfinished() -> tuple[Job[Any], ...]:
    """The jobs that run, wait or are paused, oldest first."""
    with _guard:
        return tuple(job for job in _jobs.values() if not job.finished)


@atexit.register
def _stop_all() -> None:
    """A server that ends tells its jobs, so that none is in the middle of a computation when torch goes away."""
    for job in unfinished():
        job.stop()
    for job in unfinished():
        job.wait(2.0)
