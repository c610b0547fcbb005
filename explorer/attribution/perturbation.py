"""What the score does when a part of the photo is hidden, by captum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from explorer.attribution.question import Found, Question, whole_number
from explorer.attribution.results import NotApplicable

_BATCH = 8


def occlusion(question: Question) -> Found:
    """Occlusion (Zeiler and Fergus 2013): a grey square is moved over the photo, and the fall of the score is noted.

    Where squares overlap a pixel has the mean of the falls. Grey is the normalised zero, the mean colour of the
    training photos. By default the square is a seventh of the side, and moves by half of that.
    """
    from captum.attr import Occlusion

    window, stride = window_and_stride(question.options, min(question.inputs.shape[-2:]))
    logits, target = question.answer()
    places = [-(-(size - window) // stride) + 1 for size in question.inputs.shape[-2:]]
    steps = question.steps(places[0] * places[1] + 1)
    channels = question.inputs.shape[1]
    falls = Occlusion(steps.forward(question, target)).attribute(
        question.inputs,
        sliding_window_shapes=(channels, window, window),
        strides=(channels, stride, stride),
        perturbations_per_eval=_BATCH,
    )
    return Found(falls[0, 0].detach(), logits, target)  # the square hides all colours; each has the same fall


def window_and_stride(options: Mapping[str, Any], side: int) -> tuple[int, int]:
    """Both in pixels, for a photo whose shorter side is ``side``.

    Raises:
        NotApplicable: the photo is smaller than the window, or parts of it would go unseen.
    """
    window = max(1, side // 7) if options["window"] is None else whole_number(options, "window", 1, side)
    stride = max(1, window // 2) if options["stride"] is None else whole_number(options, "stride", 1)
    if stride > window:
        raise NotApplicable(f"The stride, {stride} pixels, must not exceed the window, {window}, or parts go unseen.")
    return window, stride


def superpixels(question: Question) -> Found:
    """Regions of like colour (SLIC, Achanta et al. 2012) are painted grey one after the other; falls of the score."""
    from captum.attr import FeatureAblation

    regions = torch.from_numpy(segments(question.seen, question.number("segments", 2, 1000))).to(question.inputs.device)
    logits, target = question.answer()
    steps = question.steps(int(regions.max()) + 2)
    falls = FeatureAblation(steps.forward(question, target)).attribute(
        question.inputs,
        feature_mask=regions[None, None],
        perturbations_per_eval=_BATCH,
    )
    return Found(falls[0, 0].detach(), logits, target)


def segments(seen: np.ndarray, count: int) -> np.ndarray:
    """About ``count`` regions of what the network saw, numbered from 0, int64 (H, W)."""
    from skimage.segmentation import slic

    labels = slic(seen, n_segments=count, compactness=10, start_label=1, channel_axis=-1)
    _, numbered = np.unique(labels, return_inverse=True)
    return numbered.reshape(labels.shape).astype(np.int64)
