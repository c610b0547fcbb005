"""How far does a unit see?"""

import streamlit as st

from pages.shared import blocks, field_view, navigation, selection

navigation.guard()

picture, model = blocks.subject()


@st.fragment
@blocks.kindly()
def explore() -> None:
    """The controls and the photo; a change here reruns nothing else."""
    field_view.explore(model, picture)
    selection.write_link(in_fragment=True)


explore()
