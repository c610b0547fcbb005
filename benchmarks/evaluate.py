"""Evaluation against a bare DataLoader-and-forward loop: python -m benchmarks.evaluate [--pictures 512] [--rounds 3].

Wall time of the whole call in turn, A B C A B C; the bare loop opens the same files with the same preprocessing, in the
same batches, with as many workers, and keeps nothing. Ray is started before; its actors are not.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

from explorer import evaluate, images, models
from explorer.evaluate.plan import default_workers
from explorer.preprocessing import Preprocessing

BATCH = 32
LIMITS = {"evaluate": 1.1, "evaluate with Ray": 1.3}
"""How many times as long as the bare loop each may take."""


class Files(Dataset[torch.Tensor]):
    """Input tensors of picture files."""

    def __init__(self, files: list[Path], recipe: Preprocessing) -> None:
        self.files, self.recipe = files, recipe

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, place: int) -> torch.Tensor:
        return self.recipe.tensor(images.open_image(self.files[place].read_bytes()))[0]


def main() -> int:
    """Prints both ratios for EfficientNet-Lite0; 0 if they keep to their limits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--network", default="efficientnet_lite0")
    parser.add_argument("--no-ray", action="store_true")
    given = parser.parse_args()
    model, workers = models.load(given.network, "auto", "cpu"), default_workers()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "pictures"
        files = _pictures(root, given.pictures)

        def bare() -> None:
            loader = DataLoader(Files(files, model.preprocessing), batch_size=BATCH, num_workers=workers)
            with torch.inference_mode():
                for batch in loader:
                    model.module(batch).softmax(1).topk(5)

        def evaluated(ray: str = "") -> None:
            out = Path(folder) / "out.parquet"
            plan = evaluate.Plan(root, (given.network,), out, device="cpu", batch_size=BATCH, ray=ray, fresh=True)
            evaluate.run(plan)

        candidates: dict[str, Callable[[], None]] = {"bare": bare, "evaluate": evaluated}
        if not given.no_ray:
            import ray

            ray.init(include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
            candidates["evaluate with Ray"] = lambda: evaluated("local")
        print(
            f"{model.card.title}, {given.pictures} pictures, {workers} worker(s), {torch.get_num_threads()} thread(s)"
        )
        return 0 if _report(_timed(candidates, given.rounds)) else 1


def _pictures(root: Path, count: int) -> list[Path]:
    """JPEGs of 500 x 375 pixels, as ImageNet's are, of the samples; copies are hard links."""
    root.mkdir()
    samples = [each.open() for each in images.samples().values() if each.subject == "photos"]
    files = [root / f"{place:06d}.jpg" for place in range(count)]
    for photo, path in zip(samples, files, strict=False):
        photo.resize((500, 375)).save(path, quality=90)
    for path, source in zip(files[len(samples) :], itertools.cycle(files[: len(samples)]), strict=False):
        path.hardlink_to(source)
    return files


def _timed(candidates: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(-1, rounds):  # the first round warms up
        for name, run in candidates.items():
            start = time.perf_counter()
            run()
            if number >= 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def _report(seconds: dict[str, list[float]]) -> bool:
    """Prints the median and the ratio of each; whether all keep to their limits."""
    kept = True
    for name, each in seconds.items():
        ratios = [own / base for own, base in zip(each, seconds["bare"], strict=True)]
        ratio, verdict = statistics.median(ratios), ""
        if name in LIMITS:
            within = ratio <= LIMITS[name]
            kept = kept and within
            verdict = f", {'within' if within else 'OVER'} {LIMITS[name]}"
        print(f"{name}: median {statistics.median(each):.1f} s, ratio {ratio:.3f}{verdict}")
    return kept


if __name__ == "__main__":
    sys.exit(main())
