"""Each figure of the guide's table as it prints it, beside ours."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache

from explorer import catalogue
from explorer.performance import guide
from explorer.performance.records import records

_WORDS = {"year": "year", "top1": "top-1", "parameters": "parameters", "macs": "MACs"}
_POWERS = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9}


@dataclass(frozen=True)
class Claim:
    """One figure of the guide's table.

    Attributes:
        slug: of the network's card.
        column: of `tables.table`: 'year', 'top1', 'parameters' or 'macs'.
        printed: as the guide prints it: '~99 % (MNIST)', '724M'.
        value: the same as a number: percent, parameters, multiply-accumulates, year.
        truth: ours, in the same unit: of the weights that the app loads, or counted.
        agrees: whether ours rounds to the guide's last printed digit.
        note: why they differ; empty where they agree.
    """

    slug: str
    column: str
    printed: str
    value: float
    truth: float
    agrees: bool
    note: str

    @property
    def what(self) -> str:
        """'GoogLeNet, top-1'."""
        return f"{catalogue.get(self.slug).title}, {_WORDS[self.column]}"


def parse(printed: str) -> tuple[float, float]:
    """The number that the guide prints, and the worth of its last digit: '6.8M' is 6.8e6 and 1e5.

    Raises:
        ValueError: it is none.
    """
    found = re.match(r"~?(\d+)(?:\.(\d+))?\s*([KMG]?)", printed)
    if found is None:
        raise ValueError(f"{printed!r} is no figure like 6.8M or 75.3 %.")
    whole, decimals, power = found[1], found[2] or "", _POWERS[found[3]]
    return float(f"{whole}.{decimals or 0}") * power, power / 10 ** len(decimals)


def rounds_to(truth: float, printed: str) -> bool:
    """Whether a number, rounded at the last digit that is printed, is the printed one."""
    value, digit = parse(printed)
    return math.isclose(math.floor(truth / digit + 0.5) * digit, value, rel_tol=1e-9)


@cache
def claims() -> tuple[Claim, ...]:
    """All figures of the guide's table, row by row."""
    return tuple(claim for slug in guide.TEN for claim in _of(slug))


def _of(slug: str) -> list[Claim]:
    card = catalogue.CATALOGUE[slug]
    loaded, *others = [record for record in records() if record.slug == slug]
    printed = {
        "year": str(guide.YEARS[slug]),
        "top1": card.claims["top1"],
        "parameters": card.claims["params"],
        "macs": card.claims.get("macs", ""),
    }
    truth = {
        "year": card.year,
        "top1": loaded.top1,
        "parameters": loaded.counts.parameters,
        "macs": loaded.counts.macs,
    }
    # What notes may speak of: every version's accuracy, as {V1} or {SWAG_E2E_V1}, and the counts.
    words = {
        record.weights.removeprefix("IMAGENET1K_"): f"{record.top1:.2f} %"
        for record in (loaded, *others)
        if record.top1 is not None
    }
    found = []
    for column, text in printed.items():
        ours = truth[column]
        if text and ours is not None:
            agrees = rounds_to(ours, text)
            note = guide.NOTES.get((slug, column), "")
            note = note.format(parameters=loaded.counts.parameters, macs=loaded.counts.macs, **words)
            found.append(Claim(slug, column, text, parse(text)[0], float(ours), agrees, "" if agrees else note))
    return found
