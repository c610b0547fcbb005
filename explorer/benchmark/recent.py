"""What is known now: one number a network, for those who choose one."""

from __future__ import annotations

from explorer import devices
from explorer.benchmark import machine, store
from explorer.benchmark.records import Settings


def latencies(device: str = "auto") -> dict[str, float]:
    """Median milliseconds for one image by slug: float32, eager, the app's own threads, newest on this machine."""
    chosen = devices.choose(device)
    usual = Settings(threads=devices.configure_threads())
    here = machine.fingerprint(chosen).hash
    return {
        kept.result.slug: kept.result.median_ms for kept in store.latest(machine=here) if kept.result.settings == usual
    }
