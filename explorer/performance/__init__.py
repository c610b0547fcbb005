"""What each network reaches and costs: `table`, the `pareto` front, and the guide's claims beside the truth.

Importing this package imports no torch.
"""

from __future__ import annotations

from explorer.performance.checking import Claim, claims
from explorer.performance.counting import Counted
from explorer.performance.fronts import pareto
from explorer.performance.guide import TEN
from explorer.performance.latency import with_latency
from explorer.performance.metrics import METRICS, Metric
from explorer.performance.tables import COLUMNS, table, within

__all__ = [
    "COLUMNS",
    "METRICS",
    "TEN",
    "Claim",
    "Counted",
    "Metric",
    "claims",
    "pareto",
    "table",
    "with_latency",
    "within",
]
