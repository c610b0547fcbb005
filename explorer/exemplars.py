"""What excites a channel: the patches of some photos where it answers most strongly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explorer import activations, graph
from explorer.errors import ExplorerError

if TYPE_CHECKING:
    from PIL import Image

    from explorer.models import Model


class NoSuchChannel(ExplorerError):
    """The layer has no channel of this number; the message names how many it has."""


@dataclass(frozen=True)
class Exemplar:
    """One place that excites a channel.

    Attributes:
        photo: which of the photos, by its place in the list.
        unit: row and column of the unit.
        value: what the unit answers.
        box: (left, top, right, bottom) of what it could see, pixels of what the network saw, ends not included.
        patch: uint8 (h, w, 3), that part of what the network saw.
    """

    photo: int
    unit: tuple[int, int]
    value: float
    box: tuple[int, int, int, int]
    patch: np.ndarray


def find(
    model: Model, photos: Iterable[Image.Image], layer: str, channel: int, count: int = 12, each: int = 4
) -> tuple[Exemplar, ...]:
    """The places where a channel answers most strongly, strongest first; none that shows the same as a stronger one.

    Two units of one photo show the same where one's centre lies in the middle half of what the other sees.

    Args:
        model: the network.
        photos: any number of them; each costs one forward pass up to the layer.
        layer: name of a layer with positions.
        channel: which of its channels.
        count: how many places in all.
        each: how many of one photo at most.

    Raises:
        UnknownLayer: the network has no such layer.
        NoSuchChannel: the layer has fewer channels.
    """
    shape = activations.find(model, layer).shape
    if not 0 <= channel < shape[0]:
        raise NoSuchChannel(f"{layer} has channels 0 to {shape[0] - 1}, not {channel}.")
    field = graph.of_model(model).field_of(layer)
    found: list[Exemplar] = []
    for number, photo in enumerate(photos):
        values = activations.feature_maps(model, photo, [layer])[layer].values[channel]
        seen = np.asarray(model.preprocessing.view(photo).convert("RGB"))
        taken: list[tuple[int, int]] = []
        for flat in np.argsort(-values, axis=None, kind="stable"):
            row, column = divmod(int(flat), values.shape[1])
            reach = _reach(field.size if field and not field.whole else 0, seen.shape[0] / values.shape[0])
            if any(max(abs(row - r), abs(column - c)) < reach for r, c in taken):
                continue
            taken.append((row, column))
            if field is None:
                box = (0, 0, seen.shape[1], seen.shape[0])
            else:
                (top, bottom), (left, right) = field.inside(row, seen.shape[0]), field.inside(column, seen.shape[1])
                box = (left, top, right + 1, bottom + 1)
            patch = seen[box[1] : box[3], box[0] : box[2]]
            found.append(Exemplar(number, (row, column), float(values[row, column]), box, patch))
            if len(taken) == each:
                break
    return tuple(sorted(found, key=lambda exemplar: -exemplar.value)[:count])


def _reach(field: int, pixels_a_unit: float) -> float:
    """Units between two places that show different things: half a field, at least two units."""
    return max(2.0, field / 2 / pixels_a_unit)
