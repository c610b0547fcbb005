"""Many maps of evidence at once: methods, networks, classes, layers and photos in rows and columns."""

from __future__ import annotations

from explorer.grid.cells import Cell, Filled, Refused, settled
from explorer.grid.filling import fill
from explorer.grid.keeping import archive, sheet

__all__ = ["Cell", "Filled", "Refused", "archive", "fill", "settled", "sheet"]
