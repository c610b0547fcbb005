"""A run from the folder to the result, whatever may end it in between."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer import labels
from explorer.errors import Cancelled
from explorer.evaluate import folder, table
from explorer.evaluate.asking import Answered, Networks, load
from explorer.evaluate.batches import Work
from explorer.evaluate.folder import Listing
from explorer.evaluate.plan import InvalidPlan, Plan, compare, default_workers, identity, settings

Progress = Callable[[int, int], None]
Stopped = Callable[[], bool]
_MANIFEST, _LISTING, _FOUND = "manifest.json", "listing.parquet", "listing.tmp"


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        out: the result.
        files: pictures in it.
        before: how many of them an earlier run had done.
        others: files in the folder that are no pictures by their names.
        seconds: from the first picture to the result.
        notes: sentences about networks, where weights are not what one would expect.
    """

    out: Path
    files: int
    before: int
    others: int
    seconds: float
    notes: tuple[str, ...]


def run(plan: Plan, *, progress: Progress | None = None, stopped: Stopped | None = None) -> Summary:
    """Evaluates a folder; goes on where an earlier run with the same settings ended.

    Args:
        plan: what to do.
        progress: called with pictures done and of all, after each batch.
        stopped: asked after each batch; what is done so far stays for the next run.

    Raises:
        InvalidPlan: it cannot be done as asked.
        Cancelled: ``stopped`` said so.
        ExplorerError: a network cannot be loaded.
    """
    plan.check()
    device = _device(plan)
    # On a cluster its nodes answer, perhaps on devices that this machine lacks: here is only looked what they load.
    networks = load(plan.models, plan.weights, "cpu" if plan.ray else device)
    if plan.fresh:
        if table.settings(plan.out) is not None:  # whatever else lies there is not ours to throw away
            plan.out.unlink()
        shutil.rmtree(plan.parts, ignore_errors=True)
    plan.parts.mkdir(exist_ok=True)
    listing = _listed(plan)
    kind = device.partition(":")[0] if plan.ray else networks.models[0].device.type
    wanted = settings(plan, networks.models, listing.digest, listing.files, kind)
    notes = tuple(_note(model.card.title, model.weights.note) for model in networks.models if not model.weights.trained)
    if _finished(plan, wanted):
        return Summary(plan.out, listing.files, listing.files, listing.others, 0.0, notes)
    _claim(plan, wanted)
    (plan.parts / _FOUND).replace(listing.path)
    left = [shard for shard in range(listing.shards) if not table.part_path(plan.parts, shard).exists()]
    work = Work(
        plan.images.resolve(),
        listing.path.resolve(),
        tuple(left),
        tuple(map(listing.length, left)),
        plan.batch_size,
        networks.recipes,
    )
    before = listing.files - sum(work.lengths)
    start = time.perf_counter()
    if left:
        targets = labels.match_all(listing.folders, networks.models[0].classes)
        with closing(_answers(plan, work, networks)) as found:
            _shards(plan, work, found, targets, before, progress, stopped)
    parts = [table.part_path(plan.parts, shard) for shard in range(listing.shards)]
    table.join(parts, plan.models, {**wanted, "class_names": networks.models[0].classes}, plan.out)
    shutil.rmtree(plan.parts)
    return Summary(plan.out, listing.files, before, listing.others, time.perf_counter() - start, notes)


def _device(plan: Plan) -> str:
    """Where the networks answer: on this machine, or on the cluster's nodes."""
    if not plan.ray:
        return plan.device
    from explorer.evaluate import cluster

    return cluster.start(plan.ray, plan.device)


def _listed(plan: Plan) -> Listing:
    """The folder as it is now; the listing of an earlier run stays until it is known to be the same."""
    found = folder.write(plan.images, plan.parts / _FOUND, plan.shard, plan.limit)
    if not found.files:
        _leave(plan)
        raise InvalidPlan(f"There is no picture in {plan.images}; give a folder with some ({', '.join(_kinds())}).")
    return Listing(plan.parts / _LISTING, found.files, found.shard, found.digest, found.folders, found.others)


def _kinds() -> list[str]:
    return sorted(folder.SUFFIXES)


def _note(title: str, note: str) -> str:
    return f"{title} runs with random weights: its answers mean nothing." + (f" {note}" if note else "")


def _finished(plan: Plan, wanted: dict[str, Any]) -> bool:
    """Whether the result is there already.

    Raises:
        InvalidPlan: there is another file.
    """
    if not plan.out.exists():
        return False
    found = table.settings(plan.out)
    if found is None:
        _leave(plan)
        raise InvalidPlan(f"{plan.out} is no result of an evaluation; give another --out.")
    found.pop("class_names", None)
    try:
        compare(found, wanted, plan.out)
    except InvalidPlan:
        _leave(plan)
        raise
    shutil.rmtree(plan.parts)
    return True


def _leave(plan: Plan) -> None:
    """Takes away what was made to look; parts of an earlier run stay."""
    (plan.parts / _FOUND).unlink(missing_ok=True)
    if not any(plan.parts.iterdir()):
        plan.parts.rmdir()


def _claim(plan: Plan, wanted: dict[str, Any]) -> None:
    """Makes the folder for parts this evaluation's own.

    Raises:
        InvalidPlan: it is another one's.
    """
    path = plan.parts / _MANIFEST
    if path.exists():
        try:
            found = json.loads(path.read_text())
        except ValueError:
            found = {}
        try:
            compare(found, wanted, plan.parts)
        except InvalidPlan:
            _leave(plan)
            raise
        return
    waiting = path.with_suffix(".tmp")
    waiting.write_text(json.dumps(wanted, indent=1, sort_keys=True))
    waiting.replace(path)


def _answers(plan: Plan, work: Work, networks: Networks) -> Generator[Answered, None, None]:
    if plan.ray:
        from explorer.evaluate import cluster

        return cluster.answers(plan, work, tuple(map(identity, networks.models)))
    from explorer.evaluate import plain

    workers = default_workers() if plan.workers is None else plan.workers
    return plain.answers(work, networks, workers)


def _shards(
    plan: Plan,
    work: Work,
    found: Iterator[Answered],
    targets: dict[str, tuple[int, ...]],
    before: int,
    progress: Progress | None,
    stopped: Stopped | None,
) -> None:
    """Writes each shard as soon as all its batches are there."""
    counts = {shard: -(-length // work.size) for shard, length in zip(work.shards, work.lengths, strict=True)}
    waiting: dict[int, list[Answered]] = {}
    done, total = before, before + sum(work.lengths)
    for batch in found:
        own = waiting.setdefault(batch.shard, [])
        own.append(batch)
        done += len(batch.files)
        if len(own) == counts[batch.shard]:
            rows = table.part(waiting.pop(batch.shard), plan.models, targets)
            table.write_part(rows, table.part_path(plan.parts, batch.shard))
        if progress:
            progress(done, total)
        if stopped and stopped():
            raise Cancelled(f"Stopped after {done:,} of {total:,} pictures; the same call goes on from there.")
