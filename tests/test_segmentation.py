"""Segmentation: what segmenting, cutting and measuring must equal, by torch itself, scikit-learn and hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.metrics import confusion_matrix, f1_score, jaccard_score

from explorer import images, models, segmentation
from explorer.architectures.unet import UNet
from tests.test_capture import hooks


@pytest.fixture(scope="module")
def unet():
    """The small U-Net with the weights that are shipped."""
    return models.load("unet_cells", device="cpu")


@pytest.fixture(scope="module")
def narrow():
    """A U-Net of two levels on random weights that answer, double precision."""
    torch.manual_seed(0)
    module = UNet(1, 2, (4, 6), batch_norm=False).double()
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.1)
    return module.eval().requires_grad_(False)


def by_hand(module: UNet, x: torch.Tensor, skips) -> torch.Tensor:
    """The pass written out, with zeros for a copy that is cut."""
    copies = []
    for encode, pool in zip(module.encoders, module.pools, strict=True):
        x = encode(x)
        copies.append(x.clone())
        x = pool(x)
    x = module.bottleneck(x)
    for level in reversed(range(len(copies))):
        place = 2 * (len(copies) - 1 - level)
        copy = copies[level] if skips[level] else torch.zeros_like(copies[level])
        x = module.decoders[place](x)
        x = module.decoders[place + 1](torch.cat([copy, x], dim=1))
    return module.final(x)


# --- pictures from a seed ---


def test_the_same_seed_is_the_same_picture_and_another_is_another():
    state = np.random.get_state()[1].copy()
    first, again, other = segmentation.cells(7), segmentation.cells(7), segmentation.cells(8)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.image, other.image)
    assert np.array_equal(np.random.get_state()[1], state)  # nobody else's numbers change


@pytest.mark.parametrize("side", [64, 160, 256])
def test_no_mask_leaves_the_picture_and_every_blob_is_there(side):
    for seed in range(8):
        made = segmentation.cells(seed, side)
        assert made.image.shape == made.labels.shape == (side, side)
        assert made.image.dtype == np.uint8
        border = np.concatenate([made.mask[0], made.mask[-1], made.mask[:, 0], made.mask[:, -1]])
        assert not border.any()
        assert 0 < made.mask.mean() < 0.75
        assert set(np.unique(made.labels)) == set(range(made.count + 1))


def test_blobs_are_bright_and_dark_and_no_threshold_finds_them_all():
    from skimage import filters

    made = [segmentation.cells(seed, 160) for seed in range(40)]
    brighter = [each.image[each.mask].mean() > each.image[~each.mask].mean() for each in made]
    assert 8 < sum(brighter) < 36
    scores = []
    for each in made:
        above = each.image > filters.threshold_otsu(each.image)
        scores.append(max(segmentation.overlap(way, each.mask).dice for way in (above, ~above)))
    assert np.mean(scores) < 0.85


def test_what_cannot_be_made_is_refused_with_the_rule():
    with pytest.raises(segmentation.IllegalCells, match="not -1; choose another"):
        segmentation.cells(-1)
    with pytest.raises(segmentation.IllegalCells, match="at least 64 pixels a side, not 63"):
        segmentation.cells(0, 63)


# --- measures ---


@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_measures_are_scikit_learns(share):
    random = np.random.default_rng(3)
    truth, mask = random.random((2, 40, 31)) < share
    found = segmentation.overlap(mask, truth)
    assert found.dice == pytest.approx(f1_score(truth.ravel(), mask.ravel()))
    assert found.iou == pytest.approx(jaccard_score(truth.ravel(), mask.ravel()))
    assert found.dice == pytest.approx(2 * found.iou / (1 + found.iou))
    matrix = confusion_matrix(truth.ravel(), mask.ravel())
    assert matrix.tolist() == [[found.rest, found.extra], [found.missed, found.hits]]
    assert found.accuracy == pytest.approx(np.mean(mask == truth))
    kinds = segmentation.kinds(mask, truth)
    assert np.bincount(kinds.ravel(), minlength=4).tolist() == [found.rest, found.hits, found.extra, found.missed]


def test_edges_are_the_pixels_near_a_contour():
    random = np.random.default_rng(5)
    truth = np.zeros((20, 24), bool)
    truth[4:15, 3:12] = truth[8:18, 15:22] = True
    mask = truth ^ (random.random(truth.shape) < 0.2)
    rows, columns = np.nonzero(truth)
    others, beyond = np.nonzero(~truth)
    hits = extra = missed = 0
    for row in range(20):
        for column in range(24):
            across = (others, beyond) if truth[row, column] else (rows, columns)
            if np.hypot(across[0] - row, across[1] - column).min() <= 2:
                hits += truth[row, column] and mask[row, column]
                extra += mask[row, column] and not truth[row, column]
                missed += truth[row, column] and not mask[row, column]
    found = segmentation.overlap_at_edges(mask, truth, 2)
    assert (found.hits, found.extra, found.missed) == (hits, extra, missed)
    assert segmentation.overlap_at_edges(truth, truth).dice == 1
    nothing = np.zeros_like(truth)
    assert segmentation.overlap_at_edges(mask, nothing) == segmentation.overlap(nothing, nothing)  # no contour at all


def test_empty_masks_agree_and_masks_of_other_pictures_are_refused():
    nothing, everything = np.zeros((3, 4), bool), np.ones((3, 4), bool)
    assert segmentation.overlap(nothing, nothing).dice == segmentation.overlap(nothing, nothing).iou == 1
    assert segmentation.overlap(nothing, everything).dice == segmentation.overlap(everything, nothing).iou == 0
    for measure in (segmentation.overlap, segmentation.kinds):
        with pytest.raises(segmentation.MasksDiffer, match="masks of the same picture"):
            measure(nothing, nothing.T)


# --- what the shipped network can ---


def test_the_shipped_network_finds_blobs_that_it_never_saw(unet):
    made = [segmentation.cells(seed) for seed in range(300, 324)]
    found = [segmentation.segment(unet, Image.fromarray(each.image)).mask() for each in made]
    assert segmentation.overlap(np.stack(found), np.stack([each.mask for each in made])).dice >= 0.95


def test_the_shipped_network_finds_the_coins_better_than_a_threshold(unet):
    from scipy import ndimage

    coins = segmentation.coins()
    assert ndimage.label(coins.mask)[1] == 24
    found = segmentation.segment(unet, images.samples()["coins"].open())
    assert found.probability.shape == coins.mask.shape
    assert segmentation.overlap(found.mask(), coins.mask).dice >= 0.97
    assert 0.87 < segmentation.overlap(coins.otsu, coins.mask).dice < 0.91  # the threshold is no straw man
    # Each coin is found, and none twice.
    parts = ndimage.label(found.mask())[0]
    areas = np.bincount(parts.ravel())[1:]
    assert (areas > 500).sum() == 24


def test_what_is_shipped_is_small():
    from explorer import catalogue, weight_files

    paths = {
        slug: weight_files.bundled_path(catalogue.get(slug).bundled)
        for slug in ("unet_cells", "yolo_scenes")
        if slug in catalogue.CATALOGUE
    }
    assert paths["unet_cells"].stat().st_size < 3e6
    assert sum(path.stat().st_size for path in paths.values()) < 8e6


def test_a_negative_is_no_riddle(unet):
    image = segmentation.coins().image
    found = segmentation.segment(unet, Image.fromarray(255 - image))
    assert segmentation.overlap(found.mask(), segmentation.coins().mask).dice >= 0.9


# --- segmenting ---


def test_a_whole_picture_is_what_the_network_says(unet):
    made = segmentation.cells(11)
    found = segmentation.segment(unet, Image.fromarray(made.image))
    inputs = torch.from_numpy(made.image / 255.0).float().sub(0.5).div(0.25)[None, None]
    with torch.no_grad():
        expected = unet.module(inputs).softmax(1)[0, 1]
    assert torch.allclose(torch.from_numpy(found.probability), expected, atol=1e-6)
    assert np.array_equal(found.mask(0.3), found.probability >= 0.3)
    assert not hooks(unet.module)


@pytest.mark.parametrize("cut", [(0,), (1,), (2,), (3,), (0, 2), (0, 1, 2, 3)])
def test_a_skip_that_is_off_is_the_network_run_with_zeros(unet, cut):
    made = segmentation.cells(4, 96)
    skips = tuple(level not in cut for level in range(4))
    found = segmentation.segment(unet, Image.fromarray(made.image), skips=skips)
    inputs = unet.preprocessing.normalise(np.repeat(made.image[..., None], 3, axis=2))
    with torch.no_grad():
        expected = by_hand(unet.module, inputs, skips).softmax(1)[0, 1]
    assert np.array_equal(found.probability, expected.numpy())
    whole = segmentation.segment(unet, Image.fromarray(made.image))
    assert not np.array_equal(found.probability, whole.probability)
    assert found.skips == skips
    assert not hooks(unet.module)


def test_a_cut_leaves_the_way_down_alone(narrow):
    image = torch.randn(1, 1, 24, 20, dtype=torch.float64)
    before = narrow(image)
    with segmentation.cut(narrow, [0, 1]):
        assert torch.equal(narrow(image), by_hand(narrow, image, (False, False)))
    assert torch.equal(narrow(image), before)
    with pytest.raises(ZeroDivisionError), segmentation.cut(narrow, [1]):
        raise ZeroDivisionError
    assert not hooks(narrow)


@pytest.mark.parametrize("size", [(1, 1), (17, 31), (16, 16), (5, 300), (333, 47)])
def test_every_size_and_mode_gets_a_mask_of_its_own_size(unet, size):
    random = np.random.default_rng(0)
    colours = Image.fromarray(random.integers(0, 256, (*size, 3), np.uint8))
    found = segmentation.segment(unet, colours)
    assert found.probability.shape == found.mask().shape == found.seen.shape[:2] == size
    grey = segmentation.segment(unet, colours.convert("L"))
    assert np.array_equal(found.probability, grey.probability)  # the network is grey; both become the same
    # What was added at the edge is copies of it, and is cut off again.
    height, width = size
    padded = np.pad(np.asarray(colours.convert("L")), ((0, -height % 16), (0, -width % 16)), mode="edge")
    inputs = torch.from_numpy(padded / 255.0).float().sub(0.5).div(0.25)[None, None]
    with torch.no_grad():
        expected = unet.module(inputs).softmax(1)[0, 1, :height, :width]
    assert torch.allclose(torch.from_numpy(found.probability), expected, atol=1e-5)


def test_a_large_picture_is_shrunk_and_a_small_one_is_not(unet):
    found = segmentation.segment(unet, Image.new("RGB", (1411, 705)), longest=128)
    assert found.probability.shape == (64, 128)
    assert segmentation.segment(unet, Image.new("RGB", (100, 50))).probability.shape == (50, 100)


def test_stages_are_the_networks_own_layers(unet, photos):
    from explorer import activations

    found = segmentation.segment(unet, photos["coins"].crop((0, 0, 256, 256)))
    names = [stage.layer for stage in found.stages]
    assert names[:5] == ["encoders.0", "encoders.1", "encoders.2", "encoders.3", "bottleneck"]
    assert names[-1] == "final"
    maps = activations.feature_maps(unet, photos["coins"].crop((0, 0, 256, 256)), ["bottleneck", "decoders.3"])
    for stage in found.stages:
        if stage.layer in maps:
            values = maps[stage.layer].values
            assert stage.shape == values.shape
            assert stage.channel == values.mean(axis=(1, 2)).argmax()
            assert np.allclose(stage.map, values[stage.channel], atol=1e-5)


def test_another_network_and_other_skips_are_refused(unet, lite0):
    with pytest.raises(segmentation.NoUNet, match="choose a U-Net"):
        segmentation.segment(lite0, Image.new("RGB", (32, 32)))
    with pytest.raises(segmentation.NoSuchSkip, match="has 4 skips, not 3"):
        segmentation.segment(unet, Image.new("RGB", (32, 32)), skips=(True, True, False))


# --- upsampling ---


def test_a_kernel_of_ones_is_nearest_and_a_tent_is_bilinear():
    grid = np.random.default_rng(1).normal(size=(6, 7))
    tensor = torch.from_numpy(grid)[None, None]
    nearest = F.interpolate(tensor, scale_factor=2, mode="nearest")[0, 0].numpy()
    assert np.array_equal(segmentation.upsample(grid, "nearest").values, nearest)
    bilinear = F.interpolate(tensor, scale_factor=2, mode="bilinear")[0, 0].numpy()
    assert np.allclose(segmentation.upsample(grid, "bilinear").values[1:-1, 1:-1], bilinear[1:-1, 1:-1])


@pytest.mark.parametrize("way", segmentation.WAYS)
def test_stamps_are_counted_one_by_one(way):
    chosen, (height, width) = segmentation.WAYS[way], (3, 4)
    side = len(chosen.kernel)
    canvas = np.zeros((2 * height + side, 2 * width + side), int)
    for row in range(height):
        for column in range(width):
            canvas[2 * row : 2 * row + side, 2 * column : 2 * column + side] += 1
    p = chosen.padding
    found = segmentation.upsample(np.ones((height, width)), way)
    assert np.array_equal(found.stamps, canvas[p : p + 2 * height, p : p + 2 * width])
    inside = found.stamps[2:-2, 2:-2]
    assert (set(np.unique(inside)) == {1, 2, 4}) == (way == "uneven")
    with pytest.raises(segmentation.UnknownWay, match="choose one of nearest"):
        segmentation.upsample([[1.0]], "cubic")


def test_the_checkerboard_is_the_variance_between_the_four_places(unet, photos):
    found = {each.layer: each for each in segmentation.checkerboards(unet, photos["coins"], longest=128)}
    assert list(found) == [f"decoders.{index}" for index in range(8)]
    kept: list[torch.Tensor] = []
    handle = unet.module.get_submodule("decoders.6").register_forward_hook(lambda *call: kept.append(call[2].clone()))
    segmentation.segment(unet, photos["coins"], longest=128)
    handle.remove()
    for each in found.values():
        assert 0 <= each.share <= 1
        assert (each.places**2).mean() >= each.share - 1e-12  # the worst is no better than the mean
        assert each.places.mean() == pytest.approx(0, abs=1e-9)
    # By analysis of variance, of the worst channel.
    values = kept[0][0, found["decoders.6"].worst].double().numpy()
    groups = [values[row::2, column::2] for row in (0, 1) for column in (0, 1)]
    between = np.mean([(group.mean() - values.mean()) ** 2 for group in groups]) / values.var()
    assert between == pytest.approx((found["decoders.6"].places ** 2).mean(), abs=1e-9)
