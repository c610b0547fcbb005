"""Reads what an evaluation wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from explorer.answers import Answers
from explorer.evaluate.plan import FORMAT, InvalidPlan
from explorer.evaluate.table import METADATA, columns, schema

_MOST_ROWS = 2_000_000  # 400 MB of three networks' answers; more are read group by group


@dataclass(frozen=True)
class Results:
    """A result as a whole.

    Attributes:
        answers: of all pictures that could be read.
        refused: (file, reason) of those that could not.
        networks: slug, title, weights and whether trained, of each network.
        device: 'cpu', 'cuda' or 'mps'.
    """

    answers: Answers
    refused: tuple[tuple[str, str], ...]
    networks: tuple[dict[str, Any], ...]
    device: str


@dataclass(frozen=True)
class Tally:
    """Counts over a result of any length.

    Attributes:
        files: pictures.
        refused: how many could not be read.
        labelled: how many have classes that count as right.
        hits: int64 (M,), first answers that are right.
        hits5: int64 (M,), pictures with a right one among five.
        unanimous: pictures to which all networks give the same first answer.
        networks: M titles.
        worst: (file, reason) of the first few that could not be read.
    """

    files: int
    refused: int
    labelled: int
    hits: np.ndarray
    hits5: np.ndarray
    unanimous: int
    networks: tuple[str, ...]
    worst: tuple[tuple[str, str], ...]


def read(source: Path | BinaryIO) -> Results:
    """The whole result.

    Raises:
        InvalidPlan: it is none, or has more than two million rows.
    """
    found, settings = list(_groups(source)), _settings(source)
    whole = [answers for answers, _ in found]
    refused = tuple(each for _, skipped in found for each in skipped)
    first = whole[0]
    answers = Answers(
        tuple(file for each in whole for file in each.files),
        tuple(folder for each in whole for folder in each.folders),
        first.networks,
        first.classes,
        np.concatenate([each.top for each in whole]),
        np.concatenate([each.probability for each in whole]),
        np.concatenate([each.divergence for each in whole]),
        tuple(targets for each in whole for targets in each.targets),
    )
    return Results(answers, refused, tuple(settings["networks"]), settings["device"])


def tally(source: Path, worst: int = 5) -> Tally:
    """Counts, one row group in memory at a time."""
    from explorer.answers import unanimous

    files = refused = labelled = agreed = 0
    hits: Any = 0
    hits5: Any = 0
    named: list[tuple[str, str]] = []
    networks: tuple[str, ...] = ()
    for answers, skipped in _groups(source, most=None):
        files += len(answers.files) + len(skipped)
        refused += len(skipped)
        named += skipped[: worst - len(named)]
        labelled += int(answers.labelled.sum())
        hits = hits + answers.hits(1).sum(axis=0)
        hits5 = hits5 + answers.hits(5).sum(axis=0)
        agreed += unanimous(answers)
        networks = answers.networks
    return Tally(files, refused, labelled, hits, hits5, agreed, networks, tuple(named))


def _settings(source: Path | BinaryIO) -> dict[str, Any]:
    """The settings of a result, as far as they are needed.

    Raises:
        InvalidPlan: it is no result, or one of another version.
    """
    nothing = InvalidPlan("This file is no result of an evaluation; choose one that explorer.evaluate has written.")
    if not isinstance(source, Path):
        source.seek(0)
    try:
        metadata = pq.read_schema(source).metadata or {}
        found = json.loads(metadata[METADATA])
        slugs = [network["slug"] for network in found["networks"]]
        known = isinstance(found["class_names"], list) and all(isinstance(name, str) for name in found["class_names"])
        told = [network[name] for network in found["networks"] for name in ("slug", "title", "weights")]
        words = all(isinstance(each, str) for each in (*told, found["device"]))
        some = isinstance(found["top"], int) and found["top"] >= 1
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise nothing from error
    if found.get("format") != FORMAT:
        raise InvalidPlan("This result comes from another version of this program; evaluate again.")
    if not (slugs and known and words and some):
        raise nothing
    return dict(found)


def _groups(source: Path | BinaryIO, most: int | None = _MOST_ROWS) -> Iterator[tuple[Answers, list[tuple[str, str]]]]:
    settings = _settings(source)
    slugs = [network["slug"] for network in settings["networks"]]
    titles = tuple(network["title"] for network in settings["networks"])
    classes = tuple(settings["class_names"])
    if not isinstance(source, Path):
        source.seek(0)
    try:
        with pq.ParquetFile(source) as file:
            if not file.schema_arrow.equals(schema(slugs)):
                raise InvalidPlan("This result has other columns than an evaluation writes; evaluate again.")
            if most is not None and file.metadata.num_rows > most:
                raise InvalidPlan(
                    f"This result has {file.metadata.num_rows:,} rows, and at most {most:,} can be shown; "
                    "evaluate with --limit."
                )
            if not file.num_row_groups:
                raise ValueError("no rows")
            for group in range(file.num_row_groups):
                yield _group(file.read_row_group(group), slugs, titles, classes, settings["top"])
    except (OSError, TypeError, ValueError, pa.ArrowException) as error:
        raise InvalidPlan("This result is damaged or cut short; evaluate again.") from error


def _group(
    table: pa.Table, slugs: list[str], titles: tuple[str, ...], classes: tuple[str, ...], most: int
) -> tuple[Answers, list[tuple[str, str]]]:
    good = table.filter(table.column("error").is_null())
    bad = table.filter(table.column("error").is_valid())
    files, count = good.column("file").to_pylist(), good.num_rows

    def rows(place: int) -> np.ndarray:
        """Lists of equal length, side by side: (N, M, K), also where no picture of the group could be read."""
        found = [good.column(columns(slug)[place]).combine_chunks().flatten().to_numpy() for slug in slugs]
        return np.stack([each.reshape(count, most) for each in found], axis=1)

    top = rows(0)
    if top.size and not (top.min() >= 0 and top.max() < len(classes)):
        raise ValueError("classes beyond the names")
    targets = tuple(map(tuple, good.column("targets").to_pylist()))
    answers = Answers(
        tuple(files),
        tuple(good.column("folder").to_pylist()),
        titles,
        classes,
        top,
        rows(1),
        good.column("divergence").to_numpy().astype(np.float64),
        targets,
    )
    return answers, list(zip(bad.column("file").to_pylist(), bad.column("error").to_pylist(), strict=True))
