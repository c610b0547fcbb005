"""What does each design cost and buy?"""

from importlib import import_module

import streamlit as st

from pages.shared import blocks, navigation
from pages.shared.performance.tabs import KEY, TABS

navigation.guard()
blocks.complaints()

if KEY not in st.session_state and st.session_state.get("_performance_tab") in TABS:
    st.session_state[KEY] = st.session_state["_performance_tab"]  # a widget's state goes with its page
for tab, module in zip(st.tabs(list(TABS), key=KEY, on_change="rerun"), TABS.values(), strict=True):
    with tab, blocks.kindly():
        if tab.open:
            import_module(f"pages.shared.performance.{module}").draw()
st.session_state["_performance_tab"] = st.session_state[KEY]
