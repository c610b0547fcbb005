"""What the cells of all grids share. A key is content, as everywhere; here one can also ask what is known already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st


@dataclass(frozen=True)
class Tile:
    """A computed cell, small enough to be kept by the hundred.

    Attributes:
        reason: why there is no map; empty if there is one.
        picture: JPEG of the map over what the network saw, at most 224 px.
        raw: float32 (h, w), the map before anything was cut off or enlarged.
        target: index of the class in this network.
        label: its name.
        layer: where the map was read; empty for methods that read pixels.
        probability: of the class, 0 to 1.
        bright: whether scattered pixels were brightened in the picture.
        seconds: that the map took.
    """

    reason: str = ""
    picture: bytes = b""
    raw: np.ndarray | None = None
    target: int = 0
    label: str = ""
    layer: str = ""
    probability: float = 0.0
    bright: bool = False
    seconds: float = 0.0


class Unknown(Exception):
    """Nobody has computed it yet."""


def unknown() -> Tile:
    """In place of a computation, by whoever only asks.

    Raises:
        Unknown: always.
    """
    raise Unknown


def unknown_answer() -> np.ndarray:
    """The same for `answer`.

    Raises:
        Unknown: always.
    """
    raise Unknown


Question = tuple[str, int | None, str, str | None, tuple[tuple[str, Any], ...]]
"""Method, class, its name, layer, options."""


@st.cache_resource(show_spinner=False, max_entries=400)  # 80 MB of gradients at 224 px, 10 MB of CAMs
def tile(
    network: str,  # noqa: ARG001
    digest: str,  # noqa: ARG001
    question: Question,  # noqa: ARG001
    _compute: Callable[[], Tile],
) -> Tile:
    """A cell by the network's key and the photo's hash; what raises is not kept."""
    return _compute()


@st.cache_resource(show_spinner=False, max_entries=2000)  # 4 kB each
def answer(
    network: str,  # noqa: ARG001
    digest: str,  # noqa: ARG001
    _compute: Callable[[], np.ndarray],
) -> np.ndarray:
    """A network's logits for a photo."""
    return _compute()
