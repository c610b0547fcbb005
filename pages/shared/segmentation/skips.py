"""Tab of the Segmentation page: the U with every stage's answer, its skips as switches, and what each is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from PIL import Image

from explorer import images, palettes, segmentation
from pages.shared import blocks, navigation, pictures, selection
from pages.shared.components.data_url import data_url
from pages.shared.components.ushape import ushape
from pages.shared.segmentation.subject import Shown
from pages.shared.text import size

if TYPE_CHECKING:
    import numpy.typing as npt

    from explorer.segmentation import Segmentation, Stage

_KEY, _CUT, _OPEN = "segmentation-u", "_segmentation_cut", "_segmentation_open"
_THUMBNAIL = 208  # pixels: twice what is drawn
_HIGHEST = 560  # pixels of the screen, of the picture below the U


@st.fragment
@blocks.kindly()
def draw(shown: Shown) -> None:
    """The U, what the mask lost, and a table of every skip."""
    if st.session_state.pop(_OPEN, False):
        st.switch_page(navigation.page("feature_maps"))
    levels = len(segmentation.unet_of(shown.model.module).encoders)
    gone: set[int] = st.session_state.setdefault(_CUT, set())
    skips = tuple(level not in gone for level in range(levels))
    st.markdown(
        "Left the network narrows to find **what** there is, right it widens to say **where**. The skips carry fine "
        "detail "
        "across. **Switch one off** and the decoder gets zeros in its place; click a stage to see all its channels."
    )
    found, whole = shown.segmented(skips), shown.segmented((True,) * levels)
    ushape(_drawing(shown, found), _KEY, lambda: _toggled(levels), lambda: _opened(shown))
    seconds = found.seconds
    blocks.caption(shown.model, shown.picture.title, "each stage's strongest channel", seconds=seconds)
    st.caption(
        "Stages: channels × height × width; picture and mask: width × height. The edges of the picture are repeated up "
        "to the next multiple of 16, so that no pooling meets an odd side, and cut off the mask again."
    )
    st.markdown(_verdict(shown, found, whole))
    left, right = st.columns(2, gap="large")
    with left:
        _beside(found, whole)
    with right:
        if shown.model.weights.trained:
            _worth(shown, levels)
    with st.expander("Code for this view", icon=":material/code:"):
        if shown.call == "photo":
            st.caption("For an opened `photo`.")
        st.code(lines(shown, skips), language="python")


def lines(shown: Shown, skips: tuple[bool, ...]) -> str:
    """The code that computes what is shown."""
    weights = "" if shown.model.weights.trained else ', weights="random"'
    return (
        "from PIL import Image\n\nfrom explorer import images, models, segmentation\n\n"
        f'model = models.load("{shown.model.card.slug}"{weights})\n'
        f"picture = {shown.call}\n"
        f"whole = segmentation.segment(model, picture, longest={shown.longest})\n"
        f"without = segmentation.segment(model, picture, skips={skips}, longest={shown.longest})\n"
        "print(segmentation.overlap(without.mask(), whole.mask()).dice)\n"
        "[(stage.layer, stage.shape, stage.channel) for stage in without.stages]\n"
    )


def _toggled(levels: int) -> None:
    value = st.session_state[_KEY].get("toggled")
    if isinstance(value, list) and len(value) == 2 and value[0] in range(levels):
        gone: set[int] = st.session_state.setdefault(_CUT, set())
        st.session_state[_CUT] = gone - {value[0]} if value[1] else gone | {value[0]}


def _opened(shown: Shown) -> None:
    layer = st.session_state[_KEY].get("stage")
    if layer not in segmentation.stages_of(segmentation.unet_of(shown.model.module)):
        return
    name = shown.picture.name
    if name not in pictures.samples():
        pictures.keep(shown.picture)
    selection.change(network=shown.model.card.slug, image=name)
    selection.change(layer=layer)
    st.session_state[_OPEN] = True


def _drawing(shown: Shown, found: Segmentation) -> dict[str, Any]:
    stages = {stage.layer: stage for stage in found.stages}
    levels = len(found.skips)
    height, width = found.probability.shape
    chance = palettes.colour(found.probability, palettes.SEQUENTIAL)
    return {
        "id": f"{shown.identity}|{found.skips}",
        "skips": list(found.skips),
        "input": _plain(found.seen, f"{width} × {height}"),
        "output": _plain(chance, f"{width} × {height}"),
        "down": [_tile(stages[f"encoders.{level}"]) for level in range(levels)],
        "bottom": _tile(stages["bottleneck"]),
        "up": [_tile(stages[f"decoders.{2 * (levels - level) - 1}"]) for level in range(levels)],
    }


def _tile(stage: Stage) -> dict[str, Any]:
    low, high = float(stage.map.min()), float(stage.map.max())
    scaled = (stage.map - low) / (high - low or 1.0)
    return {
        **_plain(palettes.colour(scaled, palettes.SEQUENTIAL), size(stage.shape)),
        "layer": stage.layer,
        "channel": stage.channel,
    }


def _plain(pixels: npt.NDArray[np.uint8], shape: str) -> dict[str, Any]:
    picture = Image.fromarray(pixels)
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL))
    height, width = pixels.shape[:2]
    return {"picture": data_url(images.encode_png(picture)), "width": width, "height": height, "shape": shape}


def _verdict(shown: Shown, found: Segmentation, whole: Segmentation) -> str:
    truth = shown.truth(found.probability.shape)
    if all(found.skips):
        return "All skips are there." + (f" Dice {_dice(found, truth):.3f}." if truth is not None else "")
    gone = ", ".join(str(level + 1) for level, there in enumerate(found.skips) if not there)
    name = f"skip{'s' if gone.count(',') else ''} {gone}"
    if truth is not None:
        return f"Without {name}: Dice **{_dice(found, truth):.3f}**, with all of them {_dice(whole, truth):.3f}."
    alike = segmentation.overlap(found.mask(), whole.mask()).dice
    return f"Without {name} the mask shares a Dice of **{alike:.3f}** with the one of the whole network."


def _dice(found: Segmentation, truth: npt.NDArray[np.bool_]) -> float:
    return segmentation.overlap(found.mask(), truth).dice


def _beside(found: Segmentation, whole: Segmentation) -> None:
    """What the cut mask lost and gained against the whole network's, over the picture."""
    kinds = segmentation.kinds(found.mask(), whole.mask())
    painted = found.seen.astype(np.float32)
    for kind, colour in ((1, (248, 104, 0)), (2, (200, 32, 140)), (3, (48, 152, 248))):
        painted[kinds == kind] = 0.45 * painted[kinds == kind] + 0.55 * np.array(colour, np.float32)
    picture = Image.fromarray(painted.astype(np.uint8))
    scale = max(1, 640 // max(picture.size))
    picture = picture.resize((scale * picture.width, scale * picture.height), Image.Resampling.NEAREST)
    # A width in pixels ends at that of the column; a tall picture ends sooner.
    blocks.image(
        images.encode_png(picture),
        width=max(1, round(_HIGHEST * picture.width / picture.height)),
        alt="The mask over the picture, with what a cut takes and adds",
    )
    st.caption(
        "Orange: the mask. A cut shows in blue what is lost, in purple what is new. Threshold 0.5."
        if all(found.skips)
        else "Orange: in the mask with and without the cut. Blue: lost by the cut. Purple: new. Threshold 0.5."
    )


def _worth(shown: Shown, levels: int) -> None:
    st.markdown("##### What each skip is worth here")
    whole = shown.segmented((True,) * levels)
    truth = shown.truth(whole.probability.shape)
    against = whole.mask() if truth is None else truth
    if not against.any() and not whole.mask().any():
        st.caption("No pixel is marked here, so there is nothing that a skip could be worth.")
        return
    cuts = {"none": (), **{f"skip {level + 1}": (level,) for level in range(levels)}, "all": tuple(range(levels))}
    rows = []
    for name, gone in cuts.items():
        mask = shown.segmented(tuple(level not in gone for level in range(levels))).mask()
        edges = segmentation.overlap_at_edges(mask, against).dice
        rows.append(f"| {name} | {segmentation.overlap(mask, against).dice:.3f} | {edges:.3f} |")
    st.markdown("| cut | Dice | Dice at the edges |\n|---|---:|---:|\n" + "\n".join(rows))
    against_what = "the right mask" if truth is not None else "the mask of the whole network"
    st.caption(
        f"Against {against_what}, threshold 0.5; the edges are the pixels within 3 of its contour. The network was "
        "trained "
        "with all skips: what it loses is what it has come to lean on, not what it could learn without."
    )
