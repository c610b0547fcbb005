"""Tab of the Performance page: how fast networks are on the device that runs this app."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import streamlit as st

from pages.shared import blocks, cache, selection
from pages.shared.performance import benchmark_plan, benchmark_results
from pages.shared.text import memory, number, plain

if TYPE_CHECKING:
    from explorer.benchmark.store import Kept
    from explorer.models import Model

_QUICK_S = 0.5  # of passes for the first number
_MOST_LAYERS = 20


def draw() -> None:
    """A first number at once, then what to measure and what was measured."""
    model = cache.network()
    kept = _known(model)
    if kept is not None:
        _headline(model, kept)
    benchmark_plan.draw(model)
    benchmark_results.draw()
    with blocks.kindly():
        _layers(model)
    with st.expander("Code for this view", icon=":material/code:"):
        st.code(lines(model.card.slug), language="python")


def lines(slug: str) -> str:
    """Code that measures the selected network and reads what is kept."""
    return "\n".join(
        (
            "from explorer import benchmark, models",
            "",
            f"result = benchmark.measure(models.load({slug!r}), batch_size=1)",
            "print(result.median_ms, result.p95_ms, result.images_per_second, result.peak_bytes)",
            "print(result.fingerprint.words)",
            "for kept in benchmark.store.latest():",
            "    print(kept.result.title, kept.result.settings.words, kept.result.median_ms)",
        )
    )


def _known(model: Model) -> Kept | None:
    """The newest number of the selected network for one image; measured now if there is none."""
    from explorer import benchmark, devices, jobs

    usual = benchmark.Settings(threads=devices.configure_threads())
    here = benchmark.fingerprint(model.device).hash

    def newest() -> Kept | None:
        found = [
            kept
            for kept in benchmark.store.latest(machine=here)
            if (kept.result.slug, kept.result.settings) == (model.card.slug, usual)
        ]
        return found[-1] if found else None

    kept = newest()
    if kept is not None or jobs.unfinished() or st.session_state.pop("_benchmark_deleted", False):
        return kept  # beside another job it would say little; and what was deleted does not come back at once
    try:
        with st.spinner(f"Timing {model.card.title}", show_time=True):
            benchmark.store.add(benchmark.measure(model, warm_up=1, seconds=_QUICK_S))
    except benchmark.Busy:
        return None
    return newest()


def _headline(model: Model, kept: Kept) -> None:
    result = kept.result
    ages = time.time() - kept.measured.timestamp()
    st.markdown(
        f"**{plain(result.title)} takes {number(round(result.median_ms, 2))} ms for one image on this device**: "
        f"{result.images_per_second:.3g} images a second, 95th percentile {number(round(result.p95_ms, 2))} ms"
        + ("" if result.peak_bytes is None else f", {memory(result.peak_bytes)} of memory at its peak")
        + "."
    )
    if result.p95_ms > 3 * result.median_ms:
        st.caption("The slowest passes took far longer than the median: something else was at work on this machine.")
    blocks.caption(
        model,
        f"{result.side} × {result.side} px",
        result.settings.words,
        f"median of {len(result.times_ms)} passes",
        "just now" if ages < 60 else kept.measured.astimezone().strftime("%Y-%m-%d %H:%M"),
    )


def _layers(model: Model) -> None:
    """Where the time of the selected network goes."""
    title = plain(model.card.title)
    if not st.toggle(f"Time of each layer of {title}", key="benchmark-layers", persist_state="session"):
        return
    from explorer.figures import benchmark as figures

    with st.spinner("Timing each layer", show_time=True):
        times = cache.milliseconds(model, selection.picture())
    parents = {name.rpartition(".")[0] for name in times}
    leaves = {name: spent for name, spent in times.items() if name and name not in parents}
    longest = dict(sorted(leaves.items(), key=lambda each: -each[1])[:_MOST_LAYERS])
    shown = {name: spent for name, spent in leaves.items() if name in longest}
    st.plotly_chart(
        figures.layers(shown, model.card.family), key="benchmark-layer-times", config={"displayModeBar": False}
    )
    share = sum(shown.values()) / max(sum(leaves.values()), 1e-9)
    st.caption(
        f"{title}: the {len(shown)} slowest of {len(leaves)} layers in their order, {100 * share:.0f} % of the time of "
        f"all; listening costs some microseconds a layer. The whole network: {number(round(times[''], 2))} ms."
    )
