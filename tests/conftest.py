"""What tests share: photos, loaded networks, and a machine without a network."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import torch
from PIL import Image

from explorer import devices, images, models, storage
from explorer.catalogue import Architecture
from explorer.models import Model, Weights
from explorer.preprocessing import Preprocessing
from tests.architectures.live_weights import images as live_images
from tests.architectures.live_weights import make_live

# As the app does it: with as many threads as cores, small operations wait for each other more than they compute.
devices.configure_threads()


@pytest.fixture(scope="session", autouse=True)
def no_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing but this machine can be reached; torch's cache and the app's data folder are new and empty."""
    patch = pytest.MonkeyPatch()
    patch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch")))
    patch.setenv(storage.VARIABLE, str(tmp_path_factory.mktemp("data")))
    resolve = socket.getaddrinfo

    def only_here(host, *arguments, **options):
        if host not in ("127.0.0.1", "localhost", None, b"127.0.0.1"):
            raise socket.gaierror(-2, "Name or service not known")
        return resolve(host, *arguments, **options)

    patch.setattr(socket, "getaddrinfo", only_here)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def photos() -> dict[str, Image.Image]:
    """The bundled photos, opened."""
    return {slug: sample.open() for slug, sample in images.samples().items()}


@pytest.fixture(scope="session")
def lite0() -> Model:
    """EfficientNet-Lite0 with its real weights."""
    return models.load("efficientnet_lite0", device="cpu")


@pytest.fixture(scope="session")
def resnet50() -> Model:
    """ResNet-50 whose random weights answer: each layer keeps its variance, norms have statistics."""
    return live_model("resnet50")


@pytest.fixture(scope="session")
def resnet18() -> Model:
    """ResNet-18, live, at 64 pixels: fast enough to be asked a thousand times."""
    return live_model("resnet18", Preprocessing(resize=73, crop=64))


def live_model(slug: str, preprocessing: Preprocessing | None = None) -> Model:
    """A network of the catalogue with live random weights."""
    from explorer import catalogue

    card = catalogue.get(slug)
    recipe = preprocessing or card.preprocessing
    with torch.device("meta"):
        module = card.build()
    make_live(module, live_images((2, 3, recipe.crop, recipe.crop)), seed=7)
    return wrapped(module, card, recipe, classes=1000)


def wrapped(module: torch.nn.Module, card: Architecture, preprocessing: Preprocessing, classes: int) -> Model:
    """A module as a Model, outside the pool."""
    return Model(
        card=card,
        module=module,
        loaded=Weights("live", "random"),
        device=torch.device("cpu"),
        classes=tuple(f"class {index}" for index in range(classes)),
        preprocessing=preprocessing,
        key=f"{card.slug}|live|{id(module)}",
    )
