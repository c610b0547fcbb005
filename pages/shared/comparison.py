"""Two to four networks on the same photo, lined up by resolution, with a table of what they cost."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer import catalogue
from explorer.errors import ExplorerError
from pages.shared import blocks, cache, navigation, pictures, selection, view_code
from pages.shared.components.stages import stages
from pages.shared.text import percent, plain

if TYPE_CHECKING:
    from explorer.comparison import Comparison, Profile
    from explorer.models import Model
    from explorer.receptive_field import ReceptiveField
    from pages.shared.pictures import Picture

_NETWORKS, _STRIDE, _OPEN = "compared", "compared_stride", "_compared_open"
_LEAST, _MOST = 2, selection.MOST_COMPARED
# A small and a larger network of one plan, and one of another: they come with weights, or load fast without.
_STORY = ("efficientnet_lite0", "efficientnet_lite2", "resnet18")
_STAGES = {4: "Stage 1", 8: "Stage 2", 16: "Stage 3", 32: "Stage 4"}
_FIRST_STRIDE = 16  # the one that every kind of network has
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Column:
    """One network that could be loaded and looked at."""

    model: Model
    profile: Profile
    seen: bytes


@st.fragment
@blocks.kindly()
def draw(picture: Picture) -> None:
    """The choice of networks and of the stage, the stages beside each other, and the table."""
    picture = _for_photos(picture)
    slugs, stride = _controls()
    if len(slugs) < _LEAST:
        st.info(f"Choose {_LEAST} to {_MOST} networks to see them side by side.", icon=":material/compare:")
        return
    columns = [column for place, slug in enumerate(slugs) if (column := _look(slug, picture, place, len(slugs)))]
    if columns:
        _stages(columns, picture, stride)
        _table(columns)
        view_code.offer(lines([column.model for column in columns], picture), "compared")
    if st.session_state.pop(_OPEN, False):
        st.switch_page(navigation.page("feature_maps"))
    selection.write_link(in_fragment=True)


def lines(models: list[Model], picture: Picture) -> str:
    """The code that compares the networks."""
    return (
        view_code.opening(["comparison"], models, picture) + "compared = comparison.compare(networks, photo)\n"
        "for profile in compared.profiles:\n"
        "    layers = {stride: stage.layer for stride, stage in profile.stages.items()}\n"
        "    print(profile.title, profile.facts, profile.answers[:1], layers)"
    )


def compared() -> tuple[str, ...]:
    """Slugs of the networks compared: those that were chosen, else the selected one beside others that tell a story."""
    if _NETWORKS in st.session_state or selection.current().compare:
        return selection.current().compare  # empty if the visitor took all of them away
    own = selection.current().network
    story = own if catalogue.get(own).subject == "photos" else _STORY[0]
    return tuple(dict.fromkeys((story, *_STORY)))[: len(_STORY)]


def _for_photos(picture: Picture) -> Picture:
    if picture.subject != "digits":
        return picture
    photo = pictures.find(pictures.DEFAULT)
    st.caption(f"Only LeNet-5 reads digits; the networks here look at “{plain(photo.title)}” instead.")
    return photo


def _controls() -> tuple[tuple[str, ...], int]:
    names = {slug: title for slug, title in catalogue.titles().items() if slug != "lenet5"}
    st.session_state["compare-networks"] = list(compared())
    st.session_state["compare-stride"] = st.session_state.get(_STRIDE, _FIRST_STRIDE)
    st.multiselect(
        "Networks",
        list(names),
        format_func=names.__getitem__,
        max_selections=_MOST,
        key="compare-networks",
        on_change=_keep_networks,
        placeholder="Choose two to four",
        help="Two to four. The first is the measure of the others in the table.",
    )
    st.segmented_control(
        "Stage",
        list(_STAGES),
        required=True,
        format_func=_STAGES.__getitem__,
        key="compare-stride",
        on_change=_keep_stride,
        help="Shown large in all networks at once. Stages are lined up by stride: how many pixels of the input lie "
        "between two neighbouring units; 4, 8, 16 and 32.",
    )
    return compared(), st.session_state["compare-stride"]


def _keep_networks() -> None:
    _keep(tuple(st.session_state["compare-networks"]))


def _keep(slugs: tuple[str, ...]) -> None:
    st.session_state[_NETWORKS] = True
    selection.change(compare=slugs)


def _keep_stride() -> None:
    st.session_state[_STRIDE] = st.session_state["compare-stride"]


def _look(slug: str, picture: Picture, place: int, count: int) -> _Column | None:
    """One network's column; None, and one sentence on the page, where something is in the way."""
    title, slot = catalogue.get(slug).title, st.empty()
    try:
        with slot.container(), st.spinner(f"{plain(title)} ({place + 1} of {count})", show_time=True):
            model = _load(slug)
            column = _Column(model, cache.profile(model, picture), cache.seen(model, picture))
        slot.empty()
    except ExplorerError as error:
        slot.warning(f"{plain(title)} is left out. {error}", icon=":material/info:")
        return None
    except Exception:  # a network more or less: the others go on
        _LOG.exception("%s cannot be compared", slug)
        slot.warning(f"{plain(title)} is left out: it failed on this photo.", icon=":material/info:")
        return None
    return column


def _policy(slug: str) -> str:
    chosen = selection.current()
    return chosen.weights if slug == chosen.network else "auto"


def _load(slug: str) -> Model:
    from explorer import models

    bar = st.empty()

    def progress(done: int, total: int) -> None:
        amount = f"{done / 1e6:.0f} of {total / 1e6:.0f} MB" if total else f"{done / 1e6:.0f} MB"
        bar.progress(min(done / total, 1.0) if total else 0.0, f"Fetching its weights: {amount}")

    device = selection.current().device
    try:
        return models.load(slug, _policy(slug), device, progress=progress)
    except ExplorerError as error:  # no such weights here: the stages can be lined up all the same
        return models.load(slug, "random", device).noted(str(error))


def _stages(columns: list[_Column], picture: Picture, stride: int) -> None:
    st.session_state["_compared_columns"] = [(column.profile, picture.name) for column in columns]
    stages([(column.profile, column.seen) for column in columns], _STAGES, stride, "stages", _on_stage, _on_open)
    st.caption(
        f"“{plain(picture.title)}”: at each stride, of the last layer there, the channel with most contrast, from dark "
        "(its least value) to bright (its greatest). Point at a place to see it in all networks; "
        "click a row to enlarge it."
    )
    for column in columns:
        if not column.profile.trained:
            note = f" {column.model.weights.note}" if column.model.weights.note else ""
            st.caption(
                f":material/casino: {plain(column.profile.title)} runs with random weights: it has learnt nothing, so "
                f"its maps and answers mean nothing.{plain(note)}"
            )


def _on_stage() -> None:
    stride = st.session_state["stages"].chosen
    if stride in _STAGES:
        st.session_state[_STRIDE] = stride


def _on_open() -> None:
    clicked = st.session_state["stages"].opened
    shown = dict(enumerate(st.session_state.get("_compared_columns", [])))
    if clicked is None or clicked[0] not in shown:
        return
    profile, photo = shown[clicked[0]]
    stage = profile.stages.get(clicked[1])
    if stage is None:
        return
    _keep(compared())  # coming back, the visitor finds the same ones
    selection.change(
        network=profile.slug,
        weights=_policy(profile.slug),
        image=photo,
        layer=stage.layer,
        channel=stage.channel,
        unit=None,
    )
    st.session_state[_OPEN] = True


def _table(columns: list[_Column]) -> None:
    from explorer.comparison import Comparison

    shown = Comparison(tuple(column.profile for column in columns))
    number, words = st.column_config.NumberColumn, st.column_config.TextColumn
    times = f"As a multiple of the first network's, {plain(shown.profiles[0].title)}."
    st.dataframe(
        _rows(shown),
        hide_index=True,
        column_config={
            "network": words("Network", pinned=True),
            "depth": number(
                "Depth (layers)",
                help="Convolutions and linear layers on the longest way from photo to answer, as the names ResNet-50 "
                "and VGG-16 count; depthwise and pointwise convolutions are two.",
            ),
            "parameters": number("Parameters (M)", format="%.2f", help="Millions of learnt numbers."),
            "parameters_times": number("Parameters (×)", format="%.2f", help=times),
            "macs": number(
                "MACs (G)", format="%.3f", help="Billions of multiply-accumulates for one image; FLOPs are twice that."
            ),
            "macs_times": number("MACs (×)", format="%.2f", help=times),
            "field": words(
                "Receptive field (px)",
                alignment="right",
                help="Side of the square of pixels on which one unit of the last map depends; “whole image” where "
                "attention or a gate looks at everything.",
            ),
            "time": number("Time (ms)", format="%.1f", help="Median of a few forward passes on this machine, alone."),
            "time_times": number("Time (×)", format="%.2f", help=times),
            "input": number("Input (px)", help="Side of the square that the network sees."),
            "weights": words("Weights"),
            "answers": words("Five best answers", width="large"),
        },
    )
    runs = sorted({profile.runs for profile in shown.profiles})
    passes = str(runs[0]) if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
    st.caption(
        f"× is a multiple of {plain(shown.profiles[0].title)}'s. Counted on each network at its own input size; time: "
        f"median of {passes} forward passes for one photo, measured here on {_where(columns)}."
    )


def _rows(shown: Comparison) -> list[dict[str, Any]]:
    return [
        {
            "network": profile.title,
            "depth": profile.facts.depth,
            "parameters": profile.facts.parameters / 1e6,
            "parameters_times": parameters,
            "macs": profile.facts.macs / 1e9,
            "macs_times": macs,
            "field": _field(profile.facts.receptive_field),
            "time": profile.milliseconds,
            "time_times": time,
            "input": profile.side,
            "weights": profile.weights,
            "answers": ", ".join(f"{each.label} {percent(each.probability)}" for each in profile.answers) or "–",
        }
        for profile, parameters, macs, time in zip(
            shown.profiles, shown.parameters, shown.macs, shown.time, strict=True
        )
    ]


def _field(seen: ReceptiveField | None) -> str:
    if seen is None:
        return "–"
    return "whole image" if seen.whole else str(seen.size)


def _where(columns: list[_Column]) -> str:
    from explorer import devices

    return plain(" and ".join(dict.fromkeys(devices.describe(column.model.device) for column in columns)))
