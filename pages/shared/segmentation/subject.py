"""What the Segmentation page looks at, with which network, and the mask that is right where one is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import streamlit as st
from PIL import Image

from explorer import catalogue, segmentation
from pages.shared import blocks, controls, pictures, selection
from pages.shared.segmentation import cache
from pages.shared.text import plain

if TYPE_CHECKING:
    from explorer.models import Model
    from pages.shared.pictures import Picture

OURS = "unet_cells"
FIRST = 4  # the seed to begin with
_SEED, _MOST = "segmentation-seed", segmentation.FIRST_TRAINING_SEED - 1
_SOURCES = {
    "coins": "Coins",
    "made": "Made from a seed",
    "cell": "Cell",
    "tissue": "Tissue",
    "retina": "Retina",
    "yours": "Your picture",
}
_SIDES = {"384": "384 px", "256": "256 px", "512": "512 px"}
_NOTES = {
    "coins": "Nobody trained on the coins. The right mask is scikit-image's own, by regions: edges by Sobel's "
    "filter, flooded "
    "from what is surely coin and surely ground, holes filled.",
    "cell": "A hologram of one cell in saline; no mask of it is known.",
    "tissue": "Glands stained brown, nuclei blue: shown to see where a network for blobs ends; no mask is known.",
    "retina": "The back of an eye, a single disc with vessels: shown to see where a network for blobs ends; no mask "
    "is known.",
}


@dataclass(frozen=True)
class Shown:
    """A picture before a U-Net.

    Attributes:
        model: the network.
        picture: what it is shown.
        longest: pixels of the longer side beyond which it is shrunk.
        right: the right mask at the picture's own size, bool (H, W); None where nobody knows it.
        call: the code that opens the picture.
    """

    model: Model
    picture: Picture
    longest: int
    right: npt.NDArray[np.bool_] | None
    call: str

    def segmented(self, skips: tuple[bool, ...]) -> segmentation.Segmentation:
        """The network's mask with these skips."""
        return cache.segmented(self.model, self.picture, skips, self.longest)

    def truth(self, shape: tuple[int, ...]) -> npt.NDArray[np.bool_] | None:
        """The right mask at the size that the network saw."""
        if self.right is None or self.right.shape == shape:
            return self.right
        small = Image.fromarray(self.right).resize((shape[1], shape[0]), Image.Resampling.NEAREST)
        return np.asarray(small, np.bool_)

    @property
    def identity(self) -> str:
        """Names picture, network and size."""
        return f"{self.picture.digest}|{self.model.key}|{self.longest}"


def network() -> Model:
    """The selected network if it segments, else the one that was trained for this page."""
    if catalogue.get(selection.current().network).task == "segmentation":
        from pages.shared.cache import network as selected

        model = selected()
        blocks.complaints()
        blocks.weights_note(model)
        return model
    from explorer import models

    blocks.complaints()
    with st.spinner(f"Loading {catalogue.get(OURS).title}", show_time=True):
        return models.load(OURS, device=selection.current().device)


def chosen(model: Model) -> Shown:
    """What to look at; draws the controls."""
    st.session_state.setdefault(_SEED, FIRST)
    there = {name: title for name, title in _SOURCES.items() if name in ("made", "yours", *pictures.samples())}
    # Outside the row: in it the buttons do not wrap, and a phone would hide the last ones.
    source = controls.kept_choice("Picture", "segmentation-source", there)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if source == "made":
            st.number_input(
                "Seed",
                0,
                _MOST,
                key=_SEED,
                persist_state="session",
                width=130,
                help="The same number gives the same picture. The network was trained on seeds from "
                f"{_MOST + 1:,} on: it has never seen one of these.",
            )
            st.button("Another one", icon=":material/casino:", on_click=_another)
        side = controls.kept_choice(
            "Longer side",
            "segmentation-side",
            _SIDES,
            help="Larger pictures are shrunk to it, smaller ones stay as they are; it decides how many pixels "
            "wide a blob is. The network learnt blobs of 16 to 80 pixels.",
        )
        if model.card.slug != selection.current().network:
            st.button(
                f"Choose {model.card.title} on all pages",
                icon=":material/deployed_code:",
                on_click=lambda: selection.change(network=model.card.slug),
                type="tertiary",
            )
    if source == "made":
        seed = int(st.session_state[_SEED])
        cells, picture = cache.made(seed)
        return Shown(model, picture, int(side), cells.mask, f"Image.fromarray(segmentation.cells({seed}).image)")
    if source == "yours":
        picture = selection.picture()
        st.caption(
            f"“{plain(picture.title)}” is chosen in the sidebar, where you can drop in your own, gray or in colour. "
            "The network looks for blobs; where there are none it guesses."
        )
        return Shown(model, picture, int(side), cache.coins().mask if picture.name == "coins" else None, "photo")
    st.caption(_NOTES[source])
    right = cache.coins().mask if source == "coins" else None
    return Shown(model, pictures.samples()[source], int(side), right, f'images.samples()["{source}"].open()')


def _another() -> None:
    st.session_state[_SEED] = (int(st.session_state[_SEED]) + 1) % (_MOST + 1)
