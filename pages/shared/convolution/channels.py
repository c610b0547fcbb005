"""Tab of the Convolution page: many channels in, many filters out, in groups, and the other way round (transposed)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from explorer import arithmetic
from explorer.arithmetic.kernels import KERNELS, random_grid
from pages.shared import blocks
from pages.shared.components.grid import Edit, grid
from pages.shared.convolution import bounds, saving
from pages.shared.convolution.bounds import Axis, Stamp
from pages.shared.text import size

_KINDS = {"convolution": "Convolution", "transposed": "Transposed"}
_SETTINGS = {
    "size": ("Image size", "Pixels along one side of each channel."),
    "kernel": ("Kernel size", "Weights along one side of each kernel."),
    "stride": ("Stride", "Pixels from one position, or one stamp, to the next."),
    "padding": ("Padding", "Cells of zeros added around; a transposed convolution cuts as many off its output."),
    "dilation": ("Dilation", "Pixels from one weight to the next."),
    "output_padding": ("Output padding", "Rows and columns added at the end of the output; smaller than the stride."),
}
_SIZES = {"size": (3, 8), "kernel": (1, 5), "padding": (0, 3), "stride": (1, 4), "dilation": (1, 3)}  # so that all fits


@dataclass(frozen=True)
class _Example:
    """A layer that shows one thing, and a sentence on what it is."""

    words: str
    channels: int
    filters: int
    groups: int = 1
    kind: str = "convolution"
    size: int = 4
    kernel: int = 3
    stride: int = 1
    padding: int = 0
    pointwise: bool = False
    ones: bool = False


_EXAMPLES = {
    "One filter over RGB": _Example(
        "A filter has one kernel for **each** channel of its input. The products of all channels end in **one** sum: a "
        "colour photo has three channels, and still one filter makes one map.",
        3,
        1,
    ),
    "Two filters": _Example(
        "Each filter makes one channel of the output: out_channels is the number of filters. Both read the same image.",
        3,
        2,
    ),
    "Grouped": _Example(
        "With groups=2 the first half of the filters reads the first half of the channels, the second half the rest: "
        "half the weights. AlexNet did so to fit on two graphics cards.",
        4,
        4,
        groups=2,
        size=3,
        kernel=2,
    ),
    "Depthwise": _Example(
        "As many groups as channels: each filter reads one channel only and nothing is mixed.", 3, 3, groups=3
    ),
    "Depthwise, then 1 × 1": _Example(
        "First each channel by itself, then a 1 × 1 convolution that mixes them: MobileNet's depthwise separable "
        "convolution, two cheap steps in place of a dear one.",
        3,
        3,
        groups=3,
        pointwise=True,
    ),
    "Transposed, stride 2": _Example(
        "The other way round: each pixel **stamps** the kernel into the output, times its value. Stride 2 with a 2 × 2 "
        "kernel doubles the size and no stamps overlap: so U-Net goes up.",
        2,
        1,
        kind="transposed",
        size=3,
        kernel=2,
        stride=2,
    ),
    "Checkerboard": _Example(
        "A flat image of ones and a kernel of ones, yet the output is no flat picture: 3 × 3 stamps two pixels apart "
        "overlap, in some cells once, in others two or four times.",
        1,
        1,
        kind="transposed",
        size=3,
        kernel=3,
        stride=2,
        ones=True,
    ),
}
_FIRST = next(iter(_EXAMPLES))
_PALETTE = ("Sobel x", "Gaussian blur", "Sharpen", "Outline", "Sobel y", "Emboss")


def _key(name: str) -> str:
    return f"channels-{name}"


@st.fragment
@blocks.kindly()
def draw() -> None:
    """The exhibit, its controls, and what splitting a convolution saves."""
    if _key("kind") not in st.session_state:
        _take(_EXAMPLES[_FIRST])
    _settle()
    state = st.session_state
    transposed = state[_key("kind")] == "transposed"
    bias = state[_key("biases")] if state[_key("biased")] else None
    common: dict[str, Any] = {name: state[_key(name)] for name in ("stride", "padding", "dilation", "groups")}
    if transposed:
        common["output_padding"] = state[_key("output_padding")]
    compute: Any = arithmetic.transpose_convolve if transposed else arithmetic.convolve
    result = compute(state[_key("images")], state[_key("weights")], bias, **common)

    _examples()
    _grid(result, "grid", "Input channel", "Output channel", ("input", "kernel", "bias"), bias is not None)
    if not transposed and _pointwise():
        st.markdown(
            "**Then 1 × 1**: each filter is one number for each channel, and mixes what the step above left apart."
        )
        second = arithmetic.convolve(result.output, state[_key("point")])
        _grid(second, "point-grid", "Channel", "Output channel", ("kernel",), False)
    _controls(transposed)
    _said(result)
    st.code(result.code + (f"\n{second.code}" if not transposed and _pointwise() else ""), language="python")
    saving.draw()


def _grid(result: Any, name: str, before: str, after: str, editable: tuple[str, ...], bias: bool) -> None:
    single = {"input": before.split()[0] if before == "Input channel" else before, "output": "Output"}
    titles = {
        "input": before if len(result.inputs) > 1 else single["input"],
        "output": after if result.output.ndim > 2 and len(result.output) > 1 else single["output"],
    }
    grid(
        result,
        _key(name),
        titles=titles,
        editable=editable,
        on_edit=_edited_point if name == "point-grid" else _edited,
        bias=bias,
        file="convolution-channels",
    )


# State: the session holds the images, the weights and every control.


def _take(example: _Example) -> None:
    """Starts with an example."""
    for name in ("channels", "filters", "groups", "kind", "size", "kernel", "stride", "padding"):
        st.session_state[_key(name)] = getattr(example, name)
    st.session_state.update({_key("dilation"): 1, _key("output_padding"): 0, _key("pointwise"): example.pointwise})
    st.session_state.update({_key("biased"): False, _key("biases"): np.zeros(example.filters)})
    shape = _shape()
    if example.ones:
        images, weights = np.ones((example.channels, example.size, example.size)), np.ones(shape)
    else:
        images = np.stack([random_grid(3 + channel, example.size, example.size) for channel in range(example.channels)])
        weights = _fresh(shape)
    st.session_state[_key("images")], st.session_state[_key("weights")] = images, weights
    st.session_state[_key("point")] = _mixing(example.channels)


def _shape() -> tuple[int, int, int, int]:
    """The kernel's shape as PyTorch has it."""
    channels, filters, groups, kernel = (st.session_state[_key(n)] for n in ("channels", "filters", "groups", "kernel"))
    if st.session_state[_key("kind")] == "transposed":
        return channels, filters // groups, kernel, kernel
    return filters, channels // groups, kernel, kernel


def _fresh(shape: tuple[int, int, int, int]) -> np.ndarray:
    """Weights of whole numbers, known kernels where they fit, all different."""
    weights = np.random.default_rng(shape[2]).integers(-2, 3, (16, *shape[2:])).astype(np.float64)
    whole = [KERNELS[name].weights for name in _PALETTE]
    known = [each for each in whole if each.shape == shape[2:] and (each == each.round()).all()]
    weights[: len(known)] = known[:16] if known else weights[:0]
    return weights[: shape[0] * shape[1]].reshape(shape)


def _mixing(channels: int) -> np.ndarray:
    """Two 1 × 1 filters, one number for each channel."""
    return np.array([[1.0, -1.0, 2.0, 1.0], [2.0, 1.0, -1.0, -2.0]])[:, :channels, np.newaxis, np.newaxis].copy()


def _axis() -> Axis | Stamp:
    names = ("size", "kernel", "stride", "padding", "dilation")
    values: dict[str, Any] = {name: int(st.session_state[_key(name)]) for name in names}
    if st.session_state[_key("kind")] == "transposed":
        return Stamp(**values, output_padding=int(st.session_state[_key("output_padding")]))
    return Axis(**values)


def _limits(axis: Axis | Stamp, name: str) -> tuple[int, int]:
    least, most = bounds.bounds(axis, name)
    low, high = axis.LIMITS[name] if isinstance(axis, Stamp) else _SIZES[name]
    return max(least, low), max(least, min(most, high))


def _settle() -> None:
    """Makes groups and sizes legal, and images and weights fit them."""
    state = st.session_state
    options = _groups()
    if state[_key("groups")] not in options:
        state[_key("groups")] = max(option for option in options if option <= (state[_key("groups")] or 1))
    axis, _ = bounds.repaired(_axis())
    for name in axis.LIMITS:
        least, most = _limits(axis, name)
        state[_key(name)] = min(max(getattr(axis, name), least), most)
    channels, filters, side = (state[_key(name)] for name in ("channels", "filters", "size"))
    images = state[_key("images")]
    if images.shape != (channels, side, side):
        grown = np.stack([random_grid(3 + channel, side, side) for channel in range(channels)])
        c, h, w = (min(a, b) for a, b in zip(images.shape, grown.shape, strict=True))
        grown[:c, :h, :w] = images[:c, :h, :w]
        state[_key("images")] = grown
    shape, weights = _shape(), state[_key("weights")]
    if weights.shape != shape:
        state[_key("weights")] = _fresh(shape)
    if state[_key("biases")].size != filters:
        state[_key("biases")] = np.resize(np.append(state[_key("biases")], np.zeros(4)), filters)
    if state[_key("point")].shape[1] != filters:
        state[_key("point")] = _mixing(filters)


def _groups() -> list[int]:
    channels, filters = st.session_state[_key("channels")], st.session_state[_key("filters")]
    return [groups for groups in range(1, 5) if channels % groups == 0 and filters % groups == 0]


def _depthwise() -> bool:
    state = st.session_state
    return bool(state[_key("groups")] == state[_key("channels")] and state[_key("channels")] > 1)


def _pointwise() -> bool:
    return bool(st.session_state[_key("pointwise")]) and _depthwise()


def _edited(edits: list[Edit]) -> None:
    names = {"input": "images", "kernel": "weights", "bias": "biases"}
    for edit in edits:
        _set(names[edit.plane], edit)


def _edited_point(edits: list[Edit]) -> None:
    for edit in edits:
        _set("point", edit)


def _set(name: str, edit: Edit) -> None:
    table = st.session_state[_key(name)].copy()
    if 0 <= edit.index < table.size:
        table.flat[edit.index] = edit.value
    st.session_state[_key(name)] = table


# Controls and words.


def _examples() -> None:
    def settings(example: _Example) -> dict[str, Any]:
        names = ("channels", "filters", "groups", "kind", "size", "kernel", "stride", "padding")
        return {name: getattr(example, name) for name in names} | {"pointwise": example.pointwise}

    state = st.session_state
    lit = next(
        (
            name
            for name, example in _EXAMPLES.items()
            if all(state[_key(key)] == value for key, value in settings(example).items())
            and state[_key("dilation")] == 1
            and not state[_key("output_padding")]
        ),
        None,
    )
    state[_key("example")] = lit

    def chosen() -> None:
        if state[_key("example")]:
            _take(_EXAMPLES[state[_key("example")]])

    st.pills("Examples", list(_EXAMPLES), key=_key("example"), on_change=chosen, label_visibility="collapsed")
    st.markdown(
        (_EXAMPLES[lit].words if lit else "Your own layer.")
        + (
            " **Point at an input cell** to see its stamps, at an output cell to see which stamps meet there."
            if state[_key("kind")] == "transposed"
            else " **Point at an output cell** to see the sum of each channel and the sum of sums."
        )
    )


def _controls(transposed: bool) -> None:
    axis = _axis()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.segmented_control(
            "Direction",
            list(_KINDS),
            required=True,
            format_func=_KINDS.__getitem__,
            key=_key("kind"),
            persist_state="session",
        )
        for name, label in (("channels", "Channels in"), ("filters", "Channels out")):
            st.number_input(label, 1, 4, step=1, key=_key(name), width=132, persist_state="session")
        st.segmented_control(
            "Groups",
            _groups(),
            required=True,
            key=_key("groups"),
            persist_state="session",
            help="Divisors of both channel counts; as many groups as channels is depthwise.",
        )
        st.button("Reset", icon=":material/restart_alt:", on_click=_take, args=(_EXAMPLES[_FIRST],), key=_key("reset"))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        for name in axis.LIMITS:
            least, most = _limits(axis, name)
            label, meaning = _SETTINGS[name]
            st.number_input(
                label,
                least,
                most,
                step=1,
                key=_key(name),
                width=132,
                persist_state="session",
                help=f"{meaning} From {least} to {most} with the other settings as they are.",
            )
        st.toggle("bias", key=_key("biased"), persist_state="session", help="One number for each output channel.")
        if not transposed:
            st.toggle(
                "then 1 × 1",
                key=_key("pointwise"),
                persist_state="session",
                disabled=not _depthwise(),
                help="A second step that mixes the channels; for depthwise convolutions.",
            )


def _said(result: Any) -> None:
    state, axis = st.session_state, _axis()
    channels, filters, groups, kernel = (state[_key(name)] for name in ("channels", "filters", "groups", "kernel"))
    weights = arithmetic.parameter_count(channels, filters, kernel, bias=False, groups=groups)
    st.markdown(
        f"{filters} filter{'s' * (filters > 1)} × {channels // groups} channel{'s' * (channels // groups > 1)} each × "
        f"{size((kernel, kernel))} = **{weights} weights**"
        + (f" and {filters} bias{'es' * (filters > 1)}" if state[_key("biased")] else "")
        + f"; {channels} × {size(result.inputs.shape[1:])} becomes {filters} × {size(result.output.shape[-2:])}."
    )
    if isinstance(axis, Stamp):
        st.latex(
            rf"(n-1)\,s - 2p + d\,(k-1) + p_\text{{out}} + 1 = "
            rf"({axis.size}-1)\cdot{axis.stride} - 2\cdot{axis.padding} + {axis.dilation}\,({axis.kernel}-1) + "
            rf"{axis.output_padding} + 1 = \mathbf{{{axis.output}}}"
        )
        counts = np.diff(result.terms.starts) // (channels // groups)
        least, most = int(counts.min()), int(counts.max())
        if least == most:
            alike = "no stamps overlap" if least == 1 else "they overlap evenly"
            st.markdown(f"Each output cell gets {least} stamp{'s' * (least != 1)} per channel: {alike}.")
        else:
            st.markdown(
                f"**Checkerboard.** Output cells get between {least} and {most} stamps per channel, in a regular "
                "pattern that shows in pictures made this way (“Count” above draws it). A kernel size that the "
                "stride divides avoids it."
            )
