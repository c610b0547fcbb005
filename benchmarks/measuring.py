"""Timing two things in turn, A B A B, so that a machine whose speed drifts drifts under both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def paired(candidates: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 2) -> dict[str, list[float]]:
    """CPU seconds of each candidate in each round, candidates in turn, after ``warm_up`` rounds that do not count."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(-warm_up, rounds):
        for name, run in candidates.items():
            start = time.process_time()
            run()
            if number >= 0:
                seconds[name].append(time.process_time() - start)
    return seconds


def report(seconds: Mapping[str, list[float]], baseline: str, limits: Mapping[str, float]) -> None:
    """Prints each candidate's median and its ratio to ``baseline`` round by round, median and quartiles.

    Where there is a limit, it says whether the ratio's median is within or over it.
    """
    print(f"{baseline}: median {statistics.median(seconds[baseline]) * 1000:.1f} ms")
    for name, each in seconds.items():
        if name == baseline:
            continue
        ratios = [own / base for own, base in zip(each, seconds[baseline], strict=True)]
        low, _, high = statistics.quantiles(ratios, n=4)
        ratio, limit = statistics.median(ratios), ""
        if name in limits:
            limit = f", {'within' if ratio <= limits[name] else 'OVER'} the limit of {limits[name]}"
        print(
            f"{name}: median {statistics.median(each) * 1000:.1f} ms, "
            f"ratio {ratio:.3f} (quartiles {low:.3f} to {high:.3f}){limit}"
        )
