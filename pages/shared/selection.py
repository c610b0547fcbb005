"""The shared selection: image, network, weights, layer, channel, unit and class, on every page and in the URL.

The session holds the truth. Widgets are set from it before they are drawn and write to it in their callbacks; the URL
is read when a visitor arrives or goes back, and written after each run. Values that cannot be are dropped with one
sentence.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from explorer import catalogue
from pages.shared import pictures
from pages.shared.components import address
from pages.shared.components.gallery import Tile, gallery
from pages.shared.pictures import Picture

_WEIGHTS = {
    "auto": "Best available",
    "bundled": "ImageNet, bundled with the app",
    "pretrained": "ImageNet, from torchvision",
    "random": "Random",
}


@dataclass(frozen=True)
class Selection:
    """What the visitor looks at; None and '' mean 'the page's own default'."""

    image: str = pictures.DEFAULT
    network: str = catalogue.DEFAULT
    weights: str = "auto"
    device: str = "auto"
    layer: str = ""
    channel: int | None = None
    unit: tuple[int, int] | None = None
    target: int | None = None

    def to_query(self) -> dict[str, str]:
        """What differs from the defaults, for the URL; uploads stay out of it."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "device"}
        if self.image not in pictures.samples():
            del values["image"]  # an upload is nobody else's business
        if self.unit is not None:
            values["unit"] = ",".join(map(str, self.unit))
        values["class"] = values.pop("target")
        defaults: dict[str, Any] = {field.name: field.default for field in fields(self)}
        if pictures.uploads():
            del defaults["image"]  # a link without an image means the upload that is open
        return {name: str(value) for name, value in values.items() if value is not None and value != defaults.get(name)}


def _number(text: str) -> int:
    number = int(text)
    if not 0 <= number < 1_000_000:
        raise ValueError(text)
    return number


def from_query(query: dict[str, str], base: Selection) -> tuple[Selection, list[str]]:
    """``base`` with what ``query`` says, and one sentence for each value that cannot be."""
    chosen: dict[str, Any] = {}
    complaints = []
    for name, text in query.items():
        try:
            if name == "image" and text in pictures.samples():
                chosen["image"] = text
            elif name == "network" and text in catalogue.CATALOGUE:
                chosen["network"] = text
            elif name == "weights" and text in _WEIGHTS:
                chosen["weights"] = text
            elif name == "layer" and len(text) < 200:
                chosen["layer"] = text
            elif name in ("channel", "class"):
                chosen["target" if name == "class" else name] = _number(text)
            elif name == "unit":
                row, column = map(_number, text.split(","))
                chosen["unit"] = (row, column)
            elif name in ("image", "network", "weights", "layer"):
                raise ValueError(text)
        except ValueError:
            complaints.append(
                f"The link asks for the {name} {text[:40]!r}, which does not exist here; it was left out."
            )
    return replace(base, **chosen), complaints


def current() -> Selection:
    """The visitor's selection."""
    chosen: Selection = st.session_state.setdefault("selection", Selection())
    return chosen


def picture() -> Picture:
    """The selected photo."""
    return pictures.find(current().image)


def change(**values: Any) -> None:
    """Changes the selection; what no longer fits the new image, network or layer falls back to its default."""
    old = current()
    new = replace(old, **values)
    if new.network != old.network:
        new = replace(new, layer=values.get("layer", ""), channel=values.get("channel"), unit=values.get("unit"))
        if new.weights not in ("auto", "random"):
            new = replace(new, weights="auto")
    if new.image != old.image:
        new = replace(new, target=values.get("target"))
    if new.layer != old.layer:
        new = replace(new, channel=values.get("channel"), unit=values.get("unit"))
    st.session_state["selection"] = new


def complain(sentences: list[str]) -> None:
    """Keeps sentences to be shown once, above the page."""
    st.session_state.setdefault("complaints", []).extend(sentences)


def read_link(page: str) -> None:
    """Takes over what the URL says if it is news: on arrival, or when the visitor went back.

    A bare address is news only on the page that was open before: entering a page by the navigation clears the query,
    and the selection goes along.
    """
    query = st.query_params.to_dict()
    entered = st.session_state.get("_page") != page
    bare = not query and (entered or st.session_state.get("_completing", False))
    if query != st.session_state.get("_link", {}) and not bare:
        now = current()
        base = Selection(device=now.device, image=now.image if now.image in pictures.uploads() else pictures.DEFAULT)
        st.session_state["selection"], complaints = from_query(query, base)
        complain(complaints)
    if query:
        st.session_state["_completing"] = False
    st.session_state["_link"] = query
    st.session_state["_page"] = page
    st.session_state["_entered"] = entered


def write_link(in_fragment: bool = False) -> None:
    """Puts the selection into the URL, so that copying the address copies the view.

    A fragment calls it too, for the runs in which only the fragment runs.
    """
    if in_fragment and st.session_state.get("_entered"):
        return  # a whole run: app.py comes after the page
    query, shown = current().to_query(), st.query_params.to_dict()
    if query != shown:
        if not shown and (st.session_state.get("_entered") or st.session_state.get("_completing")):
            if not in_fragment:
                with st.sidebar:
                    address.complete(st.session_state["_page"], urlencode(query))
                st.session_state["_completing"] = True
        else:
            st.query_params.from_dict(query)
    st.session_state["_link"] = query
    st.session_state["_entered"] = False


def _from_widget(field: str, key: str) -> None:
    change(**{field: st.session_state[key]})


def _from_gallery() -> None:
    name = st.session_state["samples"].chosen
    if name:
        change(image=name)


def _from_files(key: str) -> None:
    value = st.session_state[key]
    files = value if isinstance(value, list) else [value] if value is not None else []
    seen: set[str] = st.session_state.setdefault("_taken", set())
    fresh = [file for file in files if file.file_id not in seen]
    seen.update(file.file_id for file in fresh)
    kept, complaints = pictures.take(fresh)
    complain(complaints)
    if kept:
        change(image=kept[-1].name)


def uploader(key: str, label: str) -> None:
    """A place to drop photos on; the last of them becomes the image."""
    st.file_uploader(
        label,
        type=["jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff"],
        accept_multiple_files=True,
        key=key,
        on_change=_from_files,
        args=(key,),
    )


def select(label: str, field: str, options: list[Any], *, default: Any = None, **arguments: Any) -> Any:
    """A select box whose value is a field of the selection; shows ``default`` (the page's) while nothing was chosen."""
    key = f"select-{field}"
    value = getattr(current(), field)
    if value not in options:
        value = options[0] if default is None else default
    st.session_state[key] = value
    st.selectbox(label, options, key=key, on_change=_from_widget, args=(field, key), **arguments)
    return value


def sidebar() -> None:
    """Draws the selection: photo, network, weights. Imports no torch, so it is there at once."""
    with st.sidebar:
        shown = picture()
        st.image(pictures.thumbnail(shown, 640), width="stretch", alt=f"The selected photo: {shown.title}")
        st.caption(f"{shown.title}. {shown.credit}" if shown.credit else shown.title)
        uploader("files-sidebar", "Your photos")
        others = st.expander("Other photos", icon=":material/photo_library:", key="other-photos", on_change="rerun")
        if others.open:
            with others:
                _other_photos(shown)
        select("Network", "network", list(catalogue.CATALOGUE), format_func=_network_title)
        select("Weights", "weights", list(catalogue.get(current().network).policies), format_func=_WEIGHTS.__getitem__)
        st.session_state["_device_slot"] = st.empty()


def _other_photos(shown: Picture) -> None:
    mine = {**pictures.samples(), **pictures.uploads()}
    tiles = [Tile(name, pictures.thumbnail(each, 160), each.title) for name, each in mine.items()]
    gallery(tiles, "samples", _from_gallery, chosen=shown.name, width=64, text=False)
    if st.toggle("Use the camera", key="camera-on"):
        st.camera_input("Take a photo", key="camera", on_change=_from_files, args=("camera",))


def device_line(devices: dict[str, str]) -> None:
    """Fills the sidebar's last line once torch is there: the device's name, or a choice where there are several."""
    slot = st.session_state.get("_device_slot")
    if slot is None:
        return
    if len(devices) > 1:
        with slot.container():
            select("Device", "device", ["auto", *devices], format_func=lambda name: devices.get(name, "Best available"))
    else:
        slot.caption(f":material/memory: {next(iter(devices.values()))}")


def _network_title(slug: str) -> str:
    card = catalogue.get(slug)
    return f"{card.title} ({card.year})"
