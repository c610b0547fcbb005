"""The networks that were tuned here or brought here: list, load, bring, forget."""

from __future__ import annotations

import importlib
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from explorer import catalogue, devices, models, storage, weight_files
from explorer.architectures.state_dict import rename
from explorer.catalogue import Architecture, tuned
from explorer.catalogue.tuned import Head, TunedArchitecture
from explorer.models import Model, Weights
from explorer.training import checkpoints, heads, records
from explorer.training.checkpoints import BadCheckpoint, RunBusy
from explorer.training.records import Run


class UnknownRun(BadCheckpoint):
    """There is no run of this name (any more)."""


def runs() -> tuple[Run, ...]:
    """All runs and brought checkpoints, the newest first; damaged ones are passed over."""
    found = []
    for path in storage.folder("training").glob(f"*/{records.FACTS}"):
        try:
            found.append(records.read(path.parent))
        except BadCheckpoint:
            continue
    return tuple(sorted(found, key=lambda run: (run.created, run.name), reverse=True))


def get(name: str) -> Run:
    """The run ``name``.

    Raises:
        UnknownRun: there is none.
    """
    folder = _folder(name)
    if not (folder / records.FACTS).is_file():
        raise UnknownRun(f"There is no run {name!r} any more; choose another.")
    return records.read(folder)


def load(run: Run, device: str = "auto") -> Model:
    """The tuned network, as from `models.load(run.slug)`.

    Raises:
        UnknownArchitecture: no epoch of the run has ended yet.
    """
    return models.load(run.slug, device=device)


def before(run: Run, device: str = "auto") -> Model:
    """The network as it was before the run."""
    return models.load(run.network, run.plan.weights if run.plan else "auto", device)


def forget(name: str) -> None:
    """Deletes a run with its pictures and weights.

    Raises:
        UnknownRun: there is none.
        RunBusy: it is going on.
    """
    run = get(name)
    if checkpoints.is_held(run.folder):
        raise RunBusy("This run is going on; stop it first.")
    shutil.rmtree(run.folder)


def entitle(name: str, title: str) -> None:
    """Gives a run and its network another title; at most 80 characters.

    Raises:
        UnknownRun: there is none.
        RunBusy: it is going on, and writes its own facts.
    """
    run, title = get(name), title.strip()[:80]
    if not title:
        raise BadCheckpoint("A network needs a title; write one.")
    if checkpoints.is_held(run.folder):
        raise RunBusy("This run is going on; stop it first or wait for its end, then give it another title.")
    facts = checkpoints.read_json(run.folder / records.FACTS)
    card = {**facts["card"], "title": title} if facts.get("card") else None
    records.update(run.folder, title=title, **({"card": card} if card else {}))
    if run.usable:
        path = run.folder / records.CARD
        checkpoints.write_json(path, {**checkpoints.read_json(path), "title": title})


def open_checkpoint(path: Path | str, device: str = "auto") -> Model:
    """A tuned network from its file alone, wherever that lies.

    Raises:
        BadCheckpoint: the file was not written by this app.
    """
    path = Path(path)
    card = _described(path, tuned.PREFIX + path.stem)
    if card is None:
        raise BadCheckpoint(f"{path.name} does not say which network it belongs to; bring it in the app instead.")
    state = weight_files.read(path)
    _require(card, state, path.name)
    module = card.build()
    weight_files.load_into(module, state, path.name)
    weights = Weights(card.weights_name, "file", origin=str(path))
    key = f"{card.slug}|file:{weight_files.sha256(path)}|{devices.choose(device)}"
    return Model(card, module, weights, devices.choose(device), card.classes or (), card.preprocessing, key)


def bring(data: bytes, network: str = "", title: str = "", classes: Sequence[str] = ()) -> Run:
    """Takes over a checkpoint: a safetensors file of a tuned network, or a state dict of any catalogue network.

    The number of classes is read off the shape of the last layer. A head of two linear layers is taken to have a ReLU
    between them.

    Args:
        data: the file.
        network: slug of the network it belongs to; not needed for a file that this app wrote.
        title: for people.
        classes: names by index; 'class 0' and so on if empty.

    Raises:
        BadCheckpoint: the file is damaged, or says too little.
        WeightsMismatch: it belongs to another network; the first difference is named.
    """
    title = title.strip()[:80]
    folder = records.new_folder(title or network or "brought")
    path = folder / "brought.safetensors"
    try:
        checkpoints.write_bytes(path, data)
        card = None if network else _described(path, "")
        state: Mapping[str, Tensor] = weight_files.read(path)
        if card is None:
            card, state = _fitted(state, network, title)
        names = _names(card, classes)
        card = replace(card, classes=names, title=title or card.title, made=records.now())
        _require(card, state, "This file")
        module = card.unfilled().to_empty(device="cpu")
        weight_files.load_into(module, state, "This file")
        checkpoints.write(folder / records.BEST, module.state_dict(), {"card": tuned.describe(card)})
        _note(folder, card)
        records.offer(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    path.unlink()
    return records.read(folder)


def _folder(name: str) -> Path:
    if not re.fullmatch(r"[a-z0-9-]{1,60}", name):
        raise UnknownRun(f"There is no run {name[:60]!r}; choose another.")
    return storage.folder("training") / name


def _described(path: Path, slug: str) -> TunedArchitecture | None:
    """The card in a file's header; None if there is none."""
    facts = checkpoints.facts(path)
    if "card" not in facts:
        return None
    try:
        return tuned.from_description(facts["card"], slug, path)
    except (ValueError, KeyError, TypeError, AttributeError, catalogue.UnknownArchitecture) as error:
        raise BadCheckpoint(f"{path.name} was made by another version of this app; export it again there.") from error


def _require(card: TunedArchitecture, state: Mapping[str, Tensor], source: str) -> None:
    """Compares names and shapes before any memory is taken: a header of a few bytes may claim a head of 10 GB.

    Raises:
        WeightsMismatch: they differ.
    """
    twin = card.unfilled().to("meta")  # RegNet's is filled after all
    weight_files.load_into(twin, {name: value.to("meta") for name, value in state.items()}, source)


def _fitted(state: Mapping[str, Tensor], slug: str, title: str) -> tuple[TunedArchitecture, Mapping[str, Tensor]]:
    """A card for a bare state dict, and its tensors under our names."""
    if not slug:
        raise BadCheckpoint("This file does not say which network it belongs to; choose the network and try again.")
    base = catalogue.get(slug)
    if isinstance(base, TunedArchitecture) or base.task != "classification":
        raise BadCheckpoint(f"{base.title} is no classification network of the catalogue; choose one.")
    network = base.unfilled()
    place, known = heads.find(network), network.state_dict().keys()
    ours = max(state, _renamed(base, state), key=lambda each: len(known & each.keys()))
    found = _head(ours, place.head)
    if found is None:
        raise weight_files.WeightsMismatch(
            f"This file has no {place.head + '.weight'!r}; it holds another network's weights."
        )
    head, ours = found
    card = TunedArchitecture(
        **{name: getattr(base, name) for name in ("year", "authors", "paper", "family", "ideas", "builder", "subject")},
        slug="",
        title=title or f"{base.title}, brought here",
        input_size=base.input_size,
        sides=base.sides,
        channels=base.channels,
        base=base.slug,
        heads=(head,),
        recipe=base.preprocessing,
        weights_name="brought here",
    )
    return card, ours


def _renamed(card: Architecture, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """torchvision's keys under ours, where they differ."""
    if not card.renames:
        return state
    module, _, table = card.renames.partition(":")
    return rename(dict(state), getattr(importlib.import_module(module), table))


def _head(state: Mapping[str, Tensor], path: str) -> tuple[Head, Mapping[str, Tensor]] | None:
    """What head a state dict has, and the same state dict with our names for it; None if it has none there."""
    if f"{path}.weight" in state:
        return Head(len(state[f"{path}.weight"])), state
    layers = [
        name.removesuffix(".weight") for name in state if name.startswith(f"{path}.") and name.endswith(".weight")
    ]
    if not 1 <= len(layers) <= 2:
        return None
    ours = [path] if len(layers) == 1 else [f"{path}.hidden", f"{path}.output"]
    new = dict(state)
    for theirs, name in zip(layers, ours, strict=True):
        for kind in ("weight", "bias"):
            if f"{theirs}.{kind}" in new:
                new[f"{name}.{kind}"] = new.pop(f"{theirs}.{kind}")
    classes = len(new[f"{ours[-1]}.weight"])
    hidden = len(new[f"{ours[0]}.weight"]) if len(ours) == 2 else 0
    return Head(classes, hidden), new


def _names(card: TunedArchitecture, classes: Sequence[str]) -> tuple[str, ...]:
    count = card.heads[-1].classes
    names = tuple(name.strip() for name in classes) or card.classes or ()
    if not names:
        names = models.imagenet_classes() if count == 1000 else tuple(f"class {index}" for index in range(count))
    if len(names) != count:
        raise BadCheckpoint(
            f"There are {len(names)} names, and this file's last layer has {count} classes; give as many."
        )
    return names


def _note(folder: Path, card: TunedArchitecture) -> None:
    records.write(
        folder,
        {
            "version": 1,
            "title": card.title,
            "created": card.made,
            "plan": None,
            "network": card.base,
            "weights": "",
            "identity": "",
            "data": "",
            "classes": list(card.classes or ()),
            "counts": [],
            "trained": "",
            "state": "brought",
            "error": "",
            "epochs": [],
            "seconds": 0.0,
            "card": tuned.describe(card),
        },
    )
