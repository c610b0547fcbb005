"""The command: python -m explorer.evaluate --images DIR --models a,b,c --out results.parquet."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from explorer import calibration
from explorer.errors import ExplorerError
from explorer.evaluate import Plan, Summary, run, tally


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs an evaluation; 0 if it is complete, 1 if it could not be done, 130 if it was stopped."""
    plan = _plan(arguments)
    bar: tqdm[object] | None = None

    def progress(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            bar = tqdm(total=total, initial=0, unit=" pictures", dynamic_ncols=True, smoothing=0.05)
        bar.update(done - bar.n)

    try:
        summary = run(plan, progress=progress)
    except ExplorerError as error:
        _close(bar)
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        _close(bar)
        sys.stderr.write("Stopped. What is done stays: the same command goes on from there.\n")
        return 130
    _close(bar)
    sys.stdout.write(_report(summary))
    return 0


def _close(bar: tqdm[object] | None) -> None:
    if bar is not None:
        bar.close()


def _plan(arguments: Sequence[str] | None) -> Plan:
    parser = argparse.ArgumentParser(
        prog="python -m explorer.evaluate",
        description="Asks networks about every picture of a folder. A picture's label is the name of the folder it "
        "lies in: a class's name, its number or a WordNet id. The same command again goes on where the last one ended.",
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="the folder, with folders in it")
    parser.add_argument("--models", required=True, metavar="A,B,C", help="networks by slug, such as resnet50")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the result, a Parquet file")
    parser.add_argument("--weights", default="auto", help="auto, bundled, pretrained or random; for all (auto)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (auto)")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="pictures at once (32)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes that read pictures (cores left by torch)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N pictures")
    parser.add_argument("--shard", type=int, default=1024, metavar="N", help="pictures in one part (1024)")
    parser.add_argument(
        "--ray",
        default="",
        metavar="ADDRESS",
        help="through Ray Data: 'local' or a cluster's address; every node sees DIR and the result's folder alike",
    )
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on where an earlier run ended (as always)")
    again.add_argument("--fresh", action="store_true", help="throw away what an earlier run left")
    given = parser.parse_args(arguments)
    return Plan(
        images=given.images,
        models=tuple(name.strip() for name in given.models.split(",") if name.strip()),
        out=given.out,
        weights=given.weights,
        device=given.device,
        batch_size=given.batch_size,
        workers=given.workers,
        limit=given.limit,
        shard=given.shard,
        ray=given.ray,
        fresh=given.fresh,
    )


def _report(summary: Summary) -> str:
    found = tally(summary.out)
    own = summary.files - summary.before
    rate = f", {own / summary.seconds:,.1f} pictures/s" if own and summary.seconds else ""
    earlier = f", {summary.before:,} of them earlier" if summary.before else ""
    lines = [f"{found.files:,} pictures{earlier}, {summary.seconds:,.1f} s{rate} -> {summary.out}"]
    lines += summary.notes
    if found.refused:
        lines.append(f"{found.refused:,} could not be read; the column 'error' says why:")
        lines += [f"  {name}: {reason}" for name, reason in found.worst]
    if summary.others:
        lines.append(f"{summary.others:,} other files were passed over.")
    if found.labelled:
        lines.append(f"{found.labelled:,} lie in a folder that names a class:")
        for network, first, five in zip(found.networks, found.hits, found.hits5, strict=True):
            low, high = calibration.wilson(int(first), found.labelled)
            lines.append(
                f"  {network}: top-1 {first / found.labelled:.1%} ({low:.1%} to {high:.1%}), "
                f"top-5 {five / found.labelled:.1%}"
            )
    else:
        lines.append("No folder names a class these networks know, so there is no accuracy.")
    read = found.files - found.refused
    if len(found.networks) > 1 and read:
        lines.append(f"All networks give the same first answer to {found.unanimous / read:.1%}.")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
