"""The colours, fixed in one place: one sequential map, one diverging map, one for heat, ten for families."""

from __future__ import annotations

import numpy as np

# Anchors of matplotlib's colour maps, given to the public domain by their authors (CC0); straight lines in between.
_VIRIDIS = "440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725"
_INFERNO = "000004 1b0c41 4a0c6b 781c6d a52c60 cf4446 ed6925 fb9b06 f7d13d fcffa4"
_BLUE_WHITE_RED = "053061 2166ac 4393c3 92c5de d1e5f0 ffffff fddbc7 f4a582 d6604d b2182b 67001f"


def _table(anchors: str) -> np.ndarray:
    stops = np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in anchors.split()], dtype=np.float64)
    at = np.linspace(0, len(stops) - 1, 256)
    columns = [np.interp(at, np.arange(len(stops)), stops[:, i]) for i in range(3)]
    table = np.stack(columns, axis=1).round().astype(np.uint8)
    table.flags.writeable = False
    return table


SEQUENTIAL = _table(_VIRIDIS)
"""Activations: uint8 (256, 3), dark to bright."""
DIVERGING = _table(_BLUE_WHITE_RED)
"""Signed values about zero: uint8 (256, 3); zero lies between entries 127 and 128."""
HEAT = _table(_INFERNO)
"""Evidence over a photo: uint8 (256, 3)."""

OTHER = "#808088"
"""Every family that has no colour of its own."""
# Chosen by computer: each has a contrast of 3 : 1 or more to white and to the dark theme, and the nearest two stay
# apart for every kind of colour vision. Kin share one: U-Net is built of VGG's pairs of 3x3, YOLO began as a GoogLeNet.
FAMILY_COLOURS: dict[str, str] = {
    "LeNet": "#a83090",
    "AlexNet": "#a83090",
    "VGG": "#207038",
    "U-Net": "#207038",
    "GoogLeNet": "#f058c8",
    "YOLO": "#f058c8",
    "ResNet": "#0060c0",
    "DenseNet": "#3098f8",
    "MobileNet": "#38a850",
    "EfficientNet": "#f86800",
    "EfficientNet-Lite": "#f86800",
    "ConvNeXt": "#c81010",
    "ViT": "#8830f8",
    "other": OTHER,
}
"""The colour of a card's family, as #rrggbb; those that are not here have ``OTHER``."""


def family_colour(family: str) -> str:
    """The colour of a family, the same on every page."""
    return FAMILY_COLOURS.get(family, OTHER)


def colour(values: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Colours ``values`` in [0, 1], any shape, with ``table``: uint8 (..., 3)."""
    return table[np.clip(np.rint(np.nan_to_num(values) * 255), 0, 255).astype(np.uint8)]


def overlay(photo: np.ndarray, heatmap: np.ndarray, opacity: float = 0.8) -> np.ndarray:
    """Lays ``heatmap`` (H, W) in [0, 1] over ``photo`` uint8 (H, W, 3); where it is 0 the photo stays untouched."""
    alpha = (np.clip(heatmap, 0, 1) * opacity)[..., None]
    return np.rint(photo * (1 - alpha) + colour(heatmap, HEAT) * alpha).astype(np.uint8)


def signed_overlay(photo: np.ndarray, signed: np.ndarray, opacity: float = 0.8) -> np.ndarray:
    """Lays ``signed`` (H, W) in [-1, 1] over ``photo`` uint8 (H, W, 3): red speaks for the class, blue against it."""
    alpha = (np.clip(np.abs(signed), 0, 1) * opacity)[..., None]
    return np.rint(photo * (1 - alpha) + colour((signed + 1) / 2, DIVERGING) * alpha).astype(np.uint8)
