"""Tracing against `torchinfo.summary`, over the catalogue: python -m benchmarks.graphs [--rounds 3] [--meta] [slugs].

Both get the same network, built on the CPU, and an input shape. torchinfo runs a real forward pass there; with --meta
the network is on meta tensors, and so it computes nothing either. Seconds are of CPU time, in turn. Peak memory is what
the process grows by during one call, in a fresh process for each.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from explorer import catalogue, graph  # isort: skip  (sets how torch allocates, so before it)

import torch
import torchinfo
from torch import nn

from benchmarks.measuring import paired

TOOLS: dict[str, Callable[[nn.Module, tuple[int, ...]], object]] = {
    "torchinfo": lambda network, shape: torchinfo.summary(
        network, shape, verbose=0, device=next(network.parameters()).device
    ),
    "trace": graph.trace,
}


def main() -> None:
    """Prints both ratios for each network, and their medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slugs", nargs="*", default=list(catalogue.CATALOGUE))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--meta", action="store_true")
    parser.add_argument("--peak", choices=TOOLS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.peak:
        print(_growth(asked.peak, asked.slugs[0], asked.meta))
        return
    print(f"{torch.get_num_threads()} thread(s), torch {torch.__version__}, {asked.rounds} rounds")
    ratios: dict[str, list[float]] = {"seconds": [], "peak memory": []}
    for slug in asked.slugs:
        network, shape = _built(slug, asked.meta)
        calls = {name: partial(tool, network, shape) for name, tool in TOOLS.items()}
        seconds = {name: statistics.median(each) for name, each in paired(calls, asked.rounds, warm_up=1).items()}
        del network, calls
        peaks = {name: _peak(name, slug, asked.meta) for name in TOOLS}
        ratios["seconds"].append(seconds["trace"] / seconds["torchinfo"])
        ratios["peak memory"].append(peaks["trace"] / max(peaks["torchinfo"], 1))
        print(
            f"{slug:20} trace {seconds['trace'] * 1000:6.0f} ms {peaks['trace'] / 1e6:6.1f} MB, "
            f"torchinfo {seconds['torchinfo'] * 1000:6.0f} ms {peaks['torchinfo'] / 1e6:6.1f} MB, "
            f"ratios {ratios['seconds'][-1]:.3f} and {ratios['peak memory'][-1]:.3f}",
            flush=True,
        )
    for what, each in ratios.items():
        print(f"{what}: median ratio {statistics.median(each):.3f}, from {min(each):.3f} to {max(each):.3f}, at most 1")


def _built(slug: str, meta: bool) -> tuple[nn.Module, tuple[int, ...]]:
    card = catalogue.get(slug)
    with torch.device("meta" if meta else "cpu"):
        network = card.build().eval()
    return network, (1, card.channels, card.input_size, card.input_size)


def _peak(tool: str, slug: str, meta: bool) -> float:
    """Bytes by which a process of its own grows while the tool runs once."""
    command = [sys.executable, "-m", "benchmarks.graphs", slug, "--peak", tool, *(["--meta"] if meta else [])]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _growth(tool: str, slug: str, meta: bool) -> int:
    """The same, in this process; Linux only. A small network is run first, so that nothing is imported meanwhile."""
    TOOLS[tool](*_built("lenet5", meta))
    network, shape = _built(slug, meta)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = _status("VmRSS")
    TOOLS[tool](network, shape)
    return _status("VmHWM") - before


def _status(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
