"""How far does a unit see?"""

import streamlit as st

from pages.shared import blocks, navigation, selection, sidebar

navigation.guard()

if "fields-tab" not in st.session_state:  # a widget's state goes with its page; a default that changed would reset it
    st.session_state["fields-tab"] = st.session_state.get("_fields_tab") or (
        "Real network" if selection.current().layer else "Build a stack"
    )
stack, network, operation = st.tabs(
    ["Build a stack", "Real network", "Surgery"],
    key="fields-tab",
    on_change="rerun",
)
st.session_state["_fields_tab"] = st.session_state["fields-tab"]

if stack.open:
    sidebar.reserve()
    blocks.complaints()
with stack:
    if stack.open:
        from pages.shared.fields import build_stack

        build_stack.draw(selection.picture())
with network:
    if network.open:
        from pages.shared.fields import real_network

        real_network.draw(*blocks.subject())
with operation:
    if operation.open:
        from pages.shared.fields import surgery

        surgery.draw(*blocks.subject())
