"""One network, one set of settings: copy, warm up, time pass by pass."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from explorer import devices
from explorer.benchmark import machine, memory
from explorer.benchmark.records import PRECISIONS, Benchmark, Settings
from explorer.devices import synchronise
from explorer.errors import ExplorerError
from explorer.jobs import Progress

if TYPE_CHECKING:
    from explorer.models import Model

WARM_UP = 3
"""Passes that do not count: the first pays for memory and kernels, the last of them is watched for its memory."""
SECONDS = 1.5
"""Of passes that count; a median of a second and a half agrees with that of a minute on an idle machine."""
_FEWEST, _MOST = 5, 1000
_EVERY = 0.1  # seconds between two steps
_SPARE = 0.8  # share of the free memory that may be used: the rest is for everybody else
_one = threading.Lock()


class Busy(ExplorerError):
    """Another benchmark is running."""


class Unavailable(ExplorerError):
    """The device cannot do what was asked for."""


class Failed(ExplorerError):
    """The network does not run with these settings."""


def measure(
    model: Model,
    batch_size: int = 1,
    *,
    precision: str = "fp32",
    channels_last: bool = False,
    threads: int | None = None,
    compiled: bool = False,
    warm_up: int = WARM_UP,
    passes: int | None = None,
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.perf_counter,
) -> Benchmark:
    """How fast a network answers on its device.

    A copy runs, on random images of the network's input size: the shared network is locked only while it is copied.

    Args:
        model: the network.
        batch_size: images that go through it at once.
        precision: 'fp32', 'bf16' or 'fp16', of weights and images.
        channels_last: whether images lie in memory pixel by pixel.
        threads: of torch for one operation; the app's own number by default. Set back afterwards, come what may.
        compiled: by ``torch.compile``.
        warm_up: passes that do not count, at least one.
        passes: that count; by default as many as fit into ``seconds``, 5 to 1,000.
        seconds: of passes that count.
        clock: in seconds.

    Raises:
        BadSettings: settings that mean nothing.
        Busy: another benchmark is running in this process.
        Unavailable: the device does not do this.
        Failed: the network does not, or there is too little memory.
    """
    used = devices.configure_threads() if threads is None else threads
    settings = Settings(batch_size, precision, channels_last, used, compiled)
    steps = measuring(model, settings, warm_up=warm_up, passes=passes, seconds=seconds, clock=clock)
    return next(step.result for step in steps if step.result is not None)


def measuring(
    model: Model,
    settings: Settings,
    *,
    warm_up: int = WARM_UP,
    passes: int | None = None,
    seconds: float = SECONDS,
    wait: bool = False,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Progress[Benchmark]]:
    """The same step by step, for a job: progress from 0 to 1, and the result with the last step.

    Args:
        model: as for `measure`, like the others.
        settings: how it runs.
        warm_up: passes that do not count.
        passes: that count.
        seconds: of passes that count.
        wait: for another benchmark to end, instead of raising `Busy`.
        clock: in seconds.
    """
    while not _one.acquire(timeout=_EVERY if wait else 0):
        if not wait:
            raise Busy("Another benchmark is running on this machine, and both would be slower; wait until it is done.")
        yield Progress(0.0, 1.0, "waiting for another benchmark")
    try:
        _refuse(model.device, settings)
        with _threads(settings.threads):
            yield from _measured(model, settings, max(warm_up, 1), passes, seconds, clock)
    finally:
        _one.release()


def _refuse(device: torch.device, settings: Settings) -> None:
    reason = machine.unavailable(device).get(settings.precision, "")
    if not reason and settings.compiled:
        reason = machine.compile_trial(device)
    if reason:
        raise Unavailable(reason)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _measured(
    model: Model,
    settings: Settings,
    warm_up: int,
    passes: int | None,
    seconds: float,
    clock: Callable[[], float],
) -> Iterator[Progress[Benchmark]]:
    yield Progress(0.0, 1.0, "copying the network")
    times: list[float] = []
    peak = None
    try:
        with _told(model, settings):  # copies and images take memory as well
            with model.lock:
                module = copy.deepcopy(model.module)
            inputs = _images(model, settings)
            module = _converted(module, settings)
            run: Callable[[torch.Tensor], object] = torch.compile(module) if settings.compiled else module
            _refuse_if_too_large(model, module, inputs)
        for number in range(warm_up):
            text = "compiling, which cannot be interrupted" if settings.compiled and not number else "warming up"
            yield Progress(0.1 * number / warm_up, 1.0, text)
            with _told(model, settings), torch.inference_mode():
                if number + 1 < warm_up:
                    run(inputs)
                    synchronise(model.device)
                else:
                    used = memory.working(lambda: run(inputs), model.device)
                    peak = None if used is None else used + memory.resident(module, inputs)
        spent, last = 0.0, clock()
        while len(times) < passes if passes is not None else _more(len(times), spent, seconds):
            with _told(model, settings), torch.inference_mode():
                start = clock()
                run(inputs)
                synchronise(model.device)
                end = clock()
            times.append(end - start)
            spent += end - start
            if end - last >= _EVERY:
                last = end
                share = len(times) / (passes if passes is not None else max(_FEWEST, len(times) * seconds / spent))
                yield Progress(0.1 + 0.9 * min(share, 1.0), 1.0, f"{len(times)} passes")
    finally:
        if settings.compiled:
            torch.compiler.reset()  # or the compiled code would keep the copy
        if model.device.type == "cuda":
            torch.cuda.empty_cache()
    milliseconds = 1000 * np.array(times)
    milliseconds.flags.writeable = False
    result = Benchmark(
        slug=model.card.slug,
        title=model.card.title,
        weights=model.weights.name,
        side=model.preprocessing.crop,
        settings=settings,
        times_ms=milliseconds,
        warm_up=warm_up,
        peak_bytes=peak,
        fingerprint=machine.fingerprint(model.device),
    )
    yield Progress(1.0, 1.0, "measured", result)


def _more(count: int, spent: float, seconds: float) -> bool:
    return count < _FEWEST or (spent < seconds and count < _MOST)


def _images(model: Model, settings: Settings) -> torch.Tensor:
    """Random images, the same for everybody: what they show makes no difference, that they hold no zeros might."""
    shape = (settings.batch_size, model.card.channels, model.preprocessing.crop, model.preprocessing.crop)
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    images = images.to(model.device, getattr(torch, PRECISIONS[settings.precision]))
    return images.contiguous(memory_format=torch.channels_last) if settings.channels_last else images


def _converted(module: nn.Module, settings: Settings) -> nn.Module:
    module = module.to(getattr(torch, PRECISIONS[settings.precision]))
    return module.to(memory_format=torch.channels_last) if settings.channels_last else module


def _refuse_if_too_large(model: Model, module: nn.Module, inputs: torch.Tensor) -> None:
    """One image tells what a batch will need; a system short of memory would end the whole app."""
    left = machine.memory_left(model.device)
    if left is None or len(inputs) == 1:
        return
    with torch.inference_mode():
        one = memory.working(lambda: module(inputs[:1]), model.device)
    needed = (one or 0) * len(inputs)
    if needed > _SPARE * left:
        raise Failed(
            f"{len(inputs)} images at once need {needed / 1e9:.1f} GB for {model.card.title}, and "
            f"{left / 1e9:.1f} GB are free; choose a smaller batch."
        )


@contextmanager
def _told(model: Model, settings: Settings) -> Iterator[None]:
    """Turns what torch complains about into one sentence."""
    try:
        yield
    except ExplorerError:
        raise
    except Exception as error:  # types, memory, compilers: torch has no common base for its troubles
        text = str(error).strip()
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in text:
            raise Failed(
                f"{settings.batch_size} images at once are too many for the memory of this device with "
                f"{model.card.title}; choose a smaller batch."
            ) from error
        first = (text.splitlines() or [type(error).__name__])[0][:160]
        raise Failed(f"{model.card.title} does not run with {settings.words} on this device: {first}") from error
