"""The one place where a device and the number of threads are chosen, and where a device is waited for."""

from __future__ import annotations

import os
import threading

import torch

from explorer.errors import ExplorerError

_configured = threading.Lock()
_threads: int | None = None
_here = threading.local()  # older torch keeps the count per thread, so each thread is told once


class UnknownDevice(ExplorerError):
    """The named device does not exist on this machine."""


def configure_threads() -> int:
    """Sets torch's thread count once a process and returns it.

    Half the cores (at least one) are left to the server: with one of two cores busy, two torch threads made a training
    step 8 times slower than one. ``CNN_EXPLORER_THREADS`` overrides it.
    """
    global _threads
    with _configured:
        if _threads is None:
            wanted = os.environ.get("CNN_EXPLORER_THREADS", "")
            _threads = int(wanted) if wanted.isdecimal() and int(wanted) > 0 else max(1, (os.cpu_count() or 1) // 2)
        if not getattr(_here, "told", False):
            torch.set_num_threads(_threads)
            _here.told = True
        return _threads


def available() -> tuple[str, ...]:
    """Names of the devices that can be used here, best first."""
    names = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        names.append("mps")
    return (*names, "cpu")


def choose(name: str = "auto") -> torch.device:
    """Returns the device called ``name``; ``auto`` is CUDA, else MPS, else CPU.

    Raises:
        UnknownDevice: the machine has no such device.
    """
    configure_threads()
    here = available()
    if name == "auto":
        return torch.device(here[0])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in here:
        raise UnknownDevice(f"This machine has no device {name!r}; choose one of {', '.join(('auto', *here))}.")
    return torch.device(wanted)


def synchronise(device: torch.device) -> None:
    """Waits until the device has done what it was told; a CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def describe(device: torch.device | str) -> str:
    """One phrase for people: 'CPU, 2 threads' or the name of the graphics card."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    count = torch.get_num_threads()
    return f"CPU, {count} thread{'s' if count > 1 else ''}"
