"""Torchvision's own detectors, trained on COCO's photos, where their weights are at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from explorer import devices, weight_files
from explorer.detection.decoding import Candidates
from explorer.preprocessing import Preprocessing
from explorer.weight_files import OfficialWeights, Progress

if TYPE_CHECKING:
    from PIL import Image

TITLES = {
    "ssdlite320_mobilenet_v3_large": "SSDlite with MobileNetV3",
    "fasterrcnn_mobilenet_v3_large_320_fpn": "Faster R-CNN with MobileNetV3",
    "retinanet_resnet50_fpn_v2": "RetinaNet with ResNet-50",
}
"""Torchvision's names, the smallest first."""


@dataclass(frozen=True)
class Detector:
    """One of torchvision's detectors.

    Attributes:
        slug: torchvision's name.
        title: for people.
        file: of its weights.
        megabytes: of that file.
        mean_precision: on COCO's validation photos, mAP@[.5:.95], 0 to 1, as torchvision publishes it.
        at_hand: whether the file lies in torch's folder.
        url: where it comes from.
    """

    slug: str
    title: str
    file: str
    megabytes: float
    mean_precision: float
    at_hand: bool
    url: str


def detectors() -> tuple[Detector, ...]:
    """All that are offered; nothing is fetched."""
    return tuple(_card(slug) for slug in TITLES)


def detect(slug: str, image: Image.Image, confidence: float = 0.3, progress: Progress | None = None) -> Candidates:
    """The boxes that a detector of torchvision's leaves, in pixels of ``image``; its weights are fetched if need be.

    ``labels`` are COCO's numbers, which `categories` names; ``places`` has no columns, since other heads have no cells.

    Raises:
        WeightsUnavailable: the weights are not there and cannot be had.
    """
    from torchvision.transforms.functional import pil_to_tensor

    entry = _entry(slug)
    path = weight_files.fetch(_official(entry), progress)
    module = _build(slug)
    weight_files.load_into(module, weight_files.read(path), path.name)
    devices.configure_threads()
    with torch.inference_mode():
        answer = module.eval()([pil_to_tensor(image.convert("RGB")).float().div(255)])[0]
    enough = answer["scores"] >= confidence
    boxes, scores, labels = (answer[name][enough].cpu().numpy() for name in ("boxes", "scores", "labels"))
    return Candidates(
        boxes.astype(np.float64),
        scores.astype(np.float64),
        labels.astype(np.int64),
        np.empty((len(scores), 0), np.int64),
    )


def categories(slug: str) -> tuple[str, ...]:
    """COCO's names by number."""
    return tuple(_entry(slug).meta["categories"])


def _build(slug: str) -> nn.Module:
    from torchvision.models import get_model

    build: Callable[..., nn.Module] = get_model
    return build(slug, weights=None, weights_backbone=None)


def _entry(slug: str) -> Any:
    from torchvision.models import get_model_weights

    return get_model_weights(slug).DEFAULT


def _official(entry: Any) -> OfficialWeights:
    return OfficialWeights(entry.name, entry.url, tuple(entry.meta["categories"]), Preprocessing(320, 320))


def _card(slug: str) -> Detector:
    entry = _entry(slug)
    official = _official(entry)
    return Detector(
        slug,
        TITLES[slug],
        official.file,
        float(entry.meta["_file_size"]),
        float(entry.meta["_metrics"]["COCO-val2017"]["box_map"]) / 100,
        weight_files.cached(official) is not None,
        entry.url,
    )
