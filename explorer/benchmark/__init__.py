"""How fast networks are on this device: measured honestly, kept for good, comparable later.

    from explorer import benchmark, models

    result = benchmark.measure(models.load("resnet50"), batch_size=8)
    print(result.median_ms, result.p95_ms, result.images_per_second, result.peak_bytes, result.fingerprint.words)

`store` keeps results, `plans.run` measures many of them and goes on where it was stopped or killed. The same from a
shell: ``python -m explorer.benchmark --models resnet50,efficientnet_lite0 --batch-sizes 1,8``.
"""

from __future__ import annotations

from explorer.benchmark import store
from explorer.benchmark.machine import compile_trial, fingerprint, unavailable
from explorer.benchmark.measuring import SECONDS, WARM_UP, Busy, Failed, Unavailable, measure
from explorer.benchmark.plans import Plan, Skipped, expected_seconds, loaded, run, thread_choices
from explorer.benchmark.recent import latencies
from explorer.benchmark.records import PRECISIONS, BadSettings, Benchmark, Fingerprint, Settings

__all__ = [
    "PRECISIONS",
    "SECONDS",
    "WARM_UP",
    "BadSettings",
    "Benchmark",
    "Busy",
    "Failed",
    "Fingerprint",
    "Plan",
    "Settings",
    "Skipped",
    "Unavailable",
    "compile_trial",
    "expected_seconds",
    "fingerprint",
    "latencies",
    "loaded",
    "measure",
    "run",
    "store",
    "thread_choices",
    "unavailable",
]
