"""Where the app keeps what a visitor made: measurements, training runs, evaluations."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

VARIABLE = "CNN_EXPLORER_DATA"
"""Environment variable that names another folder than the system's usual one."""


def folder(*parts: str) -> Path:
    """A folder for lasting data, made if it is missing.

    Args:
        *parts: names below the app's own folder, 'benchmarks' or 'training', 'run-1'.
    """
    named = os.environ.get(VARIABLE)
    root = Path(named).expanduser() if named else platformdirs.user_data_path("cnn-explorer", appauthor=False)
    chosen = root.joinpath(*parts)
    chosen.mkdir(parents=True, exist_ok=True)
    return chosen
