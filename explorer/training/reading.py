"""From a visitor's files to pictures that can be learnt from: opened, compared and divided before training."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from explorer import archives, images
from explorer.training.datasets import BadDataset, Dataset, Item, Report

MOST_CLASSES = 1000
FEW = 10  # photos of a class to learn from, below which one sentence warns
_SIDE = 1024  # pixels: a random crop of 8 % of the area still has 290 a side, more than most networks look at
_ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
_TRAIN = {"train", "training"}
_VALIDATION = {"val", "valid", "validation", "test"}
Progress = Callable[[int, int], None]
"""Called with the number of files looked at and of all."""


def from_archive(data: bytes | Path, title: str = "Your photos", *, share: float = 0.2, seed: int = 0) -> Dataset:
    """The pictures of a ZIP of class folders.

    Folders called 'train' and 'val' (or 'validation', 'test') around the class folders are taken as the division.

    Args:
        data: the file, or its path.
        title: for people.
        share: of each class's pictures to check with, where the archive does not divide them.
        seed: of the division.

    Raises:
        BadArchive: it is no ZIP, or a dangerous one.
        BadDataset: too few classes or pictures.
    """
    archive = archives.read(data, copies=True)  # they are counted below, with those that differ only in their bytes
    if set(archive.classes) == {""}:
        raise BadDataset("There is no folder in this archive; put the pictures of each class in one of their own.")
    files = [
        (label or "(no folder)", name, content, "")
        for label, members in archive.classes.items()
        for name, content in members
    ]
    return _checked(files, title, share, seed, refused=archive.refused)


def from_images(
    groups: Mapping[str, Iterable[tuple[str, bytes]]], title: str = "Your photos", *, share: float = 0.2, seed: int = 0
) -> Dataset:
    """Several files for each class.

    Args:
        groups: (name, bytes) of files by class.
        title: for people.
        share: of each class's pictures to check with.
        seed: of the division.

    Raises:
        BadDataset: too few classes or pictures.
    """
    files = [(label, name, content, "") for label, members in groups.items() for name, content in members]
    return _checked(files, title, share, seed, divided=False)


def from_folder(
    folder: Path, title: str = "", *, share: float = 0.2, seed: int = 0, progress: Progress | None = None
) -> Dataset:
    """A folder of class folders on this machine; only the paths are kept, the pictures are read when they are needed.

    Args:
        folder: with a folder for each class, or with 'train' and 'val' that have them.
        title: for people; the folder's name if empty.
        share: of each class's pictures to check with, where the folder does not divide them.
        seed: of the division.
        progress: called while the pictures are looked at.

    Raises:
        BadDataset: it is no such folder.
    """
    if not folder.is_dir():
        raise BadDataset(f"There is no folder {folder}; name one that has a folder of pictures for each class.")
    found: list[Path] = []
    for place, folders, names in os.walk(folder):  # follows no links, so that it ends
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        for name in sorted(names):
            path = Path(place, name)
            if path.suffix.lower() in _ENDINGS and not name.startswith(".") and path.parent != folder:
                found.append(path)
    classes = archives.class_folders([path.relative_to(folder).parts[:-1] for path in found])
    files = [
        (label[-1], path.relative_to(folder).as_posix(), b"", str(path.resolve()))
        for label, path in zip(classes, found, strict=True)
    ]
    return _checked(files, title or folder.resolve().name, share, seed, progress=progress)


File = tuple[str, str, bytes, str]  # class, name, bytes, path


def _checked(
    files: Sequence[File],
    title: str,
    share: float,
    seed: int,
    *,
    refused: Sequence[tuple[str, str]] = (),
    divided: bool = True,
    progress: Progress | None = None,
) -> Dataset:
    """Opens every picture once: what cannot be opened, and what is there already, is left out and listed."""
    if not 0 < share < 1:
        raise BadDataset(f"The share to check with is {share:g}, and must be between 0 and 1.")
    left_out = list(refused)
    seen: dict[bytes, tuple[str, str]] = {}
    kept: list[File] = []
    copies = 0
    for number, (label, name, data, path) in enumerate(files):
        if progress is not None:
            progress(number, len(files))
        try:
            picture = images.open_image(data or Path(path).read_bytes())
        except (images.BadImage, OSError) as error:
            left_out.append((name, str(error) if isinstance(error, images.BadImage) else "It cannot be read."))
            continue
        pixels = hashlib.sha256(repr(picture.size).encode() + picture.tobytes()).digest()
        if pixels in seen:
            other, first = seen[pixels]
            where = "" if other == label else f", which is said to be “{other}”"
            left_out.append((name, f"It is the same picture as {first}{where}."))
            copies += 1
            continue
        seen[pixels] = (label, name)
        kept.append((label, name, _compact(picture, data) if data else b"", path))
    classes = sorted({label for label, *_ in kept}, key=_natural)
    _require(classes, kept, left_out)
    train, validation = _divide(kept, classes, share, seed, divided)
    mixed = _undivided(kept, classes) if divided else []
    warnings = (*mixed, *_joined(kept), *_warnings(classes, train, validation, copies))
    report = Report(tuple(left_out), warnings, copies)
    return Dataset(title, tuple(classes), train, validation, report)


def _compact(picture: Image.Image, data: bytes) -> bytes:
    """The file as it is, or, of a large photo, a JPEG of 1024 pixels: it is opened again in each epoch."""
    if max(picture.size) <= _SIDE:
        return data
    scale = _SIDE / max(picture.size)
    small = picture.resize([max(1, round(side * scale)) for side in picture.size], Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def _natural(name: str) -> list[tuple[int, str]]:
    """'9' before '10'."""
    return [(int(part) if part.isdecimal() else -1, part) for part in re.split(r"(\d+)", name)]


def _require(classes: Sequence[str], kept: Sequence[File], left_out: Sequence[object]) -> None:
    unusable = f" ({len(left_out)} could not be used)" if left_out else ""
    if not kept:
        raise BadDataset(f"There is no picture in a class folder{unusable}; put the photos of each class in a folder.")
    if len(classes) < 2:
        raise BadDataset(
            f"All pictures belong to one class, “{classes[0]}”; a network needs two or more to tell apart."
        )
    if len(classes) > MOST_CLASSES:
        raise BadDataset(f"There are {len(classes):,} classes, and at most {MOST_CLASSES:,} can be learnt here.")
    counts = Counter(label for label, *_ in kept)
    few = [label for label in classes if counts[label] < 2]
    if few:
        raise BadDataset(
            f"The class “{few[0]}” has one usable picture{unusable}; each needs at least two, one to learn from "
            "and one to check with."
        )


def _divide(
    kept: Sequence[File], classes: Sequence[str], share: float, seed: int, divided: bool
) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """As the folders say, or else the same share of each class, drawn with the seed."""
    index = {label: number for number, label in enumerate(classes)}
    sides = [_side(name) if divided else "" for _, name, *_ in kept]
    by_folder = divided and any(sides) and not _undivided(kept, classes)
    train: list[Item] = []
    validation: list[Item] = []
    members: dict[str, list[int]] = defaultdict(list)
    for number, (label, *_) in enumerate(kept):
        members[label].append(number)
    for label in classes:
        if by_folder:
            checked = {number for number in members[label] if sides[number] == "validation"}
        else:
            order = np.random.default_rng((seed, index[label])).permutation(members[label])
            wanted = min(max(round(share * len(order)), 1), len(order) - 1)
            checked = {int(number) for number in order[:wanted]}
        for number in members[label]:
            _, name, data, path = kept[number]
            (validation if number in checked else train).append(Item(name, index[label], data, path))
    return tuple(train), tuple(validation)


def _undivided(kept: Sequence[File], classes: Sequence[str]) -> list[str]:
    """Why folders called 'train' and 'val' do not divide the pictures, one sentence; none if they do or are not there.

    A part of them is no division: a class that lacks one side could not be learnt or not be checked.
    """
    sides = [(label, name, _side(name)) for label, name, *_ in kept]
    given = {(label, side) for label, _, side in sides if side}
    if not given:
        return []
    outside = next((name for _, name, side in sides if not side), "")
    words = {"train": "to learn from", "validation": "to check with"}
    lacking = [(label, words[side]) for label in classes for side in words if (label, side) not in given]
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        reason = f"has no picture {lacking[0][1]} for “{lacking[0][0]}”{more}"
    elif outside:
        reason = f"leaves out {outside}"
    else:
        return []
    return [f"The division into “train” and “val” {reason}; so all pictures are mixed and divided anew."]


def _side(name: str) -> str:
    folders = {part.lower() for part in name.split("/")[:-2]}
    return "train" if folders & _TRAIN else "validation" if folders & _VALIDATION else ""


def _joined(kept: Sequence[File]) -> Iterable[str]:
    """One sentence for each folder inside a class folder, since it may have been meant as a class of its own."""
    places = {(label, *name.split("/")[-2:-1]) for label, name, *_ in kept if "/" in name}
    for label, folder in sorted(places):
        if folder != label and (label, label) in places:  # else it is 'images' or the like
            yield f"The folder “{folder}” lies inside “{label}” and counts as part of it."


def _warnings(classes: Sequence[str], train: Sequence[Item], validation: Sequence[Item], copies: int) -> Iterable[str]:
    counts = Counter(item.label for item in train)
    few = [classes[label] for label in range(len(classes)) if counts[label] < FEW]
    if few:
        named = ", ".join(f"“{name}”" for name in few[:3]) + (f" and {len(few) - 3} more" if len(few) > 3 else "")
        yield f"Fewer than {FEW} pictures to learn from: {named}. The network may learn them by heart; add more."
    most, least = max(counts.values()), min(counts.values())
    if most > 5 * least:
        yield f"The largest class has {most:,} pictures and the smallest {least:,}; rare ones may be missed."
    if len(validation) < 20:
        yield (
            f"Only {len(validation)} pictures to check with: one more right or wrong moves the accuracy by "
            f"{100 / len(validation):.0f} points."
        )
    if copies:
        what = "copy of a picture" if copies == 1 else "copies of pictures"
        yield f"{copies} second {what} left out: what was learnt cannot be checked."
