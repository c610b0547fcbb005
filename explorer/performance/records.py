"""What is known of every network with each of its weights, kept in `kept.json`, so that a page needs no torch for it.

``python -m explorer.performance`` writes the file: figures from `explorer.published`, counts from the networks. A test
makes every entry anew. What is not in it, such as a network that was just added, is made when it is asked for, and so
are all published figures where another version of torchvision is installed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from explorer import catalogue, published
from explorer.performance.counting import Counted, count

FILE = Path(__file__).with_name("kept.json")
IMAGENET = "ImageNet"
"""The data set on which accuracies compare."""


@dataclass(frozen=True)
class Record:
    """One network with one version of its weights.

    Attributes:
        slug: of the network's card.
        network: its title.
        family: whose colour it has.
        year: of first publication.
        loaded: whether these are the weights that the app loads, or the network's only record.
        weights: name of the weights; empty where nothing was published.
        dataset: what accuracy is measured on.
        top1: accuracy, %; None where it is unknown.
        top5: the class is among the first five, %.
        side: of the square input, pixels.
        megabytes: of the file with the weights, millions of bytes; None where there is none.
        parameters: as the source publishes them.
        macs: as the source publishes them.
        source: who says so; empty where nothing was published.
        counts: counted on the app's own network for this side.
    """

    slug: str
    network: str
    family: str
    year: int
    loaded: bool
    weights: str
    dataset: str
    top1: float | None
    top5: float | None
    side: int
    megabytes: float | None
    parameters: int | None
    macs: int | None
    source: str
    counts: Counted


@cache
def records() -> tuple[Record, ...]:
    """Everything, network by network in the order of the catalogue; the weights that the app loads come first."""
    kept: dict[str, Any] = {"torchvision": "", "records": []}
    if FILE.is_file():
        kept = json.loads(FILE.read_text())
    known: dict[str, list[Record]] = {}
    for entry in kept["records"]:
        record = Record(**{**entry, "counts": Counted(**entry["counts"])})
        known.setdefault(record.slug, []).append(record)
    current = kept["torchvision"] == made_with()
    found: list[Record] = []
    for slug in catalogue.titles(mine=False):
        counts = {record.side: record.counts for record in known.get(slug, [])}
        found += known[slug] if current and counts else made(slug, counts)
    return tuple(found)


def made(slug: str, counts: dict[int, Counted] | None = None) -> list[Record]:
    """The records of one network, made anew.

    Args:
        slug: of its card.
        counts: what was counted before, by side.
    """
    card, counts = catalogue.get(slug), dict(counts or {})
    fresh: list[Record] = []
    for row in published.entries(slug) or (None,):
        side = card.input_size if row is None or row.side is None else row.side
        if side not in counts:
            counts[side] = count(slug, side)
        fresh.append(
            Record(
                slug=slug,
                network=card.title,
                family=card.family,
                year=card.year,
                loaded=not fresh,
                weights=row.entry if row else "",
                dataset=row.dataset if row else "",
                top1=row.top1 if row else None,
                top5=row.top5 if row else None,
                side=side,
                megabytes=row.megabytes if row and row.megabytes is not None else _megabytes(slug),
                parameters=row.parameters if row else None,
                macs=row.macs if row else None,
                source=row.source if row else "",
                counts=counts[side],
            )
        )
    return fresh


def write() -> Iterator[str]:
    """Writes the file; yields each network before it is counted."""
    lines = []
    for slug in catalogue.titles(mine=False):
        yield slug
        lines += [json.dumps(asdict(record)) for record in made(slug)]  # a line for each: changes can be read
    head = json.dumps(made_with())
    FILE.write_text(f'{{"torchvision": {head}, "records": [\n' + ",\n".join(lines) + "\n]}\n")


def made_with() -> str:
    """The version of torchvision whose figures the records have."""
    return version("torchvision").partition("+")[0]  # the build behind the plus, for a graphics card, changes no figure


def _megabytes(slug: str) -> float | None:
    """Millions of bytes of a file that came with the app."""
    bundled = catalogue.get(slug).bundled
    if bundled is None:
        return None
    from explorer.weight_files import bundled_path

    path = bundled_path(bundled)
    return None if path is None else round(path.stat().st_size / 1e6, 3)
