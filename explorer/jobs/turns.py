"""Who may work now."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Turns:
    """Who may work: one job at a time, first come, first served."""

    def __init__(self) -> None:
        self._queue: deque[object] = deque()  # the first of them works
        self._moved = threading.Condition()

    def enter(self, job: object) -> None:
        """Puts a job at the end."""
        with self._moved:
            self._queue.append(job)

    def ahead(self, job: object) -> int:
        """How many have their turn before it."""
        with self._moved:
            return self._queue.index(job) if job in self._queue else 0

    def wake(self) -> None:
        """Lets those who wait look whether they still want to."""
        with self._moved:
            self._moved.notify_all()

    @contextmanager
    def held(self, job: object, ended: Callable[[], bool]) -> Iterator[None]:
        """Waits for the turn of a job that has entered; it leaves the queue at the end."""
        try:
            self.wait(job, ended)
            yield
        finally:
            self.leave(job)

    def wait(self, job: object, ended: Callable[[], bool]) -> None:
        """Waits for the turn of a job that has entered, or until it has ended."""
        with self._moved:
            self._moved.wait_for(lambda: ended() or self._queue[0] is job)

    def leave(self, job: object) -> None:
        """Takes a job out, and lets the next one work."""
        with self._moved:
            if job in self._queue:
                self._queue.remove(job)
            self._moved.notify_all()
