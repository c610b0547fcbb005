"""Kept features against computing them in each epoch: python -m benchmarks.training [--rounds 3] [--epochs 5].

Textures through the head of EfficientNet-Lite0, the same plan both times; seconds of CPU time, in turn. The ratio
should come near 1 / epochs.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.measuring import paired, report
from explorer import devices, training


def main() -> None:
    """Prints the ratio of both ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    asked = parser.parse_args()
    devices.configure_threads()
    dataset = training.bundled_set("textures")
    calls = {
        name: partial(_trained, dataset, training.Plan(epochs=asked.epochs, keep_features=keep))
        for name, keep in (("computed in each epoch", False), ("kept", True))
    }
    seconds = paired(calls, asked.rounds, warm_up=1)
    report(seconds, baseline="computed in each epoch", limits={"kept": 1.5 / asked.epochs})


def _trained(dataset: training.Dataset, plan: training.Plan) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for _ in training.fit(dataset, plan, folder=Path(folder, "run"), device="cpu"):
            pass


if __name__ == "__main__":
    main()
