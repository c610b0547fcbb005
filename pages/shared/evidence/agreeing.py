"""Two measurements of trust: do other methods, and other networks, point at the same place?"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from explorer import catalogue, palettes
from explorer.errors import Cancelled, ExplorerError
from pages.shared import blocks, selection
from pages.shared.components.matrix import matrix
from pages.shared.evidence import options
from pages.shared.evidence.asked import Asked, row
from pages.shared.long_run import LongRun, Progress, Stopped, offer
from pages.shared.text import percent, plain

if TYPE_CHECKING:
    from explorer.attribution import Attribution
    from explorer.models import Model
    from explorer.trust import Agreements
    from pages.shared.evidence.trust_lines import Beside

_CHEAP = (
    "grad_cam",
    "grad_cam_pp",
    "hires_cam",
    "layer_cam",
    "eigen_cam",
    "tokens_cam",
    "rollout",
    "saliency",
    "input_x_gradient",
    "guided_backprop",
    "guided_grad_cam",
)
_MEASURES = {"correlation": "Rank correlation", "overlap": "Overlap of the best 20 %, in %"}
_OTHERS = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")  # their weights come with the app
_MOST = 3
_RANKING = 0.01  # seconds to compare two maps


@dataclass(frozen=True)
class _Beside:
    """Maps of several networks."""

    names: tuple[str, ...]
    found: tuple[Attribution, ...]
    agreements: Agreements
    left_out: tuple[str, ...]
    seconds: float


def of_methods(asked: Asked) -> Callable[[], None] | None:
    """The map above beside those of all methods that take a pass or two."""
    from explorer.attribution import METHODS, attribute, effort

    model, found, beside = asked.model, asked.found, methods_beside(asked)
    if not beside:
        st.caption("No other quick method means anything for this network.")
        return None
    efforts = [effort(model, key, layer, **changed) for key, layer, changed in beside]
    passes = sum(each.passes for each in efforts)

    def compute(progress: Progress, stopped: Stopped) -> tuple[Agreements, float]:
        from explorer import trust

        start, maps, done = time.perf_counter(), [found], 0
        for number, (key, layer, changed) in enumerate(beside):
            if stopped():
                raise Cancelled(f"Stopped after {number} of {len(beside)} maps.")
            given: dict[str, Any] = {"against": found.against, **changed}
            maps.append(attribute(model, asked.picture.open(), key, found.target, layer, **given))
            done += efforts[number].passes
            progress(done, passes)
        return trust.agreements(maps), time.perf_counter() - start

    def show(result: tuple[Agreements, float]) -> None:
        _matrix(result[0], [METHODS[key].title for key in result[0].methods], "methods")
        blocks.caption(model, _where(asked), found.label, seconds=result[1])

    question = ("methods", *asked.question, repr(beside))
    seconds = sum(each.work for each in efforts) * asked.pace + _RANKING * len(beside) * (len(beside) + 1) / 2
    label = "Compare methods"
    return offer(LongRun("trust-methods", question, label, passes, seconds, compute, show, patience=2.5))


def methods_beside(asked: Asked) -> tuple[Beside, ...]:
    """The other quick methods, read at the same layer, with what the visitor changed under One map."""
    from explorer.attribution import METHODS, availability

    model, where, against = asked.model, _where(asked), asked.found.against
    cards = [METHODS[key] for key in _CHEAP if key != asked.found.method and not availability(model, key, where)]
    return tuple(
        (card.key, where if card.needs_layer else None, options.chosen(card, model))
        for card in cards
        if against is None or card.asks_class
    )


def _where(asked: Asked) -> str:
    from explorer import activations

    return asked.layer or activations.default_layer(asked.model).name


def networks_beside(asked: Asked) -> tuple[str, ...]:
    """Slugs of the other networks: those chosen for comparison, else those whose weights come with the app."""
    own = asked.model.card
    cards = [catalogue.get(slug) for slug in (selection.current().compare or _OTHERS)]
    known = [card for card in cards if card.task == own.task and card.subject == own.subject and card.slug != own.slug]
    return tuple(card.slug for card in known)[:_MOST]


def of_networks(asked: Asked) -> Callable[[], None] | None:
    """The map above beside the same method's in other networks."""
    chosen = networks_beside(asked)
    if not chosen:
        st.caption(f"No network to compare with knows the classes of {asked.model.card.title}.")
        return None
    titles = catalogue.get(chosen[-1]).title
    if len(chosen) > 1:
        titles = f"{', '.join(catalogue.get(slug).title for slug in chosen[:-1])} and {titles}"
    st.markdown(
        f"Networks that were trained apart should find the same thing in the same place. Beside this one: {titles}"
        + ("." if selection.current().compare else "; choose others on the Architectures page under Compare.")
    )

    def compute(progress: Progress, stopped: Stopped) -> _Beside:
        return _beside(asked, chosen, progress, stopped)

    def show(result: _Beside) -> None:
        _networks(asked, result)

    question = ("networks", *asked.question, *chosen)
    each = asked.effort
    passes, seconds = len(chosen) * each.passes, len(chosen) * (each.work * asked.pace + 0.5)
    # A layer of another network has as many channels as it likes.
    bound = "about" if each.bound else ""
    return offer(LongRun("trust-networks", question, "Ask them", passes, max(1.5, seconds), compute, show, bound=bound))


def _beside(asked: Asked, chosen: Sequence[str], progress: Progress, stopped: Stopped) -> _Beside:
    from explorer import models, trust

    start, photo, one = time.perf_counter(), asked.picture.open(), asked.effort.passes
    networks, maps = [asked.model], [asked.found]
    left_out: list[str] = []

    def done() -> int:
        return len(networks) - 1 + len(left_out)

    def check(*_: int) -> None:
        """Before each network, and while its weights are on their way."""
        progress(done() * one, len(chosen) * one)
        if stopped():
            raise Cancelled(f"Stopped after {done()} of {len(chosen)} networks.")

    def within(share: int, total: int) -> None:
        progress(done() * one + one * share // max(total, 1), len(chosen) * one)

    for slug in chosen:
        check()
        title = catalogue.get(slug).title
        try:
            other = models.load(slug, "auto", str(asked.model.device), progress=check)
            reason = _unlike(asked, other)
            if reason:
                left_out.append(f"{title} {reason}")
                continue
            given = {"progress": within, "cancelled": stopped}
            maps.append(asked.explain(other, photo, asked.found.method, asked.found.target, **given))
            networks.append(other)
        except Cancelled:
            raise
        except ExplorerError as error:
            left_out.append(f"{title} is left out: {error}")
    boxes = [each.preprocessing.seen(photo) for each in networks]
    names = [each.card.title + ("" if each.weights.trained else " (random)") for each in networks]
    return _Beside(
        tuple(names), tuple(maps), trust.agreements(maps, boxes=boxes), tuple(left_out), time.perf_counter() - start
    )


def _unlike(asked: Asked, other: Model) -> str:
    found = asked.found
    for index, label in ((found.target, found.label), (found.against, found.against_label)):
        if index is not None and other.label(index) != label:
            return f"is left out: it does not know the class “{label}” under this number."
    return ""


def _networks(asked: Asked, result: _Beside) -> None:
    for sentence in result.left_out:
        st.caption(plain(sentence))
    if len(result.found) > 1:
        left, right = st.columns(2, gap="large")
        with left:
            row(
                [
                    (each.seen, each.heatmap, f"{plain(name)}: {plain(each.label)} {percent(each.probability)}")
                    for name, each in zip(result.names, result.found, strict=True)
                ]
            )
        with right:
            _matrix(result.agreements, list(result.names), "networks")
    blocks.caption(asked.model, f"and {len(result.found) - 1} others", asked.found.label, seconds=result.seconds)


def _matrix(found: Agreements, names: list[str], kind: str) -> None:
    """One sentence about the first map, and all against all."""
    own = found.correlation[0].copy()
    own[0] = np.nan
    most, least = int(np.nanargmax(own)), int(np.nanargmin(own))

    def value(place: int) -> str:
        return f"{own[place]:.2f}".replace("-", "−")

    sentence = f"**{names[0]}'s map is most like {names[most]}'s (rank correlation {value(most)})"
    sentence += f" and least like {names[least]}'s ({value(least)}).**" if most != least else ".**"
    st.markdown(sentence)
    measure = st.segmented_control(
        "Measure",
        list(_MEASURES),
        default="correlation",
        required=True,
        format_func=_MEASURES.__getitem__,
        key=f"trust-{kind}-measure",
        persist_state="session",
        label_visibility="collapsed",
    )
    _table(found, names, kind, overlap=measure == "overlap")
    if kind == "methods":
        kin = (
            "A CAM colours coarse areas and a gradient single pixels, so the two kinds hardly correlate pixel by pixel."
        )
    else:
        kin = "Agreement is no proof: networks trained on the same photos can err together."
    chance = 100 * found.share / (2 - found.share)
    st.caption(
        f"Ranks of all pixels: 1 the same order, 0 none. By chance the best {100 * found.share:.0f} % overlap to "
        f"{chance:.0f} %. {' '.join(_brief(found.notes)).replace(' x ', ' × ')} {kin}"
    )


def _table(found: Agreements, names: list[str], kind: str, *, overlap: bool) -> None:
    values = found.overlap if overlap else found.correlation
    what = f"best {100 * found.share:.0f} % overlap" if overlap else "rank correlation"
    numbers = [[(f"{100 * v:.0f} %" if overlap else f"{v:.2f}").replace("-", "−") for v in row] for row in values]
    matrix(
        values,
        [[number.removesuffix(" %").replace("0.", ".") for number in row] for row in numbers],
        [
            [f"{one} and {other}: {what} {number}" for other, number in zip(names, row, strict=True)]
            for one, row in zip(names, numbers, strict=True)
        ],
        names,
        f"trust-{kind}-figure",
        table=palettes.SEQUENTIAL if overlap else palettes.DIVERGING,
        low=0.0 if overlap else -1.0,
        high=1.0,
        label=f"Agreement of {kind}: {what}",
        hint="Point at a number to read it in words.",
    )


def _brief(notes: Sequence[str]) -> list[str]:
    """The notes, those that say the same of another pair only once."""
    found = {note.split(" at ")[0]: note for note in reversed(notes)}
    return list(reversed(found.values()))
