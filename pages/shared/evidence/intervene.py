"""Tab of the Attribution page: switch parts of the network off, or make them louder, and see what it answers then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from pages.shared import blocks, cache, heat_map, selection
from pages.shared.components.shift import shift
from pages.shared.evidence import carrying, changes
from pages.shared.evidence.asked import Asked, pace
from pages.shared.long_run import LongRun, Progress, Stopped, offer
from pages.shared.text import plain

if TYPE_CHECKING:
    from explorer.attribution import Attribution, Effort
    from explorer.intervention import Contributions
    from explorer.models import Model
    from pages.shared.evidence.changes import Change
    from pages.shared.pictures import Picture

_CHEAP = 3  # forward passes: a map that takes more is asked for


@st.fragment
@blocks.kindly()
def draw(model: Model, picture: Picture, found: Attribution, layer: str) -> None:
    """What is changed, and answers and maps before and after.

    Args:
        model: the network; it is never written, the changed one is a copy on the same weights.
        picture: the photo.
        found: the map of the network as it is; the changed one is asked the same.
        layer: whose channels are changed; the map's own, or the default one, if empty or no layer but a step.
    """
    from explorer import activations

    if model.card.task != "classification":
        st.markdown(blocks.no_classes(model))
        return
    known = {each.name for each in activations.layers(model)}
    where = next((name for name in (layer, found.layer) if name in known), activations.default_layer(model).name)
    if layer not in ("", where):
        st.caption(f"{plain(layer)} is a step between layers, where nothing can be switched; {plain(where)} is used.")
    target = found.target
    against = found.against if found.against != target else None
    guess = carrying.contributions(model, picture, where, target, against)
    st.markdown(
        "Switch parts of the network off, or make them louder, and see what it answers then. The network itself stays "
        "as it is: a copy of its structure runs on the same weights."
    )
    controls, chips, finding = st.container(), st.container(), st.container()
    with finding:  # first of all: what it finds is switched off in the controls above it
        carrying.offered(model, picture, where, target, against, pace(model, picture))
    made = changes.made(model, changes.first(guess))
    with controls:
        made = changes.choose(model, where, guess, made)
    with chips:
        changes.listed(model, made, guess)
    started = time.perf_counter()
    changed = cache.intervened(model, made)
    built = time.perf_counter() - started
    left, right = st.columns([5, 7], gap="large")
    with left:
        _answers(model, changed, picture, target, built)
    with right:
        _maps(model, changed, picture, found)
    with st.expander("Code for this view", icon=":material/code:"):
        st.caption("For a loaded `model` and an opened `photo`.")
        st.code(lines(made, found, guess), language="python")
    selection.write_link(in_fragment=True)


def lines(made: tuple[Change, ...], found: Attribution, guess: Contributions) -> str:
    """The code that computes what is shown, for a loaded ``model`` and an opened ``photo``."""
    from explorer.attribution import METHODS

    each = "".join(
        f"    intervention.Intervention({name!r}, {channels!r}, {factor!r}, {kind!r}),\n"
        for name, channels, factor, kind in made
    )
    method = METHODS[found.method]
    given = [f"{found.method!r}", str(found.target), *([f"{found.layer!r}"] if method.needs_layer else [])]
    given += [] if found.against is None else [f"against={found.against}"]
    given += [f"{name}={value!r}" for name, value in found.options.items() if value != method.options[name]]
    which = f"model, photo, {guess.layer!r}, {guess.target}" + (
        "" if guess.against is None else f", against={guess.against}"
    )
    return (
        "from explorer import attribution, intervention, predict\n\n"
        f"guess = intervention.contributions({which})  # what each channel seems to carry\n"
        f"{carrying.lines(which)}"
        + (f"changed = intervention.intervened(model, [\n{each}])\n" if made else "changed = model\n")
        + "before, after = predict.logits(model, photo), predict.logits(changed, photo)\n"
        + f"was, now = (predict.softmax(logits)[{found.target}].round(3) for logits in (before, after))\n"
        + "shift = now - was\n"
        + f"found = attribution.attribute(changed, photo, {', '.join(given)})\n"
        + 'print(f"{100 * shift:+.1f} points")'
    )


def _answers(model: Model, changed: Model, picture: Picture, target: int, built: float) -> None:
    """The best classes before and after, and the class that is asked about."""
    from explorer import predict

    before = cache.logits(model, picture).result
    answer = cache.logits(changed, picture)
    was, now = predict.softmax(before), predict.softmax(answer.result)
    best = [int(each) for each in np.argsort(-before, kind="stable")[:5]]
    new = [int(each) for each in np.argsort(-answer.result, kind="stable")[:5]]
    name, top = plain(model.label(target)), int(now.argmax())
    sentence = f"“{name}” goes from {share(was[target])} to {share(now[target])}, {moved(was[target], now[target])}"
    if top == target:
        sentence += "; it is the answer" + (" still." if int(was.argmax()) == target else " now.")
    else:
        verb = "still says" if int(was.argmax()) == top else "now says"
        sentence += f"; the network {verb} “{plain(model.label(top))}”, {share(now[top])}."
    st.markdown(f"**{sentence}**")
    shift(
        [
            {
                "label": model.label(index),
                "before": float(was[index]),
                "after": float(now[index]),
                "was": share(was[index]),
                "is": share(now[index]),
                "change": moved(was[index], now[index]),
                "chosen": index == target,
            }
            for index in dict.fromkeys((*best, *new, target))
        ],
        "intervene-answers",
        changed.key,
        trained=model.weights.trained,
    )
    if not model.weights.trained:
        st.caption("Random weights: what a change does to these answers means nothing.")
    st.caption("The best five before and after. Points: percentage points, after less before.")
    blocks.caption(model, f"changed network made in {built:.2f} s, answer", seconds=answer.seconds)


def share(probability: float) -> str:
    """A probability to a tenth of a point, as changes are given: 24.5 %, below 0.1 %."""
    shown = round(100 * float(probability), 1)
    return f"{shown:.1f} %" if shown else "below 0.1 %"


def points(change: float) -> str:
    """A change of a probability: −19.3 points."""
    shown = round(100 * float(change), 1)
    return f"{shown:+.1f} points".replace("-", "−") if shown else "±0.0 points"


def moved(was: float, now: float) -> str:
    """The change between two shares as they are shown: whoever subtracts finds the same."""
    return points(round(float(now), 3) - round(float(was), 3))


def _maps(model: Model, changed: Model, picture: Picture, before: Attribution) -> None:
    """The map of the network as it is beside that of the changed one."""
    columns = st.columns(2, gap="medium")
    with columns[0]:
        st.markdown("Before")
        heat_map.draw(before, "intervene-before", single=True, file="before.png")
    with columns[1]:
        st.markdown("After")
        asked = Asked(model, picture, before, pace(model, picture))
        effort = _effort(changed, picture, before, asked.layer)
        if effort.work <= _CHEAP:
            after = cache.attribution(
                changed,
                picture,
                before.method,
                before.target,
                asked.layer,
                against=before.against,
                options=dict(before.options),
            )
            _after(model, before, after.result, after.seconds)
            return

        def compute(progress: Progress, stopped: Stopped) -> tuple[Attribution, float]:
            start = time.perf_counter()
            found = asked.explain(
                changed,
                picture.open(),
                before.method,
                before.target,
                asked.layer,
                progress=progress,
                cancelled=stopped,
            )
            return found, time.perf_counter() - start

        question = ("after", changed.key, *asked.question)
        go = offer(
            LongRun(
                "intervene-map",
                question,
                "Draw it",  # no more: the column is narrow
                effort.passes,
                effort.work * asked.pace,
                compute,
                lambda result: _after(model, before, *result),
                bound=effort.bound,
            )
        )
    if go is not None:
        go()


def _effort(changed: Model, picture: Picture, before: Attribution, layer: str | None) -> Effort:
    """What the map of the changed network takes; which of its channels are silent is known after a pass."""
    from explorer import attribution

    maps = None
    if layer and "channels" in before.options:
        maps = cache.feature_maps(changed, picture, layer).result.values
    options: dict[str, Any] = dict(before.options)
    return attribution.effort(changed, before.method, layer, maps=maps, **options)


def _after(model: Model, before: Attribution, after: Attribution, seconds: float) -> None:
    from explorer import trust
    from explorer.attribution import METHODS

    heat_map.draw(after, "intervene-after", single=True, file="after.png")
    same = f"{trust.rank_correlation(before.raw, after.raw):.2f}".replace("-", "−")
    st.caption(f"Each map on its own scale; rank correlation of the two {same} (1 the same order of places, 0 none).")
    layer = [after.layer] if after.layer else []
    blocks.caption(model, METHODS[after.method].title, *layer, after.label, seconds=seconds)
