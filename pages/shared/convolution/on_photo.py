"""Tab of the Convolution page: a kernel on the photo, one's own or one that a network has learnt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import streamlit as st

from explorer.arithmetic.kernels import KERNELS
from pages.shared import blocks
from pages.shared.convolution import borrow, filtered
from pages.shared.text import number, plain

if TYPE_CHECKING:
    from explorer.models import Model
    from explorer.photo_filter import Colour, Filtered, View
    from pages.shared.pictures import Picture

_KERNEL, _PRESET, _SIZE, _VIEW = "_photo_kernel", "photo-preset", "photo-size", "photo-view"
_OWN, _FIRST = "My own", "Sobel x"
_LARGEST = 999.0  # of a weight: more digits fit no cell
_SOURCES = {"own": "A kernel of my own", "network": "Borrow one from a network"}
_COLOURS = {"gray": "Gray", "each": "Each colour"}
_PADDINGS = {
    "replicate": "Repeat the edge (replicate)",
    "zeros": "Zeros, which are black",
    "reflect": "Mirror the photo (reflect)",
    "circular": "The other side (circular)",
}


@dataclass(frozen=True, eq=False)
class _Setting:
    """What the controls say; ``written`` is the kernel before it is divided, turned if it is to be."""

    kernel: np.ndarray
    total: float
    colour: Colour
    view: View
    flip: bool
    divisor: float
    stride: int
    padding: str

    @property
    def written(self) -> np.ndarray:
        return self.kernel[::-1, ::-1] if self.flip else self.kernel


@st.fragment
@blocks.kindly()
def draw(picture: Picture, model: Model) -> None:
    """The choice between the two, and the exhibit."""
    source = filtered.choice("Kernel", "photo-source", _SOURCES, label_visibility="collapsed")
    if source == "network":
        borrow.draw(picture, model)
    else:
        _own(picture)


def _own(picture: Picture) -> None:
    from explorer import photo_filter

    st.markdown(
        "**Point at either picture**: below stand the pixels of that window, times the kernel; their sum is the "
        "result. Change any number of the kernel."
    )
    chosen = _controls()
    result = photo_filter.apply(
        picture.open(),
        chosen.written / chosen.divisor,
        colour=chosen.colour,
        stride=chosen.stride,
        padding_mode=chosen.padding,
    )
    header = {
        "id": f"{picture.digest}|{chosen}",
        "subject": picture.digest,
        "divisor": chosen.divisor,
        "kernel": {"h": chosen.kernel.shape[0], "w": chosen.kernel.shape[1]},
        "raw": chosen.written.ravel().tolist(),
        "unit": "Pixels, 0 to 255",
        "titles": {"photo": "Photo", "result": "Result", "kernel": "Kernel, turned" if chosen.flip else "Kernel"},
    }
    filtered.show(
        header,
        "photo-window",
        result,
        chosen.view,
        picture.title,
        written=chosen.written,
        on_kernel=lambda numbers: _edited(numbers, chosen.flip),
    )
    _caption(picture, chosen, result)
    _code(chosen)


def _controls() -> _Setting:
    from explorer.photo_filter import sum_of

    if _KERNEL not in st.session_state:
        _choose(_FIRST)
    kernel: np.ndarray = st.session_state[_KERNEL]
    total = sum_of(kernel)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _kernel_controls(kernel)
        colour = filtered.choice("Photo", "photo-colour", _COLOURS)
        view = filtered.view(_VIEW)
    with st.container(horizontal=True, vertical_alignment="center"):
        flip = st.toggle(
            "Flip",
            key="photo-flip",
            persist_state="session",
            help="Turns the kernel by 180 degrees first. That is what mathematicians call convolution; networks do not "
            "turn it. A kernel that looks the same upside down does not care.",
        )
        divide = st.toggle(
            "Divide by sum",
            key="photo-divide",
            persist_state="session",
            help="Divides the result by the sum of the kernel's numbers, so that an even area keeps its brightness.",
        )
        with st.popover("More", icon=":material/tune:"):
            stride = st.slider(
                "Stride, pixels from window to window", 1, 8, 1, key="photo-stride", persist_state="session"
            )
            padding = st.selectbox(
                "Beyond the border",
                list(_PADDINGS),
                format_func=_PADDINGS.__getitem__,
                key="photo-padding",
                persist_state="session",
            )
        if divide and not total:
            st.caption("The numbers add up to 0: there is nothing to divide by.")
    divisor = total if divide and total else 1.0
    return _Setting(kernel, total, cast("Colour", colour), view, flip, divisor, stride, padding)


def _kernel_controls(kernel: np.ndarray) -> None:
    lit = next((name for name, each in KERNELS.items() if np.array_equal(each.weights, kernel)), _OWN)
    st.session_state[_PRESET] = lit
    st.selectbox(
        "Kernel",
        [*KERNELS, _OWN] if lit == _OWN else list(KERNELS),
        key=_PRESET,
        on_change=lambda: _choose(st.session_state[_PRESET]),
        width=220,
    )
    st.session_state[_SIZE] = len(kernel)
    st.segmented_control(
        "Size",
        sorted({3, 5, 7, len(kernel)}),
        required=True,
        format_func=lambda side: f"{side} × {side}",
        key=_SIZE,
        on_change=lambda: _resize(st.session_state[_SIZE]),
        help="Growing adds zeros around the kernel, which changes nothing yet; shrinking cuts its border off.",
    )


def _choose(name: str) -> None:
    """A preset, and with it the view in which its result is best seen."""
    from explorer.photo_filter import sum_of

    if name in KERNELS:
        st.session_state[_KERNEL] = KERNELS[name].weights
        st.session_state[_VIEW] = "picture" if sum_of(KERNELS[name].weights) else "signed"


def _resize(side: int) -> None:
    kernel: np.ndarray = st.session_state[_KERNEL]
    change = (side - len(kernel)) // 2
    st.session_state[_KERNEL] = np.pad(kernel, change) if change >= 0 else kernel[-change:change, -change:change]


def _edited(numbers: list[float], flip: bool) -> None:
    kernel: np.ndarray = st.session_state[_KERNEL]
    if len(numbers) == kernel.size and np.isfinite(numbers).all():
        new = np.clip(np.array(numbers), -_LARGEST, _LARGEST).reshape(kernel.shape)
        st.session_state[_KERNEL] = new[::-1, ::-1] if flip else new


def _caption(picture: Picture, chosen: _Setting, result: Filtered) -> None:
    known = next((each for each in KERNELS.values() if np.array_equal(each.weights, chosen.kernel)), None)
    longest = max(result.pixels.shape[1:])
    brightness = chosen.total / chosen.divisor
    st.caption(
        f"**{plain(known.title) if known else _OWN}.** {known.about if known else _about(chosen)} "
        f"Its numbers add up to {number(round(chosen.total, 6))}"
        + (", and they are divided by that" if chosen.divisor != 1 else "")
        + (
            ": an even area comes out as 0."
            if not brightness
            else ": an even area keeps its brightness."
            if round(brightness, 6) == 1
            else f": an even area comes out {number(round(brightness, 4))} times as bright."
        )
        + (" Red, green and blue are filtered each by itself." if chosen.colour == "each" else "")
        + (f" The photo is used at {longest} pixels on its longer side." if max(picture.open().size) > longest else "")
    )


def _about(chosen: _Setting) -> str:
    if not chosen.kernel.any():
        return "Nothing but zeros: whatever the photo shows, the result is 0."
    if not chosen.total:
        return "It compares pixels with each other and answers where they differ."
    if (chosen.kernel >= 0).all():
        return "It mixes each pixel with its neighbours, a blur of some kind."
    return "It mixes each pixel with its neighbours and takes some of them away."


def _code(chosen: _Setting) -> None:
    rows = ",\n".ljust(21).join(str([float(f"{weight:.9g}") for weight in row]) for row in chosen.kernel)
    steps = "kernel = photo_filter.turned(kernel)\n" * chosen.flip
    steps += "kernel = photo_filter.normalised(kernel)\n" * (chosen.divisor != 1)
    options = f'colour="{chosen.colour}", stride={chosen.stride}, padding_mode="{chosen.padding}"'
    with st.expander("Code for this view", icon=":material/code:"):
        st.code(
            f"import numpy as np\n\nfrom explorer import photo_filter\n\nkernel = np.array([{rows}])\n{steps}"
            f"result = photo_filter.apply(photo, kernel, {options})  # result.output: float32 (maps, height, width)\n"
            f'result.picture("{chosen.view}").save("filtered.png")',
            language="python",
        )
