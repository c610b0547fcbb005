"""Which machine this is, and what of it a benchmark can use."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
from functools import cache
from pathlib import Path

import torch
import torchvision
from torch import nn

from explorer.benchmark.records import PRECISIONS, Fingerprint

_SLOW = 5.0  # half a precision that takes this many times as long as a whole one is emulated, not built in
_TRIAL_S = 0.05
_GIB = 2**30
_compiling: dict[str, str] = {}  # by device: why torch.compile does not work, or '' where it was seen to work
_trying = threading.Lock()


@cache
def fingerprint(device: torch.device) -> Fingerprint:
    """The fingerprint of this machine with ``device``."""
    return Fingerprint(
        device=_named(device),
        processor=_processor(),
        cores=cores(),
        memory=_memory(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        torch=str(torch.__version__),
        torchvision=str(torchvision.__version__),
    )


def _named(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return "Apple GPU" if device.type == "mps" else "CPU"


def cores() -> int:
    """Logical cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    if sys.platform == "darwin":
        told = subprocess.run(["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, check=False)
        return told.stdout.decode(errors="replace").strip() or platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.lower().startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def _memory() -> int:
    try:
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return round(found / _GIB) * _GIB or found  # what the kernel keeps for itself differs from boot to boot
    except (AttributeError, OSError, ValueError):
        return 0


def memory_left(device: torch.device) -> int | None:
    """Bytes that can still be had on ``device``; None where nobody tells."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    told = next((line for line in lines if line.startswith("MemAvailable:")), "")
    return int(told.split()[1]) * 1024 if told else None


@cache
def unavailable(device: torch.device) -> dict[str, str]:
    """Why some settings are not offered on ``device``: 'bf16', 'fp16', 'compiled' -> one sentence each.

    Precisions are tried on one small convolution, in a fraction of a second. For ``torch.compile`` only what it needs
    is looked for here, since a trial takes a minute; `compile_trial` is that trial.
    """
    usual = _trial(device, torch.float32)
    reasons = {}
    for precision in ("bf16", "fp16"):
        try:
            factor = _trial(device, getattr(torch, PRECISIONS[precision])) / usual
        except Exception as error:  # whatever torch says: it does not work here
            reasons[precision] = f"{precision} does not work on this device: {_first_line(error)}"
            continue
        if factor > _SLOW:
            reasons[precision] = (
                f"{precision} is emulated on this device, a convolution takes {factor:.0f} times as long as in fp32."
            )
    missing = _compile_needs(device)
    if missing:
        reasons["compiled"] = missing
    return reasons


def _trial(device: torch.device, precision: torch.dtype) -> float:
    """Seconds of a convolution with 58 million multiply-accumulates: the fastest of several.

    It is asked once and remembered, so a machine that was busy for a moment must not decide it: passes go on until
    fifty milliseconds have been spent, which one that is emulated reaches with its first few.
    """
    layer = nn.Conv2d(64, 64, 3, padding=1, device=device, dtype=precision)
    image = torch.ones(1, 64, 40, 40, device=device, dtype=precision)
    seconds: list[float] = []
    with torch.inference_mode():
        while len(seconds) < 4 or sum(seconds[1:]) < _TRIAL_S:
            start = time.perf_counter()
            layer(image).sum().item()  # waits for a graphics card
            seconds.append(time.perf_counter() - start)
    return max(min(seconds[1:]), 1e-6)


def _compile_needs(device: torch.device) -> str:
    if _compiling.get(str(device)):
        return _compiling[str(device)]
    if device.type != "cpu":
        return ""
    compiler = os.environ.get("CXX", "g++")
    if not any(map(shutil.which, (compiler, "clang++", "cl"))):
        return "torch.compile writes C++ for this CPU and needs a compiler; install g++ and restart the app."
    if not Path(sysconfig.get_paths()["include"], "Python.h").is_file():
        return "torch.compile needs Python's header files (python3-dev); install them and restart the app."
    return ""


def compile_trial(device: torch.device) -> str:
    """Why ``torch.compile`` does not work on ``device``, found by compiling one layer; '' if it does. Tried once."""
    with _trying:
        missing = _compile_needs(device)
        if missing or str(device) in _compiling:
            return missing
        try:
            compiled = torch.compile(nn.Sequential(nn.Linear(8, 8), nn.ReLU()).to(device).eval())
            with torch.inference_mode():
                compiled(torch.ones(1, 8, device=device)).cpu()
            reason = ""
        except Exception as error:  # a compiler's troubles are of every kind
            reason = f"torch.compile does not work here: {_first_line(error)}"
        _compiling[str(device)] = reason
        if reason:
            unavailable.cache_clear()
        return reason


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:160]
