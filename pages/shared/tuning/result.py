"""Step 4: what was learnt, where it errs, and how to take it along."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from explorer import catalogue, palettes
from explorer.errors import ExplorerError
from pages.shared import heat_map, navigation, selection
from pages.shared.components.gallery import Tile, gallery
from pages.shared.components.matrix import matrix
from pages.shared.long_run import LongRun, Progress, Stopped, offer
from pages.shared.text import percent, plain
from pages.shared.tuning import bringing, comparing, state
from pages.shared.tuning.data import thumbnail

if TYPE_CHECKING:
    from explorer.training import Evaluation, Run

_PACE = 0.05  # seconds a picture, for a small network on a processor; only for the first estimate
_WORST, _SHORT = 12, 5  # mistakes shown; letters that stand above a column
_IN_A_ROW = 4  # mistakes on a wide page
_COUNTED = 100  # pictures to check with; fewer are told as a count, not in percent
_MISTAKE = "_tuning_mistake"


def draw(visitor: str) -> None:  # noqa: ARG001 (every step is drawn alike)
    """A run that was chosen, else the newest."""
    from explorer import training

    usable = tuple(run for run in training.runs() if run.usable)
    run = state.shown(usable)
    if run is None:
        st.markdown("No network has been tuned here yet: start a run, or bring a checkpoint.")
        st.button("To the plan", icon=":material/arrow_back:", key="tuning-back", on_click=state.go, args=("plan",))
        bringing.draw()
        return
    _choose(usable, run)
    _headline(run)
    waiting = _errors(run)
    _looks(run)
    _take_along(run)
    comparing.draw(usable, run)
    bringing.draw()
    if waiting is not None:
        waiting()


def _choose(usable: tuple[Run, ...], run: Run) -> None:
    by_name = {each.name: each for each in usable}
    st.session_state["tuning-shown"] = run.name

    def chosen() -> None:
        state.look_at(st.session_state["tuning-shown"])

    def words(name: str) -> str:
        each = by_name[name]
        accuracy = f"  ·  {percent(each.best.validation_accuracy)}" if each.best else ""
        return f"{each.title}{accuracy}  ·  {each.created[:16].replace('T', ' ')}"

    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Tuned network", list(by_name), format_func=words, key="tuning-shown", on_change=chosen,
            filter_mode="contains", width=520,
        )  # fmt: skip
        st.button(
            "Use it on every page", type="primary", icon=":material/open_in_new:", key="tuning-use", on_click=_use,
            args=(run.slug,),
        )  # fmt: skip
        with st.popover("More", icon=":material/more_horiz:"):
            with st.form("tuning-naming", border=False):  # a form: the click that leaves the field is not lost
                key = f"tuning-name-{run.name}"
                st.text_input("Name", run.title, max_chars=80, key=key)
                st.form_submit_button("Rename", on_click=_rename, args=(run.name, key))
            sure = st.checkbox(f"Delete “{plain(run.title)}” for good, for everyone", key=f"tuning-sure-{run.name}")
            st.button("Delete", key="tuning-delete", disabled=not sure, on_click=_delete, args=(run,))
    if stem := st.session_state.pop("_tuning_open", ""):
        st.switch_page(navigation.page(stem))


def _use(slug: str) -> None:
    selection.change(network=slug, weights="auto", layer="", target=None)
    st.session_state["_tuning_open"] = "attribution"


def _rename(name: str, key: str) -> None:
    from explorer import training

    try:
        training.entitle(name, st.session_state[key])
    except ExplorerError as error:
        selection.complain([plain(str(error))])


def _delete(run: Run) -> None:
    from explorer import training

    try:
        training.forget(run.name)
    except ExplorerError as error:
        selection.complain([plain(str(error))])
        return
    if selection.current().network == run.slug:
        selection.change(network=catalogue.DEFAULT)


def _headline(run: Run) -> None:
    base = run.base or "A tuned network that was deleted since"
    if run.best is None:
        st.markdown(f"**{plain(run.title)}**: {base} with {len(run.classes)} classes, brought here.")
        return
    pictures, most = sum(checked for _, checked in run.counts), max((checked for _, checked in run.counts), default=0)

    def share(count: int) -> str:  # few pictures are counted, since percent would promise too much
        return f"{count}" if pictures < _COUNTED else percent(count / pictures).replace(" %", "\u00a0%")

    st.markdown(
        f"**{share(round(run.best.validation_accuracy * pictures))} of {pictures:,} pictures that it never learnt "
        f"from are right**; always naming the most frequent class would get {share(most)}. The best epoch "
        "was chosen by these same pictures, so expect a little less on others."
    )
    fewer = run.plan is not None and len(run.epochs) < run.plan.epochs
    planned = f", {run.plan.epochs} planned" if run.plan is not None and fewer else ""
    worked = f"{run.seconds:.1f} s of work; " if run.seconds else ""  # known once it has ended
    st.caption(
        f"{base}, {plain(run.weights)}; {run.trained} trained; epoch {run.best.number} of {len(run.epochs)}{planned}; "
        f"{worked}{plain(run.data)}."
    )


def _errors(run: Run) -> Callable[[], None] | None:
    """Confusion, precision and recall, the worst mistakes."""
    if run.best is None:
        return None
    pictures = sum(checked for _, checked in run.counts)

    def compute(progress: Progress, stopped: Stopped) -> tuple[Evaluation, float]:
        from explorer import training

        start = time.perf_counter()
        return training.of_run(run, progress=progress, cancelled=stopped), time.perf_counter() - start

    def show(result: tuple[Evaluation, float]) -> None:
        _evaluation(run, *result)

    question = ("tuning", run.name, run.best.number)
    return offer(
        LongRun("tuning-check", question, "Check every picture", pictures, pictures * _PACE, compute, show, patience=8)
    )


def _evaluation(run: Run, found: Evaluation, seconds: float) -> None:
    names = [plain(name) for name in found.classes]
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown("##### What is taken for what")
        rows = found.confusion / np.maximum(found.confusion.sum(axis=1, keepdims=True), 1)
        if len(names) <= 40:
            matrix(
                rows,
                [[str(int(each)) for each in row] for row in found.confusion],
                [
                    [
                        f"{truth}: {int(found.confusion[i, j])} of {int(found.support[i])} taken for {answer}"
                        for j, answer in enumerate(found.classes)
                    ]
                    for i, truth in enumerate(found.classes)
                ],
                list(found.classes),
                "tuning-confusion",
                table=palettes.SEQUENTIAL,
                low=0.0,
                high=1.0,
                label="Confusion matrix: rows are what it is, columns what the network says",
                columns=found.classes if max(map(len, found.classes)) <= _SHORT else None,
                hint="Rows: what it is. Columns, in the same order: what the network says. Colour: share of the row.",
            )
        else:
            st.caption(
                f"{len(names)} classes are too many for a readable table; the mistakes below say what is confused."
            )
    with right:
        st.markdown("##### Class by class")
        st.dataframe(
            [
                {"Class": name, "Precision": p, "Recall": r, "F1": f, "Pictures": int(s)}
                for name, p, r, f, s in zip(
                    found.classes,
                    *(
                        [None if np.isnan(v) else float(v) for v in each]
                        for each in (found.precision, found.recall, found.f1)
                    ),
                    found.support,
                    strict=True,
                )
            ],
            column_config={
                name: st.column_config.NumberColumn(name, format="percent") for name in ("Precision", "Recall", "F1")
            }
            | {"Class": st.column_config.TextColumn(width=100)},  # pixels: a long name leaves the figures in sight
            hide_index=True,
            width="stretch",
        )
        st.caption(
            "Precision: of what was taken for the class, the part that is of it. Recall: of what is of the class, the "
            f"part that was recognised. {found.support.sum():,} pictures, {seconds:.1f} s."
        )
    _mistakes(run, found)


def _mistakes(run: Run, found: Evaluation) -> None:
    from explorer import training

    worst = found.mistakes[:_WORST]
    if not worst:
        st.markdown("**No mistake on the pictures to check with.**")
        return
    st.markdown(f"##### The worst of {len(found.mistakes)} mistakes")
    try:
        items = training.data(run).validation
    except ExplorerError as error:
        st.caption(plain(str(error)))
        return

    def choose() -> None:
        st.session_state[_MISTAKE] = (run.name, int(st.session_state["tuning-mistakes"].chosen))

    chosen = st.session_state.get(_MISTAKE, ("", -1))
    # A wide page would show two or three as large as posters.
    row = st.columns([len(worst), _IN_A_ROW - len(worst)])[0] if len(worst) < _IN_A_ROW else st.container()
    with row:
        gallery(
            [
                Tile(
                    str(each.index),
                    thumbnail(items[each.index]),
                    f"{found.classes[each.answer]}, {percent(each.probability)}",
                    f"is {found.classes[each.truth]} ({percent(each.of_truth)})",
                )
                for each in worst
            ],
            "tuning-mistakes",
            choose,
            chosen=str(chosen[1]) if chosen[0] == run.name else "",
        )
    st.caption("First those it was surest of. Click one to see below where the network looks on it.")


def _looks(run: Run) -> None:
    """Where the network looks, before and after."""
    from explorer import training

    st.markdown("##### Where it looks, before and after")
    if run.plan is None:
        st.caption(
            "What it was before it was tuned is not known: it was brought here. “Use it on every page” shows "
            "where it looks now."
        )
        return
    if not run.base:
        st.caption("The network that it was before it was tuned is deleted.")
        return
    options = {"photo": "The selected photo", "checked": "A picture to check with"}
    chosen = st.session_state.get(_MISTAKE, ("", -1))
    try:
        items = training.data(run).validation
    except ExplorerError:
        items = ()
    key = "tuning-looks"
    if key not in st.session_state:
        st.session_state[key] = "checked" if items else "photo"
    place = st.segmented_control("Picture", list(options), format_func=options.__getitem__, required=True, key=key)
    if place == "checked" and items:
        index = chosen[1] if chosen[0] == run.name and 0 <= chosen[1] < len(items) else 0
        image, name = items[index].open(), items[index].name
    else:
        picture = selection.picture()
        image, name = picture.open(), picture.title
    with st.spinner("Asking both networks", show_time=True):
        start = time.perf_counter()
        found = training.looks(training.before(run), training.load(run), image)
        seconds = time.perf_counter() - start
    left, right = st.columns(2, gap="large")
    for column, title, each, key in (
        (left, f"Before: {_before(run)}", found.before, "tuning-before"),
        (right, f"After: {run.title}", found.after, "tuning-after"),
    ):
        with column:
            st.markdown(f"**{plain(title)}** says “{plain(each.label)}”, {percent(each.probability)}")
            heat_map.draw(each, key, single=True, file=f"{key}.png")
    from explorer.attribution import METHODS

    st.caption(f"{METHODS[found.method].title}, each for its own answer; {plain(name)}; {seconds:.1f} s.")


def _before(run: Run) -> str:
    title = run.base
    return f"{title}, random weights, which know nothing" if run.weights.startswith("random") else title


def _take_along(run: Run) -> None:
    from explorer.training import script

    with st.expander("Take it along", icon=":material/download:"):
        weights = run.folder / "best.safetensors"
        with st.container(horizontal=True):
            st.download_button(
                f"The checkpoint, {weights.stat().st_size / 1e6:.1f} MB",
                weights.read_bytes,
                script.file_name(run),
                "application/octet-stream",
                on_click="ignore",
                icon=":material/download:",
            )
            st.download_button(
                "The script", script.text(run), f"{run.name}.py", "text/x-python", on_click="ignore",
                icon=":material/code:",
            )  # fmt: skip
        st.caption(
            "Ten lines that use it without the pages; they need this app's folder on Python's path (`PYTHONPATH`) and "
            "the checkpoint beside them. Safetensors: nothing in the file can run."
        )
        st.code(script.text(run), language="python")
