"""Why this class?"""

import streamlit as st

from pages.shared import blocks, navigation, selection
from pages.shared.evidence import one_map

navigation.guard()

picture, model = blocks.subject()

if "attribution-tab" not in st.session_state and "_attribution_tab" in st.session_state:
    st.session_state["attribution-tab"] = st.session_state["_attribution_tab"]  # a widget's state goes with its page
if selection.by_link():
    st.session_state["attribution-tab"] = "One map"  # what a link describes
single, several, trusted, listening, changed = st.tabs(
    ["One map", "Grid", "Trust", "Attention", "Intervene"], key="attribution-tab", on_change="rerun"
)
st.session_state["_attribution_tab"] = st.session_state["attribution-tab"]
names_photos = model.card.task == "classification"
if not names_photos and not listening.open:
    st.markdown(blocks.no_classes(model))
with single, blocks.kindly():
    if single.open and names_photos:
        one_map.draw(picture, model)
with several, blocks.kindly():
    if several.open and names_photos:
        from pages.shared.evidence.grid import tab

        tab.draw(picture, model)
with trusted, blocks.kindly():
    if trusted.open and names_photos:
        from pages.shared.evidence import trust

        trust.draw(model, picture, one_map.asked(model, picture).result)
with listening, blocks.kindly():
    if listening.open:
        from pages.shared.evidence import attention

        attention.draw(picture, model)
with changed, blocks.kindly():
    if changed.open and names_photos:
        from pages.shared.evidence import intervene

        found = one_map.asked(model, picture).result
        intervene.draw(model, picture, found, found.layer or selection.current().layer)
