"""The emptiest app: how soon Streamlit itself can paint."""

import streamlit as st

st.set_page_config(page_title="Empty", layout="wide")
st.title("Empty")
