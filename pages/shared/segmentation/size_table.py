"""Tab of the Segmentation page: how large every map is, for any picture."""

from __future__ import annotations

import streamlit as st

from explorer import segmentation
from explorer.errors import ExplorerError
from pages.shared import blocks, controls

_KINDS = {"guide": "Padded, as the guide's", "paper": "Unpadded, as the paper's"}
_WORDS = {
    "convolutions": "two 3 × 3 convolutions",
    "pooling": "2 × 2 pooling",
    "upsampling": "2 × 2 transposed convolution",
    "stretched": "stretched to the skip",
    "cropped": "the skip cropped to it",
}


@st.fragment
@blocks.kindly()
def draw() -> None:
    """The table for any size, and what happens to odd ones."""
    st.markdown(
        "Four poolings halve the picture, four transposed convolutions double it again. Where a pooling meets an "
        "**odd** side "
        "it drops a row, and the way up comes out one pixel short of the skip."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = controls.kept_choice("Convolutions", "segmentation-kind", _KINDS)
        height = _number("Height", "segmentation-height")
        width = _number("Width", "segmentation-width")
    valid = kind == "paper"
    try:
        rows = segmentation.sizes(height, width, valid=valid)
    except ExplorerError as error:
        least = segmentation.smallest_side(valid=valid)
        st.warning(f"{error} The smallest side is {least} pixels.", icon=":material/info:")
        return
    st.markdown(verdict(height, width, rows, valid))
    head = "| stage | step | height × width |\n|---|---|---:|\n"
    st.markdown(head + "\n".join(map(_line, rows)))
    with st.expander("Code for this view", icon=":material/code:"):
        st.code(lines(height, width, valid), language="python")


def lines(height: int, width: int, valid: bool) -> str:
    """The code that computes what is shown."""
    return (
        "from explorer import segmentation\n\n"
        f"for row in segmentation.sizes({height}, {width}{', valid=True' if valid else ''}):\n"
        "    print(row.stage, row.step, row.height, row.width, row.lost)\n"
    )


def verdict(height: int, width: int, rows: tuple[segmentation.Row, ...], valid: bool) -> str:
    """What comes out, and what was lost on the way."""
    last = rows[-1]
    odd = sum(row.step == "pooling" and any(row.lost) for row in rows)
    out = f"**{height} × {width} → {last.height} × {last.width}** pixels."
    if valid:
        shift = " Each 3 × 3 without padding takes a pixel from every border, and the skips are cropped in the middle."
        return (
            out
            + shift
            + (f" {odd} of the poolings meet an odd side; the paper chooses tiles where none does." if odd else "")
        )
    return out + (
        f" {odd} of the 4 poolings drop a row or column; the way up is stretched by as much (nearest neighbour)."
        if odd
        else " Both sides are multiples of 16: no pooling rounds, nothing is stretched."
    )


def _number(label: str, key: str) -> int:
    st.session_state.setdefault(key, segmentation.PAPER_SIDE)
    return int(st.number_input(label, 1, 8192, key=key, persist_state="session", width=130))


def _line(row: segmentation.Row) -> str:
    note = ""
    if any(row.lost):
        lost = zip(row.lost, ("row", "column"), strict=True)
        counts = [f"{count} {name}{'s' * (count != 1)}" for count, name in lost if count]
        amount = {"pooling": "dropped", "stretched": "added", "cropped": "cut off the skip"}[row.step]
        note = f": {', '.join(counts)} {amount}"
    # On a phone the size would break into three lines.
    size = f"{row.height} × {row.width}".replace(" ", "\N{NO-BREAK SPACE}")
    return f"| {row.stage} | {_WORDS[row.step]}{note} | {size} |"
