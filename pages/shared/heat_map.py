"""Evidence for a class, as Home and Attribution draw it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from explorer import palettes
from pages.shared import cache, selection
from pages.shared.cache import Timed
from pages.shared.components.heat import heat
from pages.shared.components.ranking import ranking
from pages.shared.text import percent, plain

if TYPE_CHECKING:
    from explorer.attribution import Attribution
    from explorer.models import Model
    from pages.shared.pictures import Picture


def attribution(model: Model, picture: Picture, layer: str, method: str = "grad_cam") -> Timed[Attribution]:
    """The evidence for the selected class, at ``layer`` or the method's default where it is not valid."""
    from explorer import activations
    from explorer import attribution as methods

    valid = {each.name for each in methods.valid_layers(model, method)}
    where = layer if layer in valid else activations.default_layer(model).name
    return cache.attribution(model, picture, method, selection.current().target, where)


def draw(found: Attribution, key: str, *, signed: bool = False, single: bool = False, file: str = "map") -> None:
    """The map over what the network saw; only that and a sentence where nothing speaks for the class.

    Args:
        found: the evidence.
        key: of the component.
        signed: both signs instead of the positive part.
        single: only the overlay instead of three panels.
        file: name under which the browser saves the overlay.
    """
    blank = not signed and not found.evidence
    if blank:
        where = f"“{selection.EVIDENCE['both']}”" + (" on the Attribution page" if single else "")
        st.info(
            f"No positive evidence for “{plain(found.label)}” here: at {plain(found.layer)} no place raises this "
            f"class. {where} shows what speaks against it.",
            icon=":material/block:",
        )
    height, width = found.heatmap.shape
    shares = found.signed if signed else found.heatmap
    top = _top(shares)
    shares = np.clip(shares / top, -1, 1)
    levels = (shares + 1) / 2 if signed else shares
    peak = float(np.abs(found.raw).max()) if signed else max(float(found.raw.max()), 0.0)
    heat(
        {
            "width": width,
            "height": height,
            "rows": found.raw.shape[0],
            "columns": found.raw.shape[1],
            "signed": signed,
            "single": single,
            "blank": blank,
            "low": -peak * top if signed else 0.0,
            "high": peak * top,
            "cut": top < 1,
            "saw": f"What the network saw, {width} × {height}",
            "alternative": f"Where the network finds evidence for {found.label}",
            "id": f"{found.layer}|{found.target}|{signed}",
            "file": file,
        },
        key,
        levels=np.rint(levels * 255).astype(np.uint8),
        raw=found.raw,
        photo=found.seen,
        table=palettes.DIVERGING if signed else palettes.HEAT,
    )


def _top(shares: np.ndarray) -> float:
    """Where the scale ends: at 1, or lower where a few pixels are far above all others and would leave these black."""
    high = float(np.quantile(np.abs(shares), 0.995))
    return high if 0 < high < 0.5 else 1.0


def rank(model: Model, logits: np.ndarray, chosen: int, key: str, on_choice: Callable[[], None]) -> None:
    """The five most probable classes as bars, and the chosen one below them if it is none of these."""
    from explorer import predict

    rows = list(predict.ranked(model, logits))
    if chosen not in {each.index for each in rows}:
        rows.append(predict.of_class(model, logits, chosen))
    ranking(
        [
            {
                "index": each.index,
                "label": each.label,
                "probability": each.probability,
                "text": percent(each.probability),
            }
            for each in rows
        ],
        chosen,
        key,
        on_choice,
        trained=model.weights.trained,
    )
    st.caption(f"The best of {len(logits):,} classes; click one to ask about it.")
