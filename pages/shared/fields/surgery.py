"""Tab of the Receptive field page: take strides out of a real network, and see what its weights make of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image

from explorer import images, palettes
from pages.shared import blocks, cache, selection
from pages.shared.text import count, percent, plain, size

if TYPE_CHECKING:
    from explorer.activations import FeatureMaps
    from explorer.graph import Graph
    from explorer.models import Model
    from explorer.receptive_field import ReceptiveField
    from explorer.surgery import Cut, Level, Operated
    from pages.shared.pictures import Picture

_ACTIONS = {"keep": "Keep the stride", "remove": "Remove it", "spread": "Remove it, dilate what follows"}
_PATIENCE = 6.0  # seconds: what would take longer is asked for
_SIDE = 448


@st.fragment
@blocks.kindly()
def draw(picture: Picture, model: Model) -> None:
    """One column of choices for each level, the numbers, and the answers before and after."""
    from explorer import surgery

    try:
        levels = surgery.levels(model)
    except surgery.Inoperable as error:
        st.info(str(error), icon=":material/content_cut:")
        st.button("Operate on ResNet-50", on_click=lambda: selection.change(network="resnet50"))
        return
    st.markdown(
        "Take a stride out of the network, on a copy with the same weights. Its maps get finer, and every window "
        "behind meets neighbours that lie closer together than those it was trained on, unless it is dilated."
    )
    cuts = _choices(model, levels)
    try:
        operated = cache.operated(model, _key(cuts))
    except surgery.Inoperable as error:
        st.warning(str(error), icon=":material/info:")
        return
    _numbers(model, operated)
    _answers(model, operated, picture)
    _levels(model, operated)


def _key(cuts: dict[int, Cut]) -> tuple[tuple[int, bool, bool, int], ...]:
    return tuple((stride, cut.remove, cut.spread, cut.dilation) for stride, cut in cuts.items())


def _choices(model: Model, levels: tuple[Level, ...]) -> dict[int, Cut]:
    """What to do at each level; the last one is cut at first, so that there is something to see."""
    from explorer.surgery import Cut

    actions = {}
    for level, column in zip(levels, st.columns(len(levels), gap="small"), strict=True):
        key = f"surgery-{model.card.slug}-{level.stride}"
        if key not in st.session_state:
            st.session_state[key] = _first(model, level) if level is levels[-1] else "keep"
        factor = level.stride // level.before
        with column, st.container(border=True):
            actions[level.stride] = st.radio(
                f"**Stride {factor}**: a unit every {level.before} px becomes one every {level.stride} px",
                list(_ACTIONS),
                format_func=_ACTIONS.__getitem__,
                key=key,
                persist_state="session",
                help=f"In {' and '.join(level.modules)}. Dilating spreads the elements of every later window by "
                f"{factor}, so that each weight meets what it was trained to meet.",
            )
    dilations = _dilations(model, levels)
    return {stride: Cut(action != "keep", action == "spread", dilations[stride]) for stride, action in actions.items()}


def _dilations(model: Model, levels: tuple[Level, ...]) -> dict[int, int]:
    """By what the windows of each level are spread besides."""
    found = {}
    with st.expander("Dilate windows without touching a stride", icon=":material/open_in_full:"):
        st.caption(
            "The field grows and the map stays as large, but the weights meet places they never met in training: the "
            "answers usually suffer."
        )
        for level, column in zip(levels, st.columns(len(levels), gap="small"), strict=True):
            key = f"surgery-{model.card.slug}-{level.stride}-dilation"
            st.session_state.setdefault(key, 1)
            with column:
                chosen = st.segmented_control(
                    f"Where units lie {level.stride} px apart",
                    [1, 2, 4],
                    required=True,
                    format_func=lambda factor: f"× {factor}",
                    key=key,
                    persist_state="session",
                )
            found[level.stride] = int(chosen or 1)
    return found


def _first(model: Model, level: Level) -> str:
    """What to begin with at the last level: the most telling cut that leaves a network that runs."""
    from explorer import surgery

    for action in ("spread", "remove"):
        try:
            cache.operated(model, _key({level.stride: surgery.Cut(True, action == "spread")}))
        except surgery.Inoperable:
            continue
        return action
    return "keep"


def _last(model: Model) -> str:
    """The last map that is no summary: pooling to a fixed size would hide what a cut does."""
    from explorer import activations

    default = activations.default_layer(model)
    if not default.kind.startswith("Adaptive"):
        return default.name
    return [layer for layer in activations.resolutions(model) if not layer.kind.startswith("Adaptive")][-1].name


def _numbers(model: Model, operated: Operated) -> None:
    """Resolution and field of the last map, and MACs, each with what it was before."""
    from explorer import graph

    before, after = graph.of_model(model), operated.graph
    layer = _last(model)
    channels, *_ = _shape(model, layer)
    shapes = [_shape(model, layer), _quickly(after, layer, channels) or _shape(operated.model, layer)]
    fields = [_sees(before.field_of(layer)), _sees(after.field_of(layer))]
    same = "as trained"
    entries = [
        ("Last map", f"{size(shapes[1][1:])}", f"{size(shapes[0][1:])} before", shapes[0] != shapes[1]),
        ("A unit of it could see", fields[1], f"{fields[0]} before", fields[0] != fields[1]),
        (
            "MACs",
            count(after.macs),
            f"{count(before.macs)} before, × {after.macs / before.macs:.3g}",
            after.macs != before.macs,
        ),
        ("Layers changed", str(len(operated.changed)), f"{count(model.parameters)} weights, none changed", True),
    ]
    with st.container(horizontal=True, key="surgery-numbers"):
        for title, value, change, differs in entries:
            st.metric(title, value, change if differs else same, delta_color="off", delta_arrow="off", width="content")


def _shape(model: Model, layer: str) -> tuple[int, ...]:
    from explorer import activations

    return activations.find(model, layer).shape


def _quickly(traced: Graph, layer: str, channels: int) -> tuple[int, ...]:
    """The shape of a layer's maps from the graph alone, which is there before the layers are; () if not laid out so."""
    inside = [node for node in traced.nodes if f"{node.name}.".startswith(f"{layer}.")]
    shape = inside[-1].shape[1:] if inside else ()
    return shape if len(shape) == 3 and shape[0] == channels else ()


def _sees(field: ReceptiveField | None) -> str:
    if field is None:
        return "not known"
    return f"{field.size} px, gates: all" if field.whole else f"{field.size} px"


def _answers(model: Model, operated: Operated, picture: Picture) -> None:
    """Evidence or one channel, and the five best classes, before and after."""
    from explorer import graph

    layer = _last(model)
    names_photos = model.card.task == "classification"
    views = (
        {"evidence": "Grad-CAM", "channel": "Channel of most contrast"}
        if names_photos
        else {"channel": "Channel of most contrast"}
    )
    view = st.segmented_control(
        "Show", list(views), default=next(iter(views)), required=True, format_func=views.__getitem__, key="surgery-view"
    )
    first = cache.feature_maps(model, picture, layer)
    expected = max(first.seconds, 0.02) * operated.graph.macs / graph.of_model(model).macs
    if expected > _PATIENCE and not st.button(f"Run it: about {expected:.0f} s", icon=":material/play_arrow:"):
        st.caption("The numbers above are exact; the answer of so large a network takes a while.")
        return
    pair = (model, operated.model)
    rows: list[list[tuple[str, float]]] = [[], []]
    with st.spinner("Running both networks", show_time=True):
        if view == "evidence":
            pictures, notes, seconds, rows = _evidence(pair, picture, layer)
        else:
            pictures, notes, seconds = _channel(pair, picture, layer, first.result)
            if names_photos:
                rows = [_best(each, cache.logits(each, picture).result) for each in pair]
    titles = ("As trained", "After surgery")
    for place, column in enumerate(st.columns(2, gap="medium")):
        with column:
            st.markdown(f"**{titles[place]}**")
            left, right = st.columns([3, 2], gap="medium") if rows[place] else (st.container(), st.container())
            with left:
                blocks.image(pictures[place], width="stretch", alt=f"{titles[place]}: {views[view]} at {layer}")
            with right:
                for label, probability in rows[place]:
                    st.progress(min(1.0, probability), f"{plain(label)} {percent(probability)}")
            blocks.caption(model, views[view], notes[place], seconds=seconds[place])


def _evidence(
    pair: tuple[Model, Model], picture: Picture, layer: str
) -> tuple[list[bytes], list[str], list[float], list[list[tuple[str, float]]]]:
    """Grad-CAM of both for the class that the network named before, and the classes that each names now."""
    before = cache.attribution(pair[0], picture, "grad_cam", selection.current().target, layer)
    after = cache.attribution(pair[1], picture, "grad_cam", before.result.target, layer)
    drawn, notes, rows = [], [], []
    for model, found in zip(pair, (before.result, after.result), strict=True):
        drawn.append(_png(palettes.overlay(found.seen, found.heatmap)))
        notes.append(
            f"{found.label} {percent(found.probability)} · {layer}, {size(found.raw.shape)} places"
            + ("" if found.evidence else ", nothing here speaks for it")
        )
        rows.append(_best(model, found.logits))
    return drawn, notes, [before.seconds, after.seconds], rows


def _channel(
    pair: tuple[Model, Model], picture: Picture, layer: str, before: FeatureMaps
) -> tuple[list[bytes], list[str], list[float]]:
    """The channel that told places apart best before, in both, on one scale."""
    channel = int(before.contrast.argmax())
    timed = [cache.feature_maps(each, picture, layer) for each in pair]
    maps = [each.result.values[channel] for each in timed]
    low, high = min(float(each.min()) for each in maps), max(float(each.max()) for each in maps)
    drawn = [_png(palettes.colour((each - low) / ((high - low) or 1.0), palettes.SEQUENTIAL)) for each in maps]
    notes = [f"{layer}, channel {channel}, {size(each.shape)}, colours from {low:.3g} to {high:.3g}" for each in maps]
    return drawn, [note.replace("-", "−") for note in notes], [each.seconds for each in timed]


def _best(model: Model, values: np.ndarray) -> list[tuple[str, float]]:
    from explorer import predict

    return [(each.label, each.probability) for each in predict.ranked(model, values, min(5, len(values)))]


def _png(pixels: np.ndarray) -> bytes:
    picture = Image.fromarray(pixels)
    scale = max(1, _SIDE // max(picture.size))
    return images.encode_png(picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST))


def _levels(model: Model, operated: Operated) -> None:
    """Every resolution of the network before and after."""
    from explorer import activations, graph

    before, after = graph.of_model(model), operated.graph
    rows = [
        {
            "layer": layer.name,
            "map before": size(layer.shape[1:]),
            "after": size(_shape(operated.model, layer.name)[1:]),
            "sees before": _sees(before.field_of(layer.name)),
            "sees after": _sees(after.field_of(layer.name)),
            "px between units before": _stride(before, layer.name),
            "px after": _stride(after, layer.name),
        }
        for layer in activations.resolutions(model)
    ]
    with st.expander("Every resolution, before and after", icon=":material/table:"):
        st.dataframe(rows, hide_index=True)
        st.caption(
            plain(
                f"{model.card.title} at {model.preprocessing.crop} × {model.preprocessing.crop}. With dilation a map's "
                "every second place holds exactly what the original computed there, as far as padding and gates that "
                "average over all places allow: the network says the same at more places. This is how "
                "classifiers become segmenters (Yu and Koltun 2015; torchvision's replace_stride_with_dilation)."
            )
        )


def _stride(traced: Graph, layer: str) -> str:
    field = traced.field_of(layer)
    return "–" if field is None else str(field.stride)
