"""What does every layer answer to this photo?"""

import streamlit as st

from pages.shared import blocks, channel_atlas, navigation, selection

navigation.guard()

picture, model = blocks.subject()


@st.fragment
@blocks.kindly()
def explore() -> None:
    """The controls and the atlas: a change here reruns nothing else."""
    channel_atlas.explore(model, picture)
    selection.write_link(in_fragment=True)


explore()
