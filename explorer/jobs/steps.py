"""What a job yields while it works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Step(Protocol[T_co]):
    """What a job yields; any object with these attributes will do, `Progress` is one.

    Attributes:
        done: how much is done, in any unit.
        total: of how much.
        text: what it is at, for people.
        result: something finished to keep in `Job.results`, or None.
    """

    @property
    def done(self) -> float: ...  # noqa: D102
    @property
    def total(self) -> float: ...  # noqa: D102
    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def result(self) -> T_co | None: ...  # noqa: D102


@dataclass(frozen=True)
class Progress(Generic[T_co]):
    """The plainest `Step`."""

    done: float
    total: float
    text: str = ""
    result: T_co | None = None

    @property
    def share(self) -> float:
        """How much is done, 0 to 1."""
        return min(max(self.done / self.total, 0.0), 1.0) if self.total else 0.0
