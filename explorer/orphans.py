"""Worker processes end with the process that started them, also where that was killed."""

from __future__ import annotations

import os
import threading
import time

_EVERY_S = 1.0


def end_with_parent(worker: int) -> None:  # noqa: ARG001  # DataLoader tells which worker it is
    """Makes this process end soon after its parent; for DataLoader's ``worker_init_fn``.

    A worker of DataLoader notices the end of its parent by itself, but then waits for ever to hand over the batch that
    it has ready, to a pipe whose other end only it still holds, and keeps its memory.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_EVERY_S)
        os._exit(1)

    threading.Thread(target=watch, name="end with parent", daemon=True).start()
