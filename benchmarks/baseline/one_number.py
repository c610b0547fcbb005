"""The emptiest rerun of a fragment: a number and a line of text."""

import streamlit as st

st.set_page_config(page_title="One number", layout="wide")


@st.fragment
def draw() -> None:
    """One control, one line."""
    chosen = st.number_input("Number", 0, 1000, step=1)
    st.markdown(f"The number is {chosen}.")


draw()
