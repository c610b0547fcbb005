"""What is known of a run: one folder each, in the app's data folder, with facts that survive any crash."""

from __future__ import annotations

import datetime
import os
import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer import catalogue, storage, weight_files
from explorer.catalogue import tuned
from explorer.training import checkpoints
from explorer.training.checkpoints import BadCheckpoint
from explorer.training.datasets import Dataset
from explorer.training.plan import Plan
from explorer.training.progress import Epoch, best

if TYPE_CHECKING:
    from torch import nn

    from explorer.training.learner import Learner

FACTS, LAST, BEST, CARD = "run.json", "last.safetensors", tuned.WEIGHTS, tuned.CARD


@dataclass(frozen=True)
class Run:
    """One run, or a checkpoint that was brought here.

    Attributes:
        name: of its folder.
        folder: where it is.
        title: for people.
        created: date and time it began, ISO 8601, UTC.
        plan: how it trains; None for what was brought.
        network: slug of the network it began with.
        weights: what that had learnt, for people.
        identity: names architecture and weights it began with; '' before it has begun.
        data: title of the pictures.
        classes: names by index.
        counts: of each class: (to learn from, to check with).
        trained: as the guide prints it, '527,114 / 24,035,146 (2.2 %)'.
        state: 'running', 'done', 'stopped', 'failed', 'interrupted' (the process ended) or 'brought'.
        error: why it failed.
        epochs: that have ended.
        seconds: it has worked.
    """

    name: str
    folder: Path
    title: str
    created: str
    plan: Plan | None
    network: str
    weights: str
    identity: str
    data: str
    classes: tuple[str, ...]
    counts: tuple[tuple[int, int], ...]
    trained: str
    state: str
    error: str
    epochs: tuple[Epoch, ...]
    seconds: float

    @property
    def slug(self) -> str:
        """Of the tuned network in the catalogue, once there is one."""
        return tuned.PREFIX + self.name

    @property
    def base(self) -> str:
        """Title of the network it began with; '' if that was itself tuned here and is deleted."""
        try:
            return catalogue.get(self.network).title
        except catalogue.UnknownArchitecture:
            return ""

    @property
    def best(self) -> Epoch | None:
        """The epoch whose weights are kept."""
        number = best(self.epochs)
        return self.epochs[number - 1] if number else None

    @property
    def usable(self) -> bool:
        """Whether the tuned network can be chosen on every page."""
        return (self.folder / CARD).is_file()

    @property
    def resumable(self) -> bool:
        """Whether `resume` would go on with it."""
        return self.state in ("stopped", "interrupted", "failed") and self.plan is not None


def begin(dataset: Dataset, plan: Plan, folder: Path | None = None) -> Run:
    """Makes the folder of a new run.

    Raises:
        BadCheckpoint: there is something in it already.
    """
    title = plan.title or f"{dataset.title} on {catalogue.get(plan.network).title}"
    place = folder or new_folder(title)
    place.mkdir(parents=True, exist_ok=True)
    if (place / FACTS).exists():
        raise BadCheckpoint(f"There is a run in {place} already; resume it or name another folder.")
    write(
        place,
        {
            "version": 1,
            "title": title,
            "created": now(),
            "plan": plan.to_json(),
            "network": plan.network,
            "weights": "",
            "identity": "",
            "data": dataset.title,
            "classes": list(dataset.classes),
            "counts": [list(pair) for pair in dataset.counts],
            "trained": "",
            "state": "running",
            "error": "",
            "epochs": [],
            "seconds": 0.0,
        },
    )
    return read(place)


def new_folder(title: str) -> Path:
    """An empty folder in the app's data folder, named after what it is for."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "run"
    return storage.folder("training", f"{words}-{secrets.token_hex(4)}")


def now() -> str:
    """The time, ISO 8601, UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def write(folder: Path, facts: Mapping[str, Any]) -> None:
    """Writes all facts of a run."""
    checkpoints.write_json(folder / FACTS, facts)


def update(folder: Path, **changes: Any) -> None:
    """Writes some facts of a run anew."""
    write(folder, {**checkpoints.read_json(folder / FACTS), **changes})


def read(folder: Path) -> Run:
    """The run in ``folder``.

    Raises:
        BadCheckpoint: there is none, it is damaged, or it comes from a later version of the app.
    """
    plain = checkpoints.read_json(folder / FACTS)
    try:
        if plain["version"] != 1:
            raise ValueError
        run = Run(
            name=folder.resolve().name,
            folder=folder,
            title=plain["title"],
            created=plain["created"],
            plan=Plan.from_json(plain["plan"]) if plain["plan"] is not None else None,
            network=plain["network"],
            weights=plain["weights"],
            identity=plain["identity"],
            data=plain["data"],
            classes=tuple(plain["classes"]),
            counts=tuple((int(learnt), int(checked)) for learnt, checked in plain["counts"]),
            trained=plain["trained"],
            state=plain["state"],
            error=plain["error"],
            epochs=tuple(Epoch.from_json(each) for each in plain["epochs"]),
            seconds=float(plain["seconds"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadCheckpoint(
            f"The run in {folder} is damaged or comes from a later version; start a new one."
        ) from error
    if run.state == "running" and not checkpoints.is_held(folder):
        return replace(run, state="interrupted")
    return run


def settle(folder: Path, learner: Learner) -> None:
    """Notes what only the loaded network tells: which weights it begins with, and what the tuned one will be."""
    facts = checkpoints.read_json(folder / FACTS)
    if facts["identity"]:
        return  # resumed
    card = replace(
        learner.card, title=facts["title"], made=facts["created"], weights_name=f"tuned: {facts['data']}"[:80]
    )
    update(
        folder,
        identity=learner.identity,
        weights=learner.weights.name,
        trained=learner.split.text,
        card=tuned.describe(card),
    )


def keep_best(folder: Path, network: nn.Module, epoch: Epoch) -> None:
    """Keeps a whole network with all that is needed to use it elsewhere."""
    card = checkpoints.read_json(folder / FACTS)["card"]
    sha256 = checkpoints.write(folder / BEST, network.state_dict(), {"card": card, "epoch": epoch.to_json()})
    # At once: the catalogue knows the file by its hash, and a run may be killed.
    checkpoints.write_json(folder / CARD, {**card, "sha256": sha256})


def finish(folder: Path, state: str, error: str, seconds: float) -> None:
    """Notes how a run ended; what it has learnt can be chosen from now on."""
    facts = checkpoints.read_json(folder / FACTS)
    offer(folder)
    update(folder, state=state, error=error, seconds=facts["seconds"] + seconds)
    if state == "done":
        (folder / LAST).unlink(missing_ok=True)  # twice the size of the network, and of no more use


def offer(folder: Path) -> None:
    """Lists the best network of a run in the catalogue, if there is one."""
    if not (folder / BEST).is_file():
        return
    card = checkpoints.read_json(folder / FACTS)["card"]
    checkpoints.write_json(folder / CARD, {**card, "sha256": weight_files.sha256(folder / BEST)})


def size(folder: Path) -> int:
    """Bytes of all files of a run."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file() and os.access(path, os.R_OK))
