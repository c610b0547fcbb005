"""Step 1: what to learn from, checked before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer import archives, images
from explorer.errors import ExplorerError
from pages.shared import blocks, controls
from pages.shared.text import plain
from pages.shared.tuning import state

if TYPE_CHECKING:
    from explorer.training import Dataset, Item, Run

_QUESTION = "_tuning_question"  # that the pictures answer
_FOLLOWED = "_tuning_data_of"  # the run that was found again
_ZIP, _PHOTOS = "_tuning_zip_kept", "_tuning_photos_kept"  # an uploader forgets its files when another step is open
_SOURCES = {"bundled": "Included", "zip": "A ZIP of class folders", "hand": "Photos class by class"}
_Question = tuple[Any, ...]
_LARGEST = archives.Limits().packed // 2**20  # MB of a ZIP; more is for the command line, which reads folders
_SHOWN, _SIDE = 6, 84
_MOST_LISTED = 12
_MOST_CLASSES = 8  # by hand


def draw(visitor: str) -> None:  # noqa: ARG001 (every step is drawn alike)
    """Where the pictures come from, and what the checks say."""
    found_again = {"run": "Those of the run"} if _FOLLOWED in st.session_state else {}
    source = controls.kept_choice("Pictures", "tuning-source", {**found_again, **_SOURCES})
    asked = {"run": _of_run, "bundled": _bundled, "zip": _archive, "hand": _by_hand}[source]()
    dataset = state.dataset()
    if asked != st.session_state.get(_QUESTION):
        st.caption(f":material/info: Until then “{plain(dataset.title)}” stays in use.")
    _checks(dataset)
    st.button(
        "Next: plan", type="primary", icon=":material/arrow_forward:", key="tuning-next", on_click=state.go,
        args=("plan",),
    )  # fmt: skip


def follow(run: Run) -> None:
    """Chooses the pictures of ``run``.

    Raises:
        BadCheckpoint: they are gone.
    """
    from explorer import training

    state.take(training.data(run))
    st.session_state[_FOLLOWED], st.session_state[_QUESTION] = run.name, ("run", run.name)


def _of_run() -> _Question | None:
    from explorer import training

    name = st.session_state[_FOLLOWED]
    return _take(("run", name), lambda: training.data(training.get(name)))


def _bundled() -> _Question | None:
    from explorer import training

    sets = training.sets()
    slug = st.segmented_control(
        "Set", list(sets), format_func=lambda slug: sets[slug].title, default=next(iter(sets)), required=True,
        key="tuning-set", persist_state="session", label_visibility="collapsed",
    )  # fmt: skip
    assert slug is not None
    st.caption(sets[slug].about)
    return _take(("bundled", slug), lambda: training.bundled_set(slug))


def _archive() -> _Question | None:
    from explorer import training

    left, right = st.columns([3, 2], gap="large", vertical_alignment="bottom")
    with left:
        file = st.file_uploader(
            "A ZIP with a folder of photos for each class", type="zip", key="tuning-zip", max_upload_size=_LARGEST
        )
    with right:
        share, seed = _division()
    st.caption(
        "The folder's name is the class. Folders “train” and “val” around them are taken as the division. The ZIP "
        "stays on this machine, and nothing in it is ever executed or written to where its names say."
    )
    if file is None and _ZIP not in st.session_state:
        return None
    name, data = (file.name, file.getvalue()) if file else st.session_state[_ZIP]
    if file is None:
        st.caption(f"“{plain(name[:60])}” is the one in use; another takes its place.")

    def read() -> Dataset:
        made = training.from_archive(data, name.removesuffix(".zip")[:40], share=share, seed=seed)
        st.session_state[_ZIP] = (name, data)
        return made

    return _take(("zip", images.digest(data), share, seed), read)


def _by_hand() -> _Question | None:
    from explorer import training

    count = int(st.session_state.setdefault("_tuning_classes", 2))
    kept: dict[int, list[tuple[str, bytes]]] = st.session_state.setdefault(_PHOTOS, {})
    groups: dict[str, list[tuple[str, bytes]]] = {}
    columns = st.columns(2, gap="large")
    for number in range(count):
        with columns[number % 2]:
            name = st.text_input(
                f"Class {number + 1}", f"class {number + 1}", key=f"tuning-class-{number}", max_chars=40,
                persist_state="session",
            )  # fmt: skip
            files = st.file_uploader(
                f"Photos of {plain(name)}", type=["jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff"],
                accept_multiple_files=True, key=f"tuning-files-{number}",
            )  # fmt: skip
            if files:
                kept[number] = [(each.name, each.getvalue()) for each in files]
            elif number in kept:
                photos = "1 photo" if len(kept[number]) == 1 else f"{len(kept[number])} photos"
                with st.container(horizontal=True, vertical_alignment="center"):
                    st.caption(f"{photos} chosen before; others take their place.", width="content")
                    st.button(
                        "Leave them out",
                        key=f"tuning-drop-{number}",
                        type="tertiary",
                        on_click=_leave_out,
                        args=(number,),
                    )
            if number in kept:
                groups.setdefault(name.strip() or f"class {number + 1}", []).extend(kept[number])
    left, right = st.columns([3, 2], gap="large", vertical_alignment="bottom")
    with left, st.container(horizontal=True):
        if count < _MOST_CLASSES:
            st.button("Another class", icon=":material/add:", key="tuning-more", on_click=_classes, args=(count + 1,))
        if count > 2:
            st.button(
                "One class less", icon=":material/remove:", key="tuning-less", on_click=_classes, args=(count - 1,)
            )
    with right:
        share, seed = _division()
    if len(groups) < 2:
        st.caption("Choose photos for two classes or more; ten each make a start.")
        return None
    content = tuple((name, tuple((file, images.digest(data)) for file, data in each)) for name, each in groups.items())
    return _take(
        ("hand", content, share, seed),
        lambda: training.from_images(groups, "Your photos", share=share, seed=seed),
    )


def _leave_out(number: int) -> None:
    st.session_state[_PHOTOS].pop(number, None)


def _classes(count: int) -> None:
    st.session_state["_tuning_classes"] = count


def _division() -> tuple[float, int]:
    with st.container(horizontal=True):
        share = st.slider(
            "To check with", 10, 50, 20, step=5, format="%d %%", key="tuning-share", persist_state="session",
            help="This share of each class is never learnt from; the accuracy is measured on it.",
        )  # fmt: skip
        seed = st.number_input(
            "Seed", 0, 9999, 0, key="tuning-division", persist_state="session", width=120,
            help="Another number draws another division.",
        )  # fmt: skip
    return share / 100, int(seed)


def _take(question: _Question, make: Callable[[], Dataset]) -> _Question:
    """Looks at the pictures once for each question; what was there before stays where they are of no use."""
    if st.session_state.get(_QUESTION) == question:
        return question
    try:
        with st.spinner("Looking at every picture", show_time=True):
            made = make()
    except ExplorerError as error:
        st.warning(plain(str(error)), icon=":material/info:")
        return question
    state.take(made)
    st.session_state[_QUESTION] = question
    st.rerun()  # the row of steps above says what is chosen
    return question


def _checks(dataset: Dataset) -> None:
    """Classes, counts, pictures; what was left out and why."""
    train, validation = len(dataset.train), len(dataset.validation)
    st.markdown(
        f"##### {plain(dataset.title)}: {len(dataset.classes)} classes, {train:,} pictures to learn from, "
        f"{validation:,} to check with"
    )
    for sentence in dataset.report.warnings:
        st.caption(f":material/info: {plain(sentence)}")
    members: dict[int, list[Item]] = {}
    for item in dataset.train:
        members.setdefault(item.label, []).append(item)
    for label, name in enumerate(dataset.classes[:_MOST_LISTED]):
        learnt, checked = dataset.counts[label]
        words, pictures = st.columns([1, 4], vertical_alignment="center", gap="medium")
        with words:
            st.markdown(f"**{plain(name)}**")
            st.caption(f"{learnt} to learn from, {checked} to check")
        with pictures, st.container(horizontal=True, gap="small"):
            for item in members.get(label, [])[:_SHOWN]:
                blocks.image(thumbnail(item), width=_SIDE, alt=item.name)
    if len(dataset.classes) > _MOST_LISTED:
        st.caption(f"And {len(dataset.classes) - _MOST_LISTED} classes more.")
    left_out = dataset.report.left_out
    if left_out:
        files = "1 file is" if len(left_out) == 1 else f"{len(left_out)} files are"
        with st.expander(f"{files} left out", icon=":material/rule:"):
            st.dataframe(
                [{"File": name, "Why": why} for name, why in left_out], hide_index=True, width="stretch", height=220
            )
    if dataset.source:
        st.caption(plain(dataset.source))


def thumbnail(item: Item, side: int = 2 * _SIDE) -> bytes:
    """A small square of a picture, as PNG."""
    from PIL import Image, ImageOps

    picture = item.open()
    method = Image.Resampling.NEAREST if max(picture.size) < side else Image.Resampling.LANCZOS
    return images.encode_png(ImageOps.fit(picture, (side, side), method))
