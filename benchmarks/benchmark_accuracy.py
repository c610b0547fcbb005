"""The median of `benchmark.measure` against a bare loop, in turn: python -m benchmarks.benchmark_accuracy [--rounds 9].

The bare loop is what anybody would write: a tensor, ``torch.inference_mode``, a clock before and after each pass. Both
use the CPU time of this one thread, so that other work on the machine counts for neither.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

from explorer import benchmark, devices, models  # isort: skip  (sets how torch allocates, so before it)

import torch

LIMIT = 0.05
"""By how much the medians may differ."""


def main() -> int:
    """Prints both medians and their ratio for some networks and batch sizes; 0 if all ratios keep to the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--passes", type=int, default=15)
    asked = parser.parse_args()
    kept = True
    devices.configure_threads()
    torch.set_num_threads(1)
    for slug, batch in (("efficientnet_lite0", 1), ("resnet18", 1), ("resnet18", 4)):
        model = benchmark.loaded(slug, "cpu")
        ratios, bare = [], []
        for _ in range(asked.rounds):
            bare.append(_bare(model, batch, asked.passes))
            ours = benchmark.measure(model, batch, threads=1, passes=asked.passes, clock=time.thread_time).median_ms
            ratios.append(ours / bare[-1])
        ratio = statistics.median(ratios)
        within = abs(ratio - 1) <= LIMIT
        kept = kept and within
        print(
            f"{model.card.title} × {batch}: bare loop {statistics.median(bare):.2f} ms, ratio {ratio:.3f} "
            f"({min(ratios):.3f} to {max(ratios):.3f}), {'within' if within else 'NOT within'} {100 * LIMIT:.0f} %"
        )
    return 0 if kept else 1


def _bare(model: models.Model, batch: int, passes: int) -> float:
    inputs = torch.randn(batch, model.card.channels, model.preprocessing.crop, model.preprocessing.crop)
    times = []
    with model.lock, torch.inference_mode():
        for number in range(-benchmark.WARM_UP, passes):
            start = time.thread_time()
            model.module(inputs)
            if number >= 0:
                times.append(time.thread_time() - start)
    return 1000 * statistics.median(times)


if __name__ == "__main__":
    sys.exit(main())
