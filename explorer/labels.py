"""Which classes of a network a folder's name means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

# ImageNet numbers its classes in the order of their WordNet ids, so a complete set of folders tells the number of each.
_WORDNET = re.compile(r"n\d{8}")
_IMAGENET = 1000
# The ids of Imagenette, the ten classes people practise with: its folders have no other names.
_IMAGENETTE = {
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}
# ImageNet knows no 'cat' and no 'dog', only their breeds, which lie side by side: (first class, last class).
_KINDS = {"cat": ("tabby", "Egyptian cat"), "dog": ("Chihuahua", "Mexican hairless")}
_NUMBERED = re.compile(r"(\d{1,6})(?:[ _.-]+(.*))?")


def match(name: str, classes: Sequence[str]) -> tuple[int, ...]:
    """The classes that a folder called ``name`` means, by index; empty if none is known.

    A name is a class's own ('tiger cat', 'Tiger_Cat', 'tiger-cats'), its number ('282', '282_tiger_cat'), the WordNet
    id of one of Imagenette's ten, or 'cat' or 'dog', which mean every breed. A name that two classes share but for
    capitals ('CARDIGAN', a dog and a garment) means both.
    """
    name = name.strip()
    if name in _IMAGENETTE:
        name = _IMAGENETTE[name]
    numbered = _NUMBERED.fullmatch(name)
    if numbered and int(numbered[1]) < len(classes):
        index, rest = int(numbered[1]), numbered[2] or ""
        if not rest or _plain(rest) == _plain(classes[index]):
            return (index,)
    exact, alike = _indexed(tuple(classes))
    if name in exact:
        return exact[name]
    for wanted in (_plain(name), _singular(_plain(name))):
        if wanted in alike:
            return alike[wanted]
    kind = _KINDS.get(_singular(_plain(name)))
    if kind and kind[0] in classes and kind[1] in classes:
        return tuple(range(classes.index(kind[0]), classes.index(kind[1]) + 1))
    return ()


def match_all(names: Iterable[str], classes: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The classes of several folders; all 1,000 WordNet ids of ImageNet together are known by their order."""
    names = sorted(set(names))
    if len(classes) == len(names) == _IMAGENET and all(map(_WORDNET.fullmatch, names)):
        return {name: (index,) for index, name in enumerate(names)}
    return {name: match(name, classes) for name in names}


def described(indices: Sequence[int], classes: Sequence[str]) -> str:
    """A few words for some classes: 'tabby', 'tabby and 4 others'."""
    if not indices:
        return ""
    others = len(indices) - 1
    return classes[indices[0]] + (f" and {others} other{'s' if others > 1 else ''}" if others else "")


def targets(folders: Iterable[str], known: Mapping[str, tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """The classes that count as right for each picture, by the folder it lies in."""
    return tuple(known.get(folder, ()) for folder in folders)


@lru_cache(maxsize=8)
def _indexed(classes: tuple[str, ...]) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """Classes by their own name, and by the plain form of it."""
    exact: dict[str, tuple[int, ...]] = {}
    alike: dict[str, tuple[int, ...]] = {}
    for index, label in enumerate(classes):
        exact[label] = (*exact.get(label, ()), index)
        alike[_plain(label)] = (*alike.get(_plain(label), ()), index)
    return exact, alike


def _plain(words: str) -> str:
    return re.sub(r"[\s_-]+", " ", words).strip().casefold()


def _singular(words: str) -> str:
    return words[:-1] if words.endswith("s") and not words.endswith("ss") else words
