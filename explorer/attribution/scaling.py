"""From a raw map to one that lies over the photo."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def enlarged(raw: Tensor, size: tuple[int, ...]) -> Tensor:
    """Bilinear, pixel centres aligned to areas (``align_corners=False``), then divided by the largest absolute value.

    Dividing by the map's own maximum, with no epsilon, keeps maps of any scale: peers' 1e-7 blanks tiny ones.
    """
    peak = raw.abs().max()
    if not peak > 0:
        return torch.zeros(size)
    larger = F.interpolate((raw / peak)[None, None].float(), size=size, mode="bilinear", align_corners=False)[0, 0]
    return larger / larger.abs().max()
