"""Tab of the Convolution page: from logits to probabilities, term by term, with a temperature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from explorer import arithmetic
from pages.shared import blocks, cache, controls, selection
from pages.shared.components import softmax as table
from pages.shared.text import plain

if TYPE_CHECKING:
    from explorer.models import Model
    from pages.shared.pictures import Picture

_TEMPERATURES = tuple(round(10 ** (step / 40), 4) for step in range(-40, 41))  # 0.1 to 10, even on a log scale, with 1
_SOURCES = {"photo": "This photo", "own": "Four numbers of my own"}
_OWN = (2.0, 1.0, 0.1, -1.0)


@st.fragment
@blocks.kindly()
def draw(picture: Picture, model: Model) -> None:
    """The network's answer, or four numbers, through the softmax."""
    chosen = "own"
    if model.classes:
        chosen = controls.kept_choice("Logits of", "softmax-source", _SOURCES, label_visibility="collapsed")
    else:
        st.info(blocks.no_classes(model), icon=":material/info:")
    if chosen == "photo":
        _of_photo(picture, model)
        code = "predict.logits(model, photo)"
    else:
        code = str(_of_own())
    st.caption(
        "Softmax: p = e^(z/T) / Σ e^(z/T). A cold temperature (below 1) lets the largest logit take all, a hot one "
        "makes all classes alike; the order never changes. Subtracting the largest first changes nothing, since it "
        "cancels, and keeps e^z from overflowing. Networks answer at T = 1."
    )
    st.code(
        f"from explorer import arithmetic{', predict' * (chosen == 'photo')}\n\n"
        f"arithmetic.softmax({code}, temperature=1.0).probabilities",
        language="python",
    )
    selection.write_link(in_fragment=True)


def _of_photo(picture: Picture, model: Model) -> None:
    timed = cache.logits(model, picture)
    logits = timed.result
    best = [int(index) for index in np.argsort(-logits, kind="stable")[:5]]
    target = selection.current().target
    target = best[0] if target is None else target
    rows = best if target in best else [*best, target]
    with st.container(border=False):
        _table(
            logits,
            rows,
            [model.label(index) for index in rows],
            rows.index(target),
            key="softmax-photo",
            trained=model.weights.trained,
            name=f"{picture.digest}|{model.key}",
        )
    blocks.caption(model, plain(picture.title), f"{len(logits):,} logits", seconds=timed.seconds)


def _of_own() -> list[float]:
    """Four numbers to play with; returns them."""
    values = []
    with st.container(horizontal=True):
        for number, start in enumerate(_OWN):
            key = f"softmax-own-{number}"
            st.session_state.setdefault(key, start)
            values.append(
                st.number_input(
                    f"Logit {'abcd'[number]}", -1000.0, 1000.0, step=0.5, key=key, width=130, persist_state="session"
                )
            )
    logits = np.array(values)
    _table(
        logits, list(range(4)), list("abcd"), int(logits.argmax()), key="softmax-own", trained=True, name=str(values)
    )
    st.caption("Add the same number to all four and nothing changes: only differences count.")
    return values


def _on_choice() -> None:
    chosen = st.session_state["softmax-photo"].chosen
    if chosen is not None:
        selection.change(target=int(chosen))


def _table(
    logits: np.ndarray, rows: list[int], labels: list[str], chosen: int, *, key: str, trained: bool, name: str
) -> None:
    """All of it worked out for every temperature of the slider, so that turning it asks nobody."""
    each = [arithmetic.softmax(logits, temperature) for temperature in _TEMPERATURES]
    exponentials = np.array([one.exponentials[rows] for one in each])
    probabilities = np.array([one.probabilities[rows] for one in each])
    total = np.array([one.total for one in each])
    others = np.delete(np.arange(len(logits)), rows)
    blobs = {
        "logits": logits[rows],
        "scaled": np.array([one.scaled[rows] for one in each]),
        "shifted": np.array([one.shifted[rows] for one in each]),
        "exponentials": exponentials,
        "probabilities": probabilities,
        "total": total,
        "rest": np.array([one.exponentials[others].sum() for one in each]),
        "restProbability": np.array([one.probabilities[others].sum() for one in each]),
    }
    header = {
        "id": name,
        "labels": labels,
        "indices": rows,
        "chosen": chosen,
        "others": len(others),
        "temperatures": _TEMPERATURES,
        "trained": trained,
        "clickable": key == "softmax-photo",
        "whose": "of the network" if key == "softmax-photo" else "your own",
    }
    floats = {name: np.asarray(blob, dtype=np.float32) for name, blob in blobs.items()}
    table.softmax(header, key, _on_choice, **floats)
