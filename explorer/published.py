"""Published figures, with their sources: what a network reaches on ImageNet, its size and its work.

torchvision's come from the metadata of its weights. Where it has several entries for one network (V1, V2, SWAG), the
network is the same and the training differs, so that accuracy never measures the architecture alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from explorer import catalogue

if TYPE_CHECKING:
    from explorer.catalogue import Architecture


@dataclass(frozen=True)
class Published:
    """What a source says about one network with one set of weights.

    Attributes:
        slug: of the network's card.
        entry: the weights' name there: 'IMAGENET1K_V2'.
        top1: accuracy on the validation set, %; None where the source gives none.
        top5: the class is among the first five, %.
        parameters: learnt numbers, as precise as the source gives them.
        macs: multiply-accumulates for one image.
        source: who says so.
        side: of the input, pixels.
        megabytes: of the file with the weights, millions of bytes.
        dataset: what accuracy is measured on; figures on different ones do not compare.
    """

    slug: str
    entry: str
    top1: float | None
    top5: float | None
    parameters: int | None
    macs: int | None
    source: str
    side: int | None = None
    megabytes: float | None = None
    dataset: str = "ImageNet"


_LITE = "https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite (FP32)"
_ELSEWHERE = (
    Published(
        "lenet5", "MNIST", 99.46, None, None, None, "this project, assets/weights/lenet5.md", 32, dataset="MNIST"
    ),
    Published("mobilenet_v1", "paper", 70.6, None, 4_200_000, 569_000_000, "arXiv:1704.04861, Table 8", 224),
    Published("efficientnet_lite0", "TensorFlow", 75.1, None, 4_700_000, 407_000_000, _LITE, 224),
    Published("efficientnet_lite1", "TensorFlow", 76.7, None, 5_400_000, 631_000_000, _LITE, 240),
    Published("efficientnet_lite2", "TensorFlow", 77.6, None, 6_100_000, 899_000_000, _LITE, 260),
)


@cache
def entries(slug: str) -> tuple[Published, ...]:
    """All figures of a network, the one that the app shows and loads first; empty where there are none.

    Of torchvision's entries that is the one it calls DEFAULT, the best it has for the network's usual input.
    """
    name = catalogue.get(slug).torchvision
    if name is None:
        return tuple(row for row in _ELSEWHERE if row.slug == slug)
    from torchvision.models import get_model_weights

    weights = get_model_weights(name)
    others = [entry for entry in weights if entry is not weights.DEFAULT]
    return tuple(_row(slug, entry) for entry in (weights.DEFAULT, *others))


def _row(slug: str, entry: Any) -> Published:
    meta, accuracy = entry.meta, entry.meta["_metrics"].get("ImageNet-1K", {})
    top1, top5 = (_number(accuracy.get(key)) for key in ("acc@1", "acc@5"))
    macs = round(meta["_ops"] * 1e9)  # torchvision prints billions with three decimals
    side = int(entry.transforms().crop_size[0])
    return Published(
        slug,
        entry.name,
        top1,
        top5,
        meta["num_params"],
        macs,
        "torchvision",
        side,
        round(meta["_file_size"] * 1.048576, 1),
    )


def _number(value: float | None) -> float | None:
    """None for what torchvision marks as not measured (NaN)."""
    return None if value is None or value != value else value


def best(slug: str) -> Published | None:
    """The figures that the app shows for a network: those of the weights it loads; None where nothing is published."""
    return next(iter(entries(slug)), None)


def all() -> tuple[Published, ...]:  # noqa: A001  # published.all() says what it is
    """Every entry of every network, the guide's networks first."""
    return tuple(row for slug in catalogue.titles(mine=False) for row in entries(slug))


FIRST = 2010
"""Where the timeline's axis begins: the years between LeNet-5 (1998) and AlexNet (2012) are left out."""


@dataclass(frozen=True)
class Milestone:
    """A network on the timeline.

    Attributes:
        slug: of its card.
        title: for people.
        year: of first publication.
        family: whose colour it has.
        guide: whether it is one of the guide's networks.
        place: on the time axis: the year, moved by up to a third, so that networks of a year stand side by side, small
            ones at the left. What is older than `FIRST` stands there.
        parameters: published, or counted where nothing is.
        shown: what the app shows; None where nothing is published.
        others: further entries for the same network with an accuracy.
    """

    slug: str
    title: str
    year: int
    family: str
    guide: bool
    place: float
    parameters: int
    shown: Published | None
    others: tuple[Published, ...] = ()

    @property
    def top1(self) -> float | None:
        """Accuracy on ImageNet, %; None where it is unknown or was measured on other pictures."""
        return self.shown.top1 if self.shown is not None and self.shown.dataset == "ImageNet" else None


@cache
def timeline(everything: bool = False) -> tuple[Milestone, ...]:
    """The guide's networks, or also torchvision's others, by year and size."""
    cards = [catalogue.get(slug) for slug in (catalogue.titles(mine=False) if everything else catalogue.CATALOGUE)]
    sizes = {card.slug: _parameters(card) for card in cards}
    cards.sort(key=lambda card: (card.year, sizes[card.slug], card.slug))
    known = {card.slug: _top1(card.slug) is not None for card in cards}
    places = _places((card.slug, card.year, known[card.slug]) for card in cards)
    return tuple(
        Milestone(
            card.slug,
            card.title,
            card.year,
            card.family,
            card.slug in catalogue.CATALOGUE,
            places[card.slug],
            sizes[card.slug],
            best(card.slug),
            tuple(row for row in entries(card.slug)[1:] if row.top1 is not None),
        )
        for card in cards
    )


def _top1(slug: str) -> float | None:
    row = best(slug)
    return row.top1 if row is not None and row.dataset == "ImageNet" else None


def _parameters(card: Architecture) -> int:
    row = best(card.slug)
    if row is not None and row.parameters is not None:
        return row.parameters
    import torch

    with torch.device("meta"):
        return sum(parameter.numel() for parameter in card.build().parameters())


def _places(networks: Iterable[tuple[str, int, bool]]) -> dict[str, float]:
    """Spreads those that share a year, and a row of the chart, evenly over two thirds of it, in the order given."""
    columns: dict[tuple[int, bool], list[str]] = defaultdict(list)
    for slug, year, known in networks:
        columns[year, known].append(slug)
    return {
        slug: max(year, FIRST) + ((index + 0.5) / len(slugs) - 0.5) * 0.68
        for (year, _), slugs in columns.items()
        for index, slug in enumerate(slugs)
    }
