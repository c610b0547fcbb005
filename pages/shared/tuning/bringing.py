"""A checkpoint that was made elsewhere."""

from __future__ import annotations

import streamlit as st

from explorer import catalogue
from explorer.errors import ExplorerError
from pages.shared.text import plain
from pages.shared.tuning import state

_LARGEST = 1300  # MB: ViT-L/16 in float32 has 1.2 GB
_ANY = "This app's own file"


def draw() -> None:
    """An uploader for state dicts in safetensors."""
    with st.expander("Bring a checkpoint", icon=":material/upload:"):
        st.caption(
            "A state dict in safetensors of any classification network in the list, made elsewhere or here; it then "
            "stands in every page's list."
        )
        titles = {slug: title for slug, title in catalogue.titles(mine=False).items() if _names_photos(slug)}
        left, right = st.columns(2, gap="large")
        with left:
            st.selectbox(
                "Network",
                ["", *titles],
                format_func=lambda slug: titles.get(slug, _ANY),
                filter_mode="contains",
                key="tuning-brought-network",
            )
            st.text_input("Its name", placeholder="the file's", max_chars=80, key="tuning-brought-title")
        with right:
            st.text_area(
                "Its classes, one a line, in the order of the outputs", key="tuning-brought-classes", height=110
            )
        file = st.file_uploader("Checkpoint", type="safetensors", key="tuning-brought-file", max_upload_size=_LARGEST)
        if file is None:
            return
        st.button("Bring it in", icon=":material/add:", key="tuning-bring", on_click=_bring)
        for sentence in st.session_state.pop("_tuning_complaints", []):
            st.warning(sentence, icon=":material/info:")


def _bring() -> None:
    from explorer import training

    file = st.session_state["tuning-brought-file"]
    if file is None:
        return
    network = st.session_state["tuning-brought-network"] or ""
    title = st.session_state["tuning-brought-title"].strip()
    if network:  # a file of this app has a name of its own in it
        title = title or file.name.removesuffix(".safetensors")
    names = st.session_state["tuning-brought-classes"]
    classes = tuple(line.strip() for line in names.splitlines() if line.strip())
    try:
        run = training.bring(file.getvalue(), network, title[:80], classes)
    except ExplorerError as error:
        st.session_state["_tuning_complaints"] = [plain(str(error).replace("brought.safetensors", file.name))]
        return
    state.look_at(run.name)


def _names_photos(slug: str) -> bool:
    return catalogue.get(slug).task == "classification"
