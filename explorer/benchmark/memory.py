"""How much memory one pass holds at its worst moment."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile


def resident(module: nn.Module, inputs: torch.Tensor) -> int:
    """Bytes of parameters, buffers and input, which are there before a pass begins."""
    tensors = chain(module.parameters(), module.buffers(), (inputs,))
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def working(run: Callable[[], object], device: torch.device) -> int | None:
    """Bytes that ``run`` holds at its worst moment beyond those that are there before; None where nobody tells.

    A CPU: every allocation and release of torch's allocator in this thread, added up in order, as its profiler reports
    them: feature maps and what an operation needs while it works, to the byte and whatever else runs in the process.
    (The resident memory of the process is no measure: it holds the whole app, and what was freed before.) CUDA: the
    allocator's own peak, which other work on the same card in the meantime would raise.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    if device.type != "cpu":
        run()
        return None
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as observed:
        run()
    results = getattr(getattr(observed, "profiler", None), "kineto_results", None)
    if results is None:  # a later torch keeps them elsewhere
        return None
    changes = [(event.start_ns(), event.nbytes()) for event in results.events() if event.name() == "[memory]"]
    held = most = 0
    for _, change in sorted(changes, key=lambda each: each[0]):
        held += change
        most = max(most, held)
    return most
