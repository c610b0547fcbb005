"""Deletion and insertion: does the answer hang on the pixels that a map calls important?

Petsiuk, Das, Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", 2018 (arXiv:1806.07421),
section 4.1. A map that found what the network looks at makes the probability fall fast when its best pixels are
deleted, and rise fast when they come first. A deleted pixel shows the same place of a picture without detail.

Deviations: one such picture serves both curves (RISE deletes to grey and inserts into a blurred photo), and beside
them stand those of random maps. These have as many independent numbers as the map itself, enlarged like it: single
pixels deleted at random make a noise that confuses a network more than any missing part does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter

from explorer import activations, predict
from explorer.errors import ExplorerError
from explorer.trust.steps import Progress, Steps

if TYPE_CHECKING:
    from explorer.attribution import Attribution
    from explorer.models import Model

Baseline = Literal["blur", "mean", "black"]
BLUR = 0.05
"""Standard deviation of the blur, as a share of the picture's side: 11 pixels of 224."""
_RANDOM_MAPS = 3
_NO_DIFFERENCE = 0.01  # between two areas
_BATCH_NUMBERS = 1 << 24  # the largest map of a batch, in numbers: 64 MiB in float32

_State = tuple[np.ndarray, int, bool]  # when each pixel's turn comes, how many turns are over, whether they come or go


class NotItsMap(ExplorerError):
    """The map belongs to another photo, or to a network that does not answer with classes."""


@dataclass(frozen=True)
class Curve:
    """How a class fares while pixels go, or come.

    Attributes:
        shares: of the pixels that have gone, or come, 0 to 1, (n,).
        probability: of the class at each of them, (n,).
        logit: likewise, (n,).
    """

    shares: np.ndarray
    probability: np.ndarray
    logit: np.ndarray

    @property
    def area(self) -> float:
        """Under the probability, 0 to 1, by trapezoids."""
        return float(np.trapezoid(self.probability, self.shares))


@dataclass(frozen=True)
class Curves:
    """What the pixels of a map are worth.

    Attributes:
        method: of the map.
        target: index of the class.
        label: its name.
        baseline: what deleted pixels show: 'blur', 'mean' (the photo's mean colour) or 'black'.
        deletion: the most important pixels go first; the smaller its area, the better the map.
        insertion: the most important pixels come first; the larger its area, the better the map.
        random_deletion: mean of three random maps as fine as this one; what the areas have to be compared with.
        random_insertion: likewise.
        turn: float32 (H, W), the share at which a pixel's turn comes, the most important one's near 0.
        gone: uint8 (H, W, 3), the picture that deleted pixels show.
    """

    method: str
    target: int
    label: str
    baseline: str
    deletion: Curve
    insertion: Curve
    random_deletion: Curve
    random_insertion: Curve
    turn: np.ndarray
    gone: np.ndarray

    @property
    def sentence(self) -> str:
        """What deleting some of the pixels does, a tenth where that tells, for people."""
        at = _telling(self.deletion, self.random_deletion, 0.1)
        start, there = self.deletion.probability[[0, at]]
        share, random = _percent(self.deletion.shares[at]), _percent(self.random_deletion.probability[at])
        return (
            f"Deleting the {share} that the map calls most important takes {self.label} from {_percent(start)} to "
            f"{_percent(there)}; at random {share} takes it to {random}."
        )

    @property
    def insertion_sentence(self) -> str:
        """What some of the pixels bring back, a quarter where that tells, for people."""
        at = _telling(self.insertion, self.random_insertion, 0.25)
        start, there = self.insertion.probability[[0, at]]
        share, random = _percent(self.insertion.shares[at]), _percent(self.random_insertion.probability[at])
        place = {"blur": "a blurred picture", "mean": "a picture of one colour", "black": "a black picture"}
        return (
            f"Back in {place[self.baseline]}, the {share} that the map calls most important take {self.label} from "
            f"{_percent(start)} to {_percent(there)}; at random {share} takes it to {random}."
        )

    @property
    def verdict(self) -> str:
        """Both areas beside those of chance, for people."""
        return (
            f"Area under deletion {self.deletion.area:.2f} (random {self.random_deletion.area:.2f}; smaller is "
            f"better), under insertion {self.insertion.area:.2f} (random {self.random_insertion.area:.2f}; larger is "
            "better)."
        )


def deletion_insertion(
    model: Model,
    image: Image.Image,
    attribution: Attribution,
    *,
    steps: int = 28,
    baseline: Baseline = "blur",
    seed: int = 0,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Curves:
    """Deletes and inserts pixels in the order of a map, and at random.

    The order is that of the signed map: what speaks against the class goes last. Equal pixels go in a random order
    fixed by ``seed``, so that a map that says nothing is no better than chance.

    Args:
        model: the network.
        image: the photo.
        attribution: the map, of this photo and a network that sees the same of it.
        steps: in which all pixels go.
        baseline: what deleted pixels show.
        seed: of all that is random.
        progress: called with the number of pictures shown to the network and of all.
        cancelled: asked now and then; True ends it.

    Raises:
        NotItsMap: the map is of another photo, or the network does not answer with classes.
        Cancelled: ``cancelled`` said so.
    """
    seen = np.asarray(model.preprocessing.view(image))
    if not np.array_equal(seen, attribution.seen):
        raise NotItsMap("This map is of another picture than the one the network sees here; compute it anew.")
    random = np.random.default_rng(seed)
    turns = _turns(attribution.signed, random)
    lots = [_turns(_random_map(attribution.raw.shape, turns.shape, random), random) for _ in range(_RANDOM_MAPS)]
    gone = without_detail(seen, baseline)
    ends = [round(turns.size * step / steps) for step in range(steps + 1)]
    inner = ends[1:-1]
    states: list[_State] = [(turns, 0, False), (turns, turns.size, False)]
    states += [(turns, end, coming) for coming in (False, True) for end in inner]
    states += [(lot, end, False) for lot in lots for end in inner]
    answers = _answers(model, seen, gone, states, Steps(len(states), progress, cancelled))
    if answers.ndim != 2 or not 0 <= attribution.target < answers.shape[1]:
        raise NotItsMap(f"{model.card.title} does not answer with the class of this map.")
    logits = answers[:, attribution.target].astype(np.float64)
    probabilities = np.array([predict.softmax(answer)[attribution.target] for answer in answers])
    shares = np.array(ends) / turns.size

    def curve(values: np.ndarray, order: int, coming: bool) -> np.ndarray:
        start = 2 + order * len(inner)
        photo, empty = values[0], values[1]
        first, last = (empty, photo) if coming else (photo, empty)
        return np.concatenate([[first], values[start : start + len(inner)], [last]])

    def curves(order: int, coming: bool) -> Curve:
        return _curve(shares, curve(probabilities, order, coming), curve(logits, order, coming))

    by_lot = [curves(2 + number, False) for number in range(_RANDOM_MAPS)]
    probability = np.mean([each.probability for each in by_lot], axis=0)
    logit = np.mean([each.logit for each in by_lot], axis=0)
    turn = ((turns + 1) / turns.size).astype(np.float32)
    for array in (turn, gone):
        array.flags.writeable = False
    return Curves(
        method=attribution.method,
        target=attribution.target,
        label=attribution.label,
        baseline=baseline,
        deletion=curves(0, False),
        insertion=curves(1, True),
        random_deletion=_curve(shares, probability, logit),
        # What is left after deleting a share is what has been inserted in the opposite order, as random as the first.
        random_insertion=_curve(1 - shares[::-1], probability[::-1], logit[::-1]),
        turn=turn,
        gone=gone,
    )


def without_detail(seen: np.ndarray, baseline: Baseline) -> np.ndarray:
    """The picture that deleted pixels show: uint8 (H, W, 3)."""
    if baseline == "blur":
        blur = ImageFilter.GaussianBlur(BLUR * max(seen.shape[:2]))
        return np.array(Image.fromarray(seen).filter(blur))
    if baseline == "mean":
        return np.broadcast_to(seen.mean(axis=(0, 1)).round().astype(np.uint8), seen.shape).copy()
    return np.zeros_like(seen)


def _turns(importance: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """When each pixel's turn comes, from 0 on, the most important first: int64 (H, W)."""
    lots = random.permutation(importance.size)
    order = np.lexsort((lots, -importance.ravel()))
    turns = np.empty(importance.size, np.int64)
    turns[order] = np.arange(importance.size)
    return turns.reshape(importance.shape)


def _random_map(coarse: Sequence[int], size: Sequence[int], random: np.random.Generator) -> np.ndarray:
    """Random numbers at a map's own resolution, enlarged as maps are."""
    values = torch.from_numpy(random.random(tuple(coarse[-2:])))[None, None]
    return F.interpolate(values, size=tuple(size), mode="bilinear", align_corners=False)[0, 0].numpy()


def _answers(model: Model, seen: np.ndarray, gone: np.ndarray, states: Sequence[_State], steps: Steps) -> np.ndarray:
    """Logits of every state: float32 (states, classes)."""
    photo = model.preprocessing.normalise(seen).to(model.device)
    empty = model.preprocessing.normalise(gone).to(model.device)
    largest = max(math.prod(layer.shape) for layer in activations.layers(model))
    size = max(1, min(16, _BATCH_NUMBERS // largest))
    found = []
    for start in range(0, len(states), size):
        part = states[start : start + size]
        shown = np.stack([(turns < end) if coming else (turns >= end) for turns, end, coming in part])
        inputs = torch.where(torch.from_numpy(shown)[:, None].to(model.device), photo, empty)
        with model.lock, torch.inference_mode():
            answer = model.module(inputs)
        found.append(answer.float().cpu().numpy())
        steps.advance(len(part))
    return np.concatenate(found)


def _curve(shares: np.ndarray, probability: np.ndarray, logit: np.ndarray) -> Curve:
    arrays = [np.ascontiguousarray(values, dtype=np.float64) for values in (shares, probability, logit)]
    for values in arrays:
        values.flags.writeable = False
    return Curve(*arrays)


def _telling(curve: Curve, random: Curve, usual: float) -> int:
    """Place on the curves that shows what their areas say.

    The one nearest the ``usual`` share, unless the curves cross there or hardly differ while their areas do; then the
    one where they are furthest apart in the areas' direction.
    """
    at = int(np.argmin(np.abs(curve.shares - usual)))
    difference = curve.area - random.area
    if abs(difference) <= _NO_DIFFERENCE:
        return at
    gaps = np.sign(difference) * (curve.probability - random.probability)
    return at if gaps[at] >= gaps.max() / 2 else int(np.argmax(gaps))


def _percent(share: float) -> str:
    percent = 100 * float(share)
    if 0 < percent < 1:
        return "under 1 %"
    return "over 99 %" if 99.5 <= percent < 100 else f"{percent:.0f} %"
