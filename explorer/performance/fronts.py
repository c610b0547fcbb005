"""The Pareto front: networks that none beats in one number without falling behind in the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def pareto(table: pd.DataFrame, cost: str, gain: str, *, better: tuple[int, int] = (-1, +1)) -> pd.Series:
    """Which rows are on the front: no other row is at least as good in both columns and better in one.

    Rows that are equal in both are on it together. A row without one of the two numbers is never on it, and beats none.

    Args:
        table: as from `table`, or any other.
        cost: column of which less is better.
        gain: column of which more is better.
        better: -1 for less and +1 for more, where two costs or two gains are compared.

    Returns:
        True or False for each row, with the table's index.

    Raises:
        ValueError: `better` holds something else than -1 and +1.
    """
    import pandas as pd

    if not set(better) <= {-1, +1}:
        raise ValueError(f"better must hold -1 (less) or +1 (more) for each column, not {better}.")
    x = -better[0] * table[cost].to_numpy(dtype=float, na_value=np.nan)  # both turned so that less is better
    y = -better[1] * table[gain].to_numpy(dtype=float, na_value=np.nan)
    front = np.zeros(len(table), dtype=bool)
    known = np.flatnonzero(~(np.isnan(x) | np.isnan(y)))
    least: float | None = None  # the best y among all rows with a smaller x
    known = known[np.lexsort((y[known], x[known]))]
    ends = np.flatnonzero(x[known][1:] != x[known][:-1]) + 1
    for group in np.split(known, ends):  # rows that share an x, best y first
        if len(group) and (least is None or y[group[0]] < least):
            front[group] = y[group] == y[group[0]]
            least = y[group[0]]
    return pd.Series(front, index=table.index, name="pareto")
