"""Every measurement ever made here, in one SQLite file that survives crashes.

Each result is a transaction of its own in a write-ahead log: a process that is killed loses the measurement it was at
and nothing else. Every call opens the file anew, so it may come from any thread and from several processes.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from explorer import storage
from explorer.benchmark.records import Benchmark, Fingerprint, Settings
from explorer.errors import ExplorerError

VERSION = 1
"""Of the tables; kept in the file as SQLite's ``user_version``."""
FILE = "measurements.sqlite3"
_TABLES = """
CREATE TABLE machines (hash TEXT PRIMARY KEY, fingerprint TEXT NOT NULL);
CREATE TABLE runs (name TEXT PRIMARY KEY, plan TEXT NOT NULL, begun TEXT NOT NULL, finished TEXT);
CREATE TABLE results (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL,
    measured TEXT NOT NULL,
    machine TEXT NOT NULL REFERENCES machines (hash),
    slug TEXT NOT NULL,
    title TEXT NOT NULL,
    weights TEXT NOT NULL,
    side INTEGER NOT NULL,
    settings TEXT NOT NULL,
    warm_up INTEGER NOT NULL,
    peak_bytes INTEGER,
    times_ms BLOB NOT NULL
);
CREATE INDEX results_by_run ON results (run);
"""


class StoreBroken(ExplorerError):
    """The file of measurements cannot be read."""


@dataclass(frozen=True)
class Kept:
    """A measurement in the store.

    Attributes:
        number: of the measurement; later ones have larger numbers.
        run: name of the run it belongs to; empty for a single measurement.
        measured: when, UTC.
        result: what came out.
    """

    number: int
    run: str
    measured: datetime
    result: Benchmark


@dataclass(frozen=True)
class Run:
    """A plan that was begun.

    Attributes:
        name: of the run.
        plan: as text, see `plans.Plan`.
        begun: when, UTC.
        finished: whether every measurement was made or found impossible.
        results: how many were made.
    """

    name: str
    plan: str
    begun: datetime
    finished: bool
    results: int


def path() -> Path:
    """Where the measurements lie."""
    return storage.folder("benchmarks") / FILE


@contextmanager
def _opened() -> Iterator[sqlite3.Connection]:
    """A connection with the tables in it; what was done is kept at the end, or undone after an error."""
    try:
        with closing(sqlite3.connect(path(), timeout=30)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")  # also after a power cut
            _prepare(connection)
            with connection:
                yield connection
    except sqlite3.Error as error:
        raise StoreBroken(
            f"The file of measurements {path()} cannot be used ({error}); move it away to begin with an empty one."
        ) from error


def _prepare(connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > VERSION:
        raise StoreBroken(f"The file of measurements {path()} was made by a later version of the app; update the app.")
    if found == 0:
        connection.execute("BEGIN IMMEDIATE")  # two processes at once: the second finds the tables made
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            for statement in filter(str.strip, _TABLES.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.commit()


def add(result: Benchmark, run: str = "") -> int:
    """Stores a result, safely on disk when this returns; its number."""
    with _opened() as connection:
        connection.execute(
            "INSERT OR IGNORE INTO machines VALUES (?, ?)",
            (result.fingerprint.hash, json.dumps(asdict(result.fingerprint))),
        )
        cursor = connection.execute(
            "INSERT INTO results (run, measured, machine, slug, title, weights, side, settings, warm_up, peak_bytes,"
            " times_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                run,
                datetime.now(UTC).isoformat(),
                result.fingerprint.hash,
                result.slug,
                result.title,
                result.weights,
                result.side,
                _text(result.settings),
                result.warm_up,
                result.peak_bytes,
                result.times_ms.astype("<f8").tobytes(),
            ),
        )
        return int(cursor.lastrowid or 0)


def all() -> tuple[Kept, ...]:  # noqa: A001  # read as store.all()
    """Every measurement, oldest first."""
    return _select("", ())


def of_run(run: str) -> tuple[Kept, ...]:
    """The measurements of a run, oldest first."""
    return _select("WHERE run = ?", (run,))


def latest(*, machine: str | None = None) -> tuple[Kept, ...]:
    """The newest measurement of every network with every setting on every machine, oldest first.

    Args:
        machine: hash of a fingerprint; None means all machines.
    """
    where, values = ("", ()) if machine is None else ("WHERE machine = ?", (machine,))
    newest = f"SELECT MAX(number) FROM results {where} GROUP BY machine, slug, side, settings"  # noqa: S608  # no input
    return _select(f"WHERE number IN ({newest})", values)


def forget(numbers: Iterable[int]) -> int:
    """Deletes measurements for good; how many there were."""
    with _opened() as connection:
        return sum(
            connection.execute("DELETE FROM results WHERE number = ?", (number,)).rowcount for number in set(numbers)
        )


def begin(plan: str) -> str:
    """Notes that a plan is begun; the run's name."""
    name = uuid.uuid4().hex[:12]
    with _opened() as connection:
        connection.execute("INSERT INTO runs VALUES (?, ?, ?, NULL)", (name, plan, datetime.now(UTC).isoformat()))
    return name


def finish(run: str) -> None:
    """Notes that nothing of a run is left to do."""
    with _opened() as connection:
        connection.execute("UPDATE runs SET finished = ? WHERE name = ?", (datetime.now(UTC).isoformat(), run))


def points(run: str) -> frozenset[tuple[str, Settings]]:
    """Which measurements of a run are made: networks with settings."""
    with _opened() as connection:
        rows = connection.execute("SELECT slug, settings FROM results WHERE run = ?", (run,)).fetchall()
    return frozenset((slug, Settings(**json.loads(settings))) for slug, settings in rows)


def runs() -> tuple[Run, ...]:
    """Every plan that was begun, oldest first."""
    with _opened() as connection:
        rows = connection.execute(
            "SELECT name, plan, begun, finished, (SELECT COUNT(*) FROM results WHERE run = name) FROM runs"
            " ORDER BY begun, rowid"
        ).fetchall()
    return tuple(
        Run(name, plan, datetime.fromisoformat(begun), finished is not None, count)
        for name, plan, begun, finished, count in rows
    )


def _select(condition: str, values: tuple[Any, ...]) -> tuple[Kept, ...]:
    with _opened() as connection:
        rows = connection.execute(
            "SELECT number, run, measured, slug, title, weights, side, settings, warm_up, peak_bytes, times_ms,"  # noqa: S608  # no input
            f" fingerprint FROM results JOIN machines ON machine = hash {condition} ORDER BY number",
            values,
        ).fetchall()
    return tuple(map(_kept, rows))


def _kept(row: tuple[Any, ...]) -> Kept:
    number, run, measured, slug, title, weights, side, settings, warm_up, peak, times, fingerprint = row
    result = Benchmark(
        slug=slug,
        title=title,
        weights=weights,
        side=side,
        settings=Settings(**json.loads(settings)),
        times_ms=np.frombuffer(times, "<f8"),
        warm_up=warm_up,
        peak_bytes=peak,
        fingerprint=Fingerprint(**json.loads(fingerprint)),
    )
    return Kept(number, run, datetime.fromisoformat(measured), result)


def _text(settings: Settings) -> str:
    return json.dumps(asdict(settings), sort_keys=True)
