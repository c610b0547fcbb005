"""Which pixels belong to it?"""

import streamlit as st

from pages.shared import blocks, navigation

navigation.guard()

_KEPT = "_segmentation_tab"
if "segmentation-tab" not in st.session_state and _KEPT in st.session_state:
    st.session_state["segmentation-tab"] = st.session_state[_KEPT]  # a widget's state goes with its page

with blocks.kindly():
    from pages.shared.segmentation import picture_to_mask, size_table, skips, subject, up_again

    shown = subject.chosen(subject.network())
    first, second, third, fourth = st.tabs(
        ["Picture to mask", "Skips", "Up again", "Sizes"], key="segmentation-tab", on_change="rerun"
    )
    st.session_state[_KEPT] = st.session_state["segmentation-tab"]
    with first, blocks.kindly():
        if first.open:
            picture_to_mask.draw(shown)
    with second:
        if second.open:
            skips.draw(shown)
    with third:
        if third.open:
            up_again.draw(shown)
    with fourth:
        if fourth.open:
            size_table.draw()
