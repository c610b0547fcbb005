"""CNN Explorer: ``streamlit run app.py``."""

import streamlit as st

from pages.shared import navigation, selection, warm_up

st.set_page_config(page_title="CNN Explorer", page_icon=":material/visibility:", layout="wide")
page = navigation.route()
selection.read_link()
selection.sidebar()
page.run()
selection.write_link()
warm_up.start()
