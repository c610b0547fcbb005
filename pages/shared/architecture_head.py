"""The head of the Architectures page: what the network is, its totals, and the guide's claims beside the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.shared.text import count, memory, plain

if TYPE_CHECKING:
    from explorer.catalogue import Architecture
    from explorer.graph import Graph

_CLAIMS = {"top1": "Top-1 accuracy", "params": "Parameters", "macs": "MACs"}


def draw(card: Architecture, graph: Graph) -> None:
    """Ideas at the left, numbers at the right, caveat and claims below."""
    st.subheader(plain(f"{card.title} ({card.year})"), anchor=False)
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown("\n".join(f"- {plain(idea)}" for idea in card.ideas))
    with right:
        _totals(card, graph)
    about = ["paper", *(["caveat"] if card.caveat else []), *(["the guide's claims, checked"] if card.claims else [])]
    title = ", ".join(about).capitalize()
    with st.expander(title, icon=":material/fact_check:"):
        st.markdown(f"{plain(card.authors)}. [{card.paper.removeprefix('https://')}]({card.paper})")
        if card.caveat:
            st.markdown(plain(card.caveat))
        if card.claims:
            _claims(card, graph)


def _totals(card: Architecture, graph: Graph) -> None:
    numbers = {
        "Parameters": (count(graph.params), f"{graph.params:,} learnt numbers"),
        "MACs": (count(graph.macs), f"{graph.macs:,} multiply-accumulates for one image; FLOPs are twice that"),
        "Input": (f"{card.input_size} px", _sides(card)),
        "Activations": (
            memory(graph.activation_bytes),
            "All outputs of all layers for one image, in float32, as training holds them",
        ),
    }
    for row in (list(numbers.items())[:2], list(numbers.items())[2:]):
        with st.container(horizontal=True):  # two beside each other on a phone too
            for name, (value, meaning) in row:
                st.metric(name, value, help=meaning, width="stretch")


def _sides(card: Architecture) -> str:
    least, most = card.sides
    if least == most:
        return f"Only images of {least} × {least} pixels"
    return f"Sides from {least} to {most} pixels" if most else f"Sides from {least} pixels on"


def _claims(card: Architecture, graph: Graph) -> None:
    from explorer import published

    known = published.best(card.slug)
    truth = {
        "top1": "-",
        "params": f"{graph.params:,}",
        "macs": f"{graph.macs:,} at {card.input_size} px",
    }
    official = {
        "top1": f"{known.top1:.1f} % ({known.entry})" if known and known.top1 else "-",
        "params": f"{known.parameters:,}" if known and known.parameters else "-",
        "macs": f"{known.macs / 1e9:.3f} G" if known and known.macs else "-",
    }
    rows = [
        f"| {_CLAIMS[key]} | {plain(claim)} | {truth[key]} | {plain(official[key])} |"
        for key, claim in card.claims.items()
    ]
    st.markdown("\n".join(["| | the guide | counted here | published |", "|---|---|---|---|", *rows]))
    st.caption(
        "The guide is “CNN Architecture Complete Guide: From LeNet to EfficientNet and Vision Transformers”, which "
        "this app follows and checks. Counted on this network's own graph. What the guide calls FLOPs are "
        "multiply-accumulates; its accuracies come from several sources and recipes. Published figures: "
        "torchvision's metadata, where it has the network."
    )
