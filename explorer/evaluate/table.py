"""The result as a table: one row a picture, one Parquet file a shard, joined in the end."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from explorer.evaluate import folder
from explorer.evaluate.asking import Answered

METADATA = b"cnn_explorer.evaluation"
"""Under which a result keeps its settings, as JSON."""


def columns(slug: str) -> tuple[str, str, str, str]:
    """The columns of one network: classes, probabilities, margin, entropy."""
    return f"{slug}.classes", f"{slug}.probabilities", f"{slug}.margin", f"{slug}.entropy"


def schema(slugs: Sequence[str]) -> pa.Schema:
    """The columns of a result.

    file, folder: names below the folder; error: why a picture was skipped, else null; targets: classes that count as
    right; divergence: 0 to 1. Of each network: classes and probabilities best first, margin between the first two,
    entropy in bits. All numbers of a skipped picture are null.
    """
    fields = [
        ("file", pa.string()),
        ("folder", pa.string()),
        ("error", pa.string()),
        ("targets", pa.list_(pa.int32())),
        ("divergence", pa.float32()),
    ]
    for slug in slugs:
        kinds = (pa.list_(pa.int32()), pa.list_(pa.float32()), pa.float32(), pa.float32())
        fields += zip(columns(slug), kinds, strict=True)
    return pa.schema(fields)


def part(shard: Sequence[Answered], slugs: Sequence[str], targets: Mapping[str, tuple[int, ...]]) -> pa.Table:
    """The rows of one shard, whose batches may come in any order.

    Args:
        shard: all its batches.
        slugs: of the networks.
        targets: the classes that a folder's name means.
    """
    batches = sorted(shard, key=lambda batch: batch.number)
    files = [file for batch in batches for file in batch.files]
    errors = [error or None for batch in batches for error in batch.errors]
    folders = [folder.folder_of(file) for file in files]
    good = np.array([error is None for error in errors], bool)
    place = np.full(len(files), 0)
    place[good] = np.arange(good.sum())
    skipped = pa.array(~good)

    def spread(values: np.ndarray) -> pa.Array:
        """One row a picture; null where it was skipped."""
        if not good.any():
            return pa.nulls(
                len(files), pa.list_(pa.from_numpy_dtype(values.dtype)) if values.ndim > 1 else pa.float32()
            )
        if values.ndim < 2:
            return pa.array(values[place], mask=~good)
        offsets = np.cumsum([0, *(good * values.shape[1])]).astype(np.int32)  # a skipped picture's list has length 0
        return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.reshape(-1)), mask=skipped)

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(batch, name) for batch in batches])

    top, kept, margin, entropy = (joined(name) for name in ("top", "probability", "margin", "entropy"))
    found: list[pa.Array] = [
        pa.array(files, pa.string()),
        pa.array(folders, pa.string()),
        pa.array(errors, pa.string()),
        pa.array([list(targets.get(each, ())) for each in folders], pa.list_(pa.int32())),
        spread(joined("divergence")),
    ]
    for network in range(len(slugs)):
        found += [spread(values[:, network]) for values in (top, kept, margin, entropy)]
    return pa.Table.from_arrays(found, schema=schema(slugs))


def part_path(parts: Path, shard: int) -> Path:
    """Where a shard's rows lie until the end."""
    return parts / f"part-{shard:06d}.parquet"


def write_part(table: pa.Table, path: Path) -> None:
    """Writes a finished shard: it is there whole, or not at all."""
    waiting = path.with_suffix(f".{os.getpid()}.tmp")
    pq.write_table(table, waiting)
    _lasting(waiting)
    waiting.replace(path)


def join(parts: Sequence[Path], slugs: Sequence[str], settings: Mapping[str, Any], out: Path) -> None:
    """Puts all shards into one file, in order, one in memory at a time."""
    waiting = out.with_name(f"{out.name}.{os.getpid()}.tmp")
    whole = schema(slugs).with_metadata({METADATA: json.dumps(settings, sort_keys=True).encode()})
    with pq.ParquetWriter(waiting, whole) as writer:
        for path in parts:
            writer.write_table(pq.read_table(path).cast(whole))
    _lasting(waiting)
    waiting.replace(out)


def settings(path: Path) -> dict[str, Any] | None:
    """The settings that a result was made with; None if it is no result."""
    try:
        metadata = pq.read_schema(path).metadata or {}
        found: Any = json.loads(metadata[METADATA])
    except (OSError, KeyError, ValueError, pa.ArrowException):
        return None
    return found if isinstance(found, dict) else None


def _lasting(path: Path) -> None:
    """Waits until a file is on the disk, not only on its way: a rename must not overtake it."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
