"""The network that ships: what it finds in new scenes, where its evidence lies; and torchvision's detectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from explorer import catalogue, detection, models, weight_files
from explorer.architectures.yolo import YOLO, yolo, yolo_small
from explorer.catalogue import Architecture
from explorer.detection import looking, pretrained, scenes
from explorer.models import Model
from explorer.preprocessing import Preprocessing
from explorer.weight_files import WeightsUnavailable
from tests.conftest import wrapped
from tests.test_capture import hooks

LEAST = 0.90  # of mAP@0.5; on 500 other scenes it is 0.928


@pytest.fixture(scope="module")
def small() -> Model:
    return models.load("yolo_scenes", device="cpu")


def test_the_weights_are_small_and_the_ones_of_the_card(small):
    bundled = catalogue.get("yolo_scenes").bundled
    assert bundled is not None
    path = weight_files.bundled_path(bundled)
    assert path is not None
    assert path.stat().st_size < 5_000_000
    assert weight_files.sha256(path) == bundled.sha256
    assert small.weights.source == "bundled"
    assert small.classes == scenes.CLASSES
    text = path.with_suffix(".md").read_text(encoding="utf-8")
    assert f"{path.stat().st_size:,} bytes" in text
    assert f"{small.parameters:,} parameters" in text


def test_it_is_the_guides_class_narrower():
    network, guides = yolo_small(), yolo(num_classes=9)
    assert type(network) is type(guides) is YOLO
    assert [name for name, _ in network.head.named_parameters()] == [name for name, _ in guides.head.named_parameters()]
    assert (network.stride, guides.stride) == (16, 32)
    assert network.head.predict.out_channels == 3 * (5 + 9)


def test_it_finds_what_it_never_saw(small):
    """Scenes of photos, digits and seeds that no training showed; 500 of them give the figure of the card."""
    found, truth = [], []
    for seed in range(700_000, 700_080):
        scene = scenes.make(seed)
        boxes = looking.look(small, scene.open()).above(0.01)
        assert (boxes.boxes >= 0).all()
        assert (boxes.boxes <= 160).all()
        found.append(boxes.take(detection.suppress(boxes.boxes, boxes.scores, boxes.labels).kept))
        truth.append((scene.boxes, scene.labels))
    assert detection.mean_precision(found, truth).at_50 > LEAST


def test_a_look_is_the_networks_own_pass_decoded(small):
    scene = scenes.make(3)
    said = looking.look(small, scene.open())
    with small.lock, torch.inference_mode():
        raw = small.module(small.preprocess(scene.open()))[0].numpy()
    np.testing.assert_array_equal(said.raw, raw.astype(np.float64))
    assert (said.grid, said.stride, said.width, said.height) == ((10, 10), 16, 160, 160)
    assert said.anchors.tolist() == [list(each) for each in detection.ANCHORS]


def test_the_guides_head_has_anchors_in_proportion(photos):
    model = models.load("yolo", "random", "cpu")
    said = looking.look(model, photos["coffee"])
    assert (said.grid, said.stride, said.raw.shape) == ((13, 13), 32, (3, 13, 13, 85))
    np.testing.assert_allclose(said.anchors, np.array(detection.ANCHORS) * 2.6)


# --- evidence ---


@pytest.mark.parametrize(("block", "everywhere"), [("block5", True), ("block5", False), ("block3", True)])
@pytest.mark.parametrize("number", [looking.OBJECTNESS, 5 + 6])
def test_evidence_equals_gradients_that_hooks_find(small, block, everywhere, number):
    scene, place = scenes.make(1), (1, 4, 6)
    found = looking.evidence(small, scene.open(), place, number, block, everywhere)
    kept: list[torch.Tensor] = []

    def keep(part: nn.Module, inputs: object, out: torch.Tensor) -> torch.Tensor:
        kept.append(out.clone())
        kept[0].requires_grad_()
        return kept[0]

    handle = small.module.backbone.get_submodule(block).register_forward_hook(keep)
    try:
        with torch.enable_grad():
            asked = small.module(small.preprocess(scene.open()))[(0, *place, number)]
            (gradient,) = torch.autograd.grad(asked, kept[0])
    finally:
        handle.remove()
    weights = gradient.mean((2, 3), keepdim=True) if everywhere else gradient
    expected = (weights * kept[0].detach()).sum(1)[0].numpy()
    np.testing.assert_allclose(found.raw, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())
    assert found.number == pytest.approx(asked.item(), rel=1e-4)
    assert found.block == f"backbone.{block}"
    assert found.heatmap.shape == (160, 160)
    assert 0 <= found.heatmap.min() <= found.heatmap.max() <= 1


def test_place_by_place_only_the_three_by_three_cells_that_the_head_reads_have_evidence(small):
    found = looking.evidence(small, scenes.make(1).open(), (0, 5, 2), everywhere=False)
    outside = found.raw.copy()
    outside[4:7, 1:4] = 0
    assert not outside.any()
    assert found.raw[4:7, 1:4].any()


def test_the_network_is_left_as_it_was(small):
    before = {name: value.clone() for name, value in small.module.state_dict().items()}
    looking.evidence(small, scenes.make(2).open(), (0, 0, 0))
    looking.look(small, scenes.make(2).open())
    assert all(torch.equal(before[name], value) for name, value in small.module.state_dict().items())
    assert not small.module.training
    assert not hooks(small.module)
    assert all(p.grad is None and not p.requires_grad for p in small.module.parameters())


def test_other_networks_and_blocks_are_refused(small, resnet18, photos):
    with pytest.raises(looking.NoDetector, match="choose a YOLO"):
        looking.look(resnet18, photos["chelsea"])
    with pytest.raises(looking.NoDetector, match="block1, block2, block3, block4, block5"):
        looking.evidence(small, photos["chelsea"], (0, 0, 0), block="block6")


# --- torchvision's detectors ---


def test_torchvisions_detectors_say_what_their_metadata_says_and_that_they_are_not_here():
    cards = {card.slug: card for card in pretrained.detectors()}
    assert list(cards) == list(pretrained.TITLES)
    assert [card.megabytes for card in cards.values()] == sorted(card.megabytes for card in cards.values())
    assert cards["ssdlite320_mobilenet_v3_large"].mean_precision == pytest.approx(0.213)
    assert not any(card.at_hand for card in cards.values())
    assert pretrained.categories("ssdlite320_mobilenet_v3_large")[17] == "cat"
    with pytest.raises(WeightsUnavailable, match=r"ssdlite320_\S+ could not be downloaded"):
        pretrained.detect("ssdlite320_mobilenet_v3_large", scenes.make(0).open())


def test_a_detector_of_torchvisions_gives_its_boxes(monkeypatch, tmp_path, photos):
    """Random weights of the real network, in a file, in place of the download; compared with torchvision's own call."""
    from torchvision.models.detection import ssdlite320_mobilenet_v3_large
    from torchvision.transforms.functional import pil_to_tensor

    torch.manual_seed(0)
    theirs = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None).eval()
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    monkeypatch.setattr(weight_files, "fetch", lambda weights, progress=None: tmp_path / "w.pth")
    found = pretrained.detect("ssdlite320_mobilenet_v3_large", photos["coffee"], confidence=0.005)
    with torch.inference_mode():
        expected = theirs([pil_to_tensor(photos["coffee"]).float() / 255])[0]
    enough = expected["scores"] >= 0.005
    np.testing.assert_allclose(found.boxes, expected["boxes"][enough].numpy(), atol=1e-3)
    np.testing.assert_allclose(found.scores, expected["scores"][enough].numpy(), atol=1e-5)
    assert (found.labels == expected["labels"][enough].numpy()).all()
    assert len(found) > 0


def test_a_wrapped_yolo_of_another_size_is_looked_at_too():
    card: Architecture = catalogue.get("yolo_scenes")
    model = wrapped(yolo_small(), card, Preprocessing(resize=96, crop=96), classes=9)
    assert looking.look(model, scenes.make(0).open()).grid == (6, 6)
