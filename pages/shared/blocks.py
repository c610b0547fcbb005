"""Small things that pages draw alike: captions, notes, numbers for people."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import streamlit as st

from explorer.errors import ExplorerError
from pages.shared import selection

if TYPE_CHECKING:
    from explorer.capture import Layer
    from explorer.models import Model


_LOG = logging.getLogger(__name__)


def percent(probability: float) -> str:
    """A probability for people: 41 %, 3.2 %, below 0.1 %."""
    if probability < 0.001:
        return "below 0.1 %"
    return f"{100 * probability:.{0 if probability >= 0.0995 else 1}f} %"


def count(number: float) -> str:
    """A count for people: 640, 4.65 M, 385 M, 4.09 G."""
    if number < 1000:
        return f"{number:.0f}"
    power = min(int(math.log10(number) // 3), 4)
    return f"{number / 1000**power:.3g} {'kMGT'[power - 1]}"


def shape(layer: Layer) -> str:
    """The size of a layer's output: 112 × 14 × 14."""
    return " × ".join(map(str, layer.shape))


def choice(label: str, options: dict[str, str], key: str) -> str:
    """A row of buttons, one always chosen; remembered while the visitor is here."""
    key_default = next(iter(options))
    chosen = st.segmented_control(
        label,
        list(options),
        default=key_default,
        required=True,
        format_func=options.__getitem__,
        key=key,
        persist_state="session",
    )
    return chosen or key_default


def complaints() -> None:
    """Shows once what could not be done since the last run, one sentence each."""
    for sentence in st.session_state.pop("complaints", []):
        st.warning(sentence, icon=":material/info:")


@contextmanager
def kindly() -> Iterator[None]:
    """Turns whatever goes wrong inside into one sentence; Streamlit's own signals (stop, rerun) pass through."""
    try:
        yield
    except ExplorerError as error:
        st.warning(str(error), icon=":material/info:")
    except Exception:  # the last resort: a visitor never meets a traceback
        _LOG.exception("a page failed")
        st.warning(
            "Something went wrong here, and the server's log says what. Choose another layer, network or photo, "
            "or reload; your photos and choices are kept.",
            icon=":material/info:",
        )


def weights_note(model: Model) -> None:
    """Says so where the network has learnt nothing; random weights are never silent."""
    if not model.weights.trained:
        st.warning(
            f"{model.card.title} runs with random weights: it has learnt nothing, so its answers mean nothing."
            + (f" {model.weights.note}" if model.weights.note else ""),
            icon=":material/casino:",
        )
    elif model.weights.note:
        st.warning(model.weights.note, icon=":material/info:")


def caption(model: Model, *parts: str, seconds: float | None = None) -> None:
    """The line under a picture: network, weights, what is shown, how long it took."""
    time = () if seconds is None else (f"{seconds:.2f} s",)
    st.caption(" · ".join((model.card.title, model.weights.name, *parts, *time)))


def file_stem(model: Model, *parts: str) -> str:
    """A name for a file to keep: photo, network and what is shown, in letters every system knows."""
    words = (selection.picture().title, model.card.slug, *parts)
    return "-".join("".join(c if c.isalnum() or c in "._" else "_" for c in word) for word in words)[:120]
