"""Which pixels belong to it: pictures from a seed with exact masks, masks from a U-Net, and measures of the two."""

from explorer.segmentation.cells import FIRST_TRAINING_SEED, Cells, IllegalCells, cells
from explorer.segmentation.measuring import MasksDiffer, Overlap, kinds, overlap, overlap_at_edges
from explorer.segmentation.references import Coins, by_regions, coins
from explorer.segmentation.segmenting import (
    LONGEST,
    NoSuchSkip,
    NoUNet,
    Segmentation,
    Stage,
    cut,
    segment,
    segment_array,
    stages_of,
    unet_of,
)
from explorer.segmentation.sizes import PAPER_SIDE, Row, TooSmall, sizes, smallest_side
from explorer.segmentation.upsampling import WAYS, Checkerboard, UnknownWay, Upsampled, checkerboards, upsample

__all__ = [
    "FIRST_TRAINING_SEED",
    "LONGEST",
    "PAPER_SIDE",
    "WAYS",
    "Cells",
    "Checkerboard",
    "Coins",
    "IllegalCells",
    "MasksDiffer",
    "NoSuchSkip",
    "NoUNet",
    "Overlap",
    "Row",
    "Segmentation",
    "Stage",
    "TooSmall",
    "UnknownWay",
    "Upsampled",
    "by_regions",
    "cells",
    "checkerboards",
    "coins",
    "cut",
    "kinds",
    "overlap",
    "overlap_at_edges",
    "segment",
    "segment_array",
    "sizes",
    "smallest_side",
    "stages_of",
    "unet_of",
    "upsample",
]
