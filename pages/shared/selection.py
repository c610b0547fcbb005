"""The shared selection: image, network, weights, layer, channel, unit and class, on every page and in the URL.

The session holds the truth. Widgets are set from it before they are drawn and write to it in their callbacks; the URL
is read when a visitor arrives or goes back, and written after each run. Values that cannot be are dropped with one
sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from explorer import catalogue
from explorer.catalogue import tuned
from pages.shared import pictures
from pages.shared.components import address
from pages.shared.pictures import Picture
from pages.shared.text import plain, size

if TYPE_CHECKING:
    from explorer.capture import Layer

WEIGHTS = {
    "auto": "Best available",
    "bundled": "Included",
    "pretrained": "ImageNet, from torchvision",
    "random": "Random",
}
ORDERS = {"index": "By index", "strength": "By strength"}
COLOURS = {"channel": "Per channel", "layer": "Whole layer", "symmetric": "About zero"}
EVIDENCE = {"for": "For the class", "both": "For and against"}
_CHOICES = {"weights": WEIGHTS, "order": ORDERS, "colours": COLOURS, "evidence": EVIDENCE}
MOST_COMPARED = 4  # networks side by side: more are too small to see
_YOURS = "yours"  # stands for an upload in a link: the photo itself is nobody else's business


Option = tuple[str, str, bool | int | float | str]
"""An option of a method that is not the usual one: method, name, value."""


@dataclass(frozen=True)
class Selection:
    """What the visitor looks at, and how; None and '' mean 'the page's own default'."""

    image: str = pictures.DEFAULT
    network: str = catalogue.DEFAULT
    weights: str = "auto"
    device: str = "auto"
    layer: str = ""
    channel: int | None = None
    unit: tuple[int, int] | None = None
    target: int | None = None
    order: str = "index"
    colours: str = "channel"
    evidence: str = "for"
    method: str = "grad_cam"
    against: int | None = None
    compare: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()

    def to_query(self) -> dict[str, str]:
        """What differs from the defaults, for the URL."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "device"}
        query = {
            field.name: str(values[field.name])
            for field in fields(self)
            if field.name in values and values[field.name] != field.default
        }
        query.pop("image", None)
        if self.image not in pictures.samples():
            query["image"] = _YOURS
        elif self.image != pictures.default(catalogue.get(self.network).subject):
            query["image"] = self.image
        if self.unit is not None:
            query["unit"] = ",".join(map(str, self.unit))
        if self.target is not None:
            query["class"] = query.pop("target")
        if self.compare:
            query["compare"] = ",".join(self.compare)
        query.pop("options", None)
        mine = [f"{name}-{value}" for method, name, value in self.options if method == self.method]
        if mine:
            query["option"] = "_".join(mine)  # of the method that is shown: 'baseline-white_steps-64'
        return query


def _number(text: str) -> int:
    number = int(text)
    if not 0 <= number < 1_000_000:
        raise ValueError(text)
    return number


def _options(method: str, text: str) -> tuple[Option, ...]:
    """What a link says of a method's options; whether it has them, and such values, only torch knows: the page looks.

    Raises:
        ValueError: the text is not in the form that `Selection.to_query` gives it.
    """
    if not re.fullmatch(r"[a-z]{1,20}-[A-Za-z0-9.]{1,20}(_[a-z]{1,20}-[A-Za-z0-9.]{1,20}){0,5}", text):
        raise ValueError(text)
    found: dict[str, bool | int | float | str] = {}
    for part in text.split("_"):
        name, value = part.split("-")
        if re.fullmatch(r"[0-9]{1,6}", value):
            found[name] = int(value)
        elif re.fullmatch(r"[0-9]\.[0-9]{1,6}", value):
            found[name] = float(value)
        else:
            found[name] = {"True": True, "False": False}.get(value, value)
    return tuple((method, name, value) for name, value in found.items())


def _parsed(name: str, text: str) -> dict[str, Any]:
    """The field that one part of a link sets; nothing for names that are not ours."""
    if name in ("channel", "class", "against"):
        return {"target" if name == "class" else name: _number(text)}
    if name == "compare":
        slugs = tuple(dict.fromkeys(text.split(",")))
        if not 2 <= len(slugs) <= MOST_COMPARED or not all(slug in catalogue.titles() for slug in slugs):
            raise ValueError(text)
        return {"compare": slugs}
    if name == "method":
        if not re.fullmatch(r"[a-z_]{3,30}", text):
            raise ValueError(text)
        return {"method": text}  # which methods there are, only torch knows: `fit` looks
    if name == "unit":
        row, column = map(_number, text.split(","))
        return {"unit": (row, column)}
    known: dict[str, Any] = {"image": pictures.samples(), "network": catalogue.titles(), **_CHOICES}
    if name in known and text not in known[name]:
        raise ValueError(text)
    if name == "layer" and len(text) > 200:
        raise ValueError(text)
    return {name: text} if name in known or name == "layer" else {}


def from_query(query: dict[str, str], now: Selection) -> tuple[Selection, list[str]]:
    """The selection that a link describes, and one sentence for each part that cannot be.

    Args:
        query: the link's parts.
        now: gives the device, and the upload that the link means by 'yours'.
    """
    chosen: dict[str, Any] = {"device": now.device}
    complaints = []
    query = dict(query)
    if query.get("image") == _YOURS:
        del query["image"]
        if now.image in pictures.uploads():
            chosen["image"] = now.image
        else:
            query = {name: text for name, text in query.items() if name not in ("class", "channel", "unit")}
            complaints.append(
                "Your own photo is no part of a link and is gone after a reload; drop it in again to go on with it."
            )
    method = query.get("method", Selection.method)
    # Those of other methods are kept, as while the visitor stays: a link is silent about them.
    chosen["options"] = tuple(option for option in now.options if option[0] != method)
    for name, text in query.items():
        try:
            if name == "option":
                chosen["options"] += _options(method, text)
            chosen.update(_parsed(name, text))
        except ValueError:
            complaints.append(
                f"The link asks for the {name} “{plain(text[:40])}”, which does not exist here; it was left out."
            )
    card = catalogue.get(chosen.get("network", catalogue.DEFAULT))
    found = replace(Selection(), **{"image": pictures.default(card.subject), **chosen})
    if found.weights not in card.policies:
        complaints.append(
            f"There are no weights “{WEIGHTS[found.weights]}” for {card.title}; the best available ones are used."
        )
        found = replace(found, weights="auto")
    return found, complaints


def current() -> Selection:
    """The visitor's selection."""
    chosen: Selection = st.session_state.setdefault("selection", Selection())
    if any(_gone(slug) for slug in (chosen.network, *chosen.compare)):
        chosen = st.session_state["selection"] = _without_gone(chosen)
        complain(["A tuned network that was chosen here has been deleted; another one stands in its place."])
    return chosen


def _gone(slug: str) -> bool:
    """Whether this was a tuned network that anyone has deleted since."""
    return slug.startswith(tuned.PREFIX) and tuned.card(slug) is None


def _without_gone(chosen: Selection) -> Selection:
    left = tuple(slug for slug in chosen.compare if not _gone(slug))
    chosen = replace(chosen, compare=left if len(left) > 1 else ())
    if not _gone(chosen.network):
        return chosen
    fresh: dict[str, Any] = {"layer": "", "channel": None, "unit": None, "target": None, "against": None}
    return _fitting(replace(chosen, network=catalogue.DEFAULT, weights="auto", **fresh))


def picture() -> Picture:
    """The selected photo."""
    return pictures.find(current().image)


def change(**values: Any) -> None:
    """Changes the selection; what no longer fits the new image, network or layer falls back to its default."""
    old = current()
    new = replace(old, **values)
    if new.network != old.network:
        new = _fitting(new)
    if new.image != old.image:
        new = replace(new, target=values.get("target"), against=values.get("against"))
    if (new.network, new.layer) != (old.network, old.layer):
        new = replace(new, channel=values.get("channel"), unit=values.get("unit"))
    st.session_state["selection"] = new


def _fitting(new: Selection) -> Selection:
    """The selection with weights and a sample that mean something to its network."""
    card, shown = catalogue.get(new.network), pictures.find(new.image)
    if new.weights not in card.policies:
        new = replace(new, weights="auto")
    if shown.subject not in ("", card.subject):
        mine = pictures.drawing() if card.subject == "digits" else None
        new = replace(new, image=mine.name if mine else pictures.default(card.subject))
    return new


def fit(network: str, layers: Sequence[Layer], classes: int) -> None:
    """Drops what the loaded network does not have; says so where a link asked for it."""
    chosen, shapes = current(), {layer.name: layer.shape for layer in layers}
    complaints = []
    if chosen.target is not None and chosen.target >= classes:
        complaints.append(f"{network} knows classes 0 to {classes - 1}; class {chosen.target} was left out.")
        chosen = replace(chosen, target=None)
    if chosen.against is not None and chosen.against >= classes:
        chosen = replace(chosen, against=None)
    if chosen.method != Selection.method and not _known(chosen.method):
        complaints.append(f"There is no method “{plain(chosen.method)}” here; Grad-CAM is used.")
        chosen = replace(chosen, method=Selection.method)
    if chosen.layer and chosen.layer not in shapes:
        complaints.append(f"{network} has no layer “{plain(chosen.layer[:60])}”; it was left out.")
        chosen = replace(chosen, layer="", channel=None, unit=None)
    if chosen.channel is not None or chosen.unit is not None:
        shape = (*shapes.get(chosen.layer, (0,)), 1, 1)[:3]
        if chosen.channel is None or chosen.channel >= shape[0]:
            what = f"{chosen.layer} has {size(shape)} units" if chosen.layer else "A channel or unit needs a layer"
            complaints.append(f"{plain(what)}; the link's channel and unit were left out.")
            chosen = replace(chosen, channel=None, unit=None)
        elif chosen.unit is not None and (chosen.unit[0] >= shape[1] or chosen.unit[1] >= shape[2]):
            complaints.append(f"{plain(chosen.layer)} has {size(shape)} units; the link's unit was left out.")
            chosen = replace(chosen, unit=None)
    if st.session_state.pop("_linked", False):
        complain(complaints)
    st.session_state["selection"] = chosen


def _known(method: str) -> bool:
    from explorer import attribution

    return method in attribution.METHODS


def complain(sentences: Sequence[str]) -> None:
    """Keeps sentences to be shown once, above the page."""
    st.session_state.setdefault("complaints", []).extend(sentences)


def read_link(page: str) -> None:
    """Takes over what the URL says where it is news: on arrival, or when the visitor went back or forward.

    In every other run the session knows better: a click may set out before the browser has been told of the address
    that the click before it led to. A bare address is news only on the page that was open before: entering a page by
    the navigation clears the query, and the selection goes along.
    """
    query = st.query_params.to_dict()
    entered = st.session_state.get("_page") != page
    bare = not query and (entered or st.session_state.get("_completing", False))
    if entered or _through_history():
        if query != st.session_state.get("_link", {}) and not bare:
            st.session_state["selection"], complaints = from_query(query, current())
            st.session_state["_linked"] = True
            complain(complaints)
        st.session_state["_link"] = query
    if query:
        st.session_state["_completing"] = False
    st.session_state["_page"] = page
    st.session_state["_entered"] = entered


def _through_history() -> bool:
    """Whether the browser's back or forward led to this run; where a later Streamlit does not tell, any run may be."""
    return bool(getattr(get_script_run_ctx(), "is_history_navigation", True))


def _only_a_fragment() -> bool:
    """Whether this run is a fragment's own; also after a whole run that a click cut short before its end."""
    context = get_script_run_ctx()
    return context is not None and bool(context.fragment_ids_this_run)


def by_link() -> bool:
    """Whether this run is the first one of a page that was opened by a link with a view in it."""
    return bool(st.session_state.get("_entered")) and bool(st.query_params)


def write_link(in_fragment: bool = False) -> None:
    """Puts the selection into the URL, so that copying the address copies the view.

    A fragment calls it too, for the runs in which only the fragment runs.
    """
    alone = _only_a_fragment()
    if in_fragment and not alone:
        return  # a whole run: app.py comes after the page
    query, shown = current().to_query(), st.query_params.to_dict()
    # The browser may say what it showed before: the address is right only if it was also the last one written.
    if query != shown or query != st.session_state["_link"]:
        completing = not shown and st.session_state.get("_completing")
        if alone:
            # The browser may not have told yet that the address was completed; a click since then is a step of its own.
            if not completing or query != st.session_state["_link"]:
                st.query_params.from_dict(query)
        elif not shown and (completing or st.session_state.get("_entered")):
            with st.sidebar:
                address.complete(st.session_state["_page"], urlencode(query))
            st.session_state["_completing"] = True
        else:
            st.query_params.from_dict(query)
    st.session_state["_link"] = query
    st.session_state["_entered"] = False
