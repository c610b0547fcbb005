"""Tab of the Architectures page: turn width, depth and resolution, and see at once what the network costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.shared import blocks, controls
from pages.shared.text import count

if TYPE_CHECKING:
    from explorer.scaling import Design

_LABS = {
    "efficientnet": "EfficientNet",
    "mobilenet": "MobileNet",
    "depth": "ResNet and DenseNet",
    "gradients": "Plain against residual",
}
_WAIT = "Building and counting the networks of the chart, once"
_CHART: dict[str, Any] = {"config": {"displayModeBar": False}}


@st.fragment
@blocks.kindly()
def draw() -> None:
    """The choice of a lab and the lab."""
    lab = _choice("Lab", "lab", _LABS)
    {"efficientnet": _efficientnet, "mobilenet": _mobilenet, "depth": _depth, "gradients": _gradients}[lab]()


def _choice(label: str, key: str, options: dict[str, str]) -> str:
    return controls.kept_choice(label, key, options, label_visibility="collapsed")


def _slider(label: str, key: str, least: float, most: float, start: float, step: float, **more: Any) -> Any:
    st.session_state.setdefault(key, start)
    return st.slider(label, least, most, step=step, key=key, persist_state="session", **more)


def _presets(label: str, key: str, presets: dict[str, dict[str, Any]]) -> None:
    """Names that set several sliders at once; the one that the sliders show is lit."""
    lit = [name for name, values in presets.items() if all(st.session_state.get(k) == v for k, v in values.items())]
    st.session_state[key] = lit[0] if lit else None

    def take() -> None:
        st.session_state.update(presets.get(st.session_state[key], {}))

    st.pills(label, list(presets), key=key, on_change=take)


def _numbers(design: Design, base: Design, name: str, *more: tuple[str, str]) -> None:
    """Parameters and MACs with their factor to a well-known network, and what else there is to say."""
    with st.container(horizontal=True):
        for title, value, before in (
            ("Parameters", design.parameters, base.parameters),
            ("MACs", design.macs, base.macs),
        ):
            change = f"{'−' if value < before else '+'}{count(abs(value - before))}, × {value / before:.3g} of {name}"
            note = f"{value:,} for one image of {design.resolution} × {design.resolution} pixels"
            st.metric(
                title,
                count(value),
                change if value != before else f"as {name}",
                delta_color="off",
                delta_arrow="off",
                help=note,
                width="content",
            )
        for title, text in more:
            st.metric(title, text, width="content")


def _efficientnet() -> None:
    from explorer import scaling
    from explorer.figures.scaling import cost_plane

    how = _choice("Grow", "lab-how", {"together": "All three together, by φ", "apart": "Each apart"})
    b0 = scaling.efficientnet(1.0, 1.0, 224)
    if how == "together":
        phi = _slider("Compound coefficient φ", "lab-phi", 0.0, 7.0, 1.0, 0.5, format="%.1f")
        exact, design = scaling.compound(phi), scaling.at_compound(phi)
        st.markdown(
            f"Depth × $1.2^φ$ = **{exact.depth:.2f}**, width × $1.1^φ$ = **{exact.width:.2f}**, side 224 · $1.15^φ$ = "
            f"**{exact.resolution:.0f} px**. Each step should cost 1.2 · 1.1² · 1.15² = 1.92 times the MACs: "
            f"× {scaling.WORK_PER_STEP**phi:.3g} for this φ; counted × {design.macs / b0.macs:.3g}, because blocks and "
            "channels come in whole numbers."
        )
    else:
        _presets(
            "The authors' choices",
            "lab-b",
            {
                name.upper(): {"lab-width": each.width, "lab-depth": each.depth, "lab-side": each.resolution}
                for name, each in scaling.COEFFICIENTS.items()
            },
        )
        columns = st.columns(3, gap="medium")
        with columns[0]:
            width = _slider("Width, × channels", "lab-width", 0.5, 2.0, 1.0, 0.1, format="%.1f")
        with columns[1]:
            depth = _slider("Depth, × blocks", "lab-depth", 0.5, 3.6, 1.0, 0.1, format="%.1f")
        with columns[2]:
            side = _slider("Resolution", "lab-side", 128, 640, 224, 4, format="%d px")
        design = scaling.efficientnet(round(width, 1), round(depth, 1), side)
    _numbers(design, b0, "B0", ("Blocks", str(sum(design.blocks))), ("Input", f"{design.resolution} px"))
    with st.spinner(_WAIT, show_time=True):
        paths = scaling.efficientnet_paths()
    st.plotly_chart(cost_plane(paths, design), key="lab-plane", **_CHART)
    st.caption(
        f"EfficientNet rebuilt and counted, nothing estimated: blocks in its stages {_row(design.blocks)}, channels "
        f"{_row(design.channels)}. B0 to B7 are the authors' hand-rounded coefficients, near the exact powers "
        "(φ = 0 to 7) but not on them. Resolution costs MACs and no parameters. What it cannot show is accuracy: "
        "the paper found that growing all three together gains most."
    )
    with st.expander("B0 to B7: rounded by hand, and exact", icon=":material/table:"):
        _coefficients()


def _coefficients() -> None:
    from explorer import scaling

    lines = ["| | depth | $1.2^φ$ | width | $1.1^φ$ | pixels | 224 · $1.15^φ$ |", "|---|--:|--:|--:|--:|--:|--:|"]
    for phi, (name, hand) in enumerate(scaling.COEFFICIENTS.items()):
        exact = scaling.compound(phi)
        lines.append(
            f"| **{name.upper()}**, φ = {phi} | {hand.depth} | {exact.depth:.2f} | {hand.width} | {exact.width:.2f} "
            f"| {hand.resolution} | {exact.resolution:.0f} |"
        )
    st.markdown("\n".join(lines))
    st.caption("Equation 3 of Tan and Le (2019) beside the values in the authors' code, efficientnet_builder.py.")


def _mobilenet() -> None:
    from explorer import scaling
    from explorer.figures.scaling import cost_plane

    version = 1 if _choice("Version", "lab-version", {"1": "MobileNetV1", "2": "MobileNetV2"}) == "1" else 2
    left, right = st.columns(2, gap="medium")
    with left:
        width = _slider("Width multiplier, × channels", "lab-multiplier", 0.25, 1.4, 1.0, 0.05)
    with right:
        side = _slider("Resolution", "lab-mobile-side", 96, 224, 224, 32, format="%d px")
    design, base = scaling.mobilenet(version, round(width, 2), side), scaling.mobilenet(version, 1.0, 224)
    _numbers(design, base, f"V{version} × 1.0", ("Blocks", str(sum(design.blocks))), ("Input", f"{side} px"))
    with st.spinner(_WAIT, show_time=True):
        paths = scaling.mobilenet_paths()
    st.plotly_chart(cost_plane(paths, design), key="lab-mobile", **_CHART)
    st.caption(
        f"MobileNetV{version}, rebuilt and counted: channels of its stages {_row(design.channels)}, multiples of 8. "
        "MACs fall about with the square of the width and of the side; parameters with the width only, since no weight "
        "knows the size of the photo. The lines run over the published widths."
    )
    st.markdown("**What splitting a convolution in two saves**")
    left, right = st.columns(2, gap="medium")
    with left:
        channels = st.select_slider(
            "Channels, in and out",
            [2**power for power in range(3, 11)],
            512,
            key="lab-channels",
            persist_state="session",
        )
    with right:
        kernel = st.select_slider("Kernel", [1, 3, 5, 7, 9], 3, key="lab-kernel", persist_state="session")
    saving = scaling.separable_saving(channels, kernel)
    with st.container(horizontal=True):
        st.metric(f"One {kernel} × {kernel} convolution", f"{count(saving.standard.macs)} MACs", width="content")
        st.metric("Depthwise, then 1 × 1", f"{count(saving.separable.macs)} MACs", width="content")
        saved = f"{100 * saving.formula:.1f} %".replace("-", "−")
        st.metric("Saved", saved, help="Counted on real layers, and the same by the formula.", width="content")
    st.caption(
        f"On a map of 14 × 14; the saving, 1 − (1/{channels} + 1/{kernel}²), is the same on every map: "
        f"{saving.standard.parameters:,} weights become {saving.separable.parameters:,}."
        + (" A 1 × 1 convolution has nothing to split: the depthwise half only adds work." if kernel == 1 else "")
    )


_KINDS = {"basic": "ResNet, basic blocks", "bottleneck": "ResNet, bottlenecks", "dense": "DenseNet"}


def _depth() -> None:
    from explorer import scaling
    from explorer.figures.scaling import by_depth

    kind = _choice("Family", "lab-kind", _KINDS)
    most, start = {
        "basic": ((8, 12, 24, 8), (2, 2, 2, 2)),
        "bottleneck": ((8, 12, 48, 8), (3, 4, 6, 3)),
        "dense": ((12, 24, 64, 48), (6, 12, 24, 16)),
    }[kind]
    known = {
        "basic": {f"ResNet-{n}": blocks for n, blocks in scaling.RESNETS.items() if n < 50},
        "bottleneck": {f"ResNet-{n}": blocks for n, blocks in scaling.RESNETS.items() if n >= 50},
        "dense": {f"DenseNet-{n}": layers for n, layers in scaling.DENSENETS.items()},
    }[kind]
    keys = [f"lab-{kind}-{stage}" for stage in range(1, 5)]
    for key, value in zip(keys, start, strict=True):
        st.session_state.setdefault(key, value)
    name = next(iter(known))
    _presets("Published", f"lab-{kind}", {n: dict(zip(keys, stages, strict=True)) for n, stages in known.items()})
    what, chosen = ("Layers in block" if kind == "dense" else "Blocks in stage"), []
    for stage, (column, key) in enumerate(zip(st.columns(4, gap="medium"), keys, strict=True)):
        with column:
            chosen.append(int(_slider(f"{what} {stage + 1}", key, 1, most[stage], start[stage], 1)))
    design, base = _of_depth(kind, chosen), _of_depth(kind, known[name])
    _numbers(design, base, name, ("Layers", str(design.layers)))
    with st.spinner(_WAIT, show_time=True):
        paths = scaling.depth_paths()
    st.plotly_chart(by_depth(paths, design), key="lab-depth-figure", **_CHART)
    st.caption(
        f"{_KINDS[kind]} at 224 × 224: channels that leave its {'blocks' if kind == 'dense' else 'stages'} "
        f"{_row(design.channels)}. "
        + (
            "Every layer reads all before it and adds 32 channels, so each further layer of a block costs more."
            if kind == "dense"
            else "Each further block of a stage costs the same: in a late stage many parameters, in every stage about "
            "as many MACs, because channels double where the resolution halves."
        )
    )


def _of_depth(kind: str, stages: Sequence[int]) -> Design:
    from explorer import scaling

    first, second, third, fourth = stages
    plan = (first, second, third, fourth)
    return scaling.densenet(plan) if kind == "dense" else scaling.resnet(plan, kind == "bottleneck")


def _gradients() -> None:
    from explorer import scaling
    from explorer.figures.scaling import gradients

    left, right = st.columns([2, 1], gap="medium", vertical_alignment="bottom")
    with left:
        depth = _slider("Blocks of two convolutions", "lab-blocks", 2, 30, 12, 1)
    with right, st.container(horizontal=True, vertical_alignment="bottom"):
        norm = st.toggle("Batch norm", True, key="lab-norm", persist_state="session")
        st.button("New weights", on_click=_again, icon=":material/casino:")
    seed = st.session_state.get("lab-seed", 0)
    plain = scaling.gradient_norms(depth, True, seed, norm)
    residual = scaling.gradient_norms(depth, False, seed, norm)
    with st.container(horizontal=True):
        for name, norms in (("Plain", plain), ("With shortcuts", residual)):
            st.metric(
                f"{name}: first layer's gradient to the last's",
                f"× {norms.layers[0] / norms.layers[-1]:.3g}",
                f"× {norms.growth:.3f} for each layer back",
                delta_color="off",
                delta_arrow="off",
                width="content",
            )
    st.plotly_chart(gradients(plain, residual), key="lab-gradients", **_CHART)
    st.caption(
        f"One backward pass through two fresh networks with the same {2 * depth} convolutions, weights (seed {seed}) "
        "and 32 random images; no training. "
        + (
            "With batch norm the gradients of the plain network do not vanish: **they grow towards the image**, in "
            "theory 1.21-fold a layer in a wide network (√(π/(π−1)); Yang et al. 2019), and shortcuts tame that. The "
            "ResNet paper itself holds vanishing gradients unlikely to be why deeper plain networks train worse "
            "(section 4.1)."
            if norm
            else "Without batch norm and with Kaiming's initial weights the plain network's gradients stay within an "
            "order or two. The sums explode: each block adds to the signal, and the loss starts at "
            f"{residual.loss:.3g} where a guess among ten classes costs 2.3. Shortcuts alone are not the cure."
        )
    )


def _again() -> None:
    st.session_state["lab-seed"] = st.session_state.get("lab-seed", 0) + 1


def _row(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
