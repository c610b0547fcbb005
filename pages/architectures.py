"""What is a network made of, and what does that cost?"""

import streamlit as st

from explorer import catalogue
from pages.shared import architecture_head, blocks, cache, depth_charts, navigation, network_diagram, selection

navigation.guard()

card = catalogue.get(selection.current().network)
with st.spinner(f"Reading {card.title}"):
    graph = cache.graph(card.slug)
network_diagram.fit(card, graph)
blocks.complaints()
architecture_head.draw(card, graph)


@st.fragment
@blocks.kindly()
def explore() -> None:
    """The diagram and the panel beside it."""
    network_diagram.explore(card, graph)
    if stem := st.session_state.pop("_open", ""):
        st.switch_page(navigation.page(stem))
    selection.write_link(in_fragment=True)


explore()

if (
    "architecture-tab" not in st.session_state
):  # a widget's state goes with its page; a default that changed would reset it
    st.session_state["architecture-tab"] = st.session_state.get("_tab") or (
        "Compare" if selection.current().compare else "By depth"
    )
by_depth, ideas, compare, timeline, scaling, code = st.tabs(
    ["By depth", "Ideas and blocks", "Compare", "Timeline", "Scaling lab", "Code"],
    key="architecture-tab",
    on_change="rerun",
)
st.session_state["_tab"] = st.session_state["architecture-tab"]
with by_depth:
    if by_depth.open:
        depth_charts.draw(card, graph)
with ideas:
    if ideas.open:
        from pages.shared import block_exhibits

        block_exhibits.draw(card, graph)
with compare:
    if compare.open:
        from pages.shared import comparison

        with blocks.kindly():
            comparison.draw(selection.picture())
with timeline:
    if timeline.open:
        from pages.shared import timeline as years

        with blocks.kindly():
            years.draw()
with scaling:
    if scaling.open:
        from pages.shared import scaling_lab

        with blocks.kindly():
            scaling_lab.draw()
with code:
    if code.open:
        depth_charts.code(card)
