"""Attention rollout, reach and position similarity, against hand-computed cases, plain loops and closed forms."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from explorer import attention, attribution, capture, catalogue, predict
from explorer.architectures.vit import VisionTransformer
from explorer.attention import NoAttention
from explorer.preprocessing import centre_crop
from tests.conftest import wrapped


@pytest.fixture(scope="module")
def vit():
    """A small ViT: 16 patches of 8 pixels, 3 blocks of 4 heads, attention far from uniform."""
    torch.manual_seed(1)
    module = VisionTransformer(image_size=32, patch_size=8, num_classes=7, dim=32, depth=3, heads=4)
    with torch.no_grad():
        for block in module.blocks:
            block.attention.qkv.weight.mul_(20)
    return wrapped(module, catalogue.get("vit_b_32"), centre_crop(32), classes=7)


def rows(seed: int, *shape: int) -> np.ndarray:
    """Random attention whose rows sum to one."""
    values = np.random.default_rng(seed).random(shape) ** 4
    return values / values.sum(axis=-1, keepdims=True)


def test_two_blocks_of_three_tokens_by_hand():
    # One head each. A1 = (W1 + I) / 2, A2 = (W2 + I) / 2; the class token reads what A2 A1 says.
    first = np.array([[[0, 1, 0], [0, 0, 1], [0.5, 0, 0.5]]])
    second = np.array([[[0, 0, 1], [1, 0, 0], [0, 1, 0]]])
    found = attention.roll_out([first, second])
    np.testing.assert_allclose(found.steps[0], [[0.5, 0.5, 0], [0, 0.5, 0.5], [0.25, 0, 0.75]])
    np.testing.assert_allclose(found.matrix, [[0.375, 0.25, 0.375], [0.25, 0.5, 0.25], [0.125, 0.25, 0.625]])


@pytest.mark.parametrize("fusion", ["mean", "max", "min"])
@pytest.mark.parametrize(("residual", "discard"), [(0.5, 0.0), (0.0, 0.6), (0.9, 0.3), (1.0, 0.0)])
def test_rows_sum_to_one(fusion, residual, discard):
    found = attention.roll_out(list(rows(0, 4, 3, 10, 10)), head_fusion=fusion, residual=residual, discard=discard)
    assert found.steps.shape == (4, 10, 10)
    assert (found.steps >= 0).all()
    np.testing.assert_allclose(found.steps.sum(axis=2), 1, atol=1e-12)


def test_attention_to_oneself_stays_the_identity():
    eye = np.broadcast_to(np.eye(5), (2, 5, 5))
    np.testing.assert_array_equal(attention.roll_out([eye] * 6, discard=0.5).matrix, np.eye(5))


@pytest.mark.parametrize("fusion", ["mean", "max", "min"])
def test_parity_with_a_plain_loop(fusion):
    weights, residual, discard = rows(1, 3, 2, 5, 5), 0.3, 0.4
    fuse = {"mean": lambda values: sum(values) / len(values), "max": max, "min": min}[fusion]
    result = [[float(i == j) for j in range(5)] for i in range(5)]
    for block in weights:
        mixed = []
        for i in range(5):
            row = [fuse([block[head][i][j] for head in range(2)]) for j in range(5)]
            keep = sorted(range(5), key=lambda j: row[j])[2:]
            total = sum(row[j] for j in keep)
            mixed.append(
                [residual * (i == j) + (1 - residual) * (row[j] / total if j in keep else 0) for j in range(5)]
            )
        result = [[sum(mixed[i][k] * result[k][j] for k in range(5)) for j in range(5)] for i in range(5)]
    found = attention.roll_out(list(weights), head_fusion=fusion, residual=residual, discard=discard)
    np.testing.assert_allclose(found.matrix, result, rtol=1e-12)


def test_the_network_rolled_out(vit, photos):
    found = attention.rollout(vit, photos["coffee"])
    by_hand = np.eye(17)
    for block in range(3):
        by_hand = (attention.maps(vit, photos["coffee"], block).mean(axis=0) / 2 + np.eye(17) / 2) @ by_hand
    np.testing.assert_allclose(found.matrix, by_hand, atol=1e-6)
    assert found.patches.shape == (4, 4)
    np.testing.assert_array_equal(found.patches[1], found.matrix[0, 5:9])
    last = attention.rollout(vit, photos["coffee"], blocks=[2], residual=0).matrix
    np.testing.assert_allclose(last, attention.maps(vit, photos["coffee"], 2).mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"residual": 0.2, "discard": 0.5}])
def test_as_a_method_it_is_the_class_tokens_row_and_asks_about_no_class(vit, photos, options):
    found = attribution.attribute(vit, photos["coffee"], "rollout", **options)
    np.testing.assert_array_equal(found.raw, attention.rollout(vit, photos["coffee"], **options).patches.astype("f4"))
    other = attribution.attribute(vit, photos["coffee"], "rollout", (found.target + 1) % 7, **options)
    np.testing.assert_array_equal(other.raw, found.raw)
    assert found.target == int(predict.logits(vit, photos["coffee"]).argmax())
    assert found.layer == ""
    with pytest.raises(attribution.NotApplicable, match="asks about no class"):
        attribution.attribute(vit, photos["coffee"], "rollout", 0, against=1)


def test_the_logits_are_bit_equal_while_attention_is_captured(vit, photos):
    inputs = vit.preprocess(photos["coffee"])
    with torch.no_grad():
        before = vit.module(inputs)
    paths = [f"blocks.{block}.attention.attend" for block in range(3)]
    found = capture.outputs(vit.module, inputs, [*paths, "head"])
    assert torch.equal(found["head"], before)
    attention.rollout(vit, photos["coffee"])
    with torch.no_grad():
        assert torch.equal(vit.module(inputs), before)


@pytest.mark.parametrize("blocks", [[], [3], [-1, 0]])
def test_blocks_that_do_not_exist_are_refused(vit, photos, blocks):
    with pytest.raises(NoAttention, match="blocks 0 to 2"):
        attention.rollout(vit, photos["coffee"], blocks=blocks)


@pytest.mark.parametrize("options", [{"residual": 1.1}, {"residual": -0.1}, {"discard": 1.0}, {"discard": -0.1}])
def test_shares_that_cannot_be_are_refused(options):
    with pytest.raises(ValueError, match="residual"):
        attention.roll_out([rows(0, 1, 3, 3)], **options)


def test_networks_without_attention_are_refused(photos):
    plain = wrapped(torch.nn.Conv2d(3, 7, 3), catalogue.get("resnet18"), centre_crop(32), classes=7)
    for ask in (attention.survey, attention.rollout):
        with pytest.raises(NoAttention, match="choose a ViT"):
            ask(plain, photos["coffee"])
    with pytest.raises(NoAttention, match="choose a ViT"):
        attention.positions(plain)


def test_the_survey_is_what_its_parts_say(vit, photos):
    found = attention.survey(vit, photos["coffee"])
    assert len(found.maps) == 3
    for block in range(3):
        np.testing.assert_array_equal(found.maps[block], attention.maps(vit, photos["coffee"], block))
    np.testing.assert_array_equal(found.distances, attention.distances(vit, photos["coffee"]))
    assert found.spreads.shape == (3, 4)
    assert (found.spreads >= 1).all()
    assert (found.spreads <= 17).all()


def test_reach_by_brute_force():
    weights, side = rows(2, 2, 10, 10), 48  # a class token and 3 x 3 patches of 16 px
    found = attention.reach(weights, side)
    places = list(itertools.product(range(3), range(3)))
    for head, query in itertools.product(range(2), range(10)):
        row = weights[head, query]
        assert found.class_token[head, query] == row[0]
        assert found.spread[head, query] == pytest.approx(math.exp(-sum(w * math.log(w) for w in row)))
        if query == 0:
            assert math.isnan(found.near[head, query])
            assert math.isnan(found.distance[head, query])
            continue
        here = places[query - 1]
        apart = [math.dist(here, there) for there in places]
        near = sum(w for w, far in zip(row[1:], apart, strict=True) if far < 1.5)
        assert found.near[head, query] == pytest.approx(near)
        mean = sum(w * 16 * far for w, far in zip(row[1:], apart, strict=True)) / sum(row[1:])
        assert found.distance[head, query] == pytest.approx(mean)


def test_reach_averages_to_the_mean_distance(vit, photos):
    weights = attention.maps(vit, photos["coffee"], 1)
    np.testing.assert_allclose(
        attention.reach(weights, 32).distance[:, 1:].mean(axis=1), attention.distance(weights, 32)
    )


def test_all_attention_on_the_class_token_has_no_distance():
    weights = np.zeros((1, 5, 5))
    weights[:, :, 0] = 1
    found = attention.reach(weights, 32)
    assert np.isnan(found.distance).all()
    np.testing.assert_array_equal(found.near[0, 1:], 0)
    np.testing.assert_array_equal(found.spread, 1)  # a weight of zero adds nothing to the entropy


def test_even_attention_is_spread_over_all_tokens():
    np.testing.assert_allclose(attention.spread(np.full((2, 9, 9), 1 / 9)), 9)


def test_similarity_of_positions(vit):
    found = attention.positions(vit)
    embedding = vit.module.position_embedding.detach()[0, 1:]
    expected = torch.nn.functional.cosine_similarity(embedding[:, None], embedding[None], dim=-1)
    np.testing.assert_allclose(found.reshape(16, 16), expected.numpy(), atol=1e-6)
    assert found[2, 1, 2, 1] == pytest.approx(1)


def test_positions_on_a_line_are_as_alike_as_their_angle(vit):
    # Positions turned by 20 degrees from patch to patch: the similarity of two is the cosine between them.
    angles = torch.arange(16) * math.radians(20)
    kept = vit.module.position_embedding.detach().clone()
    with torch.no_grad():
        vit.module.position_embedding.zero_()
        vit.module.position_embedding[0, 1:, 0] = 3 * angles.cos()
        vit.module.position_embedding[0, 1:, 1] = 3 * angles.sin()
    try:
        found = attention.positions(vit)
    finally:
        with torch.no_grad():
            vit.module.position_embedding.copy_(kept)
    assert found[0, 0, 1, 1] == pytest.approx(math.cos(math.radians(100)), abs=1e-6)  # patch 0 to patch 5
    assert found[3, 3, 3, 2] == pytest.approx(math.cos(math.radians(20)), abs=1e-6)


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("attention", {"block": 2}),
        ("rollout", {"head_fusion": "max", "residual": 0.5, "discard": 0.2}),
        ("positions", {}),
    ],
)
def test_the_code_that_the_page_shows_computes_what_it_draws(vit, photos, mode, options):
    from pages.shared.evidence import attention as tab

    names = {"model": vit, "photo": photos["coffee"]}
    exec(tab.lines(mode, options), names)
    survey = attention.survey(vit, photos["coffee"])
    if mode == "positions":
        _, drawn = tab._of_positions(vit)
        levels = np.rint((names["similarity"].reshape(1, 16, 16) + 1) / 2 * 255)
        np.testing.assert_array_equal(drawn["levels"], levels)
        return
    if mode == "attention":
        _, drawn = tab._of_block(survey, vit, options)
        values, skipped = names["shares"], 1  # the mean of heads comes first
        np.testing.assert_array_equal(values, survey.maps[1])
        np.testing.assert_array_equal(drawn["distances"], names["far"].astype("f4"))
        np.testing.assert_array_equal(drawn["spreads"], names["wide"].astype("f4"))
    else:
        _, drawn = tab._of_rollout(survey, vit, options)
        values, skipped = names["steps"], 0
    np.testing.assert_array_equal(drawn["top"][skipped:], values[:, :, 1:].max(axis=2).astype("f4"))
    for name, of_reach in (("classToken", "class_token"), ("near", "near"), ("distance", "distance")):
        np.testing.assert_array_equal(drawn[name][skipped:], getattr(names["reach"], of_reach).astype("f4"))
    np.testing.assert_array_equal(drawn["spread"][skipped:], names["reach"].spread.astype("f4"))
