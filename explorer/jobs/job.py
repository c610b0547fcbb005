"""One piece of work in the background."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Generic, Literal, TypeVar

from explorer.errors import Cancelled, ExplorerError
from explorer.jobs.steps import Progress, Step
from explorer.jobs.turns import Turns

State = Literal["waiting", "running", "paused", "done", "failed", "stopped"]
_LOG = logging.getLogger(__name__)
T = TypeVar("T")


class Job(Generic[T]):
    """One piece of work in the background; everything may be read and called from any thread.

    Attributes:
        key: names it; at most one unfinished job has it.
        title: for people.
    """

    def __init__(
        self, factory: Callable[[], Iterator[Step[T]]], key: str, title: str, turns: Turns, clock: Callable[[], float]
    ) -> None:
        self.key, self.title = key, title
        self._factory, self._turns, self._clock = factory, turns, clock
        self._changed = threading.Condition()
        self._state: State = "waiting"
        self._asked: Literal["go", "pause", "stop"] = "go"
        self._latest: Step[T] | None = None
        self._at = 0.0  # the clock when that came
        self._results: list[T] = []
        self._error = ""
        self._began: tuple[float, float] | None = None  # the clock and `done` when the pace was first known
        self._rested = 0.0  # seconds paused or waiting since then
        self._resting: float | None = None  # the clock when the pause began

    @property
    def state(self) -> State:
        """What it is doing; 'paused' only once it really rests."""
        return self._state

    @property
    def finished(self) -> bool:
        """Whether nothing more will come of it."""
        return self._state in ("done", "failed", "stopped")

    @property
    def resting_since(self) -> float | None:
        """The clock when it began to rest; None unless it is paused and was not told to go on."""
        return self._resting if self._state == "paused" and self._asked == "pause" else None

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop and has not come to it yet."""
        return self._asked == "stop" and not self.finished

    @property
    def latest(self) -> Step[T] | None:
        """The step it yielded last, as it was; None before the first."""
        return self._latest

    @property
    def progress(self) -> Progress[T]:
        """How far it has come; 0 of 1 before the first step."""
        latest = self._latest
        return Progress(0.0, 1.0) if latest is None else Progress(latest.done, latest.total, latest.text, latest.result)

    @property
    def results(self) -> tuple[T, ...]:
        """Everything finished so far, in order; stays after a stop or a failure."""
        with self._changed:
            return tuple(self._results)

    @property
    def error(self) -> str:
        """Why it failed, one sentence; empty if it did not."""
        return self._error

    @property
    def seconds_left(self) -> float | None:
        """About how long it will still work, by its pace since the first step; None while that is unknown."""
        with self._changed:
            if self._began is None or self._latest is None or self.finished:
                return None
            since, first = self._began
            gone = self._latest.done - first
            if gone <= 0:
                return None
            worked = self._at - since - self._rested
            return max(worked / gone * (self._latest.total - self._latest.done), 0.0)

    @property
    def ahead(self) -> int:
        """How many jobs have their turn before this one; 0 for one that runs."""
        return self._turns.ahead(self)

    def stop(self) -> None:
        """Asks it to end after the step it is at; what it finished stays."""
        with self._changed:
            self._asked = "stop"
            self._changed.notify_all()
        self._turns.wake()

    def pause(self) -> None:
        """Asks it to rest after the step it is at."""
        with self._changed:
            if self._asked == "go" and not self.finished:
                self._asked = "pause"
                self._changed.notify_all()

    def resume(self) -> None:
        """Lets it go on as soon as it is its turn."""
        with self._changed:
            if self._asked == "pause":
                self._asked = "go"
                self._changed.notify_all()

    def wait(self, seconds: float | None = None) -> bool:
        """Waits until it is finished, ``seconds`` at most; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self.finished, seconds)

    def run(self) -> None:
        """Does the work; `submit` calls it in the job's thread."""
        state: State = "failed"
        with self._turns.held(self, self._ended):
            try:
                state = self._work()
            except Cancelled:
                state = "stopped"
            except ExplorerError as error:
                self._error = str(error)
            except Exception:  # the last resort: nobody is there to see a traceback
                _LOG.exception("the job %r failed", self.key)
                self._error = f"“{self.title}” failed, and the server's log says why; what was finished before is kept."
            finally:
                self._enter(state)  # while it still has its turn: once the next one works, this one has ended

    def _work(self) -> State:
        if self._ended():
            return "stopped"
        steps = self._factory()
        try:
            while True:
                if self._asked == "pause":
                    self._rest()
                if self._ended():
                    return "stopped"
                self._enter("running")
                step = next(steps, None)
                if step is None:
                    return "done"
                self._take(step)
        finally:
            if isinstance(steps, Generator):
                steps.close()

    def _take(self, step: Step[T]) -> None:
        with self._changed:
            self._latest, self._at = step, self._clock()
            if self._began is None:
                self._began, self._rested = (self._at, step.done), 0.0
            if step.result is not None:
                self._results.append(step.result)
            self._changed.notify_all()

    def _rest(self) -> None:
        start = self._resting = self._clock()
        self._enter("paused")
        self._turns.leave(self)
        with self._changed:
            self._changed.wait_for(lambda: self._asked != "pause")
        self._turns.enter(self)
        self._enter("waiting")
        self._turns.wait(self, self._ended)
        self._resting = None
        self._rested += self._clock() - start

    def _ended(self) -> bool:
        return self._asked == "stop"

    def _enter(self, state: State) -> None:
        with self._changed:
            self._state = state
            self._changed.notify_all()
