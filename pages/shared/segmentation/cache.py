"""What the Segmentation page keeps: made pictures by seed, the classical masks of the coins, and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st
from PIL import Image

from explorer import images, segmentation
from explorer.segmentation.upsampling import Checkerboard, checkerboards
from pages.shared.cache import BY_CONTENT
from pages.shared.pictures import Picture

if TYPE_CHECKING:
    from explorer.models import Model


@st.cache_resource(show_spinner=False, max_entries=128)
def made(seed: int) -> tuple[segmentation.Cells, Picture]:
    """A made picture with its mask, and as a picture; 0.4 MB."""
    found = segmentation.cells(seed)
    data = images.encode_png(Image.fromarray(found.image))
    return found, Picture(f"cells_{seed}", f"Blobs {seed}", "Made from a seed", data, images.digest(data), "cells")


@st.cache_resource(show_spinner=False)
def coins() -> segmentation.Coins:
    """The coins with the masks of two classical methods."""
    return segmentation.coins()


@st.cache_resource(show_spinner=False, max_entries=24, hash_funcs=BY_CONTENT)
def segmented(model: Model, picture: Picture, skips: tuple[bool, ...], longest: int) -> segmentation.Segmentation:
    """The network's mask; 10 MB at 512 pixels."""
    return segmentation.segment(model, picture.open(), skips=skips, longest=longest)


@st.cache_resource(show_spinner=False, max_entries=24, hash_funcs=BY_CONTENT)
def boards(model: Model, picture: Picture, longest: int) -> tuple[Checkerboard, ...]:
    """The checkerboard of each layer on the way up."""
    return checkerboards(model, picture.open(), longest=longest)
