"""Cards of networks that were tuned or brought by a visitor: files in the app's data folder, read without torch."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer import storage
from explorer.catalogue.architecture import Architecture
from explorer.digits import DigitPreprocessing
from explorer.preprocessing import Preprocessing

if TYPE_CHECKING:
    from torch import nn

PREFIX = "mine:"
"""Begins the slugs of these networks; what follows is the name of a folder."""
CARD, WEIGHTS = "card.json", "best.safetensors"
_MOST_UNITS = 50_000  # of a head: a file from outside must not ask for all memory
_RECIPES = {"photos": Preprocessing, "digits": DigitPreprocessing}


@dataclass(frozen=True)
class Head:
    """What answers for the network's own last layer.

    Attributes:
        classes: length of the output.
        hidden: units of a layer before it, with a ReLU; 0 for none.
        dropout: probability of a feature to be zeroed in training; 0 for none.
    """

    classes: int
    hidden: int = 0
    dropout: float = 0.0


@dataclass(frozen=True)
class TunedArchitecture(Architecture):
    """A network of the catalogue with another head and weights of its own.

    Attributes:
        base: slug of the network it was made from, never a tuned one itself.
        heads: each put in the place of the last layer of the one before.
        options: of the base's builder.
        recipe: from a photo to the input.
        file: its weights, safetensors.
        sha256: of that file.
        weights_name: what the weights are called.
        made: date and time, ISO 8601, UTC.
    """

    base: str = ""
    heads: tuple[Head, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    recipe: Preprocessing = field(default_factory=lambda: Preprocessing(256, 224))
    file: str = ""
    sha256: str = ""
    weights_name: str = ""
    made: str = ""

    def build(self, num_classes: int | None = None, in_channels: int | None = None, **options: Any) -> nn.Module:
        """Builds the network with fresh random weights; see `Architecture.build`."""
        from dataclasses import replace

        from explorer import catalogue
        from explorer.training import heads

        network = catalogue.get(self.base).build(in_channels=in_channels, **{**self.options, **options})
        specifications = self.heads
        if num_classes is not None:
            specifications = (*specifications[:-1], replace(specifications[-1], classes=num_classes))
        for specification in specifications:
            heads.put(network, specification)
        return network

    @property
    def policies(self) -> tuple[str, ...]:
        """Its own weights, or none."""
        return ("auto", "random")

    @property
    def preprocessing(self) -> Preprocessing:
        """What it was trained with."""
        return self.recipe


def describe(card: TunedArchitecture) -> dict[str, Any]:
    """The card as plain data for JSON: what `from_description` needs, without the place of the file."""
    return {
        "version": 1,
        "title": card.title,
        "base": card.base,
        "heads": [{"classes": h.classes, "hidden": h.hidden, "dropout": h.dropout} for h in card.heads],
        "options": dict(card.options),
        "classes": list(card.classes or ()),
        "preprocessing": {f.name: getattr(card.recipe, f.name) for f in fields(Preprocessing)},
        "subject": card.subject,
        "weights_name": card.weights_name,
        "made": card.made,
    }


def from_description(plain: Mapping[str, Any], slug: str, file: Path, sha256: str = "") -> TunedArchitecture:
    """The card that `describe` has written down.

    Raises:
        ValueError, KeyError, TypeError: it holds something else, or comes from a later version of the app.
    """
    from explorer import catalogue

    if plain["version"] != 1:
        raise ValueError("made by a later version of this app")
    base = catalogue.get(str(plain["base"]))
    if isinstance(base, TunedArchitecture) or base.task != "classification":
        raise ValueError("made from no classification network of the catalogue")
    recipe = _recipe(plain["preprocessing"], _RECIPES[plain["subject"]], base.channels)
    classes = tuple(str(name) for name in plain["classes"])
    heads = tuple(Head(int(h["classes"]), int(h["hidden"]), float(h["dropout"])) for h in plain["heads"])
    if not heads or (classes and heads[-1].classes != len(classes)) or not 1 <= recipe.crop <= 2048:
        raise ValueError("classes and head do not fit")
    if any(not (1 <= head.classes <= _MOST_UNITS and 0 <= head.hidden <= _MOST_UNITS) for head in heads):
        raise ValueError("an impossible head")
    if not set(plain["options"]) <= {"image_size"}:
        raise ValueError("options that no builder takes")
    return TunedArchitecture(
        slug=slug,
        title=str(plain["title"])[:80],
        year=int(str(plain["made"])[:4]),
        authors=base.authors,
        paper=base.paper,
        family=base.family,
        ideas=(
            f"{base.title} with a head of its own for {_few(classes) or f'{heads[-1].classes} classes'}.",
            *base.ideas,
        ),
        input_size=recipe.crop,
        builder=base.builder,
        sides=(recipe.crop, recipe.crop) if base.fixed_size else base.sides,
        subject=base.subject,
        channels=base.channels,
        classes=classes,
        caveat=f"{base.title} with a head for {len(classes) or heads[-1].classes} classes, trained or brought here.",
        base=base.slug,
        heads=heads,
        options={str(name): int(value) for name, value in plain["options"].items()},
        recipe=recipe,
        file=str(file),
        sha256=sha256,
        weights_name=str(plain["weights_name"])[:80],
        made=str(plain["made"]),
    )


def _recipe(plain: Mapping[str, Any], kind: type[Preprocessing], channels: int) -> Preprocessing:
    mean, std = (tuple(float(value) for value in plain[name]) for name in ("mean", "std"))
    if plain["interpolation"] not in ("bilinear", "bicubic") or not len(mean) == len(std) == channels or 0 in std:
        raise ValueError("no way to prepare a photo")
    sizes = int(plain["resize"]), int(plain["crop"])
    if not 1 <= sizes[1] <= sizes[0] <= 4096:
        raise ValueError("impossible sizes")
    return kind(*sizes, plain["interpolation"], mean, std, bool(plain["crop_first"]))


def _few(classes: tuple[str, ...]) -> str:
    """Names for a sentence, not too many."""
    shown = ", ".join(f"“{name[:24]}”" for name in classes[:4])
    return shown if len(classes) <= 4 else f"{shown} and {len(classes) - 4} more"


def card(slug: str) -> TunedArchitecture | None:
    """The card of this slug; None if there is no such network (any more)."""
    name = slug.removeprefix(PREFIX)
    if not slug.startswith(PREFIX) or not re.fullmatch(r"[a-z0-9-]{1,60}", name):
        return None  # what a link may hold never becomes a path
    return _read(storage.folder("training") / name / CARD)


def cards() -> tuple[TunedArchitecture, ...]:
    """All of them, the newest first."""
    found = [_read(path) for path in storage.folder("training").glob(f"*/{CARD}")]
    return tuple(sorted((each for each in found if each is not None), key=lambda each: each.made, reverse=True))


def _read(path: Path) -> TunedArchitecture | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return _parsed(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=256)
def _parsed(path: Path, _changed: int, _size: int) -> TunedArchitecture | None:
    """Reads a file once for as long as it stays the same: the list is asked for at every click."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        found = from_description(plain, PREFIX + path.parent.name, path.parent / WEIGHTS, str(plain["sha256"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # a damaged card hides one network, and no page
    return found if Path(found.file).is_file() else None
