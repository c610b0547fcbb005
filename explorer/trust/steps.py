"""What long measurements share: reporting how far they are, and being stopped."""

from __future__ import annotations

from collections.abc import Callable

from explorer.errors import Cancelled

Progress = Callable[[int, int], None]
"""Called with the number of steps done and of all."""


class Steps:
    """Counts steps.

    Args:
        total: number of all steps.
        progress: called after each.
        cancelled: asked after each; True ends it all.
    """

    def __init__(self, total: int, progress: Progress | None, cancelled: Callable[[], bool] | None) -> None:
        self._total, self._progress, self._cancelled = total, progress, cancelled
        self._done = 0

    def advance(self, steps: int = 1) -> None:
        """Some steps are done.

        Raises:
            Cancelled: enough of it.
        """
        self._done += steps
        if self._cancelled is not None and self._cancelled():
            raise Cancelled(f"Stopped after {self._done:,} of {self._total:,} steps.")
        if self._progress is not None:
            self._progress(self._done, self._total)
