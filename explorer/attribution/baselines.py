"""Pictures that show nothing, to compare a photo with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from explorer.attribution.results import NotApplicable

_Picture = npt.NDArray[np.uint8]
_BLUR = 12  # the deviation of the blur is the side divided by this: shapes are gone, colours stay roughly in place


def picture(name: str, seen: np.ndarray, seed: int = 0) -> _Picture:
    """The baseline ``name`` for what the network saw, uint8 (H, W, 3).

    Raises:
        NotApplicable: there is no such baseline.
    """
    if name not in tuple(BASELINES):  # whatever it is: a list has no hash
        raise NotApplicable(f"There is no baseline {name!r}; choose one of {', '.join(BASELINES)}.")
    return BASELINES[name](seen, seed)


def _black(seen: np.ndarray, seed: int) -> _Picture:  # noqa: ARG001
    return np.zeros(seen.shape, np.uint8)


def _white(seen: np.ndarray, seed: int) -> _Picture:  # noqa: ARG001
    return np.full(seen.shape, 255, np.uint8)


def _mean(seen: np.ndarray, seed: int) -> _Picture:  # noqa: ARG001
    """The photo's own mean colour."""
    return np.broadcast_to(np.rint(seen.mean(axis=(0, 1))), seen.shape).astype(np.uint8)


def _blur(seen: np.ndarray, seed: int) -> _Picture:  # noqa: ARG001
    from skimage.filters import gaussian

    blurred = gaussian(seen.astype(np.float64), sigma=seen.shape[0] / _BLUR, mode="nearest", channel_axis=-1)  # type: ignore[no-untyped-call]
    return np.rint(blurred).astype(np.uint8)


def _noise(seen: np.ndarray, seed: int) -> _Picture:
    """Every value from 0 to 255 equally likely; grey stays grey."""
    random = np.random.default_rng(seed)
    grey = bool((seen == seen[..., :1]).all())
    values = random.integers(0, 256, (*seen.shape[:2], 1 if grey else 3), dtype=np.uint8)
    return np.ascontiguousarray(np.broadcast_to(values, seen.shape))


BASELINES: dict[str, Callable[[np.ndarray, int], _Picture]] = {
    "black": _black,
    "mean": _mean,
    "blur": _blur,
    "white": _white,
    "noise": _noise,
}
