"""Tab of the Convolution page: pooling on a small picture, on the guide's shapes, and on the photo."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import streamlit as st

from explorer import arithmetic
from explorer.arithmetic.kernels import random_grid
from pages.shared import blocks, selection
from pages.shared.components.grid import Edit, grid
from pages.shared.convolution import bounds
from pages.shared.convolution.bounds import Axis
from pages.shared.convolution.pool_choice import PoolChoice
from pages.shared.text import size

if TYPE_CHECKING:
    from explorer.arithmetic import Pooling

_KINDS = {"max": "Maximum", "average": "Average"}
_WINDOWS = {"windows": "Windows of one size", "size": "To a given size", "global": "Global"}
_SETTINGS = {
    "size": ("Image size", "Pixels along one side."),
    "kernel": ("Window", "Pixels along one side of the window."),
    "stride": ("Stride", "Pixels from one window to the next."),
    "padding": ("Padding", "Cells added around; at most half of the window."),
    "dilation": ("Dilation", "Pixels from one cell of the window to the next; PyTorch has it for the maximum only."),
}
_GUIDE = (28, 28)  # the guide's map, 64 channels of it


@dataclass(frozen=True)
class _Example:
    """Settings that show one thing, and a sentence on what it is."""

    words: str
    kind: str = "max"
    how: str = "windows"
    values: dict[str, int] = field(default_factory=dict)
    target: int = 2
    ceil: bool = False


_EXAMPLES = {
    "2 × 2 maximum": _Example(
        "The usual pooling: of every four pixels the largest stays, so height and width halve. A pattern that was "
        "found stays found, only where exactly is forgotten.",
    ),
    "2 × 2 average": _Example("The mean of every four pixels: as LeNet did it.", kind="average"),
    "Overlapping": _Example(
        "Windows of 3 × 3, two pixels apart, overlap: ResNet's stem does so, with padding that never wins.",
        values={"kernel": 3, "stride": 2, "padding": 1},
    ),
    "Ceil mode": _Example(
        "Seven pixels and windows of two: rounding down drops the last row and column, ceil_mode keeps a smaller "
        "window.",
        values={"size": 7},
        ceil=True,
    ),
    "Global average": _Example(
        "One number for the whole map, whatever its size: so a network can end without a layer that counts pixels.",
        kind="average",
        how="global",
    ),
    "Adaptive": _Example(
        "You choose the size that comes out; the windows follow from it. Seven pixels into three: the windows overlap.",
        kind="average",
        how="size",
        values={"size": 7},
        target=3,
    ),
}
_FIRST = next(iter(_EXAMPLES))


def _key(name: str) -> str:
    return f"pooling-{name}"


@st.fragment
@blocks.kindly()
def draw() -> None:
    """The exhibit, its controls, the guide's shapes, and the photo."""
    if _key("image") not in st.session_state:
        _take(_EXAMPLES[_FIRST])
    _settle()
    choice = _choice()
    result = _pool(st.session_state[_key("image")], choice)
    _examples()
    grid(
        result,
        _key("grid"),
        titles={"input": "Input", "output": "Output"},
        editable=("input",),
        on_edit=_edited,
        bins=choice.kind.startswith("adaptive"),
        file="pooling",
    )
    _controls()
    _said(result, choice)
    st.code(result.code, language="python")
    _shapes(choice)

    from pages.shared.convolution import pooling_photo

    st.subheader("On your photo", anchor=False)
    pooling_photo.draw(selection.picture(), choice)


def _pool(values: np.ndarray, choice: PoolChoice) -> Pooling:
    kind = cast("Literal['max', 'average']", choice.kind.removeprefix("adaptive "))
    if choice.kind.startswith("adaptive"):
        return arithmetic.adaptive_pool(values, kind, choice.size)
    return arithmetic.pool(
        values,
        kind,
        choice.kernel,
        stride=choice.stride,
        padding=choice.padding,
        dilation=choice.dilation,
        ceil_mode=choice.ceil_mode,
    )


# State.


def _take(example: _Example) -> None:
    """Starts with an example."""
    values = {"size": 6, "kernel": 2, "stride": 2, "padding": 0, "dilation": 1} | example.values
    st.session_state.update({_key(name): value for name, value in values.items()})
    chosen = {"kind": example.kind, "how": example.how, "target": example.target, "ceil": example.ceil}
    st.session_state.update({_key(name): value for name, value in chosen.items()})
    st.session_state[_key("image")] = random_grid(5, values["size"], values["size"])


def _axis() -> Axis:
    values: dict[str, Any] = {name: int(st.session_state[_key(name)]) for name in _SETTINGS}
    return Axis(**values, pooling=True)


def _settle() -> None:
    """Makes the settings legal and the picture fit them."""
    state = st.session_state
    if state[_key("kind")] == "average":
        state[_key("dilation")] = 1
    axis, changed = bounds.repaired(_axis())
    for name in changed:
        state[_key(name)] = getattr(axis, name)
    state[_key("target")] = min(state[_key("target")], axis.size)
    image = state[_key("image")]
    if len(image) != axis.size:
        grown = random_grid(5, axis.size, axis.size)
        kept = min(len(image), axis.size)
        grown[:kept, :kept] = image[:kept, :kept]
        state[_key("image")] = grown


def _choice() -> PoolChoice:
    axis, state = _axis(), st.session_state
    adaptive = state[_key("how")] != "windows"
    side = 1 if state[_key("how")] == "global" else int(state[_key("target")])
    return PoolChoice(
        kind=("adaptive " if adaptive else "") + state[_key("kind")],
        kernel=(axis.kernel, axis.kernel),
        stride=(axis.stride, axis.stride),
        padding=(axis.padding, axis.padding),
        dilation=axis.dilation,
        ceil_mode=bool(state[_key("ceil")]),
        size=(side, side),
    )


def _edited(edits: list[Edit]) -> None:
    image = st.session_state[_key("image")].copy()
    for edit in edits:
        if edit.plane == "input" and 0 <= edit.index < image.size:
            image.flat[edit.index] = edit.value
    st.session_state[_key("image")] = image


# Controls and words.


def _examples() -> None:
    state = st.session_state

    def shows(example: _Example) -> bool:
        values = {"size": 6, "kernel": 2, "stride": 2, "padding": 0, "dilation": 1} | example.values
        wanted = {"kind": example.kind, "how": example.how}
        if example.how == "size":
            wanted["target"] = example.target  # type: ignore[assignment]
        if example.how != "windows":
            values = {"size": values["size"]}
        else:
            wanted["ceil"] = example.ceil  # type: ignore[assignment]
        return all(state[_key(name)] == value for name, value in (values | wanted).items())

    lit = next((name for name, example in _EXAMPLES.items() if shows(example)), None)
    state[_key("example")] = lit

    def chosen() -> None:
        if state[_key("example")]:
            _take(_EXAMPLES[state[_key("example")]])

    st.pills("Examples", list(_EXAMPLES), key=_key("example"), on_change=chosen, label_visibility="collapsed")
    st.markdown(
        (_EXAMPLES[lit].words if lit else "Your own pooling.")
        + " **Point at an output cell** to see its window, or at a pixel to see which windows hold it."
    )


def _controls() -> None:
    axis, state = _axis(), st.session_state
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        for key, label, options in (("kind", "Keep the", _KINDS), ("how", "Of", _WINDOWS)):
            st.segmented_control(
                label,
                list(options),
                required=True,
                format_func=options.__getitem__,
                key=_key(key),
                persist_state="session",
            )
        st.button("Random", icon=":material/casino:", on_click=_shuffle, key=_key("random"))
        st.button("Reset", icon=":material/restart_alt:", on_click=_take, args=(_EXAMPLES[_FIRST],), key=_key("reset"))
    windows = state[_key("how")] == "windows"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        for name, (label, meaning) in _SETTINGS.items():
            if name != "size" and not windows:
                continue
            least, most = bounds.bounds(axis, name)
            if not windows:
                least, most = axis.LIMITS["size"]
            st.number_input(
                label,
                least,
                most,
                step=1,
                key=_key(name),
                width=132,
                persist_state="session",
                disabled=name == "dilation" and state[_key("kind")] == "average",
                help=f"{meaning} From {least} to {most} with the other settings as they are.",
            )
        if state[_key("how")] == "size":
            st.number_input("Output size", 1, axis.size, step=1, key=_key("target"), width=132, persist_state="session")
        if windows:
            st.toggle(
                "ceil mode",
                key=_key("ceil"),
                persist_state="session",
                help="Rounds the number of windows up: a last window that does not fit counts as far as it is inside.",
            )


def _shuffle() -> None:
    seed = st.session_state[_key("seed")] = st.session_state.get(_key("seed"), 5) + 1
    side = int(st.session_state[_key("size")])
    st.session_state[_key("image")] = random_grid(seed, side, side)


def _said(result: Pooling, choice: PoolChoice) -> None:
    before, after = result.inputs.shape[1:], result.output.shape[-2:]
    what = f"{size(before)} becomes **{size(after)}**"
    if choice.kind.startswith("adaptive"):
        bins = ", ".join(f"{first} to {last}" for first, last in result.row_bins)
        st.markdown(
            f"{what}. Output row i of {after[0]} reads the rows ⌊i · {before[0]} / {after[0]}⌋ to "
            f"⌈(i + 1) · {before[0]} / {after[0]}⌉ − 1: {bins}."
        )
        return
    axis = _axis()
    up = choice.ceil_mode
    left, right = ("⌈", "⌉") if up else ("⌊", "⌋")
    formula = (
        f"{left}({axis.size} + 2 · {axis.padding} − {axis.dilation} · ({axis.kernel} − 1) − 1) / {axis.stride}{right} "
        f"+ 1 = {after[0]}"
    )
    said = f"{what}: {formula}. Pooling has no weights and nothing to learn."
    ideal = -(-(axis.size + 2 * axis.padding - axis.window) // axis.stride) + 1
    if up and ideal != after[0]:
        said = (
            f"{what}. The formula rounded up gives {ideal}, but a window that would begin in the padding at the end "
            "is left out. Pooling has no weights and nothing to learn."
        )
    dropped = result.dropped[0]
    if dropped:
        where = "of the padded image " if axis.padding else ""
        said += (
            f" The last {'row and column' if dropped == 1 else f'{dropped} rows and columns'} {where}are never read "
            "(hatched): there is no room for another step, and PyTorch rounds down; ceil mode rounds up."
        )
    st.markdown(said)


def _shapes(choice: PoolChoice) -> None:
    """The guide's shapes beside those of the settings above, each computed."""
    with st.expander("On the guide's 64 maps of 28 × 28, and on other sizes", icon=":material/table:"):

        def row(code: str, before: tuple[int, int], after: tuple[int, ...]) -> str:
            return f"| `{code}` | (1, 64, {before[0]}, {before[1]}) | **{after}** |"

        lines = ["| layer | in | out |", "|---|---|---|"]
        listed = [
            PoolChoice("max"),
            PoolChoice("average"),
            PoolChoice("adaptive average", size=(1, 1)),
            PoolChoice("adaptive average", size=(7, 7)),
        ]
        codes = [_pool(np.zeros(_GUIDE), each).code for each in listed]
        own = _pool(np.zeros(_GUIDE), choice).code
        for each in listed + [choice] * (own not in codes):
            result = _pool(np.zeros(_GUIDE), each)
            lines.append(row(result.code, _GUIDE, (1, 64, *result.output.shape)))
            if each.size == (1, 1) and each.kind == "adaptive average":
                lines.append("| `.flatten(1)` | (1, 64, 1, 1) | **(1, 64)** |")
        for side in ((14, 14), (30, 45), (5, 5)):
            result = _pool(np.zeros(side), listed[3])
            lines.append(row(result.code, side, (1, 64, *result.output.shape)))
        st.markdown("\n".join(lines))
        st.caption(
            "Each shape is computed on a map of that size. Adaptive pooling gives the same size whatever comes in, "
            "even a larger one than its input: then pixels are read more than once."
        )
