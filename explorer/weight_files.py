"""Files of trained weights: where they are, how they come here, and how they are read.

A download happens once however many visitors wait for it, in a thread of its own, so that a visitor who leaves does not
break it; it is checked against the hash in its name and moved into place only when whole.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.errors import ExplorerError

if TYPE_CHECKING:
    import torch

    from explorer.catalogue import Architecture, Bundled
    from explorer.preprocessing import Preprocessing

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all (0 while unknown)."""

_CHUNK = 1 << 20
_TIMEOUT_S = 10.0
_FORGET_FAILURE_S = 60.0  # a page reruns on every click: it must not wait for a dead connection each time


class WeightsUnavailable(ExplorerError):
    """A file of weights is not here and cannot be fetched; the message says which file and where to put it."""


class WeightsMismatch(ExplorerError):
    """A file holds something else than this network's weights; the message names the first difference."""


@dataclass(frozen=True)
class OfficialWeights:
    """One entry of torchvision's weights.

    Attributes:
        name: of the entry, 'IMAGENET1K_V2'.
        url: of the file.
        classes: names by index.
        preprocessing: what the entry was evaluated with.
    """

    name: str
    url: str
    classes: tuple[str, ...]
    preprocessing: Preprocessing

    @property
    def file(self) -> str:
        """Name of the file."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def digits(self) -> str:
        """First digits of the file's sha256, which torchvision puts into the name (resnet50-11ad3fa6.pth)."""
        found = re.search(r"-([0-9a-f]{8,64})\.", self.file)
        return found[1] if found else ""


def official(card: Architecture, name: str = "DEFAULT") -> OfficialWeights | None:
    """torchvision's weights for ``card``: its best entry, or the one called ``name``; None where it has none."""
    if card.torchvision is None:
        return None
    from torchvision.models import get_model_weights

    from explorer.preprocessing import Preprocessing

    entries = get_model_weights(card.torchvision)
    if name != "DEFAULT" and name not in entries.__members__:
        return None
    entry = entries[name] if name != "DEFAULT" else entries.DEFAULT
    recipe = entry.transforms()
    mean, std = card.normalisation or (recipe.mean, recipe.std)
    return OfficialWeights(
        entry.name,
        entry.url,
        tuple(entry.meta["categories"] or ()),  # VGG-16's "features" entry has no classes
        Preprocessing(
            recipe.resize_size[0],
            recipe.crop_size[0],
            recipe.interpolation.value,
            tuple(mean),
            tuple(std),
        ),
    )


def bundled_path(bundled: Bundled) -> Path | None:
    """The file in `assets/weights` or inside its installed package, or None when that package is not installed."""
    if not bundled.package:
        path = Path(__file__).parents[1] / "assets" / "weights" / bundled.file
        return path if path.is_file() else None
    spec = importlib.util.find_spec(bundled.package)
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place) / bundled.file
        if path.is_file():
            return path
    return None


def folder() -> Path:
    """Where torch keeps downloaded weights (``$TORCH_HOME/hub/checkpoints``)."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


def sha256(path: Path) -> str:
    """Hash of the file at ``path``, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(path: Path, digits: str) -> None:
    """Checks that the sha256 of ``path`` starts with ``digits``; a file that was right is not hashed again.

    Raises:
        WeightsMismatch: it does not.
    """
    stat = path.stat()
    stamp = (stat.st_size, stat.st_mtime_ns)
    if _verified.get(path) == stamp:
        return
    if not sha256(path).startswith(digits):
        raise WeightsMismatch(f"{path.name} in {path.parent} is damaged or incomplete; delete it and reload.")
    _verified[path] = stamp


@dataclass
class _Download:
    url: str
    target: Path
    digits: str
    done: int = 0
    total: int = 0
    failure: str = ""
    failed_at: float = 0.0
    finished: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        partial = self.target.with_name(f"{self.target.name}.{uuid.uuid4().hex}.partial")
        try:
            self._copy(partial)
            partial.replace(self.target)
        except (OSError, urllib.error.URLError, ValueError) as error:
            self.failure = _reason(error)
            self.failed_at = time.monotonic()
        finally:
            partial.unlink(missing_ok=True)
            self.finished.set()

    def _copy(self, partial: Path) -> None:
        self.target.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        request = urllib.request.Request(self.url, headers={"User-Agent": "cnn-explorer"})  # noqa: S310
        # The address is torchvision's own (or a test's), never a visitor's.
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer, partial.open("wb") as file:  # noqa: S310
            self.total = int(answer.headers.get("Content-Length") or 0)
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                digest.update(chunk)
                self.done += len(chunk)
            file.flush()
            os.fsync(file.fileno())
        if self.total and self.done != self.total:
            raise ValueError("the connection broke off")
        if not digest.hexdigest().startswith(self.digits):
            raise ValueError("what arrived is damaged")


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code}"
    if isinstance(error, urllib.error.URLError):
        return "there is no connection"
    if isinstance(error, TimeoutError):
        return "the connection is too slow"
    if isinstance(error, ValueError):
        return str(error)
    return "it could not be written or read"


_downloads: dict[Path, _Download] = {}
_guard = threading.Lock()
_verified: dict[Path, tuple[int, int]] = {}  # file -> (size, time of change) when its hash was last found right


def cached(weights: OfficialWeights) -> Path | None:
    """The file in torch's cache if it is there and whole, else None."""
    path = folder() / weights.file
    if not path.is_file():
        return None
    try:
        verify(path, weights.digits)
    except WeightsMismatch:
        return None  # half a file from elsewhere: the download puts a whole one in its place
    return path


def fetch(weights: OfficialWeights, progress: Progress | None = None) -> Path:
    """Returns the file of ``weights`` from torch's cache, downloading it if need be.

    Raises:
        WeightsUnavailable: it is not there and cannot be had.
    """
    path = cached(weights)
    if path is not None:
        return path
    target = folder() / weights.file
    with _guard:
        download = _downloads.get(target)
        stale = download is not None and download.finished.is_set()
        if download is not None and stale and download.failure:
            stale = time.monotonic() - download.failed_at > _FORGET_FAILURE_S
        if download is None or stale:
            download = _downloads[target] = _Download(weights.url, target, weights.digits)
            threading.Thread(target=download.run, name=f"download {weights.file}", daemon=True).start()
    while not download.finished.wait(0.2):
        if progress is not None:
            progress(download.done, download.total)
    if download.failure:
        raise WeightsUnavailable(
            f"{weights.file} could not be downloaded ({download.failure}); "
            f"fetch {weights.url} elsewhere, put it into {target.parent} and reload, or choose other weights."
        )
    return target


def forget_failures() -> None:
    """Lets the next ``fetch`` try again at once what failed a moment ago."""
    with _guard:
        for target in [path for path, download in _downloads.items() if download.failure]:
            del _downloads[target]


def read(path: Path) -> dict[str, torch.Tensor]:
    """Reads a state dict from a safetensors file or a plain torch file, as a plain dict on the CPU, floats as float32.

    Raises:
        WeightsMismatch: the file is damaged or holds something else than named tensors.
    """
    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: object = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each format has its own exceptions for a damaged file
        raise WeightsMismatch(
            f"{path.name} cannot be read as weights; it may be damaged, so fetch it again."
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsMismatch(f"{path.name} holds no plain state dict (named tensors); save model.state_dict().")
    return {
        name: value.float() if value.is_floating_point() else value
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    }


def load_into(module: torch.nn.Module, state: Mapping[str, torch.Tensor], source: str) -> None:
    """Copies ``state`` into ``module``, strictly; only counters of old files (``num_batches_tracked``) may be missing.

    Raises:
        WeightsMismatch: a tensor is missing, unknown or of another shape; the first one is named.
    """
    own = module.state_dict()
    given = dict(state)
    for name, value in own.items():
        if name not in given and name.endswith("num_batches_tracked"):
            given[name] = value
    for name, value in own.items():
        if name not in given:
            raise WeightsMismatch(f"{source} has no {name!r}; it holds another network's weights.")
        if given[name].shape != value.shape:
            raise WeightsMismatch(
                f"{source} has {name!r} of shape {tuple(given[name].shape)} where {tuple(value.shape)} belongs."
            )
    unknown = next((name for name in given if name not in own), None)
    if unknown is not None:
        raise WeightsMismatch(f"{source} has {unknown!r}, which this network does not know.")
    module.load_state_dict(given, strict=True)
