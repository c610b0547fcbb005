"""What does every layer answer to this photo?"""

import streamlit as st

from pages.shared import blocks, channel_atlas, navigation, selection

navigation.guard()

picture, model = blocks.subject()


_BY_DEPTH = "By depth"


def subject() -> tuple[str, int | None]:
    """What the tabs are about."""
    return selection.current().layer, selection.current().channel


shown = subject()


def outdated() -> bool:
    """Whether the open tab is about another layer, or another channel where it shows one."""
    layer, channel = subject()
    return layer != shown[0] or (channel != shown[1] and st.session_state.get("_maps_tab") != _BY_DEPTH)


@st.fragment
@blocks.kindly()
def explore() -> None:
    """The controls and the atlas: a change here reruns nothing else, but for the open tab where that goes along."""
    channel_atlas.explore(model, picture)
    selection.write_link(in_fragment=True)
    if outdated():
        st.rerun()


explore()

if "maps-tab" not in st.session_state and "_maps_tab" in st.session_state:
    st.session_state["maps-tab"] = st.session_state["_maps_tab"]  # a widget's state goes with its page
depth, patches, kernels, compare = st.tabs(
    [_BY_DEPTH, "What excites it", "Weights", "Side by side"], key="maps-tab", on_change="rerun"
)
st.session_state["_maps_tab"] = st.session_state["maps-tab"]
with depth, blocks.kindly():
    if depth.open:
        from pages.shared.maps import by_depth

        by_depth.draw(picture, model)
with patches, blocks.kindly():
    if patches.open:
        from pages.shared.maps import exciting

        exciting.draw(picture, model)
with kernels, blocks.kindly():
    if kernels.open:
        from pages.shared.maps import weights

        weights.draw(picture, model)
with compare, blocks.kindly():
    if compare.open:
        from pages.shared.maps import side_by_side

        side_by_side.draw(picture, model)
