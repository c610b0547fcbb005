"""What the tabs of the Feature maps page keep between runs; keys are content, as in `pages.shared.cache`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import streamlit as st

from pages.shared.cache import BY_CONTENT, Timed

if TYPE_CHECKING:
    from explorer.layer_views import LayerView
    from explorer.models import Model
    from pages.shared.pictures import Picture


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=BY_CONTENT)
def layer_views(model: Model, picture: Picture, layers: tuple[str, ...], count: int) -> Timed[tuple[LayerView, ...]]:
    """Layers beside each other; a few maps each, at most 8 MB."""
    from explorer import layer_views as beside

    start = time.perf_counter()
    return Timed(beside.views(model, picture.open(), layers, count), time.perf_counter() - start)
