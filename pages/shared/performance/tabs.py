"""The tabs of the Performance page."""

from __future__ import annotations

TABS: dict[str, str] = {
    "Chart": "chart",
    "Benchmark here": "benchmark_here",
    "My photos": "my_photos",
    "At scale": "at_scale",
}
"""Modules of this package by the tab's name; each has a function ``draw()``."""
BENCHMARK = "Benchmark here"
KEY = "performance-tab"
"""The session's key under which the open tab stands."""
