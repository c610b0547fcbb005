"""What does every layer answer to this photo?"""

import streamlit as st

from pages.shared import blocks, channel_atlas, navigation, selection

navigation.guard()

picture, model = blocks.subject()


_EXCITING = "What excites it"


def subject() -> tuple[str, int | None]:
    """What the tab on exciting patches is about."""
    return selection.current().layer, selection.current().channel


shown = subject()


@st.fragment
@blocks.kindly()
def explore() -> None:
    """The controls and the atlas: a change here reruns nothing else, but for the tab that shows the chosen channel."""
    channel_atlas.explore(model, picture)
    selection.write_link(in_fragment=True)
    if st.session_state.get("_maps_tab") == _EXCITING and subject() != shown:
        st.rerun()


explore()

if "maps-tab" not in st.session_state and "_maps_tab" in st.session_state:
    st.session_state["maps-tab"] = st.session_state["_maps_tab"]  # a widget's state goes with its page
depth, patches, kernels, compare = st.tabs(
    ["By depth", _EXCITING, "Weights", "Side by side"], key="maps-tab", on_change="rerun"
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

        weights.draw(model)
with compare, blocks.kindly():
    if compare.open:
        from pages.shared.maps import side_by_side

        side_by_side.draw(picture, model)
