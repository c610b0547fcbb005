"""What the network sees, against torchvision's own transforms and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import (
    EfficientNet_B0_Weights,
    EfficientNet_B2_Weights,
    EfficientNet_B4_Weights,
    ResNet50_Weights,
)

from explorer import catalogue, weight_files
from explorer.preprocessing import Preprocessing, centre_crop

ENTRIES = [
    ("resnet50", ResNet50_Weights.IMAGENET1K_V1),
    ("resnet50", ResNet50_Weights.IMAGENET1K_V2),
    ("efficientnet_b0", EfficientNet_B0_Weights.IMAGENET1K_V1),
    ("efficientnet_b2", EfficientNet_B2_Weights.IMAGENET1K_V1),
    ("efficientnet_b4", EfficientNet_B4_Weights.IMAGENET1K_V1),
]


@pytest.mark.parametrize(("slug", "entry"), ENTRIES, ids=[str(entry) for _, entry in ENTRIES])
def test_official_recipes_equal_torchvisions_transforms_exactly(photos, slug, entry):
    ours = weight_files.official(catalogue.get(slug), entry.name).preprocessing
    upright = photos["chelsea"].rotate(90, expand=True).crop((0, 0, 211, 451))
    for image in (photos["chelsea"], photos["coffee"], upright, photos["camera"].resize((31, 57))):
        assert torch.equal(ours.tensor(image)[0], entry.transforms()(image))


def test_tensorflows_order_by_hand():
    """224 of 256 of the short side of 300 is 262; its corner is rounded up: (451 - 262 + 1) // 2 = 95."""
    recipe = Preprocessing(resize=256, crop=224, interpolation="bicubic", crop_first=True)
    assert recipe.box(451, 300) == (95, 19, 95 + 262, 19 + 262)
    pixels = np.zeros((300, 451, 3), np.uint8)
    pixels[19:281, 95:357] = 200
    assert (np.asarray(recipe.view(Image.fromarray(pixels))) == 200).all()  # just the square, to the pixel


def test_the_box_is_where_the_view_comes_from():
    """A ramp tells at which column the view begins and ends."""
    ramp = np.repeat(np.arange(512, dtype=np.float32)[None] / 2, 256, axis=0).astype(np.uint8)
    image = Image.fromarray(ramp).convert("RGB")
    for recipe in (centre_crop(224), Preprocessing(256, 224, "bicubic", crop_first=True)):
        left, top, right, bottom = recipe.box(512, 256)
        seen = np.asarray(recipe.view(image)).astype(float)
        assert seen[:, 0].mean() * 2 == pytest.approx(left, abs=2)
        assert seen[:, -1].mean() * 2 == pytest.approx(right, abs=2)
        assert (top, bottom) == (16, 240)


def test_lite_normalisation_maps_bytes_as_tensorflow_does():
    recipe = catalogue.get("efficientnet_lite0").bundled.preprocessing
    seen = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2)
    expected = (np.arange(256) - 127) / 128
    assert np.allclose(recipe.normalise(seen)[0, 0, 0].numpy(), expected, atol=1e-6)


def test_a_tiny_photo_is_enlarged():
    assert centre_crop(224).view(Image.new("RGB", (1, 3), "red")).getpixel((100, 100)) == (255, 0, 0)
