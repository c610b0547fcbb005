"""What the visitor has switched off or scaled: chosen, listed, taken back; kept for each network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.shared import cache
from pages.shared.text import number, plain

if TYPE_CHECKING:
    from explorer.intervention import Contributions
    from explorer.intervention.changes import Kind
    from explorer.models import Model

    Change = tuple[str, tuple[int, ...] | None, float, Kind]
    """Layer (or block), channels (or heads), factor, kind."""

_MADE = "_intervene_made"
_FIRST = 3
_KINDS = {"channels": "Channels", "block": "Residual blocks", "head": "Attention heads"}
_PART, _WHICH, _FACTOR, _ATTENTION = "intervene-part", "intervene-which", "intervene-factor", "intervene-attention"


def first(guess: Contributions) -> tuple[Change, ...]:
    """What is off before the visitor has chosen anything: the channels that seem to carry most."""
    best = tuple(int(channel) for channel in guess.order[:_FIRST] if guess.values[channel] > 0)
    return ((guess.layer, best, 0.0, "channels"),) if best else ()


def made(model: Model, default: tuple[Change, ...]) -> tuple[Change, ...]:
    """The visitor's changes to this network; ``default`` while there was none."""
    kept: dict[str, tuple[Change, ...]] = st.session_state.setdefault(_MADE, {})
    return kept.get(model.key, default)


def asked(guess: Contributions) -> str:
    """What the channels carry, in words."""
    return f"“{plain(guess.label)}”" + (f" over “{plain(guess.against_label)}”" if guess.against is not None else "")


def keep(model: Model, changes: tuple[Change, ...]) -> None:
    """Makes these the changes to this network."""
    kept: dict[str, tuple[Change, ...]] = st.session_state.setdefault(_MADE, {})
    kept[model.key] = changes


def choose(model: Model, layer: str, guess: Contributions, now: tuple[Change, ...]) -> tuple[Change, ...]:
    """Widgets to change one kind of part; what they say is in the result at once."""
    from explorer import intervention

    attentions, branches = intervention.heads(model), cache.residual_blocks(model)
    kinds: list[Kind] = ["channels"]
    kinds += ["block"] if branches else []
    kinds += ["head"] if attentions else []
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        if st.session_state.get(_PART) not in kinds:
            st.session_state[_PART] = "channels"
        part = st.segmented_control(
            "Change",
            kinds,
            required=True,
            format_func=_KINDS.__getitem__,
            key=_PART,
            persist_state="session",
        )
        part = part or "channels"
        chosen, times, place = f"{_WHICH}-{part}", f"{_FACTOR}-{part}", layer
        if part == "head":
            places = [each.layer for each in attentions]
            st.session_state.setdefault(_ATTENTION, places[-1])
            if st.session_state[_ATTENTION] not in places:
                st.session_state[_ATTENTION] = places[-1]
            place = st.selectbox("Attention", places, key=_ATTENTION, persist_state="session", width=320)
        own = [change for change in now if change[3] == part and (part == "block" or change[0] == place)]

        def store() -> None:
            which, factor = st.session_state[chosen], round(float(st.session_state[times]), 1)
            others = tuple(change for change in now if change not in own)
            if part == "block":
                new: tuple[Change, ...] = tuple((str(name), None, factor, part) for name in which)
            else:
                new = ((place, tuple(int(each) for each in which), factor, part),) if which else ()
            keep(model, others + new)

        st.session_state[times] = own[0][2] if own else st.session_state.get(times, 0.0)
        st.slider(
            "Times",
            0.0,
            2.0,
            step=0.1,
            key=times,
            on_change=store,
            format="%.1f",
            width=220,
            help="What the chosen parts hand on is multiplied by this: 0 switches them off, 1 leaves them, 2 doubles.",
        )
    if part == "block":
        st.session_state[chosen] = [change[0] for change in own]
        st.pills(
            "Residual blocks: of one that is off, only the shortcut is left",
            [each.name for each in branches],
            selection_mode="multi",
            key=chosen,
            on_change=store,
        )
    elif part == "head":
        count = next(each.count for each in attentions if each.layer == place)
        st.session_state[chosen] = [head for change in own for head in change[1] or range(count)]
        st.pills("Heads", range(count), selection_mode="multi", key=chosen, on_change=store)
    else:
        order = [int(channel) for channel in guess.order]
        falls = "the class's logit" if guess.against is None else f"the lead of {asked(guess)}, in logits,"
        st.session_state[chosen] = [channel for change in own for channel in change[1] or ()]
        st.multiselect(
            f"Channels of {layer}, those that seem to carry most of {asked(guess)} first",
            order,
            format_func=lambda channel: f"{channel}  ·  {number(float(f'{guess.values[channel]:.2g}'))}",
            key=chosen,
            on_change=store,
            placeholder="Choose channels by number",
            help=f"Activation × gradient, summed over the map: by how much {falls} would fall without the channel, "
            "if all that follows were a straight line. Exact before a linear classifier, a guess elsewhere.",
        )
    return now


def listed(model: Model, now: tuple[Change, ...], guess: Contributions) -> None:
    """All changes, each with a way to take it back, and one for all."""
    from explorer import intervention

    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if not now:
            st.caption("Nothing is changed: before and after are the same.")
            st.button(
                f"Switch off the {_FIRST} that seem to carry most",
                key="intervene-first",
                icon=":material/power_settings_new:",
                on_click=keep,
                args=(model, first(guess)),
            )
            return
        for place, change in enumerate(now):
            left = tuple(each for each in now if each is not change)
            st.button(
                plain(intervention.describe(intervention.Intervention(*change))),
                key=f"intervene-chip-{place}",
                icon=":material/close:",
                on_click=keep,
                args=(model, left),
                help="Take this back",
            )
        st.button(
            "Reset", key="intervene-reset", type="primary", icon=":material/undo:", on_click=keep, args=(model, ())
        )
    if now == first(guess):
        st.caption(
            f"To begin with, the {len(now[0][1] or ())} channels that seem to carry most of {asked(guess)} are "
            "off, by activation × gradient. Choose others above."
        )
