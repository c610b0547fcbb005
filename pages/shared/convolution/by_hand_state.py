"""What the By hand tab holds: picture, kernel and settings, kept in the session and always legal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import streamlit as st

from explorer.arithmetic.kernels import GRIDS, KERNELS, random_grid
from pages.shared.components.grid import Edit
from pages.shared.convolution import bounds
from pages.shared.convolution.bounds import Axis
from pages.shared.convolution.by_hand_examples import Example


def key(name: str) -> str:
    """The session's name of a value of this tab."""
    return f"by_hand-{name}"


LABELS = {
    "size": "Image size",
    "kernel": "Kernel size",
    "stride": "Stride",
    "padding": "Padding",
    "dilation": "Dilation",
}


# State: the session holds picture, weights and every control; what is illegal is repaired before anything is drawn.


def take(example: Example) -> None:
    """Starts with an example."""
    weights = KERNELS[example.kernel].weights
    st.session_state[key("image")] = example.picture.copy()
    st.session_state[key("weights")] = weights.copy()
    usual = {"stride": 1, "padding": 0, "dilation": 1} | example.both
    for axis, letter in ((0, "h"), (1, "w")):
        values = {"size": example.picture.shape[axis], "kernel": weights.shape[axis], **usual}
        st.session_state.update({key(f"{name}-{letter}"): int(value) for name, value in values.items()})
    plain = {"mode": example.mode, "flip": example.flip, "same": False, "bias": 0.0, "biased": False}
    st.session_state.update({key(name): value for name, value in plain.items()})
    st.session_state[key("apart")] = example.picture.shape[0] != example.picture.shape[1]


def bias() -> float:
    """What is added to every output."""
    return float(st.session_state[key("bias")])


def axis_of(letter: str) -> Axis:
    """The settings of one axis as the controls have them: h or w."""
    values: dict[str, Any] = {name: int(st.session_state[key(f"{name}-{letter}")]) for name in LABELS}
    return Axis(**values, mode=st.session_state[key("mode")] or "zeros", same=st.session_state[key("same")])


def settled() -> tuple[tuple[Axis, Axis], list[str]]:
    """Both axes, made legal, with picture and kernel cut or widened to them; and what had to change."""
    if not st.session_state[key("apart")]:
        for name in LABELS:
            st.session_state[key(f"{name}-w")] = st.session_state[key(f"{name}-h")]
    axes, said = [], []
    for letter in "hw":
        before = axis_of(letter)
        axis, changed = bounds.repaired(before)
        for name in changed:
            st.session_state[key(f"{name}-{letter}")] = getattr(axis, name)
            why = {"padding": f"{axis.mode} padding must have pixels to copy", "stride": "“same” is for stride 1 only"}
            said.append(
                f"{LABELS[name]} {getattr(before, name)} became {getattr(axis, name)}: "
                f"{why.get(name, 'otherwise the window would not fit')}."
            )
        axes.append(axis)
    height, width = axes
    image, weights = st.session_state[key("image")], st.session_state[key("weights")]
    if image.shape != (height.size, width.size):
        st.session_state[key("image")] = _resized(image, (height.size, width.size), centred=False)
    if weights.shape != (height.kernel, width.kernel):
        st.session_state[key("weights")] = _resized(weights, (height.kernel, width.kernel), centred=True)
    return (height, width), list(dict.fromkeys(said))


def _resized(table: np.ndarray, shape: tuple[int, int], *, centred: bool) -> np.ndarray:
    """A picture grows by repeating its last pixels at the end; a kernel grows by zeros all around."""
    for axis, wanted in enumerate(shape):
        more = wanted - table.shape[axis]
        first = (abs(more) // 2) if centred else 0
        if more < 0:
            table = np.take(table, np.arange(first, first + wanted), axis=axis)
        else:
            sides = [(0, 0), (0, 0)]
            sides[axis] = (first, more - first)
            table = np.pad(table, sides, mode="constant" if centred else "edge")
    return table.copy()


def edited(edits: list[Edit]) -> None:
    """Takes over cells that were edited in the grids."""
    for edit in edits:
        if edit.plane == "bias":
            st.session_state[key("bias")] = edit.value
            continue
        name = "image" if edit.plane == "input" else "weights"
        table = st.session_state[key(name)].copy()
        index = table.size - 1 - edit.index if name == "weights" and st.session_state[key("flip")] else edit.index
        if 0 <= index < table.size:
            table.flat[index] = edit.value
        st.session_state[key(name)] = table


def take_picture(name: str) -> None:
    """Takes over a known picture and its size."""
    table = GRIDS[name]
    st.session_state[key("image")] = table.copy()
    for axis, letter in ((0, "h"), (1, "w")):
        st.session_state[key(f"size-{letter}")] = table.shape[axis]


def take_kernel(name: str) -> None:
    """Takes over a known kernel; the picture grows where it would not fit."""
    weights = KERNELS[name].weights
    st.session_state[key("weights")] = weights.copy()
    for axis, letter in ((0, "h"), (1, "w")):
        now = replace(axis_of(letter), kernel=weights.shape[axis])
        while not now.legal and now.size < Axis.LIMITS["size"][1]:  # a larger kernel may need a larger image
            now = replace(now, size=now.size + 1)
        st.session_state[key(f"kernel-{letter}")] = now.kernel
        st.session_state[key(f"size-{letter}")] = now.size


def shuffle() -> None:
    """A picture of random numbers, another one each time."""
    seed = st.session_state[key("seed")] = st.session_state.get(key("seed"), 0) + 1
    shape = cast("tuple[int, int]", st.session_state[key("image")].shape)
    st.session_state[key("image")] = random_grid(seed, *shape)


def shows(example: Example) -> bool:
    """Whether everything is as in the example."""
    image, weights = st.session_state[key("image")], st.session_state[key("weights")]
    usual = {"stride": 1, "padding": 0, "dilation": 1} | example.both
    known = KERNELS[example.kernel].weights
    return (
        image.shape == example.picture.shape
        and (image == example.picture).all()
        and weights.shape == known.shape
        and (weights == known).all()
        and all(st.session_state[key(f"{name}-{letter}")] == value for name, value in usual.items() for letter in "hw")
        and st.session_state[key("mode")] == example.mode
        and st.session_state[key("flip")] == example.flip
        and not st.session_state[key("same")]
        and not bias()
    )
