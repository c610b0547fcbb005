"""Part of "Benchmark here": what to measure, for how long, and how far it has come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer import catalogue
from pages.shared import blocks, selection
from pages.shared.long_run import duration
from pages.shared.performance import benchmark_left, benchmark_results
from pages.shared.text import plain

if TYPE_CHECKING:
    from explorer.benchmark import Plan
    from explorer.jobs import Job, Progress
    from explorer.models import Model

_JOB = "benchmark"  # one for everybody: two at once would slow each other down
_BESIDE = ("efficientnet_lite0", "mobilenet_v2", "resnet18")  # small ones to begin with
_BATCHES = (1, 2, 4, 8, 16, 32, 64)
_WATCHED = "_benchmark_watched"  # this visitor has seen the job run
_NETWORKS, _SIZES = "benchmark-networks", "benchmark-batches"


def propose(slugs: Sequence[str]) -> None:
    """Puts networks into the plan that the next run of the page shows: one image at once, in fp32."""
    st.session_state[_NETWORKS] = list(slugs)
    st.session_state[_SIZES] = [1]
    for precision in ("fp32", "bf16", "fp16"):
        st.session_state[f"benchmark-{precision}"] = precision == "fp32"


def draw(model: Model) -> None:
    """Controls, estimate and start; or the progress of what runs."""
    from explorer import jobs

    job = jobs.find(_JOB)
    if job is not None and not job.finished:
        st.session_state[_WATCHED] = True
        _progress()
        return
    if job is not None:
        _ended(job)
        if st.session_state.pop(_WATCHED, False) and _count(job):
            benchmark_results.show_newest()
    benchmark_left.draw(_submit)
    plan = _controls(model)
    _start(plan)


def _controls(model: Model) -> Plan:
    from explorer import benchmark

    titles = catalogue.titles()
    missing = benchmark.unavailable(model.device)
    # Not as the widgets' own defaults, since the chart puts networks here, too.
    before = st.session_state.get(_NETWORKS, list(dict.fromkeys((model.card.slug, *_BESIDE))))
    st.session_state[_NETWORKS] = [slug for slug in before if slug in titles]  # tuned ones may be deleted
    st.session_state.setdefault(_SIZES, [1, 8])
    slugs = st.multiselect(
        "Networks",
        list(titles),
        format_func=titles.__getitem__,
        key=_NETWORKS,
        persist_state="session",
    )
    if any(catalogue.get(slug).bundled is None for slug in slugs):
        st.caption("Weights do not change the time: those that do not come with the app are random here, not fetched.")
    batches, precisions = st.columns([3, 2], gap="medium")
    sizes = batches.pills(
        "Images at once",
        _BATCHES,
        selection_mode="multi",
        key=_SIZES,
        persist_state="session",
    )
    with precisions:
        st.markdown(
            ":small[Precision]",
            help="Type of weights and images. What this device does not offer is grey and says why.",
        )
        with st.container(horizontal=True):
            for precision in benchmark.PRECISIONS:
                st.session_state.setdefault(f"benchmark-{precision}", precision == "fp32")
            chosen = [
                precision
                for precision in benchmark.PRECISIONS
                if st.checkbox(
                    precision,
                    disabled=precision in missing,
                    help=plain(missing[precision]) if precision in missing else None,
                    key=f"benchmark-{precision}",
                    persist_state="session",
                )
                and precision not in missing
            ]
    layouts, compiled, threads, seconds = _more(missing)
    return benchmark.Plan(
        slugs=tuple(slugs),
        batch_sizes=tuple(sorted(sizes)),
        precisions=tuple(chosen),
        channels_last=layouts,
        threads=threads,
        compiled=compiled,
        device=selection.current().device,
        seconds=seconds,
    )


def _more(missing: dict[str, str]) -> tuple[tuple[bool, ...], tuple[bool, ...], tuple[int, ...], float]:
    from explorer import benchmark

    choices = benchmark.thread_choices()
    with st.expander("More: threads, memory layout, torch.compile"):
        left, middle, right = st.columns(3, gap="medium")
        threads = left.multiselect(
            "Threads",
            sorted(choices),
            default=[choices[0]],
            help="The app itself uses as many as are chosen here first; the number is set back afterwards.",
            key="benchmark-threads",
            persist_state="session",
        )
        last = middle.checkbox(
            "Channels last, too",
            help="Images in memory pixel by pixel (NHWC) beside channel by channel (NCHW).",
            key="benchmark-last",
            persist_state="session",
        )
        compiled = middle.checkbox(
            "torch.compile, too",
            disabled="compiled" in missing,
            help=plain(missing.get("compiled", "Compiles each network for each batch size, about a minute each.")),
            key="benchmark-compiled",
            persist_state="session",
        )
        seconds = right.slider(
            "Seconds for each", 0.5, 10.0, 1.5, 0.5, key="benchmark-seconds", persist_state="session"
        )
    both = {False: (False,), True: (False, True)}
    return both[last], both[compiled and "compiled" not in missing], tuple(threads), seconds


def _start(plan: Plan) -> None:
    from explorer import benchmark
    from explorer.errors import ExplorerError

    try:
        count, seconds = len(plan.points), sum(benchmark.expected_seconds(plan))
    except ExplorerError:
        st.button("Measure", disabled=True, icon=":material/speed:")
        st.caption(
            "Choose at least one network, batch size, precision and number of threads, 500 measurements at most."
        )
        return
    about = f"{count} measurement{'s' if count > 1 else ''}, about {duration(seconds)}"
    st.button(
        f"Measure: {about}", key="benchmark-go", icon=":material/speed:", type="primary", on_click=_submit, args=(plan,)
    )


def _submit(plan: Plan, name: str | None = None) -> None:
    from explorer import jobs
    from explorer.errors import ExplorerError

    try:
        jobs.submit(lambda: _steps(plan, name), _JOB, title="Benchmark")
        st.session_state[_WATCHED] = True
    except ExplorerError as error:
        selection.complain([str(error)])


def _steps(plan: Plan, name: str | None) -> Iterator[Progress[Any]]:
    """The job's steps; what an interrupted run has kept comes first, so that it counts."""
    from explorer import benchmark
    from explorer.jobs import Progress

    points = set(plan.points)
    for kept in benchmark.store.of_run(name) if name else ():
        if (kept.result.slug, kept.result.settings) in points:
            yield Progress(0, 1, "", kept.result)
    yield from benchmark.run(plan, name)


@st.fragment(run_every=0.5)
@blocks.kindly()
def _progress() -> None:
    """The bar; once the job has finished, the whole page is drawn anew."""
    from explorer import jobs

    job = jobs.find(_JOB)
    if job is None or job.finished:
        st.rerun()
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(job.progress.share, at(job))
        st.button("Stop", key="benchmark-stop", icon=":material/stop:", on_click=job.stop, disabled=job.stopping)
    st.caption(
        f"{_count(job)} measured and stored. It goes on when you leave this page; Stop keeps what is done. "
        "Whatever else runs on this machine meanwhile makes the times longer."
    )


def at(job: Job[Any]) -> str:
    """What a job is at, for people."""
    if job.stopping:
        return "Stopping after the pass that runs"
    if job.state == "waiting":
        return f"Waiting: {job.ahead} other job{'s' if job.ahead > 1 else ''} on this machine first"
    left = job.seconds_left
    return plain(job.progress.text or "Starting") + ("" if left is None else f"; about {duration(left)} left")


def _count(job: Job[Any]) -> int:
    from explorer.benchmark import Benchmark

    return sum(isinstance(result, Benchmark) for result in job.results)


def _ended(job: Job[Any]) -> None:
    """What became of the last job: what it could not measure, and why; said until the next one."""
    from explorer.benchmark import Skipped

    if job.error:
        st.warning(plain(job.error), icon=":material/info:")
    skipped = [result for result in job.results if isinstance(result, Skipped)]
    if skipped:
        titles = catalogue.titles()
        reasons: dict[str, list[str]] = {}
        for each in skipped:
            # A network may have been deleted since.
            reasons.setdefault(each.reason, []).append(
                f"{titles.get(each.slug, each.slug)} × {each.settings.batch_size}"
            )
        lines = "\n".join(f"- {plain(', '.join(dict.fromkeys(who)))}: {plain(why)}" for why, who in reasons.items())
        st.info(f"{len(skipped)} of the last plan could not be measured.\n{lines}", icon=":material/info:")
