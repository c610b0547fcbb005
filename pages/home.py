"""What is this? The visitor's photo through a real network, at once."""

import streamlit as st

from pages.shared import blocks, cache, controls, heat_map, navigation, selection
from pages.shared.components.gallery import Tile, gallery

navigation.guard()

picture, model = blocks.subject()


def choose_class() -> None:
    """A click on a bar."""
    selection.change(target=st.session_state["home-ranking"].chosen)


def open_depth() -> None:
    """A click on one of the depths."""
    name = st.session_state["depths"].chosen
    layer, _, channel = name.rpartition("|")
    selection.change(layer=layer, channel=int(channel), unit=None)
    st.session_state["_open"] = "feature_maps"


def answers() -> None:
    """What the network says the photo shows, and where it found that."""
    answer = cache.logits(model, picture)
    chosen = heat_map.attribution(model, picture, layer="")
    left, right = st.columns([5, 6], gap="large")
    if digits:  # what is drawn comes before what it becomes, also on a phone, where columns stack
        right, left = left, right
    with left:
        heat_map.draw(chosen.result, "home-heat", single=True)
        side = model.preprocessing.crop
        seen = f"{'the digit, fitted into' if digits else 'the middle square at'} {side} × {side}"
        blocks.caption(model, f"Grad-CAM at {chosen.result.layer}", chosen.result.label, seen, seconds=chosen.seconds)
    with right:
        if digits:
            controls.drawing_pad("home")
        heat_map.rank(model, answer.result, chosen.result.target, "home-ranking", choose_class)
        if digits:
            st.caption("It knows the ten digits and nothing else: whatever it is shown, it answers with one of them.")
        controls.uploader("home", f"Your own {'digit' if digits else 'photo'} (it stays on this machine)")


digits = model.card.subject == "digits"
if model.card.task == "classification":
    answers()
else:
    left, right = st.columns([5, 6], gap="large")
    with left:
        blocks.image(cache.seen(model, picture), width="stretch", alt="What the network sees")
    with right:
        st.markdown(blocks.no_classes(model))
        controls.uploader("home", "Your own photo (it stays on this machine)")

st.subheader(f"The same {'digit' if digits else 'photo'} at every depth")
tiles = [
    Tile(f"{layer}|{channel}", image, f"{shape[1]} × {shape[2]}", f"{layer}, channel {channel}")
    for layer, shape, channel, image in cache.depths(model, picture)
]
gallery(tiles, "depths", open_depth, width=150)
st.caption("At each resolution the channel with the most contrast; click one to see all channels of its layer.")
if st.session_state.pop("_open", ""):
    st.switch_page(navigation.page("feature_maps"))

st.subheader("Start with a question")
for column, (stem, question, about) in zip(
    [*st.columns(2), *st.columns(2), *st.columns(2)],
    (
        ("feature_maps", "What does every layer answer?", "All channels of any layer on one sheet, on your photo."),
        ("attribution", "Why this class?", "Where the network found evidence for any class you ask about."),
        (
            "convolution",
            "How is one number computed?",
            "A sum of products, by hand and in this network, down to the pixels.",
        ),
        (
            "performance",
            "Which network should I take?",
            "What each costs and buys, also on this machine and your photos.",
        ),
        ("detection", "How does it find several things?", "A YOLO, step by step, from a grid of numbers to boxes."),
        (
            "transfer_learning",
            "Can it learn my own classes?",
            "Drop in a ZIP of folders, train, and use it on every page.",
        ),
    ),
    strict=True,
):
    with column.container(border=True):
        st.page_link(navigation.page(stem), label=f"**{question}**", icon=":material/arrow_forward:")
        st.caption(about)
