"""Two measurements of trust: what the map's pixels are worth, and what is left of it when the network forgets."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from pages.shared import blocks
from pages.shared.components.erasing import erasing
from pages.shared.evidence.asked import Asked, row
from pages.shared.long_run import LongRun, Progress, Stopped, offer
from pages.shared.text import plain

if TYPE_CHECKING:
    from explorer.trust import Curves, Forgetting

PASSES = 137
"""Of deletion and insertion with three random maps: the photo, nothing of it, and 5 times 27 steps between."""
_MARGIN, _CLEAR = 0.01, 0.05  # of an area: less is no difference; less is a small one
_STAGES, _DRAWS = 6, 3
_COPY = 0.2  # seconds to draw random weights and to list a copy's layers


def worth(asked: Asked) -> Callable[[], None] | None:
    """Deletion and insertion."""
    st.markdown(
        "Delete the pixels that the map calls most important, and the class should be lost fast; bring them back "
        "first, and it should be found fast. Random maps, as coarse as this one, show what chance would do."
    )

    def compute(progress: Progress, stopped: Stopped) -> tuple[Curves, float]:
        from explorer import trust

        start = time.perf_counter()
        photo = asked.picture.open()
        curves = trust.deletion_insertion(asked.model, photo, asked.found, progress=progress, cancelled=stopped)
        return curves, time.perf_counter() - start

    def show(result: tuple[Curves, float]) -> None:
        _curves(asked, *result)

    seconds = PASSES * asked.pace
    return offer(LongRun("trust-worth", ("worth", *asked.question), "Check it", PASSES, seconds, compute, show))


def _curves(asked: Asked, curves: Curves, seconds: float) -> None:
    from explorer.figures import trust as figures

    faster = curves.random_deletion.area - curves.deletion.area > _MARGIN
    sooner = curves.insertion.area - curves.random_insertion.area > _MARGIN
    lead = {
        (True, True): "Better than chance in both",
        (True, False): "Better than chance when pixels are deleted, not when they come",
        (False, True): "Better than chance when pixels come, not when they are deleted",
        (False, False): "No better than chance",
    }[faster, sooner]
    gap = min(curves.random_deletion.area - curves.deletion.area, curves.insertion.area - curves.random_insertion.area)
    if faster and sooner and gap < _CLEAR:
        lead = f"A little {lead[0].lower()}{lead[1:]}"
    st.markdown(f"**{lead}.** {plain(curves.verdict)}")
    st.markdown(f"{plain(curves.sentence)} {plain(curves.insertion_sentence)}")
    left, right = st.columns([6, 5], gap="large")
    with left:
        st.plotly_chart(figures.worth(curves), key="trust-worth-figure", config={"displayModeBar": False})
    with right:
        height, width = curves.turn.shape
        erasing(
            {"id": repr(asked.question), "label": curves.label, "width": width, "height": height, "share": 30},
            "trust-erasing",
            photo=asked.found.seen,
            gone=curves.gone,
            turn=curves.turn,
            shares=curves.deletion.shares.astype("float32"),
            deletion=curves.deletion.probability.astype("float32"),
            insertion=curves.insertion.probability.astype("float32"),
            randomDeletion=curves.random_deletion.probability.astype("float32"),
            randomInsertion=curves.random_insertion.probability.astype("float32"),
        )
    st.caption(
        "Deleted pixels show a blurred photo (Petsiuk et al. 2018, with one blur for both "
        "curves and random maps beside them)."
    )
    blocks.caption(asked.model, "deletion and insertion", f"{PASSES} passes", seconds=seconds)


def forgetting(asked: Asked) -> Callable[[], None] | None:
    """Weight randomisation."""
    st.markdown(
        "Layer by layer, from the last to the first, the network gets random weights, on a copy. A map that stays the "
        "same shows the photo, not what the network has learnt."
    )

    def compute(progress: Progress, stopped: Stopped) -> tuple[Forgetting, float]:
        from explorer import attribution, trust

        done, maps, one = 0, _STAGES + _DRAWS, asked.effort.passes

        def each(number: int, total: int) -> None:
            nonlocal done, maps
            done, maps = number, total
            progress(done * one, maps * one)

        def within(share: int, total: int) -> None:
            progress(done * one + one * share // max(total, 1), maps * one)

        start = time.perf_counter()
        found = trust.randomisation(
            asked.model,
            asked.picture.open(),
            asked.found.method,
            asked.found.target,
            asked.layer,
            against=asked.found.against,
            stages=_STAGES,
            options=asked.found.options,
            explain=partial(attribution.attribute, progress=within, cancelled=stopped),
            progress=each,
            cancelled=stopped,
        )
        return found, time.perf_counter() - start

    def show(result: tuple[Forgetting, float]) -> None:
        _stages(asked, *result)

    effort, maps = asked.effort, _STAGES + _DRAWS
    question = ("forgetting", *asked.question)
    seconds = maps * ((effort.work + 2) * asked.pace + _COPY)
    label, passes = "Let it forget", maps * effort.passes
    return offer(LongRun("trust-forgetting", question, label, passes, seconds, compute, show, bound=effort.bound))


def _stages(asked: Asked, found: Forgetting, seconds: float) -> None:
    st.markdown(f"**{plain(found.sentence)}**")
    seen = found.original.seen
    maps = [(seen, found.original.heatmap, "The network as it is")]
    for number, stage in enumerate(found.stages):
        where = "All forgotten" if number == len(found.stages) - 1 else f"Down to {plain(stage.down_to or 'the input')}"
        correlation = f"{stage.correlation:.2f}".replace("-", "−")
        maps.append((seen, stage.heatmap, f"{where}: rank correlation {correlation}"))
    row(maps)
    st.caption(
        "Correlation between the ranks of this map's numbers and the first map's: 1 the same order, 0 none, −1 the "
        "opposite. Maps of 7 × 7 numbers reach 0.3 by chance in one random network of five (Adebayo et al. 2018)."
    )
    blocks.caption(asked.model, "weights forgotten on a copy", f"{len(found.stages)} stages", seconds=seconds)
