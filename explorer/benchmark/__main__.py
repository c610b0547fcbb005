"""Measures from a shell: ``python -m explorer.benchmark --models resnet50,vgg16 --batch-sizes 1,8``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from tqdm import tqdm

from explorer import benchmark, catalogue, devices
from explorer.errors import ExplorerError


def main(arguments: list[str] | None = None) -> int:
    """Runs a plan, or goes on with one, and prints a table; 0 if something was measured."""
    asked = _parser().parse_args(arguments)
    try:
        plan, name = _plan(asked)
        results, skipped = _run(plan, name)
    except KeyboardInterrupt:
        _say("\nStopped; what was measured is kept, and --continue goes on.", sys.stderr)
        return 130
    except ExplorerError as error:
        _say(str(error), sys.stderr)
        return 2
    for each in skipped:
        _say(f"left out: {each.slug}, batch {each.settings.batch_size}, {each.settings.words}: {each.reason}")
    if results:
        _say(results[0].fingerprint.words)
        _say(f"kept in {benchmark.store.path()}")
    return 0 if results else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m explorer.benchmark", description="How fast networks are here.")

    def names(text: str) -> tuple[str, ...]:
        return tuple(filter(None, text.split(",")))

    def numbers(text: str) -> tuple[int, ...]:
        return tuple(int(each) for each in names(text))

    parser.add_argument("--models", type=names, default=(catalogue.DEFAULT,), help="slugs, with commas")
    parser.add_argument("--batch-sizes", type=numbers, default=(1,), help="images at once, with commas")
    parser.add_argument("--precision", type=names, default=("fp32",), help="fp32, bf16, fp16, with commas")
    parser.add_argument("--threads", type=numbers, default=None, help="of torch, with commas; the app's by default")
    parser.add_argument("--channels-last", action="store_true", help="images in memory pixel by pixel, too")
    parser.add_argument("--compile", action="store_true", help="with torch.compile, too")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda:0, mps")
    parser.add_argument("--seconds", type=float, default=benchmark.SECONDS, help="that count, for each measurement")
    parser.add_argument("--continue", dest="go_on", action="store_true", help="the last plan that was not finished")
    return parser


def _plan(asked: argparse.Namespace) -> tuple[benchmark.Plan, str | None]:
    if asked.go_on:
        left = [run for run in benchmark.store.runs() if not run.finished]
        if not left:
            raise ExplorerError("No plan was left unfinished; start one with --models.")
        return benchmark.Plan.from_json(left[-1].plan), left[-1].name
    plan = benchmark.Plan(
        slugs=asked.models,
        batch_sizes=asked.batch_sizes,
        precisions=asked.precision,
        channels_last=(False, True) if asked.channels_last else (False,),
        threads=asked.threads or (devices.configure_threads(),),
        compiled=(False, True) if asked.compile else (False,),
        device=asked.device,
        seconds=asked.seconds,
    )
    return plan, None


def _run(plan: benchmark.Plan, name: str | None) -> tuple[list[benchmark.Benchmark], list[benchmark.Skipped]]:
    results: list[benchmark.Benchmark] = []
    skipped: list[benchmark.Skipped] = []
    _say(_HEAD)
    form = "{percentage:3.0f} % |{bar:20}| {elapsed}<{remaining} {desc}"
    with _own_stream() as stream, tqdm(total=1.0, bar_format=form, leave=False, file=stream) as bar:
        for step in benchmark.run(plan, name):
            bar.set_description_str(step.text, refresh=False)
            bar.update(step.share - bar.n)
            if isinstance(step.result, benchmark.Skipped):
                skipped.append(step.result)
            elif step.result is not None:
                results.append(step.result)
                _say(_LINE.format(**_cells(step.result)))
    return results, skipped


@contextmanager
def _own_stream() -> Iterator[TextIO]:
    """A stream for the bar alone: torch's profiler writes notes to stderr, from C++ and at any time."""
    own = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        with os.fdopen(os.dup(own), "w", encoding="utf-8") as stream:
            yield stream
    finally:
        os.dup2(own, 2)
        os.close(own)
        os.close(nowhere)


def _say(text: str, stream: TextIO | None = None) -> None:
    tqdm.write(text, file=stream or sys.stdout)


_HEAD = f"{'network':28} {'batch':>5} {'settings':32} {'median ms':>10} {'p95 ms':>10} {'images/s':>10} {'peak MB':>9}"
_LINE = "{network:28} {batch:>5} {settings:32} {median:>10.2f} {p95:>10.2f} {speed:>10.1f} {peak:>9}"


def _cells(result: benchmark.Benchmark) -> dict[str, Any]:
    return {
        "network": result.title,
        "batch": result.batch_size,
        "settings": result.settings.words,
        "median": result.median_ms,
        "p95": result.p95_ms,
        "speed": result.images_per_second,
        "peak": "-" if result.peak_bytes is None else f"{result.peak_bytes / 1e6:.1f}",
    }


if __name__ == "__main__":
    sys.exit(main())
