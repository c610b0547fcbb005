"""What the measurements of trust are about, and how long one pass takes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from PIL import Image

from explorer import images, palettes
from pages.shared import blocks

if TYPE_CHECKING:
    from explorer.attribution import Attribution, Effort
    from explorer.models import Model
    from pages.shared.pictures import Picture

_PACES = "_evidence_paces"
_SIDE = 150  # px, of a small map


@dataclass(frozen=True)
class Asked:
    """A map and where it comes from.

    Attributes:
        model: the network.
        picture: the photo.
        found: the map.
        pace: seconds of one pass.
    """

    model: Model
    picture: Picture
    found: Attribution
    pace: float

    @property
    def question(self) -> tuple[Any, ...]:
        """All that a measurement of the map depends on."""
        found = self.found
        options = tuple(sorted((name, repr(value)) for name, value in found.options.items()))
        return (self.model.key, self.picture.digest, found.method, found.target, found.against, found.layer, options)

    @property
    def layer(self) -> str | None:
        """Where the map was read; None where the method needs no layer to be named."""
        from explorer.attribution import METHODS

        return self.found.layer if METHODS[self.found.method].needs_layer else None

    @property
    def explain(self) -> Any:
        """As `attribution.attribute`, with the map's own options."""
        from explorer import attribution

        options: dict[str, Any] = {"against": self.found.against, **self.found.options}
        return partial(attribution.attribute, **options)

    @property
    def effort(self) -> Effort:
        """What one such map takes in a network like this one, whichever of its channels are silent."""
        from explorer import attribution

        options: dict[str, Any] = dict(self.found.options)
        return attribution.effort(self.model, self.found.method, self.layer, **options)


def pace(model: Model, picture: Picture) -> float:
    """Seconds that one pass takes, measured once a session; the better of two, since the first one warms up."""
    from explorer import predict

    paces: dict[str, float] = st.session_state.setdefault(_PACES, {})
    if model.key not in paces:
        photo, taken = picture.open(), []
        for _ in range(2):
            start = time.perf_counter()
            predict.logits(model, photo)
            taken.append(time.perf_counter() - start)
            if taken[0] > 0.5:
                break
        paces[model.key] = min(taken)
    return paces[model.key]


def visible(heatmap: np.ndarray) -> np.ndarray:
    """A map of scattered pixels made bright enough to be seen when it is small; others as they are."""
    top = float(np.quantile(heatmap, 0.99))
    return np.clip(heatmap / top, 0, 1) if 0 < top < 0.5 else heatmap


def row(maps: list[tuple[np.ndarray, np.ndarray, str]]) -> None:
    """Small maps beside each other: (what was seen, the map, words below)."""
    with st.container(horizontal=True, gap="small"):
        for seen, heatmap, words in maps:
            with st.container(width=_SIDE):
                picture = Image.fromarray(palettes.overlay(seen, visible(heatmap)))
                alt = words.replace("\\", "")  # what keeps signs from being Markdown
                blocks.image(images.encode_png(picture), width=_SIDE, alt=alt)
                st.caption(words)
    if any(visible(heatmap) is not heatmap for _, heatmap, _ in maps):
        st.caption("Scattered pixels are brightened here, so that they can be seen.")
