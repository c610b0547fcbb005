"""Below the Channels tab: what a convolution costs, whole and split into depthwise and 1 × 1."""

from __future__ import annotations

import streamlit as st

from explorer import arithmetic
from pages.shared.text import count

_CHANNELS = [1, 3, 8, 16, 32, 64, 128, 256, 512, 1024, 2048]


def draw() -> None:
    """Sliders that open at the guide's layer, 512 to 512 channels with 3 × 3 kernels, and both costs."""
    st.subheader("What splitting a convolution in two saves", anchor=False)
    columns = st.columns(4, gap="medium")
    for column, key, label, options, start in zip(
        columns,
        ("in", "out", "kernel", "side"),
        ("Channels in", "Channels out", "Kernel k", "Map, pixels a side"),
        (_CHANNELS, _CHANNELS, [1, 3, 5, 7, 9, 11], [7, 14, 28, 56, 112, 224]),
        (512, 512, 3, 14),
        strict=True,
    ):
        st.session_state.setdefault(f"channels-saving-{key}", start)
        with column:
            st.select_slider(label, options, key=f"channels-saving-{key}", persist_state="session")
    inward, outward, kernel, side = (
        int(st.session_state[f"channels-saving-{k}"]) for k in ("in", "out", "kernel", "side")
    )
    whole = arithmetic.parameter_count(inward, outward, kernel, bias=False)
    depthwise = arithmetic.parameter_count(inward, inward, kernel, bias=False, groups=inward)
    pointwise = arithmetic.parameter_count(inward, outward, 1, bias=False)
    split = depthwise + pointwise
    saved = f"{100 * (1 - split / whole):.1f} %".replace("-", "−")
    with st.container(horizontal=True):
        st.metric(f"One {kernel} × {kernel} convolution", f"{whole:,} weights", width="content")
        st.metric("Depthwise, then 1 × 1", f"{split:,} weights", width="content")
        st.metric("Saved", saved, width="content")
    st.latex(
        rf"1 - \left(\frac{{1}}{{C_\text{{out}}}} + \frac{{1}}{{k^2}}\right) = "
        rf"1 - \left(\frac{{1}}{{{outward}}} + \frac{{1}}{{{kernel**2}}}\right) = "
        rf"\mathbf{{{100 * (1 - (1 / outward + 1 / kernel**2)):.1f}\,\%}}"
    )
    st.caption(
        f"Without biases: {kernel} · {kernel} · {inward:,} · {outward:,} weights against {kernel} · {kernel} · "
        f"{inward:,} + {inward:,} · {outward:,} = {depthwise:,} + {pointwise:,}. Each weight works once at each of "
        f"{side} × {side} positions: {count(whole * side * side)} MACs (multiply-accumulates) against "
        f"{count(split * side * side)}, the same saving on a map of any size."
        + (" A 1 × 1 convolution has nothing to split: the depthwise half only adds work." if kernel == 1 else "")
    )
