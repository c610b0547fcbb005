"""Teach a network something of your own."""

from importlib import import_module

import streamlit as st

from pages.shared import blocks, navigation
from pages.shared.tuning import returning, state, strip

navigation.guard()
blocks.complaints()

visitor = state.visitor()
with blocks.kindly():
    returning.restore(visitor)
    strip.draw(visitor)
    with st.container(key=f"tuning-{state.step()}"):
        import_module(f"pages.shared.tuning.{state.step()}").draw(visitor)
