"""Tab of the Segmentation page: maps of twice the size, by stamping a kernel and by interpolation."""

from __future__ import annotations

import numpy as np
import streamlit as st
from PIL import Image

from explorer import images, palettes, segmentation
from explorer.figures import segmentation as figures
from pages.shared import blocks, controls
from pages.shared.segmentation import cache
from pages.shared.segmentation.subject import Shown

_GRID = [[1.0, 1.0, 1.0, 1.0], [1.0, 4.0, 4.0, 1.0], [1.0, 4.0, 8.0, 1.0], [1.0, 1.0, 1.0, 1.0]]
_SAYS = {
    "nearest": "Two by two ones at stride 2 write every value into four pixels and never overlap: exactly **nearest "
    "neighbour**. This is "
    "the kernel size of U-Net, whose four weights are learnt instead.",
    "bilinear": "A tent of 4 × 4 weights overlaps evenly, and its stamps add up to exactly **bilinear "
    "interpolation** away from the "
    "border. A network can start from it, or stay with it and learn only the convolution behind.",
    "uneven": "A side of 3 is no multiple of the stride 2: stamps overlap at every second row and column. Even a "
    "flat map comes out "
    "as a **checkerboard** of 1, 2 and 4 stamps, which later layers must learn to undo.",
}


@st.fragment
@blocks.kindly()
def draw(shown: Shown) -> None:
    """A small grid by hand, and the checkerboard of the network's own layers."""
    st.markdown(
        "On the way up every map doubles its size. A **transposed convolution** stamps its kernel at every second "
        "pixel and "
        "adds up what overlaps; interpolation is the same thing with fixed weights."
    )
    titles = {name: way.title for name, way in segmentation.WAYS.items()}
    way = controls.kept_choice("Kernel, at stride 2", "segmentation-way", titles)
    found = segmentation.upsample(_GRID, way)
    panels = [("Below", np.array(_GRID)), ("Kernel", segmentation.WAYS[way].kernel)]
    panels += [("Twice the size", found.values), ("Stamps on each pixel", found.stamps)]
    for place, column in enumerate(st.columns(2)):  # two beside two, two above two on a phone
        two = figures.grids(panels[2 * place : 2 * place + 2])
        column.plotly_chart(two, key=f"segmentation-grids-{place}", config={"displayModeBar": False})
    st.markdown(_SAYS[way])
    st.markdown(f"##### In {shown.model.card.title}")
    _network(shown)
    with st.expander("Code for this view", icon=":material/code:"):
        if shown.call == "photo":
            st.caption("For an opened `photo`.")
        st.code(lines(shown, way), language="python")


def lines(shown: Shown, way: str) -> str:
    """The code that computes what is shown."""
    weights = "" if shown.model.weights.trained else ', weights="random"'
    return (
        "from PIL import Image\n\nfrom explorer import images, models, segmentation\n\n"
        f"found = segmentation.upsample({_GRID}, {way!r})\n"
        "found.values, found.stamps  # (8, 8) each\n\n"
        f'model = models.load("{shown.model.card.slug}"{weights})\n'
        f"for each in segmentation.checkerboards(model, {shown.call}, longest={shown.longest}):\n"
        "    print(each.layer, each.share)\n"
    )


def _network(shown: Shown) -> None:
    boards = cache.boards(shown.model, shown.picture, shown.longest)
    ups, pairs = boards[::2], boards[1::2]
    levels = len(ups)
    st.markdown(
        "Its 2 × 2 kernels do not overlap, but the four weights differ, so the four pixels that one becomes differ "
        "too: a "
        "learnt checkerboard. How much of each map's variance is that pattern, and what the pair of convolutions "
        "behind "
        "leaves of it:"
    )
    head = "| level | after the transposed convolution | after the two 3 × 3 convolutions |\n|---|---:|---:|\n"
    rows = [
        f"| up {levels - place} | {100 * up.share:.1f} % | {100 * pair.share:.1f} % |"
        for place, (up, pair) in enumerate(zip(ups, pairs, strict=True))
    ]
    left, right = st.columns([6, 5], gap="large")
    with left:
        st.markdown(head + "\n".join(rows))
        st.caption("Mean of the layer's channels; 0 % where all four places have the same mean.")
    with right:
        last = ups[-1]
        low, high = float(last.patch.min()), float(last.patch.max())
        tile = Image.fromarray(palettes.colour((last.patch - low) / (high - low or 1.0), palettes.SEQUENTIAL))
        tile = tile.resize((8 * tile.width, 8 * tile.height), Image.Resampling.NEAREST)
        blocks.image(images.encode_png(tile), width=384, alt=f"The middle of {last.layer}'s map, enlarged")
        blocks.caption(shown.model, last.layer, f"channel {last.worst}", "the middle of the map")
