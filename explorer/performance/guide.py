"""The guide's table of ten networks: its rows and years, and why a figure of it is not ours.

The figures themselves stand on the cards, as `claims`.
"""

from __future__ import annotations

from explorer import catalogue

TEN: tuple[str, ...] = tuple(slug for slug, card in catalogue.CATALOGUE.items() if "top1" in card.claims)
"""Slugs of the table's rows, in its order; no other card has a claim about accuracy."""
YEARS: dict[str, int] = dict(zip(TEN, (1998, 2012, 2014, 2014, 2015, 2017, 2018, 2019, 2022, 2020), strict=True))
"""The table's years."""
NOTES: dict[tuple[str, str], str] = {
    (
        "lenet5",
        "parameters",
    ): "the network of 1998, with 60,000 and a sparse C3; the guide's own code, and ours, has a "
    "dense one: {parameters:,}.",
    (
        "alexnet",
        "macs",
    ): "the two-group network of 2012 at 227 px. The guide's accuracy and parameters are those "
    "of torchvision's one-column network, with {macs:,}; its own code is a third one, “AlexNet with LRN”.",
    ("googlenet", "top1"): "BVLC's Caffe model; torchvision's weights reach {V1}.",
    ("googlenet", "parameters"): "the sum of Table 1 of the paper, with 5x5 kernels; torchvision's branch has 3x3: "
    "{parameters:,}. Neither counts the two auxiliary heads, which only training uses.",
    ("resnet50", "top1"): "the authors' Caffe model of 2015. torchvision's V1 weights reach {V1}, its V2, "
    "a newer recipe for the very same network, {V2}.",
    ("resnet50", "parameters"): "{parameters:,} are counted; the guide cuts off where rounding gives 26 M.",
    ("densenet121", "year"): "the year of the conference; on arXiv since August 2016.",
    ("densenet121", "macs"): "{macs:,} are counted; the guide rounds up.",
    ("mobilenet_v2", "top1"): "TensorFlow's checkpoint; torchvision's V1 weights reach {V1}, its V2 {V2}.",
    ("mobilenet_v2", "parameters"): "the paper's figure; with 1,000 classes {parameters:,} are counted.",
    ("mobilenet_v2", "macs"): "{macs:,} are counted; the guide rounds.",
    ("efficientnet_b0", "top1"): "the paper's figure; the same weights in torchvision reach {V1}.",
    ("efficientnet_b0", "macs"): "the paper's 0.39 G; {macs:,} are counted.",
    ("convnext_tiny", "top1"): "the authors' figure; torchvision trained it anew and reaches {V1}.",
    ("convnext_tiny", "parameters"): "{parameters:,} are counted; the guide cuts off where rounding gives 29 M.",
    (
        "vit_b_16",
        "top1",
    ): "DeiT-B's, the same network with another recipe; torchvision's ViT-B/16 reaches {V1}, "
    "and {SWAG_E2E_V1} at 384 px after training on far more pictures (SWAG).",
    ("vit_b_16", "parameters"): "{parameters:,} are counted; the guide cuts off where rounding gives 87 M.",
}
"""Why the guide's figure is not ours, by slug and column; a test demands one for each figure that differs, no other.

Ours are filled in: {V1} is the accuracy of torchvision's IMAGENET1K_V1 weights, {parameters} and {macs} are counted.
"""
