"""The Vision Transformer against torchvision, PyTorch's own attention, the guide's counts and sums done by hand."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.vision_transformer import VisionTransformer as TorchvisionViT
from torchvision.models.vision_transformer import interpolate_embeddings

from explorer.architectures import vit
from explorer.architectures.image_size import IllegalSize
from explorer.architectures.state_dict import rename
from explorer.architectures.vit import (
    RENAMES,
    MultiHeadSelfAttention,
    PatchEmbedding,
    TransformerBlock,
    VisionTransformer,
    resize_positions,
)
from explorer.cost import count
from tests.architectures.live_weights import assert_alive, images, make_live

FACTS = json.loads((Path(__file__).parents[1] / "reference" / "guide_facts.json").read_text(encoding="utf-8"))
NAMES = ("vit_b_16", "vit_b_32", "vit_l_16")
SMALL: dict[str, Any] = {"image_size": 48, "patch_size": 16, "num_classes": 11}


def small() -> VisionTransformer:
    return VisionTransformer(dim=24, depth=3, heads=4, **SMALL).eval()


def small_pair(**options: Any) -> tuple[VisionTransformer, nn.Module]:
    """Ours and torchvision's with equal live weights: three blocks of width 24."""
    options = {**SMALL, **options}
    with torch.device("meta"):
        theirs = TorchvisionViT(num_layers=3, num_heads=4, hidden_dim=24, mlp_dim=96, **options)
        ours = VisionTransformer(dim=24, depth=3, heads=4, **options).eval()
    make_live(theirs, square(options["image_size"]))
    ours.load_state_dict(rename(theirs.state_dict(), RENAMES), strict=True, assign=True)
    return ours, theirs


def square(side: int = 48) -> Tensor:
    return images((2, 3, side, side))


# --- torchvision ---


@pytest.mark.parametrize("name", ["vit_b_16", "vit_b_32"])
def test_logits_equal_torchvisions_within_rounding(name):
    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)(image_size=96)
        ours = getattr(vit, name)(image_size=96).eval()
    make_live(theirs, square(96))
    ours.load_state_dict(rename(theirs.state_dict(), RENAMES), strict=True, assign=True)
    with torch.inference_mode():
        logits, expected = ours(square(96)), theirs(square(96))
    assert_alive(logits)
    assert (logits - expected).abs().max() < 5e-6 * expected.abs().max()


def test_in_double_precision_logits_equal_torchvisions():
    ours, theirs = small_pair()
    ours.double()
    theirs.double()
    batch = square().double()
    assert_alive(ours(batch))
    with torch.inference_mode():  # torchvision's fused path
        assert (ours(batch) - theirs(batch)).abs().max() < 1e-12
    assert (ours(batch) - theirs(batch)).abs().max() < 1e-12  # and its other one


def test_the_norms_have_the_weights_epsilon_not_pytorchs():
    ours, theirs = small_pair()
    for network in (ours, theirs):
        assert {part.eps for part in network.modules() if isinstance(part, nn.LayerNorm)} == {1e-6}


@pytest.mark.parametrize("name", NAMES)
def test_all_of_torchvisions_keys_are_ours_in_old_files_too(name):
    with torch.device("meta"):
        state = getattr(torchvision.models, name)().state_dict()
        ours = getattr(vit, name)()
    ours.load_state_dict(rename(state, RENAMES), strict=True)
    legacy = {key.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."): state[key] for key in state}
    assert len(legacy.keys() - state.keys()) == 4 * len(ours.blocks)
    assert rename(legacy, RENAMES) == rename(state, RENAMES)


@pytest.mark.parametrize(
    ("name", "parameters", "macs"),
    [
        ("vit_b_16", 86_567_656, 17_563_828_224),
        ("vit_b_32", 88_224_232, 4_409_186_304),
        ("vit_l_16", 304_326_632, 61_554_712_576),
    ],
)
def test_parameters_and_macs_are_the_published_ones(name, parameters, macs):
    with torch.device("meta"):
        network = getattr(vit, name)()
    cost = count(network, (1, 3, 224, 224))
    assert (cost.parameters, cost.macs) == (parameters, macs)
    meta = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"].meta
    assert (cost.parameters, round(cost.macs / 1e9, 3)) == (meta["num_params"], meta["_ops"])


@pytest.mark.parametrize(
    ("fact", "module"),
    [
        ("PatchEmbedding()", PatchEmbedding),
        ("MultiHeadSelfAttention(768,12)", lambda: MultiHeadSelfAttention(768, 12)),
        ("TransformerBlock(768,12)", lambda: TransformerBlock(768, 12)),
        ("ViT-Base", VisionTransformer),
    ],
)
def test_the_guides_parts_cost_and_return_what_the_guide_says(fact, module):
    expected = FACTS["guide_models"][fact]
    with torch.device("meta"):
        part = module()
        assert list(part(torch.empty(expected["input"])).shape) == expected["output"]
    cost = count(part, expected["input"])
    assert (cost.parameters, cost.macs) == (expected["params"], expected["macs"])


# --- patches ---


def test_a_token_is_one_matrix_times_the_pixels_of_its_patch():
    torch.manual_seed(0)
    embedding = PatchEmbedding(image_size=12, patch_size=4, in_channels=2, dim=5)
    image = images((1, 2, 12, 12))
    tokens = embedding(image)
    matrix, bias = embedding.projection.weight.flatten(1), embedding.projection.bias
    assert embedding.num_patches == 9
    assert tokens.shape == (1, 9, 5)
    for row in range(3):
        for column in range(3):
            patch = image[0, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            expected = matrix @ patch.flatten() + bias
            assert torch.allclose(tokens[0, 3 * row + column], expected, atol=1e-6)


@pytest.mark.parametrize(("size", "patch", "number"), [(224, 16, 196), (224, 32, 49), (384, 16, 576), (16, 16, 1)])
def test_number_of_patches_and_positions(size, patch, number):
    with torch.device("meta"):
        network = VisionTransformer(image_size=size, patch_size=patch, depth=1)
    assert network.patch_embedding.num_patches == number
    assert network.position_embedding.shape == (1, number + 1, 768)


def test_sizes_that_cannot_be_are_refused_with_the_rule():
    with pytest.raises(ValueError, match="image_size must be a multiple of patch_size: 225 is none of 16"):
        vit.vit_b_16(image_size=225)
    with pytest.raises(ValueError, match="dim must be a multiple of heads: 768 is none of 7"):
        MultiHeadSelfAttention(768, heads=7)


@pytest.mark.parametrize("shape", [(240, 240), (208, 208), (224, 240), (208, 224)])
def test_an_image_of_another_size_is_refused_with_the_rule_and_the_remedy(shape):
    with torch.device("meta"):
        network = vit.vit_b_16()
        image = torch.empty(1, 3, *shape)
    with pytest.raises(IllegalSize) as error:
        network(image)
    assert str(error.value) == (
        f"ViT/16 needs sides of exactly 224 pixels, this image is {shape[0]} x {shape[1]}: it has one position for "
        "each of 14 x 14 patches of 16 pixels; for other images, build it with another image_size, a multiple of 16, "
        "and resize the positions."
    )


# --- attention ---


def test_attention_of_two_tokens_by_hand():
    attention = MultiHeadSelfAttention(dim=2, heads=1).double()
    one = torch.eye(2)
    with torch.no_grad():
        attention.qkv.weight.copy_(torch.cat([one, 2 * one, 3 * one]))  # q = x, k = 2x, v = 3x
        attention.qkv.bias.zero_()
        attention.projection.weight.copy_(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))  # swaps the two numbers
        attention.projection.bias.copy_(torch.tensor([10.0, 20.0]))
    x = torch.tensor([[[1.0, 0.0], [1.0, 1.0]]], dtype=torch.float64)
    # First token: q k = 2, 2: it listens to both alike. Second: 2, 4, over the root of 2: 2 more means e^√2 as much.
    second = 1 / (1 + math.exp(math.sqrt(2)))
    weights = torch.tensor([[[[0.5, 0.5], [second, 1 - second]]]], dtype=torch.float64)
    # Values are (3, 0) and (3, 3): the sum is (3, 3 times the second weight), then swapped and moved.
    expected = torch.tensor([[[11.5, 23.0], [10 + 3 * (1 - second), 23.0]]], dtype=torch.float64)
    assert torch.allclose(attention.weights(x), weights, atol=1e-6)
    assert torch.allclose(attention(x), expected, atol=1e-6)


def live_attention() -> MultiHeadSelfAttention:
    torch.manual_seed(0)
    attention = MultiHeadSelfAttention(dim=24, heads=4).double().eval()
    for parameter in attention.parameters():
        nn.init.normal_(parameter, std=0.4)
    return attention


def test_attention_and_its_weights_are_pytorchs():
    ours = live_attention()
    theirs = nn.MultiheadAttention(24, 4, batch_first=True).double().eval()
    theirs.in_proj_weight, theirs.in_proj_bias = ours.qkv.weight, ours.qkv.bias
    theirs.out_proj.load_state_dict(ours.projection.state_dict())
    x = images((2, 7, 24)).double()
    out, weights = theirs(x, x, x, need_weights=True, average_attn_weights=False)
    assert weights.shape == (2, 4, 7, 7)
    assert weights.max() > 0.8  # far from uniform: a wrong scale would show
    assert (ours.weights(x) - weights).abs().max() < 1e-12
    assert (ours(x) - out).abs().max() < 1e-12


def test_a_hook_gets_the_weights_that_the_module_hands_out():
    network = small()
    batch = square()
    seen: dict[str, Tensor] = {}
    for name, part in network.named_modules():
        if name.endswith((".attend", ".norm1")):
            part.register_forward_hook(lambda part, inputs, out, name=name: seen.update({name: out}))
    with torch.inference_mode():
        network(batch)
        for index, block in enumerate(network.blocks):
            hooked = seen[f"blocks.{index}.attention.attend"]
            assert hooked.shape == (2, 4, 10, 10)
            assert torch.equal(block.attention.weights(seen[f"blocks.{index}.norm1"]), hooked)


def test_each_token_pays_attention_of_one():
    weights = live_attention().weights(images((2, 7, 24)).double())
    assert (weights > 0).all()
    assert torch.allclose(weights.sum(dim=-1), torch.ones(2, 4, 7, dtype=torch.float64), atol=1e-14)
    assert not torch.allclose(weights.sum(dim=-2), torch.ones(2, 4, 7, dtype=torch.float64), atol=0.1)


def test_tokens_in_another_order_get_the_same_attention_in_that_order():
    attention = live_attention()
    x = images((2, 7, 24)).double()
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    assert (attention(x[:, order]) - attention(x)[:, order]).abs().max() < 1e-12
    weights = attention.weights(x)[:, :, order][:, :, :, order]
    assert (attention.weights(x[:, order]) - weights).abs().max() < 1e-12


def test_only_the_positions_tell_one_order_of_patches_from_another():
    network, _ = small_pair()
    network.double()
    batch = square().double()
    upside_down = batch.reshape(2, 3, 3, 16, 48).flip(2).reshape(2, 3, 48, 48)  # rows of patches, not of pixels
    with torch.inference_mode():
        assert (network(batch) - network(upside_down)).abs().max() > 0.1
        network.position_embedding.zero_()
        assert (network(batch) - network(upside_down)).abs().max() < 1e-12


# --- positions ---


@pytest.mark.parametrize(("before", "after"), [(14, 15), (14, 24), (7, 3), (5, 5)])
def test_resized_positions_are_torchvisions(before, after):
    positions = images((1, before**2 + 1, 6))
    theirs = interpolate_embeddings(16 * after, 16, {"encoder.pos_embedding": positions})["encoder.pos_embedding"]
    ours = resize_positions(positions, after)
    assert ours.shape == (1, after**2 + 1, 6)
    assert (ours - theirs).abs().max() < 1e-6
    assert torch.equal(ours[:, 0], positions[:, 0])


def test_a_ramp_of_positions_stays_a_ramp_from_corner_to_corner():
    rows, columns = torch.meshgrid(torch.linspace(0, 1, 9), torch.linspace(0, 1, 9), indexing="ij")
    ramp = torch.stack([rows.flatten(), columns.flatten()], dim=-1)
    positions = torch.cat([torch.full((1, 2), 5.0), ramp])[None]
    resized = resize_positions(positions, 17)[0, 1:].reshape(17, 17, 2)
    expected = torch.linspace(0, 1, 17)
    # Bicubic interpolation is exact for a ramp, except where it reads over the border: the outermost intervals.
    assert torch.allclose(resized[2:-2, 5, 0], expected[2:-2], atol=1e-6)
    assert torch.allclose(resized[5, 2:-2, 1], expected[2:-2], atol=1e-6)
    assert torch.allclose(resized[0, 0], torch.zeros(2), atol=1e-6)
    assert torch.allclose(resized[-1, -1], torch.ones(2), atol=1e-6)


def test_a_network_for_larger_images_takes_the_resized_positions():
    ours, theirs = small_pair()
    larger = VisionTransformer(dim=24, depth=3, heads=4, **{**SMALL, "image_size": 80}).eval()
    positions = resize_positions(ours.position_embedding, 5)
    larger.load_state_dict({**ours.state_dict(), "position_embedding": positions}, strict=True)
    reference = TorchvisionViT(num_layers=3, num_heads=4, hidden_dim=24, mlp_dim=96, **{**SMALL, "image_size": 80})
    reference.load_state_dict(interpolate_embeddings(80, 16, theirs.state_dict()))
    with torch.inference_mode():
        logits, expected = larger(square(80)), reference.eval()(square(80))
    assert_alive(logits)
    assert (logits - expected).abs().max() < 5e-6 * expected.abs().max()


def test_every_leaf_runs_once_under_its_own_name():
    network = small()
    calls: Counter[str] = Counter()
    leaves = [name for name, part in network.named_modules() if next(part.children(), None) is None]
    for name in leaves:
        network.get_submodule(name).register_forward_hook(lambda part, inputs, out, name=name: calls.update([name]))
    with torch.inference_mode():
        network(square())
    assert calls == dict.fromkeys(leaves, 1)


# --- training ---


def test_dropout_comes_after_the_positions_and_every_dense_layer_but_the_first_of_attention():
    network = VisionTransformer(dim=24, depth=2, heads=4, dropout=0.3, **SMALL)
    dropouts = [name for name, part in network.named_modules() if isinstance(part, nn.Dropout)]
    in_a_block = ("attention.dropout", "mlp.2", "mlp.4")
    assert dropouts == ["dropout", *(f"blocks.{block}.{name}" for block in range(2) for name in in_a_block)]
    assert {network.get_submodule(name).p for name in dropouts} == {0.3}
    network.train()
    with torch.no_grad():
        assert not torch.equal(network(square()), network(square()))
        network.eval()
        assert torch.equal(network(square()), network(square()))


def test_weights_start_normal_biases_zero_and_images_get_different_logits():
    torch.manual_seed(0)
    network = VisionTransformer(image_size=64, dim=192, depth=2, heads=3, num_classes=50)
    for name, parameter in network.named_parameters():
        if "norm" in name:
            assert (parameter == (1 if name.endswith("weight") else 0)).all(), name
        elif name.endswith("bias"):
            assert (parameter == 0).all(), name
        else:
            tolerance = 5 / math.sqrt(2 * parameter.numel())  # five deviations of a measured deviation
            assert parameter.std().item() == pytest.approx(0.02, rel=tolerance), name
            assert abs(parameter.mean().item()) < 5 * 0.02 / math.sqrt(parameter.numel()), name
    logits = network.eval()(square(64))
    assert (logits[0] - logits[1]).abs().max() > 0.01
    torch.manual_seed(0)
    again = VisionTransformer(image_size=64, dim=192, depth=2, heads=3, num_classes=50)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))
