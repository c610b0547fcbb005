"""Tab of the Convolution page: one convolution on a small picture, every product in sight, every number free."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from explorer import arithmetic
from explorer.arithmetic.kernels import GRIDS, KERNELS
from pages.shared import blocks
from pages.shared.components.grid import grid
from pages.shared.convolution import bounds
from pages.shared.convolution import by_hand_state as state
from pages.shared.convolution.bounds import Axis
from pages.shared.convolution.by_hand_examples import EXAMPLES, FIRST
from pages.shared.text import number, size

if TYPE_CHECKING:
    from explorer.arithmetic import Convolution

_MODES = {"zeros": "Zeros", "reflect": "Reflect", "replicate": "Replicate", "circular": "Circular"}
_MEANINGS = {
    "size": "Pixels along one side of the image.",
    "kernel": "Weights along one side of the kernel.",
    "stride": "Pixels from one position of the kernel to the next.",
    "padding": "Cells added around the image.",
    "dilation": "Pixels from one weight to the next.",
}


@st.fragment
@blocks.kindly()
def draw() -> None:
    """The exhibit, its controls, and what they mean."""
    if state.key("image") not in st.session_state:
        state.take(EXAMPLES[FIRST])
    axes, repairs = state.settled()
    image, weights = st.session_state[state.key("image")], st.session_state[state.key("weights")]
    result = _computed(image, weights, axes)

    _examples()
    grid(
        result,
        state.key("grid"),
        titles=_titles(),
        editable=("input", "kernel", "bias"),
        on_edit=state.edited,
        bias=state.bias() != 0 or st.session_state[state.key("biased")],
        file="convolution-by-hand",
    )
    for sentence in repairs:
        st.caption(f":material/info: {sentence}")
    _controls(axes)
    _said(result, axes)


def _computed(image: np.ndarray, weights: np.ndarray, axes: tuple[Axis, Axis]) -> Convolution:
    height, width = axes
    return arithmetic.convolve(
        image,
        weights,
        [state.bias()] if state.bias() or st.session_state[state.key("biased")] else None,
        stride=(height.stride, width.stride),
        padding="same" if height.same else (height.padding, width.padding),
        padding_mode=height.mode,
        dilation=(height.dilation, width.dilation),
        flip=st.session_state[state.key("flip")],
    )


# Controls: each offers only what is legal while all others stay.


def _named(key: str, label: str, tables: dict[str, np.ndarray], now: np.ndarray, take: Callable[[str], None]) -> None:
    """A box of known tables; it says which one is shown, or that it is the visitor's own."""
    lit = next((name for name, table in tables.items() if table.shape == now.shape and (table == now).all()), None)
    st.session_state[key] = lit

    def chosen() -> None:
        if st.session_state[key]:
            take(st.session_state[key])

    st.selectbox(label, list(tables), key=key, on_change=chosen, placeholder="Your own", width=220)


def _examples() -> None:
    lit = next((name for name, example in EXAMPLES.items() if state.shows(example)), None)
    st.session_state[state.key("example")] = lit

    def chosen() -> None:
        if st.session_state[state.key("example")]:
            state.take(EXAMPLES[st.session_state[state.key("example")]])

    st.pills("Examples", list(EXAMPLES), key=state.key("example"), on_change=chosen, label_visibility="collapsed")
    st.markdown(
        (EXAMPLES[lit].words if lit else "Your own convolution.")
        + " **Point at an output cell** to see the numbers it was made of, or at any other cell to see where it goes."
    )


def _controls(axes: tuple[Axis, Axis]) -> None:
    image, weights = st.session_state[state.key("image")], st.session_state[state.key("weights")]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        _named(state.key("picture"), "Image", GRIDS, image, state.take_picture)
        _named(
            state.key("kernel"),
            "Kernel",
            {name: each.weights for name, each in KERNELS.items()},
            weights,
            state.take_kernel,
        )
        st.button(
            "Random", icon=":material/casino:", on_click=state.shuffle, help="An image of random numbers from 0 to 9."
        )
        st.button("Reset", icon=":material/restart_alt:", on_click=state.take, args=(EXAMPLES[FIRST],))
    apart = st.session_state[state.key("apart")]
    for axis, letter in zip(axes, "hw", strict=True) if apart else ((axes[0], "h"),):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            for name, label in state.LABELS.items():
                least, most = _common(axes, name) if not apart else bounds.bounds(axis, name)
                st.number_input(
                    label + {"h": ", height", "w": ", width"}[letter] * apart,
                    least,
                    most,
                    step=1,
                    key=state.key(f"{name}-{letter}"),
                    help=f"{_MEANINGS[name]} From {least} to {most} with the other settings as they are.",
                    width=132,
                    disabled=axis.same and name in ("padding", "stride"),
                    persist_state="session",
                )
            if letter == "h":
                st.number_input(
                    "Bias",
                    -99.0,
                    99.0,
                    step=1.0,
                    format="%g",
                    key=state.key("bias"),
                    help="One number that is added to every output.",
                    width=132,
                    persist_state="session",
                )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.segmented_control(
            "Padding holds",
            list(_MODES),
            required=True,
            format_func=_MODES.__getitem__,
            key=state.key("mode"),
            persist_state="session",
            help="Zeros; or the pixels mirrored at the border (reflect), the border pixel again and again (replicate), "
            "or the opposite side (circular).",
        )
        for name, label, meaning in (
            ("same", "padding “same”", "As much padding as keeps the size; for stride 1 only."),
            ("flip", "true convolution", "Turns the kernel by 180 degrees first. Networks do not: they correlate."),
            ("biased", "bias cell", "Shows the bias below the kernel, where it can be edited."),
            ("apart", "height and width apart", "Settings for each axis."),
        ):
            st.toggle(label, key=state.key(name), help=meaning, persist_state="session")


def _common(axes: tuple[Axis, Axis], name: str) -> tuple[int, int]:
    pairs = [bounds.bounds(axis, name) for axis in axes]
    return max(least for least, _ in pairs), min(most for _, most in pairs)


# What it means.


def _titles() -> dict[str, str]:
    weights = st.session_state[state.key("weights")]
    name = next(
        (name for name, each in KERNELS.items() if each.size == len(weights) and np.array_equal(each.weights, weights)),
        "Kernel",
    )
    turned = ", turned by 180°" if st.session_state[state.key("flip")] else ""
    return {"input": "Input image", "kernel": name + turned, "output": "Output feature map"}


def _said(result: Convolution, axes: tuple[Axis, Axis]) -> None:
    weights, total = st.session_state[state.key("weights")], float(result.kernel.sum())
    spots = result.output.size
    known = next((each for each in KERNELS.values() if np.array_equal(each.weights, weights)), None)
    about = f"{known.about} " if known else ""
    st.markdown(
        f"{about}{size(result.output.shape)} = {spots} positions with {weights.size} products each: "
        f"{spots * weights.size:,} multiplications. The weights add up to {number(round(total, 6))}, so on a flat "
        f"picture of ones each output inside is {number(round(total + state.bias(), 6))}."
    )
    padded = any(max(axis.ends) for axis in axes)
    if padded and axes[0].mode == "zeros" and abs(total) < 1e-9 and result.inputs.any():
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                "**Border artefacts.** This kernel answers 0 wherever the picture is flat, but along the border it "
                "also compares the pixels with the zeros around them and finds an edge that no picture has.",
                width="stretch",
            )
            st.button(
                "Repeat the border pixels instead",
                icon=":material/healing:",
                on_click=lambda: st.session_state.update({state.key("mode"): "replicate"}),
            )
    st.latex(_formula(axes))
    for sentence in _dropped(axes):
        st.markdown(sentence)
    st.code(result.code, language="python")


def _dropped(axes: tuple[Axis, Axis]) -> list[str]:
    """What rounding down leaves out, along each axis or along both alike."""
    said = []
    for axis, name in (
        [(axes[0], "row and column")] if axes[0] == axes[1] else zip(axes, ("row", "column"), strict=True)
    ):
        if axis.rest:
            one, whole = axis.rest == 1, "the padded image" if max(axis.ends) else "the image"
            many = f"{axis.rest} {' and '.join(f'{word}s' for word in name.split(' and '))}"
            said.append(
                f"The last {name if one else many} of {whole} {'is' if one and ' ' not in name else 'are'} never read "
                f"(hatched): ({axis.size} + {sum(axis.ends)} − {axis.window}) / {axis.stride} leaves a rest of "
                f"{axis.rest}, and PyTorch rounds down."
            )
    return said


def _formula(axes: tuple[Axis, Axis]) -> str:
    def one(axis: Axis, name: str) -> str:
        pad = "+".join(map(str, axis.ends)) if axis.same else rf"2\cdot{axis.padding}"
        out = (axis.size + sum(axis.ends) - axis.window) // axis.stride + 1
        return (
            rf"\left\lfloor\frac{{n + 2p - d\,(k-1) - 1}}{{s}}\right\rfloor + 1 = "
            rf"\left\lfloor\frac{{{axis.size} + {pad} - {axis.dilation}\,({axis.kernel}-1) - 1}}{{{axis.stride}}}"
            rf"\right\rfloor + 1 = \mathbf{{{out}}}{name}"
        )

    if axes[0] == axes[1]:
        return one(axes[0], "")
    rows: Any = zip(axes, (r"\text{ rows}", r"\text{ columns}"), strict=True)
    return r"\begin{gathered}" + r"\\".join(one(axis, name) for axis, name in rows) + r"\end{gathered}"
