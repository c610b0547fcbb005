"""The pool and the policies."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from explorer import catalogue, devices, models
from explorer.models import Pool
from explorer.weight_files import WeightsUnavailable
from tests.toy import toy


def test_bundled_is_what_auto_takes_and_pretrained_is_refused_kindly():
    model = models.load("efficientnet_lite0", device="cpu")
    assert (model.weights.source, model.weights.trained) == ("bundled", True)
    assert model.classes[281] == "tabby"
    assert not model.module.training
    assert not any(parameter.requires_grad for parameter in model.module.parameters())
    with pytest.raises(WeightsUnavailable, match="auto, bundled, random"):
        models.load("efficientnet_lite0", "pretrained", "cpu")
    with pytest.raises(WeightsUnavailable, match="pretrained or random"):
        models.load("resnet18", "bundled", "cpu")


def test_parameters_are_those_published():
    assert models.load("efficientnet_lite0", device="cpu").parameters == 4_652_008


def test_random_weights_follow_their_seed_and_nobody_elses_numbers_change():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first = models.load("resnet18", "random", "cpu", seed=3)
    assert torch.equal(torch.rand(3), expected)
    models.pool.clear()
    again = models.load("resnet18", "random", "cpu", seed=3)
    other = models.load("resnet18", "random", "cpu", seed=4)
    assert first.module is not again.module
    assert torch.equal(first.module.conv1.weight, again.module.conv1.weight)
    assert not torch.equal(first.module.conv1.weight, other.module.conv1.weight)


def test_the_pool_drops_the_least_recently_used_and_never_the_newest():
    networks = [toy() for _ in range(4)]
    each = networks[0].bytes
    assert each == 4 * (3 * 2 + 2 + 2 * 2 + 2)
    pool = Pool(limit=3 * each)
    for network in networks[:3]:
        pool.put(network)
    pool.get(networks[0].key)
    pool.put(networks[3])
    assert pool.keys == (networks[2].key, networks[0].key, networks[3].key)
    assert pool.get(networks[1].key) is None
    assert pool.bytes == 3 * each
    small = Pool(limit=each // 2)
    small.put(networks[0])
    small.put(networks[1])
    assert small.keys == (networks[1].key,)


def test_visitors_at_once_build_a_network_once(monkeypatch):
    models.pool.clear()
    built = []
    real = models._build

    def build(card, seed, options):
        built.append(threading.get_ident())
        return real(card, seed, options)

    monkeypatch.setattr(models, "_build", build)
    with ThreadPoolExecutor(8) as visitors:
        loaded = list(visitors.map(lambda _: models.load("efficientnet_lite0", device="cpu"), range(16)))
    assert len(built) == 1
    assert len({id(model) for model in loaded}) == 1


def test_a_note_belongs_to_the_asker_and_not_to_the_network():
    model = models.load("resnet18", "random", "cpu")
    noted = model.noted("because")
    assert (noted.module, noted.lock, noted.key) == (model.module, model.lock, model.key)
    assert (noted.weights.note, model.weights.note) == ("because", "")


def test_devices_are_chosen_in_one_place():
    assert devices.choose("cpu") == torch.device("cpu")
    assert str(devices.choose("auto")) == devices.available()[0]
    with pytest.raises(devices.UnknownDevice, match="cuda:99"):
        devices.choose("cuda:99")
    assert devices.describe("cpu").startswith("CPU, ")
    assert devices.configure_threads() == torch.get_num_threads()


def test_unknown_networks_are_answered_with_near_names():
    with pytest.raises(catalogue.UnknownArchitecture, match="resnet50"):
        models.load("resnet5o")
