"""Tab of the Attribution page: how far to trust the map above, by five measurements with one sentence each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from explorer import palettes
from pages.shared import blocks, selection
from pages.shared.components.box import box
from pages.shared.evidence import agreeing, lasting, options
from pages.shared.evidence.asked import Asked, pace, visible
from pages.shared.evidence.trust_lines import lines
from pages.shared.long_run import LongRun, offer
from pages.shared.text import number, plain

if TYPE_CHECKING:
    from explorer.attribution import Attribution
    from explorer.models import Model
    from pages.shared.pictures import Picture

_BOX, _BOXES = "trust-box", "_trust_boxes"
_Box = tuple[float, float, float, float]


@st.fragment
@blocks.kindly()
def draw(model: Model, picture: Picture, found: Attribution) -> None:
    """The five measurements; what takes long is computed when everything is drawn.

    Args:
        model: the network.
        picture: the photo.
        found: the map whose trustworthiness is asked for.
    """
    from explorer.attribution import METHODS

    st.markdown("A map can look right and mean little. Six questions tell how far to trust this one.")
    asked = Asked(model, picture, found, pace(model, picture))
    if not model.weights.trained:
        st.caption("This network has random weights: there is nothing in its map to trust, and the numbers show that.")
    left, right = st.columns([5, 7], gap="large")
    with left:
        at = _in_box(asked)
    waiting = []
    with right:
        # Each in a place of its own: what grows in one while it is measured moves nothing in another.
        for heading, measure in (("Does it add up?", _complete), ("Do other methods agree?", agreeing.of_methods)):
            with st.container():
                st.markdown(f"##### {heading}")
                waiting.append(measure(asked))
    for heading, measure in (
        ("Does the answer hang on these pixels?", lasting.worth),
        ("Does the map change when the network forgets?", lasting.forgetting),
        ("Do other networks agree?", agreeing.of_networks),
    ):
        with st.container():
            st.markdown(f"##### {heading}")
            waiting.append(measure(asked))
    with st.expander("Code for this view", icon=":material/code:"):
        st.caption("For a loaded `model` and an opened `photo`.")
        changed = options.chosen(METHODS["integrated_gradients"], model)
        beside, networks = agreeing.methods_beside(asked), agreeing.networks_beside(asked)
        st.code(lines(found, at, changed, beside, networks), language="python")
    selection.write_link(in_fragment=True)
    for go in waiting:
        if go is not None:
            go()


def _in_box(asked: Asked) -> _Box:
    """The box on the photo and what it holds of the map."""
    from explorer import trust
    from explorer.attribution import METHODS

    found = asked.found
    st.markdown("##### Is it where the thing is?")
    st.markdown(f"Draw a box around {_named(found.label)} on the photo: how much of the map lies in it?")
    height, width = found.heatmap.shape
    subject = f"{asked.picture.digest}|{width}x{height}"
    boxes: dict[str, _Box] = st.session_state.setdefault(_BOXES, {})
    at = boxes.get(subject) or around_most(found.heatmap)

    def drawn() -> None:
        given = st.session_state[_BOX].get("box")
        if given and len(given) == 4 and all(isinstance(each, int | float) for each in given):
            left, top, right, bottom = map(float, given)
            boxes[subject] = (left, top, right, bottom)

    box(
        {
            "id": f"{subject}|{asked.question}",
            "subject": subject,
            "box": at,
            "width": width,
            "height": height,
            "alternative": f"The photo with the map for {found.label} and a box, which arrow keys move",
        },
        _BOX,
        drawn,
        photo=found.seen,
        levels=np.rint(visible(found.heatmap) * 255).astype(np.uint8),
        table=palettes.HEAT,
    )
    at = boxes.get(subject, at)
    inside = trust.inside(found, at)
    st.markdown(f"**{inside.sentence}**")
    method = METHODS[found.method]
    evidence = "what speaks for the class" if method.signed else "what moves the class's score, up or down"
    if not method.asks_class:
        evidence = "what the map shows, whatever the class"
    if inside.area:
        st.caption(
            f"Evidence spread evenly would have {100 * inside.area:.0f} % in it: this map has "
            f"{inside.evidence / inside.area:.1f} times that. Evidence: {evidence}. A map may lie on the thing and "
            "still not show what the answer hangs on."
        )
    return at


def around_most(heatmap: np.ndarray) -> _Box:
    """A box to begin with: 15 % of the evidence lies beyond each of its sides; the middle if there is none."""
    height, width = heatmap.shape
    total = float(heatmap.sum(dtype=np.float64))
    if not total > 0:
        return (width / 4, height / 4, 3 * width / 4, 3 * height / 4)
    across, down = (np.cumsum(heatmap.sum(axis=axis, dtype=np.float64)) / total for axis in (0, 1))
    left, right, top, bottom = (int(np.searchsorted(sums, at)) for sums in (across, down) for at in (0.15, 0.85))
    return (float(left), float(top), float(right + 1), float(bottom + 1))


def _complete(asked: Asked) -> Any:
    """Whether integrated gradients add up to the rise of the logit."""
    from explorer import attribution

    found = asked.found
    if found.delta is not None:
        _shares(found)
        return None
    reason = attribution.availability(asked.model, "integrated_gradients")
    if reason:
        st.caption(reason)
        return None
    method = attribution.METHODS["integrated_gradients"]
    changed = options.chosen(method, asked.model)  # as One map would draw it
    baseline = options.baseline(changed)
    st.markdown(
        f"{attribution.METHODS[found.method].title} makes no such promise: its numbers have no sum to keep. Integrated "
        f"gradients do: what they give to all pixels together is what the logit gains from {baseline} to the photo."
    )
    effort = attribution.effort(asked.model, method.key, **changed)

    def compute(progress: Any, stopped: Any) -> tuple[Attribution, float]:
        start = time.perf_counter()
        result = attribution.attribute(
            asked.model,
            asked.picture.open(),
            method.key,
            found.target,
            against=found.against,
            progress=progress,
            cancelled=stopped,
            **changed,
        )
        return result, time.perf_counter() - start

    def show(result: tuple[Attribution, float]) -> None:
        _shares(result[0])
        blocks.caption(asked.model, method.title, *options.words(result[0]), seconds=result[1])

    question = ("complete", asked.model.key, asked.picture.digest, found.target, found.against, repr(changed))
    label, seconds = "Check integrated gradients", effort.work * asked.pace
    return offer(LongRun("trust-complete", question, label, effort.passes, seconds, compute, show))


def _shares(found: Attribution) -> None:
    assert found.delta is not None
    assert found.difference is not None
    error, missed = options.error(found)
    verdict = "they add up" if error < 0.05 else "they nearly add up" if error < 0.2 else "they do not add up well"
    what = f"the logit of {_named(found.label)}"
    if found.against is not None:
        what = f"the lead of {_named(found.label)} over {_named(found.against_label)}, in logits,"
    advice = "" if error < 0.05 else " More steps bring them closer."
    st.markdown(
        f"**Integrated gradients sum to {number(round(found.difference + found.delta, 3))}; "
        f"{what} gains {number(round(found.difference, 3))} from the baseline to the photo: {verdict}, "
        f"{missed} off.**{advice}"
    )


def _named(label: str) -> str:
    return f"“{plain(label)}”"
