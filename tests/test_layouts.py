"""Maps of networks that do not hold them as (B, C, H, W)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from explorer import activations, attribution, catalogue, models
from explorer.capture import UnknownLayer
from explorer.layouts import Layout
from explorer.models import Model


@pytest.fixture(scope="module")
def swin() -> Model:
    return models.load("swin_t", "random", "cpu")


@pytest.fixture(scope="module")
def vit() -> Model:
    return models.load("vit_b_32", "random", "cpu")


@pytest.fixture(scope="module")
def convnext() -> Model:
    return models.load("convnext_tiny", "random", "cpu")


def raw_output(model: Model, image, name: str) -> np.ndarray:
    """What the module itself returns, by a hook of our own."""
    kept = []
    handle = model.module.get_submodule(name).register_forward_hook(lambda part, given, out: kept.append(out.clone()))
    with torch.no_grad():
        model.module(model.preprocess(image))
    handle.remove()
    return kept[0][0].numpy()


def test_channels_last_are_turned(swin, convnext, photos):
    for model, name in ((swin, "features.3.1"), (convnext, "stage2.1.pointwise1"), (convnext, "stage2.1.gelu")):
        assert activations.find(model, name).layout is Layout.CHANNELS_LAST
        raw = raw_output(model, photos["coffee"], name)
        maps = activations.feature_maps(model, photos["coffee"], [name])[name].values
        assert maps.shape == (raw.shape[2], raw.shape[0], raw.shape[1])
        assert (maps == raw.transpose(2, 0, 1)).all()


def test_tokens_lie_on_the_grid_of_their_patches_and_the_class_token_nowhere(vit, photos):
    name = "blocks.3"
    raw = raw_output(vit, photos["coffee"], name)  # (50, 768)
    maps = activations.feature_maps(vit, photos["coffee"], [name])[name].values
    assert maps.shape == (768, 7, 7)
    for row, column in ((0, 0), (2, 5), (6, 6)):
        assert (maps[:, row, column] == raw[1 + 7 * row + column]).all()


def test_patches_embedded_alone_have_no_class_token(vit, photos):
    name = "patch_embedding"
    raw, projected = raw_output(vit, photos["coffee"], name), raw_output(vit, photos["coffee"], f"{name}.projection")
    assert raw.shape == (49, 768)
    found = activations.feature_maps(vit, photos["coffee"], [name, f"{name}.projection"])
    assert (found[name].values == projected).all()
    assert (found[f"{name}.projection"].values == projected).all()


def test_matrices_of_attention_and_windows_are_no_maps(vit):
    assert not any(layer.name.endswith("attend") for layer in activations.layers(vit))
    with pytest.raises(UnknownLayer, match="attend"):
        activations.find(vit, "blocks.0.attention.attend")
    maxvit = models.load("maxvit_t", "random", "cpu")
    sizes = {layer.shape[1:] for layer in activations.layers(maxvit) if layer.spatial}
    assert sizes == {(112, 112), (56, 56), (28, 28), (14, 14), (7, 7)}


def test_every_map_of_every_card_is_as_large_as_a_stride_allows():
    """No layout was guessed wrong: H and W are equal, at most the input, and some channel count of the network."""
    for card in catalogue.CATALOGUE.values():
        if card.family in ("VGG", "EfficientNet") and card.slug not in ("vgg11_bn", "efficientnet_b0"):
            continue  # siblings of one plan
        with torch.device("meta"):
            module = card.build()
        from explorer import capture

        side = card.input_size
        found = capture.layers(module, (1, card.channels, side, side))
        spatial = [layer for layer in found if layer.spatial]
        assert spatial, card.slug
        assert all(layer.shape[1] == layer.shape[2] <= side for layer in spatial), card.slug
        assert any(
            layer.name.startswith(("conv", "features", "stem", "c1", "patch", "enc", "back")) for layer in spatial
        )


def test_grad_cam_is_the_same_read_before_and_after_the_axes_are_turned(swin, photos):
    before = attribution.attribute(swin, photos["coffee"], target=3, layer="norm")
    after = attribution.attribute(swin, photos["coffee"], target=3, layer="permute")
    assert before.raw.shape == after.raw.shape == (7, 7)
    np.testing.assert_allclose(before.raw, after.raw, rtol=1e-5, atol=1e-9)


def test_grad_cam_at_tokens_by_hand(vit, photos):
    found = attribution.attribute(vit, photos["coffee"], target=5)
    assert found.layer == "blocks.10"  # after the last block no patch has any influence
    inputs = vit.preprocess(photos["coffee"])
    tokens = []

    def cut(part, given, out):
        tokens.append(out.detach().requires_grad_())
        return tokens[0]

    handle = vit.module.blocks[10].register_forward_hook(cut)
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(vit.module(inputs)[0, 5], tokens_of(tokens))
    handle.remove()
    patches, slopes = tokens[0][0, 1:], gradient[0, 1:]
    expected = (patches * slopes.mean(dim=0)).sum(dim=1).view(7, 7)
    np.testing.assert_allclose(found.raw, expected.detach().numpy(), rtol=1e-4, atol=1e-9)
    with pytest.raises(attribution.NotApplicable, match="last attention"):
        attribution.attribute(vit, photos["coffee"], target=5, layer="blocks.11")


def tokens_of(tokens: list[torch.Tensor]) -> torch.Tensor:
    return tokens[0]


def test_a_vision_transformers_depth_is_five_of_its_blocks(vit, swin):
    assert [layer.name for layer in activations.resolutions(vit)] == [f"blocks.{index}" for index in (0, 3, 6, 8, 11)]
    assert [layer.shape[1] for layer in activations.resolutions(swin)] == [56, 28, 14, 7]
