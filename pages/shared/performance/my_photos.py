"""Tab of the Performance page: the visitor's photos through several networks at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from explorer import catalogue, images
from explorer.errors import Cancelled, ExplorerError
from pages.shared import blocks, cache, controls, pictures, selection
from pages.shared.controls import kept_choice
from pages.shared.long_run import LongRun, Progress, Stopped, offer
from pages.shared.performance import answered, mapping, packed
from pages.shared.pictures import Picture
from pages.shared.text import plain

if TYPE_CHECKING:
    import numpy as np

    from explorer.answers import Answers
    from explorer.models import Model

NETWORKS = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
"""To begin with: their weights come with the app."""
_MOST = 6
_KEPT = "_my_photos_logits"
_FORGOTTEN = "_my_photos_forgotten"  # how often some of them had to go
_MOST_KEPT = 16_000  # of 4 kB each: 64 MB a visitor at most
_PASS = 0.05  # seconds; measured once some passes are done
_PATIENCE = 3.0  # seconds; what takes less is not asked for
_SHOWN_S = 0.05  # what takes less was known before
_KEY = "my-photos"
_Photo = tuple[Picture, str]


@st.fragment
@blocks.kindly()
def draw() -> None:
    """Where the photos come from, which networks, and what these say."""
    photos = _photos()
    slugs = networks(_KEY)
    st.caption(f"{_included()} come with their weights; others fetch theirs once chosen, where this machine can.")
    if not photos or not slugs:
        if not slugs:
            st.info("Choose one or more networks.", icon=":material/lan:")
        return
    loaded = _loaded(slugs)
    if not loaded:
        return
    finish = _ask(loaded, photos)
    _code([model.card.slug for model in loaded])
    selection.write_link(in_fragment=True)
    if st.session_state.pop("_my_photos_chosen", False):
        st.rerun()  # the sidebar shows the photo too
    finish()


def networks(key: str) -> list[str]:
    """A choice of networks that name photos."""
    titles = {
        slug: title
        for slug, title in catalogue.titles().items()
        if (card := catalogue.get(slug)).task == "classification" and card.subject == "photos"
    }
    before = st.session_state.get(f"{key}-networks", NETWORKS)
    st.session_state[f"{key}-networks"] = [slug for slug in before if slug in titles]  # tuned ones may be deleted
    chosen: list[str] = st.multiselect(
        "Networks",
        list(titles),
        format_func=titles.__getitem__,
        max_selections=_MOST,
        key=f"{key}-networks",
        persist_state="session",
        placeholder="Choose one or more",
    )
    return chosen


def _included() -> str:
    *others, last = [catalogue.get(slug).title for slug in NETWORKS]
    return f"{', '.join(others)} and {last}"


def _photos() -> list[_Photo]:
    """The photos to ask about, each with its folder."""
    mine = [each for each in pictures.uploads().values() if each.title != pictures.DRAWING]
    sources = {"samples": "Samples", "mine": f"Mine ({len(mine)})" if mine else "Mine", "zip": "ZIP of folders"}
    source = kept_choice("Photos", f"{_KEY}-source", sources)
    if source == "mine":
        controls.uploader(_KEY, "Drop photos here, up to 20 MB each")
        if not mine:
            st.caption("They stay in this session only. Photos in one folder for each class go into a ZIP.")
        return [(each, "") for each in mine]
    if source == "zip":
        return packed.photos(_KEY)
    return [(each, "") for each in pictures.samples().values() if each.subject == "photos"]


def _loaded(slugs: Sequence[str]) -> list[Model]:
    """The networks that can be had, those that know the same classes as the first; says what is left out."""
    from explorer import models

    found: list[Model] = []
    for slug in slugs:
        title, slot = plain(catalogue.get(slug).title), st.empty()
        try:
            with slot.container(), st.spinner(f"Loading {title}", show_time=True):
                model = models.load(slug, "auto", selection.current().device)
            slot.empty()
        except ExplorerError as error:
            slot.warning(f"{title} is left out. {error}", icon=":material/info:")
            continue
        if found and model.classes != found[0].classes:
            st.warning(
                f"{title} is left out: it knows other classes than {found[0].card.title}.", icon=":material/info:"
            )
            continue
        blocks.weights_note(model)
        found.append(model)
    return found


def _logits() -> dict[tuple[str, str], np.ndarray]:
    """What this visitor's photos were answered so far, by network and photo."""
    kept: dict[tuple[str, str], np.ndarray] = st.session_state.setdefault(_KEPT, {})
    return kept


def _forget(wanted: set[tuple[str, str]]) -> None:
    """Lets the oldest answers go where there are too many, but none of those that are about to be shown."""
    kept = _logits()
    old = [each for each in kept if each not in wanted][: max(len(kept) - _MOST_KEPT, 0)]
    for each in old:
        del kept[each]
    if old:
        st.session_state[_FORGOTTEN] = st.session_state.get(_FORGOTTEN, 0) + 1


def _missing(loaded: list[Model], photos: list[_Photo]) -> list[tuple[Model, Picture]]:
    kept = _logits()
    return [(model, photo) for photo, _ in photos for model in loaded if (model.key, photo.digest) not in kept]


def _ask(loaded: list[Model], photos: list[_Photo]) -> Callable[[], None]:
    """Draws what is known of the photos; what it returns asks about the others, once all else is drawn."""
    go = offer(_run(loaded, photos))
    part = st.empty()

    def draw_part(key: str) -> None:
        left = {photo.digest for _, photo in _missing(loaded, photos)}
        done = [each for each in photos if each[0].digest not in left]
        if left and done:
            with part.container():
                st.caption(f"So far: {len(done):,} of {len(photos):,} photos.")
                _draw(loaded, done, key)

    draw_part(f"{_KEY}-part")

    def finish() -> None:
        if go is not None:
            go()
            if _missing(loaded, photos):  # stopped on the way
                draw_part(f"{_KEY}-stopped")
            else:
                part.empty()

    return finish


def _run(loaded: list[Model], photos: list[_Photo]) -> LongRun[float]:
    missing = _missing(loaded, photos)
    passes = len(missing)
    seconds_about = passes * st.session_state.get("_my_photos_pace", _PASS)
    long = seconds_about > _PATIENCE

    def compute(progress: Progress, stopped: Stopped) -> float:
        from explorer import predict

        kept, start, samples = _logits(), time.perf_counter(), pictures.samples()
        for done, (model, photo) in enumerate(missing):
            # A short run is what the page opens with: no stray click ends it, unless it takes long after all.
            if (long or time.perf_counter() - start > 3 * _PATIENCE) and stopped():
                raise Cancelled(f"Stopped after {done:,} of {len(missing):,} passes; they are kept.")
            if photo.name in samples:
                kept[model.key, photo.digest] = cache.logits(model, photo).result
            else:  # a ZIP has more photos than a cache that all visitors share should hold
                kept[model.key, photo.digest] = predict.logits(model, images.open_image(photo.data))
            progress(done + 1, len(missing))
        _forget({(model.key, photo.digest) for photo, _ in photos for model in loaded})
        seconds = time.perf_counter() - start
        if len(missing) > 8:  # a few passes measure the start
            st.session_state["_my_photos_pace"] = seconds / len(missing)
        return seconds

    def show(seconds: float) -> None:
        _draw(loaded, photos, _KEY, seconds)

    asked = repr([(model.key, photo.digest) for photo, _ in photos for model in loaded])
    # Once answers were forgotten, a question that was answered before is not known to be answered still.
    question = (_KEY, len(photos), len(loaded), images.digest(asked.encode()), st.session_state.get(_FORGOTTEN, 0))
    label = "Ask the networks" if len(missing) == len(photos) * len(loaded) else "Ask about the others"
    return LongRun(_KEY, question, label, passes, seconds_about, compute, show, patience=_PATIENCE)


def _draw(loaded: list[Model], photos: list[_Photo], key: str, seconds: float | None = None) -> None:
    """All that is seen of the answers."""
    found = _collected(loaded, photos)
    answered.headline(found)
    weights = ", ".join(dict.fromkeys(model.weights.name for model in loaded))
    time_taken = () if seconds is None or seconds < _SHOWN_S else (f"{seconds:.1f} s",)
    count = f"{len(photos):,} photo{'' if len(photos) == 1 else 's'}"
    st.caption(plain(" · ".join((", ".join(found.networks), weights, count, *time_taken))))
    found = mapping.labelled(found, key)
    answered.accuracy(found, key)

    def picture(place: int) -> bytes:
        return cache.seen(loaded[0], photos[place][0])  # squares, all alike

    def choose(place: int) -> None:
        photo = photos[place][0]
        if photo.name not in pictures.samples() and photo.name not in pictures.uploads():
            taken, complaints = pictures.take([packed.File(photo.title, photo.data)])
            selection.complain(complaints)
            if not taken:
                return
            photo = taken[0]
        selection.change(image=photo.name)
        st.session_state["_my_photos_chosen"] = True

    answered.disputed(found, key, picture, choose)
    left, right = st.columns(2, gap="large")
    with left:
        answered.agreement(found, key)
    with right:
        answered.calibration(found, key)


def _collected(loaded: list[Model], photos: list[_Photo]) -> Answers:
    import numpy as np

    from explorer import answers, predict

    kept = _logits()
    probabilities = np.array(
        [[predict.softmax(kept[model.key, photo.digest]) for model in loaded] for photo, _ in photos]
    )
    files, folders = [photo.title for photo, _ in photos], [folder for _, folder in photos]
    titles = [model.card.title + ("" if model.weights.trained else " (random)") for model in loaded]
    return answers.collect(files, folders, titles, loaded[0].classes, probabilities)


def _code(slugs: Sequence[str]) -> None:
    with st.expander("Code for this view", icon=":material/code:"):
        st.caption("For opened `photos`, the names of their `folders` and of their `files`.")
        st.code(lines(slugs), language="python")


def lines(slugs: Sequence[str]) -> str:
    """The code that computes what is shown."""
    return f"""\
import numpy as np
from explorer import answers, labels, models, predict

networks = [models.load(slug) for slug in {list(slugs)!r}]
sure = np.array([[predict.softmax(predict.logits(each, photo)) for each in networks] for photo in photos])
found = answers.collect(files, folders, [each.card.title for each in networks], networks[0].classes, sure)
found = found.with_targets(labels.targets(folders, labels.match_all(folders, found.classes)))
print(answers.unanimous(found), answers.agreement(found), answers.disputed(found)[:4])
print(answers.accuracy(found), answers.reliability(found, network=0))
"""
