"""Attention's weights and how far they reach, against closed forms, brute force and the network's own arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torchvision
from streamlit.testing.v1 import AppTest

from explorer import attention, attribution, capture, catalogue, predict
from explorer.architectures.vit import VisionTransformer
from explorer.attention import NoAttention
from explorer.preprocessing import centre_crop
from tests.conftest import wrapped
from tests.pages.test_pages import read


@pytest.fixture(scope="module")
def vit():
    """A small ViT: 16 patches of 8 pixels, 3 blocks of 4 heads."""
    torch.manual_seed(0)
    module = VisionTransformer(image_size=32, patch_size=8, num_classes=7, dim=32, depth=3, heads=4)
    with torch.no_grad():
        for block in module.blocks:
            block.attention.qkv.weight.mul_(20)  # so that attention is not almost uniform
    return wrapped(module, catalogue.get("vit_b_32"), centre_crop(32), classes=7)


def test_rows_sum_to_one(vit, photos):
    weights = attention.maps(vit, photos["coffee"], 1)
    assert weights.shape == (4, 17, 17)
    assert not weights.flags.writeable
    np.testing.assert_allclose(weights.sum(axis=2), 1, atol=1e-5)
    assert weights.max() > 0.2


def test_the_weights_are_those_that_the_block_uses(vit, photos):
    inputs = vit.preprocess(photos["coffee"])
    for number, block in enumerate(vit.module.blocks):
        name = f"blocks.{number}"
        found = capture.outputs(vit.module, inputs, [f"{name}.norm1", f"{name}.attention"])
        with torch.no_grad():
            _, _, values = block.attention.queries_keys_values(found[f"{name}.norm1"])
            weights = torch.from_numpy(attention.maps(vit, photos["coffee"], number).copy())[None]
            mixed = block.attention.projection((weights @ values).transpose(1, 2).flatten(2))
        assert torch.equal(mixed, found[f"{name}.attention"])


def test_nothing_of_the_network_changes(vit, photos):
    before = predict.logits(vit, photos["coffee"])
    attention.distances(vit, photos["coffee"])
    np.testing.assert_array_equal(predict.logits(vit, photos["coffee"]), before)
    assert not any(module._forward_hooks for module in vit.module.modules())


def test_the_logits_are_the_same_while_weights_are_captured(vit, photos):
    inputs = vit.preprocess(photos["coffee"])
    kept = {}

    def listen(name, output):
        kept[name] = output
        return output.detach().clone()

    with torch.no_grad():
        before = vit.module(inputs)
    seen = capture.reduced(vit.module, inputs, listen)
    assert torch.equal(seen["head"], before)
    assert torch.equal(
        seen["blocks.2.attention.attend"][0], torch.from_numpy(attention.maps(vit, photos["coffee"], 2).copy())
    )


def test_distances_have_one_number_for_each_head(vit, photos):
    found = attention.distances(vit, photos["coffee"])
    assert found.shape == (3, 4)
    assert (found > 0).all()
    assert (found < math.hypot(24, 24)).all()  # from corner to corner


def test_attention_to_oneself_reaches_nowhere():
    assert attention.distance(np.eye(17)[None], 32) == pytest.approx([0])


def test_the_distance_of_uniform_attention_by_brute_force():
    weights = np.full((2, 10, 10), 1 / 10)
    places = [(row, column) for row in range(3) for column in range(3)]
    apart = [math.dist(one, other) for one in places for other in places]
    assert attention.distance(weights, 96) == pytest.approx([32 * sum(apart) / 81] * 2)


def test_the_class_token_is_left_out_as_query_and_as_key():
    # Each of four patches gives half to the class token and half to its neighbour on the right or left, 16 px away.
    weights = np.zeros((1, 5, 5))
    weights[0, :, 0] = 0.5
    for query, key in ((1, 2), (2, 1), (3, 4), (4, 3), (0, 4)):
        weights[0, query, key] = 0.5
    assert attention.distance(weights, 32) == pytest.approx([16])


@pytest.mark.parametrize("block", [-1, 3])
def test_blocks_that_do_not_exist_are_refused(vit, photos, block):
    with pytest.raises(NoAttention, match="blocks 0 to 2"):
        attention.maps(vit, photos["coffee"], block)


def test_networks_without_attention_are_refused(resnet18, photos):
    assert attention.depth(resnet18) == 0
    with pytest.raises(NoAttention, match="choose a ViT"):
        attention.distances(resnet18, photos["coffee"])


def test_attention_that_is_there_but_hidden_is_not_said_to_be_missing(photos):
    module = torchvision.models.VisionTransformer(32, 8, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=8)
    model = wrapped(module, catalogue.get("vit_l_32"), centre_crop(32), classes=1000)
    assert attention.depth(model) == 0
    with pytest.raises(NoAttention, match=r"ViT-L/32.* inside PyTorch's own.*ViT-B/16, ViT-B/32 and ViT-L/16\."):
        attention.survey(model, photos["coffee"])
    assert attribution.availability(model, "rollout") == attention.unreadable(model)
    app = AppTest.from_function(_page, args=(model,), default_timeout=60).run()
    assert not app.exception
    assert attention.unreadable(model) in read(app.markdown[0].value)


def _page(model):
    from pages.shared import pictures
    from pages.shared.evidence import attention

    attention.draw(pictures.find("chelsea"), model)
