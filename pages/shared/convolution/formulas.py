"""Tab of the Convolution page: the two closed forms, with numbers of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import streamlit as st

from explorer import arithmetic, catalogue
from explorer.arithmetic import IllegalSetting
from pages.shared import blocks, cache, selection
from pages.shared.text import count, plain

if TYPE_CHECKING:
    from explorer.graph import Node


class _Numbers(NamedTuple):
    """What both formulas need."""

    size: int = 224
    kernel: int = 3
    stride: int = 1
    padding: int = 1
    dilation: int = 1
    in_channels: int = 3
    out_channels: int = 64
    groups: int = 1
    bias: bool = True


_PRESETS: dict[str, tuple[_Numbers, str]] = {
    "3 × 3": (
        _Numbers(),
        "The guide's first example: 224 stays 224, with 1,792 parameters. Padding (k − 1) / 2 keeps the size for any "
        "odd kernel at stride 1.",
    ),
    "3 × 3, stride 2": (
        _Numbers(stride=2),
        "The guide's second example: every second position only, 224 becomes 112. The parameters do not know the "
        "stride.",
    ),
    "7 × 7, stride 2": (
        _Numbers(kernel=7, stride=2, padding=3, bias=False),
        "The guide's third example, 224 to 112. The guide calls it AlexNet's first layer; that is a slip: it is how "
        "**GoogLeNet** and **ResNet** begin (here without a bias, as ResNet has it).",
    ),
    "AlexNet's stem": (
        _Numbers(kernel=11, stride=4, padding=2),
        "What AlexNet really begins with: 11 × 11 at stride 4, 224 to 55, in torchvision's version with 64 filters.",
    ),
    "LeNet-5's C1": (
        _Numbers(size=32, kernel=5, padding=0, in_channels=1, out_channels=6),
        "Without padding a 5 × 5 window fits 28 times along 32 pixels; 156 parameters.",
    ),
    "Dilated": (
        _Numbers(padding=2, dilation=2),
        "With dilation, which the guide's formula leaves out, the weights stand two pixels apart: the window spans 5 "
        "pixels with 3 weights.",
    ),
    "Depthwise": (
        _Numbers(size=14, in_channels=512, out_channels=512, groups=512, bias=False),
        "Each filter sees one channel only: 512 times fewer weights than a full convolution of the same size.",
    ),
    "1 × 1": (
        _Numbers(size=56, kernel=1, padding=0, in_channels=256, bias=False),
        "No neighbours at all: a small linear layer at every position, as bottlenecks use to save work.",
    ),
}
_LIMITS = {
    "size": ("Input size n", 1, 2048, "Pixels along one side."),
    "kernel": ("Kernel k", 1, 64, "Weights along one side."),
    "stride": ("Stride s", 1, 64, "Pixels from one position to the next."),
    "padding": ("Padding p", 0, 64, "Pixels added at each end."),
    "dilation": ("Dilation d", 1, 64, "Pixels from one weight to the next."),
    "in_channels": ("Channels in", 1, 4096, "Of the input: 3 for a colour photo."),
    "out_channels": ("Channels out", 1, 4096, "The number of filters."),
    "groups": ("Groups", 1, 4096, "Channels are divided among them; as many as channels is depthwise."),
}


def _key(name: str) -> str:
    return f"formulas-{name}"


@st.fragment
@blocks.kindly()
def draw() -> None:
    """Examples, the numbers, and both formulas with them."""
    for name, value in _Numbers()._asdict().items():
        st.session_state.setdefault(_key(name), value)
    _presets()
    columns = st.columns(2, gap="large")
    with columns[0]:
        st.markdown("**How large is the output?**")
        numbers = _inputs("size", "kernel", "stride", "padding", "dilation")
        size = _output(**numbers)
    with columns[1]:
        st.markdown("**How many parameters?**")
        channels = _inputs("in_channels", "out_channels", "groups")
        bias = st.toggle("Bias", key=_key("bias"), persist_state="session")
        _parameters(numbers["kernel"], size, bias=bias, **channels)
    _code(numbers, channels, bias)


def _shown() -> _Numbers:
    return _Numbers(**{name: st.session_state[_key(name)] for name in _Numbers._fields})


def _take(numbers: _Numbers) -> None:
    st.session_state.update({_key(name): value for name, value in numbers._asdict().items()})


def _presets() -> None:
    """Examples that set all numbers at once; the one that the numbers show is lit."""
    lit = next((name for name, (numbers, _) in _PRESETS.items() if numbers == _shown()), None)
    st.session_state["formulas-preset"] = lit

    def chosen() -> None:
        name = st.session_state["formulas-preset"]
        if name:
            _take(_PRESETS[name][0])

    st.pills("Examples", list(_PRESETS), key="formulas-preset", on_change=chosen)
    _from_network()
    st.markdown(_PRESETS[lit][1] if lit else "Your own numbers; each formula below follows at once.")


def _from_network() -> None:
    card = catalogue.get(selection.current().network)
    layers = {node.name: node for node in cache.graph(card.slug).nodes if _fits(node)}
    inputs = {node.name: node for node in cache.graph(card.slug).nodes}
    if not layers:
        return

    def chosen() -> None:
        name = st.session_state["formulas-layer"]
        if name:
            node = layers[name]
            source = inputs.get(node.inputs[0])
            _take(_of(node, source.shape if source else cache.graph(card.slug).input_shape))
            st.session_state["formulas-layer"] = None

    st.selectbox(
        f"Or a convolution of {plain(card.title)}",
        list(layers),
        index=None,
        key="formulas-layer",
        on_change=chosen,
        placeholder="Choose a layer to take its numbers",
        filter_mode="contains",
        width=420,
    )


def _fits(node: Node) -> bool:
    """Whether the numbers above can say what this layer is: square, and padded alike on all sides."""
    same = node.operation == "SameConv2d" and node.settings["stride"] == (1, 1)  # else it may pad unevenly
    if not (same or node.operation == "Conv2d") or node.settings["padding_mode"] != "zeros":
        return False
    pairs: list[Any] = [node.settings[name] for name in ("kernel_size", "stride", "padding", "dilation")]
    return all(isinstance(pair, tuple) and pair[0] == pair[1] for pair in pairs)


def _of(node: Node, before: tuple[int, ...]) -> _Numbers:
    first: dict[str, Any] = {
        name: node.settings[name][0]  # type: ignore[index]  # `_fits` has seen that it is a pair
        for name in ("kernel_size", "stride", "padding", "dilation")
    }
    groups: Any = node.settings["groups"]
    return _Numbers(
        size=before[-1],
        kernel=first["kernel_size"],
        stride=first["stride"],
        padding=first["kernel_size"] // 2 if node.operation == "SameConv2d" else first["padding"],
        dilation=first["dilation"],
        in_channels=before[1],
        out_channels=node.shape[1],
        groups=groups,
        bias=bool(node.settings["bias"]),
    )


def _inputs(*names: str) -> dict[str, int]:
    values = {}
    with st.container(horizontal=True, gap="small"):
        for name in names:
            label, least, most, meaning = _LIMITS[name]
            st.session_state[_key(name)] = min(max(st.session_state[_key(name)], least), most)
            values[name] = int(
                st.number_input(
                    label, least, most, step=1, key=_key(name), help=meaning, width=128, persist_state="session"
                )
            )
    return values


def _output(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """The formula, and what the floor leaves out; 0 where there is no output."""
    try:
        out = arithmetic.output_size(size, kernel, stride, padding, dilation)
    except IllegalSetting as error:
        st.warning(str(error), icon=":material/info:")
        return 0
    _lines(
        r"\left\lfloor\frac{n + 2p - d\,(k-1) - 1}{s}\right\rfloor + 1",
        rf"\left\lfloor\frac{{{size} + 2\cdot{padding} - {dilation}\cdot({kernel}-1) - 1}}{{{stride}}}\right\rfloor+1",
        out,
    )
    window = dilation * (kernel - 1) + 1
    rest = (size + 2 * padding - window) % stride
    unread = max(0, rest - padding)  # the rest lies at the end, where padding comes first
    keeps = dilation * (kernel - 1)
    said = [f"A map of {size} × {size} becomes **{out} × {out}**; one window spans {window} pixels."]
    if rest:
        what = f"the last {unread} pixel{'s' * (unread != 1)} of the input" if unread else "a part of the padding only"
        said.append(
            f"The division leaves a rest of {rest}, which the floor drops: no window begins there; left out is {what}."
        )
    if stride > window:
        said.append(f"Between two windows {stride - window} pixels are skipped and never read.")
    if keeps % 2 == 0:
        said.append(f"At stride 1, padding {keeps // 2} would keep the size: d (k − 1) / 2, “same” padding.")
    else:
        said.append("No equal padding at both ends keeps the size: d (k − 1) is odd.")
    st.markdown(" ".join(said))
    return out


def _parameters(kernel: int, side: int, in_channels: int, out_channels: int, groups: int, *, bias: bool) -> None:
    try:
        total = arithmetic.parameter_count(in_channels, out_channels, kernel, bias=bias, groups=groups)
    except IllegalSetting as error:
        st.warning(str(error), icon=":material/info:")
        return
    share = r"\,/\,g" if groups > 1 else ""
    number = rf"\,/\,{groups}" if groups > 1 else ""
    plus = " + 1" if bias else ""
    _lines(
        rf"(k\,k\,C_\text{{in}}{share}{plus})\,C_\text{{out}}",
        rf"({kernel}\cdot{kernel}\cdot{in_channels}{number}{plus})\cdot{out_channels}",
        total,
    )
    weights = total - out_channels * bias
    said = f"{weights:,} weights" + (f" and {out_channels:,} biases" if bias else ", no biases")
    if side:
        macs = weights * side * side
        said += (
            f". Each weight is used once at each of the {side} × {side} positions: **{count(macs)} MACs** "
            f"({macs:,} multiply-accumulates)"
        )
    st.markdown(f"{said}. The size of the photo appears nowhere among the parameters.")


def _lines(formula: str, numbers: str, result: int) -> None:
    """A formula, the same with numbers, and what comes out, one below the other: a phone is narrow."""
    large = f"{result:,}".replace(",", "{,}")
    st.latex(rf"\begin{{aligned}} &{formula} \\[4pt] =\;&{numbers} \\[4pt] =\;&\mathbf{{{large}}} \end{{aligned}}")


def _code(numbers: dict[str, int], channels: dict[str, int], bias: bool) -> None:
    options = {
        "stride": (numbers["stride"], 1),
        "padding": (numbers["padding"], 0),
        "dilation": (numbers["dilation"], 1),
        "groups": (channels["groups"], 1),
        "bias": (bias, True),
    }
    more = "".join(f", {name}={value}" for name, (value, usual) in options.items() if value != usual)
    layer = f"nn.Conv2d({channels['in_channels']}, {channels['out_channels']}, kernel_size={numbers['kernel']}{more})"
    arguments = ", ".join(str(numbers[name]) for name in ("size", "kernel", "stride", "padding", "dilation"))
    st.code(
        f"{layer}\n\nfrom explorer import arithmetic\n\narithmetic.output_size({arguments})\n"
        f"arithmetic.parameter_count({channels['in_channels']}, {channels['out_channels']}, {numbers['kernel']}, "
        f"bias={bias}, groups={channels['groups']})",
        language="python",
    )
