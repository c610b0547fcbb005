"""What the tokens of a vision transformer listen to, and how far they look."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from explorer import capture, catalogue
from explorer.errors import ExplorerError

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from explorer.models import Model


HeadFusion = Literal["mean", "max", "min"]
_FUSIONS: dict[str, Callable[..., np.ndarray]] = {"mean": np.mean, "max": np.max, "min": np.min}


class NoAttention(ExplorerError):
    """The network has no attention between all its tokens, or no such block."""


@dataclass(frozen=True)
class Survey:
    """All attention of one forward pass.

    Attributes:
        maps: of each block, float32 (heads, tokens, tokens), as `maps` gives them.
        distances: mean attention distance of each head, pixels, (blocks, heads).
        spreads: over how many tokens each head's attention is spread, (blocks, heads); see `Reach.spread`.
    """

    maps: tuple[np.ndarray, ...]
    distances: np.ndarray
    spreads: np.ndarray


@dataclass(frozen=True)
class Reach:
    """Where the attention of each query goes, in numbers; each float64 (heads, tokens), the class token first.

    Attributes:
        class_token: share paid to the class token.
        near: share paid to the query's own patch and its neighbours, 3 x 3 at most; NaN for the class token.
        distance: mean distance to the patches, pixels, weighted by the attention paid to each; NaN for the class token,
            which lies nowhere.
        spread: e to the attention's entropy: as many tokens, attended to evenly, would be as wide a spread.
    """

    class_token: np.ndarray
    near: np.ndarray
    distance: np.ndarray
    spread: np.ndarray


@dataclass(frozen=True)
class Rollout:
    """Attention followed through several blocks.

    Attributes:
        steps: float64 (blocks, tokens, tokens): from each token after a block (row) down to each token of the input
            (column). Rows sum to 1.
    """

    steps: np.ndarray

    @property
    def matrix(self) -> np.ndarray:
        """From the last block's tokens to the input's: (tokens, tokens)."""
        found: np.ndarray = self.steps[-1]
        return found

    @property
    def patches(self) -> np.ndarray:
        """From the last block's class token to the patches: (h, w)."""
        row = self.matrix[0, 1:]
        return row.reshape(math.isqrt(row.size), -1)


def depth(model: Model) -> int:
    """Number of the network's blocks with attention between all tokens; 0 if it is no vision transformer of ours."""
    return len(_paths(model))


def unreadable(model: Model) -> str:
    """Why the network's attention cannot be read, in one sentence; empty if it can."""
    if depth(model):
        return ""
    return hidden(model) or f"{model.card.title} has no attention between all its tokens; choose a ViT."


def hidden(model: Model) -> str:
    """That the network has attention, but inside PyTorch's own module; empty if that is not so."""
    from torch import nn

    if not any(isinstance(module, nn.MultiheadAttention) for module in model.module.modules()):
        return ""
    return (
        f"{model.card.title} computes attention inside PyTorch's own module, which does not hand it out; it can be "
        f"read only in the app's own vision transformers, {_own()}."
    )


def _own() -> str:
    *others, last = (card.title for card in catalogue.CATALOGUE.values() if card.family == "ViT")
    return f"{', '.join(others)} and {last}"


def maps(model: Model, image: Image.Image, block: int) -> np.ndarray:
    """How much each token (row) listens to each token (column) in one block: float32 (heads, tokens, tokens).

    Rows sum to 1. Token 0 is the class token, the others are the patches row by row.

    Raises:
        NoAttention: the network has none, or no such block.
    """
    paths = _attending(model)
    if not 0 <= block < len(paths):
        raise NoAttention(f"{model.card.title} has blocks 0 to {len(paths) - 1}; there is no block {block}.")
    return _weights(model, image, [paths[block]])[0]


def distances(model: Model, image: Image.Image) -> np.ndarray:
    """How far each head looks on average, pixels: float64 (blocks, heads).

    Dosovitskiy et al. 2020 (arXiv:2010.11929), figure 7 right: the distance from the query's patch to every patch,
    weighted by the attention paid to it, averaged over queries. The class token lies nowhere: it is left out as a query
    and as a key, and what a query pays to the patches is scaled to sum to 1.

    Raises:
        NoAttention: the network has none.
    """
    paths = _attending(model)
    return np.stack([distance(each, model.preprocessing.crop) for each in _weights(model, image, paths)])


def distance(weights: np.ndarray, side: int) -> np.ndarray:
    """The mean attention distance of each head, pixels: (heads,).

    Args:
        weights: (heads, tokens, tokens) as `maps` gives them, the class token first.
        side: of the image, pixels.
    """
    patches = weights[:, 1:, 1:].astype(np.float64)
    across = math.isqrt(patches.shape[1])
    rows, columns = np.divmod(np.arange(across**2), across)
    apart = np.hypot(rows[:, None] - rows, columns[:, None] - columns) * side / across
    found: np.ndarray = ((patches * apart).sum(axis=2) / patches.sum(axis=2)).mean(axis=1)
    return found


def survey(model: Model, image: Image.Image) -> Survey:
    """The attention of all blocks from one forward pass, and how far and how wide each head looks.

    Raises:
        NoAttention: the network has none.
    """
    found = tuple(_weights(model, image, _attending(model)))
    side = model.preprocessing.crop
    distances = np.stack([distance(each, side) for each in found])
    spreads = np.stack([spread(each).mean(axis=1) for each in found])
    return Survey(found, distances, spreads)


def spread(weights: np.ndarray) -> np.ndarray:
    """e to the entropy of each row: from 1 (all on one token) to the number of tokens (evenly on all)."""
    values = weights.astype(np.float64)
    logs = np.log(values, out=np.zeros_like(values), where=values > 0)
    found: np.ndarray = np.exp(-np.einsum("...k,...k->...", values, logs))
    return found


def reach(weights: np.ndarray, side: int) -> Reach:
    """Where the attention of each query goes.

    Args:
        weights: (heads, tokens, tokens), rows that sum to 1, the class token first.
        side: of the image, pixels.
    """
    across = math.isqrt(weights.shape[-1] - 1)
    rows, columns = np.divmod(np.arange(across**2), across)
    down, right = np.abs(rows[:, None] - rows), np.abs(columns[:, None] - columns)
    patches = weights[:, 1:, 1:].astype(np.float64)
    pixels = np.hypot(down, right) * side / across
    total = patches.sum(axis=2)
    far = np.einsum("hqk,qk->hq", patches, pixels) / np.where(total > 0, total, np.nan)  # all of it on the class token
    near = np.einsum("hqk,qk->hq", patches, np.maximum(down, right) <= 1)
    nowhere = np.full((len(weights), 1), np.nan)
    return Reach(
        class_token=weights[:, :, 0].astype(np.float64),
        near=np.concatenate([nowhere, near], axis=1),
        distance=np.concatenate([nowhere, far], axis=1),
        spread=spread(weights),
    )


def rollout(
    model: Model,
    image: Image.Image,
    *,
    head_fusion: HeadFusion = "mean",
    residual: float = 0.5,
    discard: float = 0.0,
    blocks: Sequence[int] | None = None,
) -> Rollout:
    """Attention rolled out from the network's first block to its last; arguments as `roll_out`.

    Args:
        model: a vision transformer.
        image: what it looks at.
        head_fusion: see `roll_out`.
        residual: see `roll_out`.
        discard: see `roll_out`.
        blocks: the blocks to go through, first to last; all if None.

    Raises:
        NoAttention: the network has none, or no such block.
    """
    paths = _attending(model)
    chosen = range(len(paths)) if blocks is None else blocks
    if len(chosen) == 0 or not all(0 <= block < len(paths) for block in chosen):
        raise NoAttention(f"{model.card.title} has blocks 0 to {len(paths) - 1}; choose at least one of these.")
    found = _weights(model, image, [paths[block] for block in chosen])
    return roll_out(found, head_fusion=head_fusion, residual=residual, discard=discard)


def roll_out(
    weights: Sequence[np.ndarray],
    *,
    head_fusion: HeadFusion = "mean",
    residual: float = 0.5,
    discard: float = 0.0,
) -> Rollout:
    """Multiplies the attention of blocks, each mixed with the identity for its skip connection.

    Abnar and Zuidema 2020 (arXiv:2005.00928), section 3: A = 0.5 W + 0.5 I, multiplied from the first block to the
    last. Fusing heads by maximum or minimum and discarding are later inventions (the `vit-explain` package). Ours
    scales rows back to a sum of 1 before the identity is added, so that ``residual`` is the skip's share whatever the
    fusion, and discards in each row, so that no token loses all it listens to.

    Args:
        weights: of each block, (heads, tokens, tokens), first block first.
        head_fusion: how a block's heads become one.
        residual: share of the identity, from 0 to 1.
        discard: share of each row's weakest entries that are set to 0 first; at least 0, below 1.
    """
    if not (0 <= residual <= 1 and 0 <= discard < 1):
        raise ValueError(f"residual must lie in [0, 1] and discard in [0, 1): {residual}, {discard}.")
    steps: list[np.ndarray] = []
    for each in weights:
        fused = np.asarray(_FUSIONS[head_fusion](each, axis=0), dtype=np.float64)
        tokens = len(fused)
        dropped = int(discard * tokens)
        if dropped:
            weakest = np.argpartition(fused, dropped, axis=1)[:, :dropped]
            np.put_along_axis(fused, weakest, 0, axis=1)
        fused = fused / np.maximum(fused.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        mixed = residual * np.eye(tokens) + (1 - residual) * fused
        steps.append(mixed @ steps[-1] if steps else mixed)
    found = np.stack(steps)
    found.flags.writeable = False
    return Rollout(found)


def positions(model: Model) -> np.ndarray:
    """How alike the learnt positions of two patches are: cosines, float64 (h, w, h, w), from -1 to 1.

    Dosovitskiy et al. 2020, figure 7 centre. The class token, which has no place, is left out.

    Raises:
        NoAttention: the network has no learnt positions.
    """
    _attending(model)
    embedding: np.ndarray = model.module.get_parameter("position_embedding")[0, 1:].double().cpu().numpy()
    across = math.isqrt(len(embedding))
    length = np.linalg.norm(embedding, axis=1, keepdims=True)
    unit = embedding / np.where(length > 0, length, 1)
    return np.clip(unit @ unit.T, -1, 1).reshape(across, across, across, across)


def _attending(model: Model) -> list[str]:
    reason = unreadable(model)
    if reason:
        raise NoAttention(reason)
    return _paths(model)


def _paths(model: Model) -> list[str]:
    from explorer.architectures.vit import MultiHeadSelfAttention

    return [
        f"{name}.attend"
        for name, module in model.module.named_modules()
        if isinstance(module, MultiHeadSelfAttention) and name
    ]


def heard(model: Model, inputs: Tensor) -> list[np.ndarray]:
    """What each token listens to in every block, for an input (1, C, H, W): float32 (heads, tokens, tokens) each.

    Raises:
        NoAttention: the network has none.
    """
    return _heard(model, inputs, _attending(model))


def _weights(model: Model, image: Image.Image, paths: list[str]) -> list[np.ndarray]:
    return _heard(model, model.preprocess(image), paths)


def _heard(model: Model, inputs: Tensor, paths: list[str]) -> list[np.ndarray]:
    with model.lock:
        outputs = capture.outputs(model.module, inputs, paths)
    found = []
    for path in paths:
        values: np.ndarray = outputs[path][0].float().cpu().numpy()
        values.flags.writeable = False
        found.append(values)
    return found
