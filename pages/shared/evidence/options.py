"""The options of a method: what the visitor chose, kept for the session, and the widgets behind "Options"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer import images
from pages.shared import blocks, selection

if TYPE_CHECKING:
    from explorer.attribution import Attribution, Method
    from explorer.models import Model

_BASELINES = {
    "blur": "Blurred photo",
    "black": "Black",
    "white": "White",
    "mean": "Its mean colour",
    "noise": "Noise",
}
_PARTS = (28, 14, 10, 7, 5, 4, 3)  # of the photo's side: windows from one patch of a ViT to a third of the photo


@dataclass(frozen=True)
class _Choice:
    """One option: a row of values on a slider, or names in a list."""

    name: str
    label: str
    help: str
    values: tuple[Any, ...]
    say: Callable[[Any], str] = str
    named: bool = False


def chosen(method: Method, model: Model, channels: int = 0) -> dict[str, Any]:
    """The options that the visitor changed, as far as they fit the network.

    Args:
        method: whose options.
        model: the network.
        channels: of the layer that is read.
    """
    usual = method.options
    kept, found = _kept(method.key), {}
    for choice in _choices(method, model, channels, kept):
        if choice.name in kept and kept[choice.name] in choice.values and kept[choice.name] != usual[choice.name]:
            # The choice's own value: a link's 1 is no True.
            found[choice.name] = choice.values[choice.values.index(kept[choice.name])]
    return found


def draw(method: Method, model: Model, channels: int = 0) -> None:
    """A button that unfolds the options; nothing where the method has none."""
    now = chosen(method, model, channels)
    choices = _choices(method, model, channels, now)
    if not choices:
        return
    with st.popover("Options", icon=":material/tune:", key=f"options-{method.key}"):
        for choice in choices:
            _widget(method, choice, now)
        st.button(
            "As usual",
            key=f"option-{method.key}-usual",
            icon=":material/restart_alt:",
            type="tertiary",
            disabled=not now,
            on_click=_forget,
            args=(method.key,),
        )


def words(found: Attribution) -> list[str]:
    """What the map was drawn with, where that is worth a word, for the caption."""
    from explorer.attribution import METHODS

    options, usual = found.options, METHODS[found.method].options
    said = []
    if "baseline" in options:
        said += [f"{_BASELINES[str(options['baseline'])].lower()} to photo", f"{options['steps']} steps"]
    if "samples" in options:
        said += [f"{options['samples']} samples", f"{_share(float(str(options['noise'])))} noise"]
    if options.get("channels"):
        said.append(f"strongest {options['channels']} channels")
    if options.get("centred"):
        said.append("centred")
    said += [
        f"{name} {_share(float(str(options[name])))}"
        for name in ("residual", "discard")
        if options.get(name) != usual.get(name)
    ]
    said += [f"{name} {options[name]} px" for name in ("window", "stride") if options.get(name)]
    if options.get("segments") != usual.get("segments"):
        said.append(f"{options['segments']} segments")
    return said


def baseline(changed: Mapping[str, Any]) -> str:
    """The baseline of integrated gradients in words, from the options that are not the usual ones."""
    named = {"blur": "a blurred photo", "black": "black", "white": "white", "mean": "its mean colour", "noise": "noise"}
    return named[changed.get("baseline", "blur")]


def error(found: Attribution) -> tuple[float, str]:
    """By how much integrated gradients miss what they promise to add up to, as a share and in words.

    Of the difference between photo and baseline; of one logit where the difference is smaller, since a share of next
    to nothing says nothing.
    """
    assert found.delta is not None
    assert found.difference is not None
    share = abs(found.delta) / max(abs(found.difference), 1.0)
    return share, f"{100 * share:.1f} %" + (" of a logit" if abs(found.difference) < 1 else "")


def against(found: Attribution) -> None:
    """The baseline of integrated gradients as a small picture, and whether the map adds up."""
    from PIL import Image

    from pages.shared.text import number

    if found.delta is None or found.difference is None or found.baseline is None:
        return
    delta, difference = number(round(abs(found.delta), 4)), number(round(abs(found.difference), 4))
    where = "below" if found.difference < 0 else "above"
    what = "the logit" if found.against is None else "the lead in logits"
    share, missed = error(found)
    left, right = st.columns([1, 8], vertical_alignment="center")
    with left:
        small = Image.fromarray(found.baseline).resize((64, 64))
        blocks.image(images.encode_png(small), width=64, alt="The baseline")
    with right:
        st.caption(
            f"Baseline, with which the photo is compared. Completeness: {what} is {difference} {where} the "
            f"baseline's, and the map adds up to that within {delta} ({missed})"
            + ("; more steps bring it closer." if share >= 0.01 else ".")
        )


def _choices(method: Method, model: Model, channels: int, now: Mapping[str, Any]) -> tuple[_Choice, ...]:
    side = model.preprocessing.crop
    if method.key == "integrated_gradients":
        found = [
            _Choice(
                "baseline",
                "Baseline",
                "The picture that shows nothing. Black and white cannot explain black and white places; a blurred "
                "photo has no shapes but keeps its colours.",
                tuple(_BASELINES),
                _BASELINES.__getitem__,
                named=True,
            ),
            _Choice(
                "steps",
                "Steps",
                "Pictures between baseline and photo at which the gradient is taken; more add up better.",
                (8, 16, 32, 64, 128, 256),
            ),
        ]
        if now.get("baseline") == "noise":
            found.append(_Choice("seed", "Noise number", "Another number, another noise.", tuple(range(10))))
        return tuple(found)
    if method.key == "smooth_grad":
        return (
            _Choice("samples", "Samples", "Noisy copies whose gradients are averaged.", (4, 8, 16, 32, 64, 128)),
            _Choice(
                "noise",
                "Noise",
                "Its deviation as a share of the photo's range, darkest to brightest.",
                (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5),
                _share,
            ),
            _Choice("seed", "Noise number", "Another number, other noise.", tuple(range(10))),
        )
    if method.key in ("score_cam", "ablation_cam"):
        counts = tuple(2**power for power in range(3, 11) if 2**power < channels)
        return (
            _Choice(
                "channels",
                "Channels asked",
                "Only the channels that answer most strongly; all of them, as published, take longest.",
                (*counts, None),
                lambda count: f"all {channels:,}" if count is None else str(count),
            ),
        )
    if method.key == "eigen_cam":
        return (
            _Choice(
                "centred",
                "Each channel's mean",
                "Taken off first, as a principal component asks for, or left on, as published.",
                (False, True),
                lambda centred: "Taken off" if centred else "Left on",
                named=True,
            ),
        )
    if method.key == "rollout":
        return (
            _Choice(
                "residual",
                "Share of the skip connection",
                "How much of a token is taken to pass by each block's attention: half, in the paper.",
                (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
                _share,
            ),
            _Choice(
                "discard",
                "Weakest entries left out",
                "Share of each token's weakest attention that is set to zero first. None, in the paper.",
                (0.0, 0.1, 0.3, 0.5, 0.7, 0.9),
                _share,
            ),
        )
    if method.key == "occlusion":
        return _occlusion(side, now)
    if method.key == "superpixels":
        return (_Choice("segments", "Segments", "About how many regions of like colour.", (10, 25, 50, 100, 200, 400)),)
    return ()


def _share(share: float) -> str:
    return f"{100 * share:.0f} %"


def _occlusion(side: int, now: Mapping[str, Any]) -> tuple[_Choice, ...]:
    usual = max(1, side // 7)
    windows = sorted({max(1, side // part) for part in _PARTS})
    window = now["window"] if now.get("window") in windows else usual  # another network's may not fit this one
    strides = sorted({max(1, window // part) for part in (8, 4, 2, 1)})
    half = max(1, window // 2)

    def pixels(value: int | None, otherwise: int) -> str:
        return f"{otherwise if value is None else value} px"

    return (
        _Choice(
            "window",
            "Window",
            "Side of the grey square.",
            tuple(None if each == usual else each for each in windows),
            partial(pixels, otherwise=usual),
        ),
        _Choice(
            "stride",
            "Stride",
            "By how much the square moves: finer maps take more passes, four times as many for half the stride.",
            tuple(None if each == half else each for each in strides),
            partial(pixels, otherwise=half),
        ),
    )


def _widget(method: Method, choice: _Choice, now: Mapping[str, Any]) -> None:
    key = f"option-{method.key}-{choice.name}"
    st.session_state[key] = now.get(choice.name, method.options[choice.name])
    arguments: dict[str, Any] = {
        "key": key,
        "help": choice.help,
        "format_func": choice.say,
        "on_change": _keep,
        "args": (method, choice.name, key),
    }
    if choice.named:
        st.selectbox(choice.label, choice.values, **arguments)
    elif len(choice.values) > 1:
        st.select_slider(choice.label, choice.values, **arguments)


def _kept(method: str) -> dict[str, Any]:
    return {name: value for owner, name, value in selection.current().options if owner == method}


def _keep(method: Method, name: str, key: str) -> None:
    value = st.session_state[key]
    others = tuple(each for each in selection.current().options if each[:2] != (method.key, name))
    usual = value == method.options[name]
    selection.change(options=others if usual else (*others, (method.key, name, value)))


def _forget(method: str) -> None:
    selection.change(options=tuple(each for each in selection.current().options if each[0] != method))
