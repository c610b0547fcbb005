"""Tab of the Attribution page: what each patch of a vision transformer attends to, block by block and head by head."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from explorer import palettes
from pages.shared import blocks, cache, controls, selection
from pages.shared.components.attention import attention as exhibit
from pages.shared.text import plain

if TYPE_CHECKING:
    from explorer.attention import Survey
    from explorer.models import Model
    from pages.shared.pictures import Picture

_MODES = {"attention": "Attention", "rollout": "Rollout", "positions": "Positions"}
_FUSIONS = {"mean": "Mean", "max": "Largest", "min": "Smallest"}
_KEY = "attention-photo"
_Drawing = tuple[dict[str, Any], dict[str, np.ndarray | bytes]]


@st.fragment
@blocks.kindly()
def draw(picture: Picture, model: Model) -> None:
    """The mode and its controls, the exhibit, and what it shows in words and in code."""
    from explorer import attention

    depth = attention.depth(model)
    if not depth:
        _no_attention(model)
        return
    with st.container(horizontal=True, vertical_alignment="top", gap="medium"):
        mode = controls.kept_choice("Show", "attention-mode", _MODES)
        options = _options(mode, depth)
    drawings = {"attention": _of_block, "rollout": _of_rollout}
    if mode == "positions":
        start = time.perf_counter()
        header, blobs = _of_positions(model)
        seconds = time.perf_counter() - start
    else:
        surveyed = cache.attention(model, picture)
        seconds = surveyed.seconds
        header, blobs = drawings[mode](surveyed.result, model, options)
    side = model.preprocessing.crop
    header |= {"mode": mode, "side": side, "photo": f"{picture.digest}|{side}"}
    header["id"] = f"{picture.digest}|{model.key}|{mode}|{options}"
    exhibit(header, _KEY, lambda: _on_block(depth), photo=cache.seen(model, picture), **blobs)
    if not model.weights.trained:
        st.caption(_UNTRAINED[mode])
    st.caption(_EXPLANATIONS[mode])
    blocks.caption(model, _MODES[mode], f"{depth} blocks", f"{header['tokens']} tokens", seconds=seconds)
    with st.expander("Code for this view", icon=":material/code:"):
        st.caption("For a loaded `model` and an opened `photo`.")
        st.code(lines(mode, options), language="python")
    selection.write_link(in_fragment=True)


def lines(mode: str, options: dict[str, Any]) -> str:
    """The code that computes what is shown, for a loaded ``model`` and an opened ``photo``."""
    opening, reach = "from explorer import attention\n\n", "attention.reach({}, model.preprocessing.crop)"
    if mode == "attention":
        return (
            f"{opening}shares = attention.maps(model, photo, block={options['block'] - 1})  # counted from 0\n"
            f"reach = {reach.format('shares')}  # of each head and token\n"
            "survey = attention.survey(model, photo)\n"
            "far, wide = survey.distances, survey.spreads  # of each block and head: the chart"
        )
    if mode == "rollout":
        named = ", ".join(f"{key}={value!r}" for key, value in options.items())
        return (
            f"{opening}steps = attention.rollout(model, photo, {named}).steps\n"
            f"reach = {reach.format('steps')}  # of each block and token"
        )
    return opening + "similarity = attention.positions(model)"


def _slider(label: str, key: str, least: float, most: float, start: float, step: float, **more: Any) -> Any:
    st.session_state.setdefault(key, start)
    return st.slider(label, least, most, step=step, key=key, persist_state="session", **more)


def _options(mode: str, depth: int) -> dict[str, Any]:
    if mode == "attention":
        block = _slider("Block", f"attention-block-{depth}", 1, depth, depth, 1, width=340)
        return {"block": int(block)}
    if mode == "rollout":
        fusion = controls.kept_choice("Heads joined by", "attention-fusion", _FUSIONS)
        residual = _slider(
            "Share of the skip connection",
            "attention-residual",
            0.0,
            0.9,
            0.5,
            0.1,
            format="%.1f",
            width=190,
            help="Each block adds to what came in. How much of a token is taken to pass by its attention: half, in "
            "the paper.",
        )
        discard = _slider(
            "Weakest entries left out",
            "attention-discard",
            0.0,
            0.9,
            0.0,
            0.1,
            format="percent",
            width=190,
            help="Share of each token's weakest attention that is set to zero first. None, in the paper.",
        )
        return {"head_fusion": fusion, "residual": round(residual, 1), "discard": round(discard, 1)}
    return {}


def _on_block(depth: int) -> None:
    block = st.session_state[_KEY].block
    if block is not None:
        st.session_state[f"attention-block-{depth}"] = int(block)


def _of_block(found: Survey, model: Model, options: dict[str, Any]) -> _Drawing:
    from explorer import attention

    weights, block = found.maps[options["block"] - 1], options["block"]
    layers = np.concatenate([weights.mean(axis=0, keepdims=True), weights])
    heads, tokens = weights.shape[:2]
    numbers = range(1, heads + 1)
    even = attention.distance(np.full((1, tokens, tokens), 1 / tokens), model.preprocessing.crop)
    header = {
        "above": f"The {heads} heads of block {block} and their mean, each on a scale of its own. Click one.",
        "names": [f"Mean of heads, block {block}", *(f"Head {head}, block {block}" for head in numbers)],
        "labels": ["mean", *map(str, numbers)],
        "block": block,
        "blocks": len(found.maps),
        "heads": heads,
        "evenDistance": float(even[0]),
    }
    charts = {"distances": found.distances.astype(np.float32), "spreads": found.spreads.astype(np.float32)}
    return _rows(header, layers, model, charts)


def _of_rollout(found: Survey, model: Model, options: dict[str, Any]) -> _Drawing:
    from explorer import attention

    steps = attention.roll_out(found.maps, **options).steps
    numbers = range(1, len(steps) + 1)
    header = {
        "above": "Rolled out from the first block to this one, each on a scale of its own. Click one.",
        "names": [f"Rolled out to block {block}" for block in numbers],
        "labels": [str(block) for block in numbers],
    }
    return _rows(header, steps, model, {})


def _rows(header: dict[str, Any], layers: np.ndarray, model: Model, more: dict[str, np.ndarray]) -> _Drawing:
    """Every row as shares of its strongest patch: a byte is enough for a colour; what is said is sent exactly."""
    from explorer import attention

    reach = attention.reach(layers, model.preprocessing.crop)
    patches = layers[:, :, 1:]
    top = patches.max(axis=2)
    levels = np.rint(patches / np.maximum(top, np.finfo(np.float32).tiny)[:, :, None] * 255).astype(np.uint8)
    exact = {
        "top": top,
        "classToken": reach.class_token,
        "near": reach.near,
        "distance": reach.distance,
        "spread": reach.spread,
    }
    header |= {"tokens": layers.shape[1], "across": round(patches.shape[2] ** 0.5)}
    floats = {name: values.astype(np.float32) for name, values in exact.items()}
    return header, {"levels": levels, "table": palettes.HEAT, **floats, **more}


def _of_positions(model: Model) -> _Drawing:
    from explorer import attention

    similarity = attention.positions(model)
    across = len(similarity)
    header = {
        "above": "The same for every patch, in the patch's place",
        "names": ["Positions"],
        "labels": ["positions"],
        "tokens": across**2 + 1,
        "across": across,
    }
    levels = np.rint((similarity.reshape(1, across**2, across**2) + 1) / 2 * 255).astype(np.uint8)
    return header, {"levels": levels, "table": palettes.DIVERGING}


def _no_attention(model: Model) -> None:
    from explorer import attention

    st.markdown(
        f"**{plain(attention.unreadable(model))}** A vision transformer cuts the photo into patches and lets every "
        "patch look at every other."
    )
    if st.button("Look at ViT-B/32", icon=":material/grid_view:", key="attention-vit"):
        selection.change(network="vit_b_32")
        st.rerun()


_UNTRAINED = {
    "attention": "An untrained network's attention is nearly even: every token gets about the same, and all dots lie "
    "near the line of even attention. Stretched colours show what little difference there is.",
    "rollout": "An untrained network's attention is nearly even, so the rollout is too, but for the patch itself, "
    "which the skip connections carry along.",
    "positions": "An untrained network's positions are random numbers: each is like itself and no other. Training "
    "makes neighbours alike.",
}
_EXPLANATIONS = {
    "attention": "Each head lets every token take from all tokens, in shares that sum to 100 %. The class token is no "
    "place on the photo: from its last state the class is read. Mean distance: between the middles of patches, "
    "weighted by the attention among patches (the class token left out); a dot is the mean over all patches that ask "
    "(Dosovitskiy et al. 2021, figure 7 right). Rows and columns count from 1, from the top left.",
    "rollout": "Each block's attention, heads joined, is mixed with the identity for its skip connection, and the "
    "blocks are multiplied (Abnar and Zuidema 2020). It follows attention alone: what values and MLPs do to the "
    "content is left out, and it knows nothing of a class.",
    "positions": "Cosine similarity of the learnt position embeddings (Dosovitskiy et al. 2021, figure 7 centre). "
    "Nothing tells the network that its patches lie on a grid; a trained one has found out.",
}
