"""How to train: every option, checked, and written to JSON and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from explorer.errors import ExplorerError


class BadPlan(ExplorerError):
    """An option is outside of what makes sense; the message names value, rule and remedy."""


def _between(what: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise BadPlan(f"{what} is {value:g}, and must be between {least:g} and {most:g}.")


def _whole(what: str, value: int, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise BadPlan(f"{what} is {value}, and must be a whole number from {least} to {most:,}.")


@dataclass(frozen=True)
class Augmentation:
    """Random changes of the training photos, in this order; all off by default.

    Attributes:
        crop: least part of the photo's area that a random crop keeps, 0 to 1; 1 is the network's usual crop.
        flip: probability of a mirror image.
        rotation: largest angle either way, degrees.
        brightness: largest relative change either way.
        contrast: the same.
        saturation: the same.
        hue: largest turn of the colour circle either way, of the whole circle, at most 0.5.
    """

    crop: float = 1.0
    flip: float = 0.0
    rotation: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    def __post_init__(self) -> None:
        _between("The least part that a crop keeps", self.crop, 0.01, 1)
        _between("The probability of a flip", self.flip, 0, 1)
        _between("The rotation in degrees", self.rotation, 0, 180)
        for name in ("brightness", "contrast", "saturation"):
            _between(f"The change of {name}", getattr(self, name), 0, 1)
        _between("The change of hue", self.hue, 0, 0.5)

    @property
    def active(self) -> bool:
        """Whether a photo ever changes."""
        return self != Augmentation()


NONE = Augmentation()
GUIDE = Augmentation(crop=0.08, flip=0.5, rotation=15, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.1)
"""The guide's get_transforms: torchvision's RandomResizedCrop, flip, rotation and colour jitter."""


@dataclass(frozen=True)
class Plan:
    """One way to tune a network.

    Attributes:
        network: slug of a classification network.
        weights: as for `models.load`.
        unfreeze: how many of the last stages are trained besides the new head; 0 is feature extraction.
        hidden: units of a hidden layer in the head; 0 for none, 256 in the guide's feature extraction.
        dropout: before the head, probability, 0 to below 1.
        learning_rate: of the head in the first epoch.
        backbone_rate: learning rate of the unfrozen stages, as a part of the head's.
        weight_decay: AdamW's.
        label_smoothing: part of the target that goes to all classes alike.
        clip: largest norm of the gradient; 0 for no limit.
        epochs: how many; the learning rates fall along half a cosine from epoch to epoch.
        batch_size: photos a step, at most; they are divided as evenly as can be.
        seed: of everything random.
        augmentation: of the training photos.
        keep_features: whether the features of a frozen backbone are computed once and kept.
        side: side of the input, pixels; 0 for the network's own. Small ones are faster and less accurate.
        title: what the tuned network is called; '' for a name made of the data and the network.
    """

    network: str = "efficientnet_lite0"
    weights: str = "auto"
    unfreeze: int = 0
    hidden: int = 0
    dropout: float = 0.2
    learning_rate: float = 1e-3
    backbone_rate: float = 0.1
    weight_decay: float = 1e-4
    label_smoothing: float = 0.0
    clip: float = 1.0
    epochs: int = 5
    batch_size: int = 16
    seed: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)
    keep_features: bool = True
    side: int = 0
    title: str = ""

    def __post_init__(self) -> None:
        _whole("The number of unfrozen stages", self.unfreeze, 0, 1000)
        _whole("The number of hidden units", self.hidden, 0, 16_384)
        _between("The dropout", self.dropout, 0, 0.95)
        _between("The learning rate", self.learning_rate, 1e-8, 10)
        _between("The backbone's part of the learning rate", self.backbone_rate, 0, 10)
        _between("The weight decay", self.weight_decay, 0, 1)
        _between("The label smoothing", self.label_smoothing, 0, 0.9)
        _between("The largest norm of the gradient", self.clip, 0, 1e6)
        _whole("The number of epochs", self.epochs, 1, 10_000)
        _whole("The batch size", self.batch_size, 1, 4096)
        _whole("The seed", self.seed, 0, 2**31 - 1)
        if self.side:
            _whole("The side of the input", self.side, 8, 1024)
        if len(self.title) > 80:
            raise BadPlan(f"The title has {len(self.title)} characters, and at most 80 fit; shorten it.")

    @property
    def frozen(self) -> bool:
        """Whether nothing but the head is trained: feature extraction."""
        return self.unfreeze == 0

    def rate(self, epoch: int) -> float:
        """Learning rate of the head in ``epoch``, counted from 0: half a cosine, which would reach 0 after the last."""
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / self.epochs))

    def to_json(self) -> dict[str, Any]:
        """All options as plain data."""
        return asdict(self)

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> Plan:
        """The plan that `to_json` has written down.

        Raises:
            BadPlan: it holds something else.
        """
        known = {each.name for each in fields(Plan)}
        if not set(plain) <= known:
            raise BadPlan(f"A plan has no option {sorted(set(plain) - known)[0]!r}; it comes from another version.")
        try:
            return Plan(**{**plain, "augmentation": Augmentation(**plain.get("augmentation", {}))})
        except TypeError as error:
            raise BadPlan("This plan is damaged; make a new one.") from error
