"""The sidebar: the selection and nothing else. It imports no torch, so it is there at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from explorer import catalogue
from pages.shared import controls, pictures, selection
from pages.shared.components.copy_link import copy_link
from pages.shared.components.data_url import data_url
from pages.shared.components.gallery import Tile, gallery
from pages.shared.pictures import Picture
from pages.shared.text import count, plain

if TYPE_CHECKING:
    from explorer.models import Model
    from explorer.preprocessing import Preprocessing


_WIDTH, _TALLEST = 240, 300  # pixels: of the sidebar, and of the photo, so that the selection below it is seen


def draw() -> None:
    """Draws it all; what only a loaded network knows comes into two slots by :func:`complete`."""
    with st.sidebar:
        shown, chosen = selection.picture(), selection.current()
        recipes: dict[tuple[str, str], Preprocessing] = st.session_state.setdefault("_recipes", {})
        st.session_state["_photo_slot"] = st.empty()
        # What the card says first: a photo that is replaced at once may be asked for when it is gone.
        usual = catalogue.get(chosen.network).preprocessing
        _photo(shown, recipes.get((chosen.network, chosen.weights), usual))
        title = plain(shown.title if len(shown.title) < 40 else f"{shown.title[:36]}…")
        st.caption(f"{title}. {shown.credit}" if shown.credit else title)
        subject = catalogue.get(chosen.network).subject
        controls.uploader("sidebar", "Your digits" if subject == "digits" else "Your photos")
        _own_photos(shown)
        if subject == "digits":
            paper = st.expander("Draw a digit", icon=":material/draw:", key="draw", on_change="rerun")
            if paper.open:
                with paper:
                    controls.drawing_pad("sidebar")
        others = st.expander(f"Other {subject}", icon=":material/photo_library:", key="other-photos", on_change="rerun")
        if others.open:
            with others:
                tiles = [_tile(each) for each in pictures.samples().values() if each.subject == subject]
                gallery(tiles, "samples", lambda: _from_gallery("samples"), chosen=shown.name, width=64, text=False)
                controls.camera()
        controls.select(
            "Network",
            "network",
            list(catalogue.titles()),
            format_func=catalogue.titles().__getitem__,
            filter_mode="contains",
            help=f"{_included()} come with their weights; the others fetch theirs once, if there are any. First the "
            "guide's networks by year, then torchvision's others.",
        )
        controls.select(
            "Weights", "weights", list(catalogue.get(chosen.network).policies), format_func=selection.WEIGHTS.get
        )
        st.session_state["_below_slot"] = st.container()
        copy_link()


def complete(model: Model, devices: dict[str, str]) -> None:
    """What only a loaded network knows: the square it sees, where its weights come from, and the device."""
    chosen = selection.current()
    recipes = st.session_state.setdefault("_recipes", {})
    if recipes.get((chosen.network, chosen.weights)) != model.preprocessing:
        recipes[chosen.network, chosen.weights] = model.preprocessing
        _photo(selection.picture(), model.preprocessing)
    slot = st.session_state.get("_below_slot")
    if slot is None:
        return
    with slot:
        st.caption(f":material/deployed_code: {count(model.parameters)} parameters. {plain(model.weights.origin)}")
        if len(devices) > 1:
            controls.select(
                "Device", "device", ["auto", *devices], format_func=lambda name: devices.get(name, "Best available")
            )
        else:
            st.caption(f":material/memory: {next(iter(devices.values()))}")


def reserve() -> None:
    """For a fragment that may load the network in a later run of its own: takes the slots that `complete` will fill.

    Streamlit lets a fragment write only to places outside that it wrote to in the last whole run.
    """
    chosen = selection.current()
    usual = catalogue.get(chosen.network).preprocessing
    _photo(selection.picture(), st.session_state["_recipes"].get((chosen.network, chosen.weights), usual))
    if st.session_state.get("_below_slot") is not None:
        with st.session_state["_below_slot"]:
            st.empty()


def _photo(shown: Picture, recipe: Preprocessing | None) -> None:
    slot = st.session_state["_photo_slot"]
    alternative = f"The selected photo, {shown.title}" + ("; what the network does not see is dimmed" if recipe else "")
    width, height = shown.open().size
    narrow = round(_TALLEST * width / height)
    slot.image(
        data_url(pictures.framed(shown, recipe)),
        width="stretch" if narrow >= _WIDTH else max(narrow, 40),
        alt=alternative,
    )


def _own_photos(shown: Picture) -> None:
    mine = pictures.uploads()
    if len(mine) > 1:
        tiles = [_tile(each) for each in mine.values()]
        gallery(tiles, "own-photos", lambda: _from_gallery("own-photos"), chosen=shown.name, width=64, text=False)
    if shown.name in mine:
        st.button("Remove this picture", key="remove", on_click=_remove, type="tertiary", icon=":material/delete:")


def _tile(each: Picture) -> Tile:
    return Tile(each.name, pictures.thumbnail(each, 160), each.title)


def _from_gallery(key: str) -> None:
    name = st.session_state[key].chosen
    if name:
        selection.change(image=name)


def _remove() -> None:
    pictures.remove(selection.current().image)
    selection.change(image=next(reversed(pictures.uploads()), pictures.DEFAULT))


def _included() -> str:
    return ", ".join(card.title for card in catalogue.CATALOGUE.values() if card.bundled)
