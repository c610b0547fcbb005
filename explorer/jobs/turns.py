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
            self._await(job, ended)
            yield
        finally:
            self._leave(job)

    @contextmanager
    def given_away(self, job: object, ended: Callable[[], bool]) -> Iterator[None]:
        """Lets others work; afterwards waits for the next turn."""
        self._leave(job)
        try:
            yield
        finally:
            self.enter(job)
            self._await(job, ended)

    def _await(self, job: object, ended: Callable[[], bool]) -> None:
        with self._moved:
            self._moved.wait_for(lambda: ended() or self._queue[0] is job)

    def _leave(self, job: object) -> None:
        with self._moved:
            if job in self._queue:
                self._queue.remove(job)
            self._moved.notify_all()
