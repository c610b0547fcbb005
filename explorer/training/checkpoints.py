"""Files that are whole or not there: written beside their place, forced onto the disk, then moved.

Tensors and what belongs to them go into one safetensors file, the facts as JSON in its header, so that a crash cannot
leave one without the other. Nothing is ever pickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from explorer.errors import ExplorerError

_FACTS = "cnn_explorer"  # the header's key; other programs may have their own
_TRIES, _PAUSE = 20, 0.05  # seconds: a look whether a run is held takes microseconds


class BadCheckpoint(ExplorerError):
    """A file of a run is missing or damaged."""


class RunBusy(ExplorerError):
    """Someone else is at this run."""


def write(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> str:
    """Writes tensors with facts beside them, atomically; returns the sha256 of the file.

    Args:
        path: of the file, which is replaced.
        tensors: by name; those that share memory are written each.
        facts: what JSON can hold.
    """
    plain = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    data = save(plain, metadata={_FACTS: json.dumps(facts)})
    digest = hashlib.sha256(data).hexdigest()
    write_bytes(path, data)
    return digest


def write_json(path: Path, facts: Mapping[str, Any]) -> None:
    """Writes facts, atomically."""
    write_bytes(path, json.dumps(facts, indent=1, ensure_ascii=False).encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a file, atomically: after a crash there is the old one or the new one."""
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    if os.name == "posix":  # the move itself must survive a power cut
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read(path: Path, device: torch.device | str = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `write` has written.

    Raises:
        BadCheckpoint: it is not there or holds something else.
    """
    try:
        with safe_open(path, "pt", device=str(device)) as file:
            facts = json.loads((file.metadata() or {}).get(_FACTS, "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118  # it is no dict
    except (OSError, SafetensorError, ValueError) as error:
        raise BadCheckpoint(f"{path.name} in {path.parent} is missing or damaged; start the run again.") from error


def facts(path: Path) -> dict[str, Any]:
    """The facts in a file's header, without reading its tensors; none if another program wrote it.

    Raises:
        BadCheckpoint: it is no safetensors file.
    """
    try:
        with safe_open(path, "pt") as file:
            found = json.loads((file.metadata() or {}).get(_FACTS, "{}"))
    except (OSError, SafetensorError, ValueError) as error:
        raise BadCheckpoint(f"{path.name} is no safetensors file or is damaged; save it again and try that.") from error
    return found if isinstance(found, dict) else {}


def read_json(path: Path) -> dict[str, Any]:
    """What `write_json` has written.

    Raises:
        BadCheckpoint: it is not there or holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadCheckpoint(f"{path.name} in {path.parent} is missing or damaged; start the run again.") from error
    if not isinstance(found, dict):
        raise BadCheckpoint(f"{path.name} in {path.parent} is damaged; start the run again.")
    return found


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keeps others from the run in ``folder``; the system lets go when the process ends, however it ends.

    Raises:
        RunBusy: someone else holds it.
    """
    with (folder / ".held").open("a") as file:
        for left in reversed(range(_TRIES)):
            if _lock(file.fileno()):
                break
            if not left:
                raise RunBusy("This run is going on already; wait for it or stop it first.")
            time.sleep(_PAUSE)  # someone may only be looking
        yield


def is_held(folder: Path) -> bool:
    """Whether someone, here or in another process, is at the run in ``folder``."""
    if not (folder / ".held").exists():
        return False
    with (folder / ".held").open("a") as file:
        return not _lock(file.fileno(), shared=True)  # others may look at the same time


def sweep(folder: Path, *names: str) -> None:
    """Deletes what a kill in the middle of writing left beside these files; only for who holds the run."""
    for name in names:
        for path in folder.glob(f".{name}.*"):
            path.unlink(missing_ok=True)


def _lock(descriptor: int, *, shared: bool = False) -> bool:
    """Takes the lock of an open file until it is closed; False if another holds it.

    Args:
        descriptor: of the file.
        shared: whether others may take it so as well.
    """
    try:
        import fcntl
    except ImportError:  # Windows has another kind, which cannot be asked for without waiting
        return True
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
