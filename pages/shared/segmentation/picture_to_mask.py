"""Tab of the Segmentation page: the mask over the picture, and how well it fits."""

from __future__ import annotations

import numpy as np
import streamlit as st

from explorer import palettes, segmentation
from pages.shared import blocks
from pages.shared.components.mask import levels, mask
from pages.shared.segmentation import cache
from pages.shared.segmentation.subject import Shown
from pages.shared.text import size


def draw(shown: Shown) -> None:
    """The mask, its measures, and what one threshold would have done."""
    module = segmentation.unet_of(shown.model.module)
    found = shown.segmented((True,) * len(module.encoders))
    height, width = found.probability.shape
    truth = shown.truth((height, width))
    mask(
        {
            "id": shown.identity,
            "width": width,
            "height": height,
            "known": truth is not None,
            "alternative": f"{shown.picture.title} with the mask of {shown.model.card.title}",
            "file": f"{shown.picture.name[:24]}-{shown.model.card.slug}-mask.png",
        },
        "segmentation-mask",
        photo=found.seen,
        probability=levels(found.probability),
        truth=np.zeros((1, 1), np.uint8) if truth is None else truth.astype(np.uint8),
        table=palettes.SEQUENTIAL,
    )
    blocks.caption(shown.model, shown.picture.title, f"{size((width, height))} pixels", seconds=found.seconds)
    if truth is not None and shown.picture.name == "coins" and truth.shape == cache.coins().otsu.shape:
        ours, simple = segmentation.overlap(found.mask(), truth), segmentation.overlap(cache.coins().otsu, truth)
        st.markdown(
            f"At a threshold of one half the network reaches a Dice of **{ours.dice:.3f}**. One gray value for the "
            "whole "
            f"picture (Otsu's threshold, holes filled) reaches {simple.dice:.3f}: the light is uneven, and what is "
            "ground in "
            "one corner is as bright as a coin in another."
        )
    elif truth is not None and shown.picture.name != "coins":
        parts = int(cache.made(int(shown.picture.name.removeprefix("cells_")))[0].count)
        st.markdown(
            f"The picture has {parts} blobs, drawn by formula before light, texture, blur and noise were laid over "
            "them: "
            "the right mask is exact."
        )
    with st.expander("What the numbers say", icon=":material/help:"):
        st.markdown(
            "**Dice** is twice the pixels in both masks over the pixels of the one plus those of the other; **IoU** "
            "is the "
            "pixels in both over the pixels in either. Both are 1 where the masks are equal and 0 where they share "
            "nothing, and Dice = 2 IoU / (1 + IoU). The share of right pixels would flatter: where a tenth of the "
            "picture is blob, an empty mask gets nine tenths right."
        )
    with st.expander("Code for this view", icon=":material/code:"):
        if shown.call == "photo":
            st.caption("For an opened `photo`.")
        st.code(lines(shown), language="python")


def lines(shown: Shown) -> str:
    """The code that computes what is shown."""
    weights = "" if shown.model.weights.trained else ', weights="random"'
    known = ""
    if shown.right is not None and shown.call != "photo":
        right = "coins().mask" if shown.picture.name == "coins" else f"cells({shown.picture.name[6:]}).mask"
        known = f"right = segmentation.{right}\nprint(segmentation.overlap(found.mask(0.5), right).dice)\n"
    return (
        "from PIL import Image\n\nfrom explorer import images, models, segmentation\n\n"
        f'model = models.load("{shown.model.card.slug}"{weights})\n'
        f"found = segmentation.segment(model, {shown.call}, longest={shown.longest})\n"
        "found.probability, found.mask(0.5)  # (H, W) each\n" + known
    )
