"""Detection, step by step: scenes from a seed, anchors, decoding, suppression, measuring; the loss is in `loss`."""

from explorer.detection.anchors import ANCHORS, Anchors, cluster, shape_iou
from explorer.detection.decoding import Candidates, Decoded, WrongHead, decode
from explorer.detection.measuring import Matching, MeanPrecision, match, mean_precision
from explorer.detection.scenes import CLASSES, NoScene, Scene, make
from explorer.detection.suppression import Removal, Step, Suppression, overlap, suppress

__all__ = [
    "ANCHORS",
    "CLASSES",
    "Anchors",
    "Candidates",
    "Decoded",
    "Matching",
    "MeanPrecision",
    "NoScene",
    "Removal",
    "Scene",
    "Step",
    "Suppression",
    "WrongHead",
    "cluster",
    "decode",
    "make",
    "match",
    "mean_precision",
    "overlap",
    "shape_iou",
    "suppress",
]
