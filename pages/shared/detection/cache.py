"""What the Detection page keeps: scenes by seed, answers by network and picture, evidence for a box."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import streamlit as st

from explorer import images
from explorer.detection import Decoded, Scene, make
from pages.shared.cache import BY_CONTENT, Timed
from pages.shared.pictures import Picture

if TYPE_CHECKING:
    from explorer.detection.looking import BoxEvidence
    from explorer.models import Model

_CREDIT = "Made from photos by NASA (public domain) and vultilion (CC BY 2.0) and UCI's digits (CC BY 4.0)"


@st.cache_resource(show_spinner=False, max_entries=256)
def scene(seed: int) -> tuple[Scene, Picture]:
    """A held-out scene with its truth, and as a picture; 80 kB."""
    made = make(seed)
    data = images.encode_png(made.open())
    return made, Picture(f"scene_{seed}", f"Scene {seed}", _CREDIT, data, images.digest(data), "scenes")


@st.cache_resource(show_spinner=False, max_entries=128, hash_funcs=BY_CONTENT)
def looked(model: Model, picture: Picture) -> Timed[Decoded]:
    """What a detector says about a picture, decoded; 0.2 MB for 300 anchors of 9 classes."""
    from explorer.detection import looking

    start = time.perf_counter()
    return Timed(looking.look(model, picture.open()), time.perf_counter() - start)


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=BY_CONTENT)
def evidence(
    model: Model, picture: Picture, place: tuple[int, int, int], number: int, block: str, everywhere: bool
) -> Timed[BoxEvidence]:
    """Where the evidence for one number of one anchor lies."""
    from explorer.detection import looking

    start = time.perf_counter()
    found = looking.evidence(model, picture.open(), place, number, block, everywhere)
    return Timed(found, time.perf_counter() - start)
