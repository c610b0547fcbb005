"""Whether a network's branches look at the same places, and its maps at what lies beneath them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.shared.text import plain

if TYPE_CHECKING:
    from explorer.alignment import Misalignment
    from explorer.models import Model

_SAME = "; such is TensorFlow's SAME padding, which this network has"


def draw(model: Model, layer: str) -> None:
    """One quiet line where all is well; the two numbers that conflict where it is not."""
    from explorer import alignment, graph

    traced = graph.of_model(model)
    found = alignment.misaligned(traced)
    if found:
        faults = [each for each in found if not each.shared]
        worst = max(faults or found, key=lambda each: abs(each.offset))
        places = "in one place" if len(found) == 1 else f"in {len(found)} places"
        what = (
            "Branches that look at different spots meet" if faults else "Units that share their views meet finer ones"
        )
        with st.expander(f"{what} {places}", icon=":material/join_inner:"):
            st.markdown(plain(_sentence(worst)))
            st.markdown(_table(found))
            st.caption(
                "Araujo, Norris and Sim (2019), Computing receptive fields of convolutional neural networks, Distill: "
                "branches that meet should be centred on the same pixels."
            )
    elif any(len(set(node.inputs)) > 1 for node in traced.nodes):
        st.caption(":material/check: All branches that meet look at the same places.")
    field = traced.field_of(layer)
    if field is None or field.whole or field.pattern or field.aligned:
        return
    beside = alignment.drift(field)
    st.caption(
        plain(
            f"The units of {layer} look {abs(beside):g} px {'below and right' if beside > 0 else 'above and left'} "
            f"of where they lie on the photo: unit 0 stands for pixels 0 to {field.stride - 1} and is centred on pixel "
            f"{_signed(field.centre(0))}. Padding in front that is not half of what the windows overlap (none "
            f"at all, for one), or whose end a stride leaves unused, moves the map{_SAME if _same(model) else ''}."
        )
    )


def _same(model: Model) -> bool:
    from explorer.architectures.efficientnet import SameConv2d

    return any(isinstance(module, SameConv2d) for module in model.module.modules())


def _signed(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def _sentence(worst: Misalignment) -> str:
    (first, second), (one, other) = worst.inputs, worst.centres
    words = (
        f"At {worst.node}, unit {worst.unit} of {first} is centred on pixel {_signed(one)} and of {second} on pixel "
        f"{_signed(other)}: {abs(worst.offset):g} px apart along each axis. "
    )
    if not worst.shared:
        return words + "Their paddings or strides do not match, so what is joined there was seen at different spots."
    return words + (
        "It changes from unit to unit and repeats: several neighbouring units share one view, as behind a transposed "
        "convolution, attention in windows or the merging of patches, so those at its edge look aside. That is by "
        "design."
    )


def _table(found: tuple[Misalignment, ...]) -> str:
    lines = ["| join | branches | unit | centred on, px | apart, px |", "|---|---|--:|--:|--:|"]
    for each in found[:12]:
        (one, other), names = each.centres, " and ".join(f"`{name}`" for name in each.inputs)
        lines.append(
            f"| `{each.node}` | {names} | {each.unit} | {_signed(one)} and {_signed(other)} | {_signed(each.offset)} |"
        )
    return "\n".join(lines) + (f"\n\n{len(found) - 12} more like these." if len(found) > 12 else "")
