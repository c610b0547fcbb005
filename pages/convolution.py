"""How is one number computed?"""

import streamlit as st

from pages.shared import blocks, navigation, selection, sidebar

navigation.guard()

if (
    "convolution-tab" not in st.session_state
):  # a widget's state goes with its page; a default that changed would reset it
    st.session_state["convolution-tab"] = st.session_state.get("_convolution_tab") or (
        "A real unit" if selection.current().unit else "By hand"
    )
hand, channel, pool, photo, formula, unit, shares = st.tabs(
    ["By hand", "Channels", "Pooling", "On my photo", "Formulas", "A real unit", "Softmax"],
    key="convolution-tab",
    on_change="rerun",
)
st.session_state["_convolution_tab"] = st.session_state["convolution-tab"]

if not (photo.open or unit.open or shares.open):  # no network is needed, so none is loaded
    sidebar.reserve()
    blocks.complaints()
with hand:
    if hand.open:
        from pages.shared.convolution import by_hand

        by_hand.draw()
with channel:
    if channel.open:
        from pages.shared.convolution import channels

        channels.draw()
with pool:
    if pool.open:
        from pages.shared.convolution import pooling

        pooling.draw()
with photo:
    if photo.open:
        from pages.shared.convolution import on_photo

        on_photo.draw(*blocks.subject())
with formula:
    if formula.open:
        from pages.shared.convolution import formulas

        formulas.draw()
with unit:
    if unit.open:
        from pages.shared.convolution import real_unit

        real_unit.draw(*blocks.subject())
with shares:
    if shares.open:
        from pages.shared.convolution import softmax

        softmax.draw(*blocks.subject())

st.caption(
    "“The guide” is “CNN Architecture Complete Guide: From LeNet to EfficientNet and Vision Transformers”, which this "
    "app follows and checks."
)
