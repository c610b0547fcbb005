"""The pictures of a run, kept with it, so that it can be resumed and its mistakes shown after any crash."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

from explorer.training import checkpoints
from explorer.training.checkpoints import BadCheckpoint
from explorer.training.datasets import Dataset, Item, Report

_FACTS, _FILES = "data.json", "data.zip"


def write(folder: Path, dataset: Dataset) -> None:
    """Keeps ``dataset`` in ``folder``; of pictures that lie on this machine only the path and the size."""
    buffer = io.BytesIO()
    items: list[dict[str, Any]] = []
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # pictures are packed already
        for part, members in (("train", dataset.train), ("validation", dataset.validation)):
            for item in members:
                plain: dict[str, Any] = {"part": part, "name": item.name, "label": item.label}
                if item.data:
                    plain["file"] = f"{len(items):06}"
                    archive.writestr(plain["file"], item.data)
                else:
                    plain |= {"path": item.path, "bytes": Path(item.path).stat().st_size}
                items.append(plain)
    checkpoints.write_bytes(folder / _FILES, buffer.getvalue())
    checkpoints.write_json(
        folder / _FACTS,
        {
            "title": dataset.title,
            "classes": list(dataset.classes),
            "source": dataset.source,
            "left_out": [list(each) for each in dataset.report.left_out],
            "warnings": list(dataset.report.warnings),
            "copies": dataset.report.copies,
            "items": items,
        },
    )


def read(folder: Path) -> Dataset:
    """What `write` has kept.

    Raises:
        BadCheckpoint: something is missing, damaged or has changed since.
    """
    plain = checkpoints.read_json(folder / _FACTS)
    parts: dict[str, list[Item]] = {"train": [], "validation": []}
    try:
        with zipfile.ZipFile(folder / _FILES) as archive:
            for each in plain["items"]:
                data = archive.read(each["file"]) if "file" in each else b""
                if "path" in each:
                    _same(Path(each["path"]), int(each["bytes"]))
                parts[each["part"]].append(Item(each["name"], each["label"], data, each.get("path", "")))
        left_out = tuple((name, reason) for name, reason in plain["left_out"])
        report = Report(left_out, tuple(plain["warnings"]), plain["copies"])
        return Dataset(
            plain["title"],
            tuple(plain["classes"]),
            tuple(parts["train"]),
            tuple(parts["validation"]),
            report,
            plain["source"],
        )
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise BadCheckpoint(f"The pictures of this run in {folder} are damaged; start it again.") from error


def _same(path: Path, size: int) -> None:
    if not path.is_file() or path.stat().st_size != size:
        raise BadCheckpoint(f"{path} is gone or has changed since this run began; put it back or start a new run.")
