"""Which channels carry the decision: a guess at once, and a search by trying."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import streamlit as st

from pages.shared import blocks
from pages.shared.evidence import changes
from pages.shared.long_run import LongRun, Progress, Stopped, offer
from pages.shared.text import plain

if TYPE_CHECKING:
    from explorer.intervention import Carriers, Contributions
    from explorer.models import Model
    from pages.shared.pictures import Picture

_GUESSED = "_intervene_guessed"
_COUNT, _CANDIDATES = 5, 64


def contributions(model: Model, picture: Picture, layer: str, target: int, against: int | None) -> Contributions:
    """Activation times gradient of every channel, for the class or for its lead over another one."""
    from explorer import intervention

    kept: dict[tuple[str, str, str, int, int | None], Contributions] = st.session_state.setdefault(_GUESSED, {})
    question = (model.key, picture.digest, layer, target, against)
    if question not in kept:
        while len(kept) >= 8:
            del kept[next(iter(kept))]
        kept[question] = intervention.contributions(model, picture.open(), layer, target, against=against)
    return kept[question]


def offered(model: Model, picture: Picture, layer: str, target: int, against: int | None, pace: float) -> None:
    """The search behind its button, and what it found: what lowers the class most, or its lead over another one."""
    from explorer import activations

    known = activations.layers(model)
    here = activations.find_layer(model, layer)
    channels = here.shape[0]
    tried = min(_CANDIDATES, channels)

    def trials(rounds: int) -> int:
        """Each channel alone, then round by round those that are left; the search ends when none lowers it further."""
        return channels + sum(tried - chosen for chosen in range(1, min(_COUNT, tried, rounds)))

    passes = trials(_COUNT)
    behind = (len(known) - known.index(here)) / len(known)  # what has to be computed anew

    def compute(progress: Progress, stopped: Stopped) -> tuple[Carriers, float]:
        from explorer import intervention

        start = time.perf_counter()
        found = intervention.greedy(
            model,
            picture.open(),
            layer,
            target,
            _COUNT,
            against=against,
            candidates=_CANDIDATES,
            progress=progress,
            cancelled=stopped,
        )
        _switch_off(model, layer, found)
        return found, time.perf_counter() - start

    def show(result: tuple[Carriers, float]) -> None:
        found, seconds = result
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(plain(found.sentence))
            if found.channels and not _off(model, layer, found):
                st.button(
                    "Switch these off",
                    key="intervene-carriers",
                    icon=":material/power_settings_new:",
                    on_click=_switch_off,
                    args=(model, layer, found),
                )
        made = trials(len(found.channels) + 1)
        blocks.caption(model, f"one after the other, {made:,} trials", seconds=seconds)

    question = ("carriers", model.key, picture.digest, layer, target, against)
    label = "Find the channels that carry the decision"
    if against is not None:
        label = f"Find the channels that carry the lead over “{plain(model.label(against))}”"
    go = offer(
        LongRun("intervene-find", question, label, passes, passes * pace * behind, compute, show, bound="at most")
    )
    if go is not None:
        go()


def lines(which: str) -> str:
    """The line that makes the search, about ``which`` network, photo, layer and classes."""
    return f"carriers = intervention.greedy({which}, count={_COUNT}, candidates={_CANDIDATES})  # by trying\n"


def _off(model: Model, layer: str, found: Carriers) -> bool:
    """Whether just these channels of the layer are off already."""
    return (layer, found.channels, 0.0, "channels") in changes.made(model, ())


def _switch_off(model: Model, layer: str, found: Carriers) -> None:
    """These channels go, and nothing else of this layer; other layers stay as they are."""
    others = tuple(change for change in changes.made(model, ()) if change[3] != "channels" or change[0] != layer)
    new = ((layer, found.channels, 0.0, "channels"),) if found.channels else ()
    changes.keep(model, (*others, *new))
