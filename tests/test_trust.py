"""Trust in a map: closed forms on a linear network, hand-counted overlaps, and a fake method that ignores weights."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import spearmanr
from torch import nn

from explorer import attribution, catalogue, trust
from explorer.preprocessing import Preprocessing
from explorer.trust import Curve, agreement, agreements, deletion_insertion, inside, randomisation
from tests.conftest import wrapped
from tests.test_capture import hooks
from tests.test_intervention import vit

__all__ = ["vit"]

SIDE = 8


class Linear(nn.Module):
    """Logit 0 is a weighted sum of the red pixels, logit 1 is zero."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 1, bias=False)
        self.fc = nn.Linear(SIDE * SIDE, 2, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1))
            self.fc.weight[0] = torch.randn(SIDE * SIDE, generator=torch.Generator().manual_seed(5))
            self.fc.weight[1] = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, 8, 8) -> (B, 2)."""
        out: torch.Tensor = self.fc(self.conv(x).flatten(1))
        return out


@pytest.fixture(scope="module")
def linear():
    """The linear network, its photo, and the perfect map of it: what each pixel adds to the logit."""
    recipe = Preprocessing(resize=SIDE, crop=SIDE, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    model = wrapped(Linear(), catalogue.get("vgg11"), recipe, classes=2)
    pixels = np.random.default_rng(6).integers(1, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    photo = Image.fromarray(pixels)
    weights = model.module.get_submodule("fc").weight[0].numpy().reshape(SIDE, SIDE)
    template = attribution.attribute(model, photo, target=0, layer="conv")
    return model, photo, with_map(template, weights * pixels[..., 0] / 255)


def with_map(template, values):
    """An attribution whose map is ``values``, at the size of what the network saw."""
    values = np.asarray(values, np.float32)
    signed = values / np.abs(values).max() if values.any() else values
    return replace(template, raw=values, signed=signed, heatmap=signed.clip(0))


def test_curves_of_a_perfect_map_on_a_linear_network_in_closed_form(linear):
    model, photo, perfect = linear
    found = deletion_insertion(model, photo, perfect, steps=SIDE * SIDE, baseline="black")
    parts = np.sort(perfect.raw.ravel())[::-1].astype(np.float64)
    gained = np.concatenate([[0], np.cumsum(parts)])
    np.testing.assert_allclose(found.insertion.logit, gained, atol=1e-5)
    np.testing.assert_allclose(found.deletion.logit, gained[-1] - gained, atol=1e-5)
    # Of two classes, one with logit 0, the probability is the logistic function.
    np.testing.assert_allclose(found.deletion.probability, 1 / (1 + np.exp(gained - gained[-1])), atol=1e-6)
    np.testing.assert_allclose(found.deletion.shares, np.arange(65) / 64)
    speaks = (parts > 0).sum()
    assert (np.diff(found.deletion.logit[: speaks + 1]) < 0).all()
    assert (np.diff(found.insertion.logit[: speaks + 1]) > 0).all()


def test_no_order_beats_the_perfect_one(linear):
    model, photo, perfect = linear
    found = deletion_insertion(model, photo, perfect, baseline="black")
    assert (found.deletion.logit <= found.random_deletion.logit + 1e-5).all()
    assert (found.insertion.logit >= found.random_insertion.logit - 1e-5).all()
    worst = deletion_insertion(model, photo, with_map(perfect, -perfect.raw), baseline="black")
    assert worst.deletion.area > found.random_deletion.area > found.deletion.area
    assert worst.insertion.area < found.random_insertion.area < found.insertion.area
    np.testing.assert_array_equal(worst.random_deletion.logit, found.random_deletion.logit)


def test_turns_and_ties(linear):
    model, photo, perfect = linear
    found = deletion_insertion(model, photo, perfect, baseline="black")
    order = np.argsort(-perfect.raw.ravel())
    np.testing.assert_allclose(found.turn.ravel()[order], np.arange(1, 65) / 64)
    blank = with_map(perfect, np.zeros((SIDE, SIDE)))
    one, same, other = (deletion_insertion(model, photo, blank, baseline="black", seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.turn, same.turn)
    assert not np.array_equal(one.turn, other.turn)
    assert sorted(one.turn.ravel().tolist()) == sorted(found.turn.ravel().tolist())
    assert abs(spearmanr(one.turn.ravel(), np.arange(64)).statistic) < 0.5  # not row by row


def test_what_is_random_for_deletion_is_random_for_insertion_backwards(linear):
    model, photo, perfect = linear
    found = deletion_insertion(model, photo, perfect, baseline="black")
    np.testing.assert_array_equal(found.random_insertion.probability, found.random_deletion.probability[::-1])
    np.testing.assert_allclose(found.random_insertion.shares, found.insertion.shares, atol=0.01)
    assert found.random_insertion.area == pytest.approx(found.random_deletion.area)
    assert found.random_deletion.logit[0] == found.deletion.logit[0] == found.insertion.logit[-1]


def test_areas_of_a_constant_and_of_a_straight_line():
    shares = np.linspace(0, 1, 11)
    assert Curve(shares, np.full(11, 0.3), shares).area == pytest.approx(0.3)
    assert Curve(shares, 1 - shares, shares).area == pytest.approx(0.5)


def test_what_deleted_pixels_show(linear):
    model, photo, perfect = linear
    pixels = np.asarray(photo)
    mean, black, blur = (
        deletion_insertion(model, photo, perfect, baseline=name).gone for name in ("mean", "black", "blur")
    )
    assert (mean == pixels.mean(axis=(0, 1)).round()).all()
    assert not black.any()
    wide = trust.curves.without_detail(np.kron(pixels, np.ones((16, 16, 1), np.uint8)), "blur")
    assert wide.std() < 0.6 * pixels.std()
    assert blur.shape == pixels.shape


def test_what_the_curves_say(linear):
    model, photo, perfect = linear
    found = deletion_insertion(model, photo, perfect, baseline="black")
    # Of 28 steps the third is the nearest to a tenth: 7 of 64 pixels. 96.4 % is the logistic function of 3.30.
    assert found.sentence.startswith(
        "Deleting the 11 % that the map calls most important takes class 0 from 96 % to under 1 %; at random 11 % takes"
    )
    assert found.insertion_sentence.startswith("Back in a black picture, the 25 %")
    assert f"{found.deletion.area:.2f} (random {found.random_deletion.area:.2f}" in found.verdict


def test_the_share_that_is_told_shows_what_the_areas_say(linear):
    model, photo, perfect = linear
    shares = np.linspace(0, 1, 11)

    def drawn(*percent):
        return Curve(shares, np.array(percent) / 100, shares)

    found = replace(
        deletion_insertion(model, photo, perfect, baseline="black"),
        # Better than chance over all, worse in the first tenth; and next to nothing in the first quarter.
        deletion=drawn(90, 40, 20, 5, 5, 5, 5, 5, 5, 5, 5),
        random_deletion=drawn(90, 65, 50, 45, 35, 25, 15, 10, 5, 5, 5),
        insertion=drawn(5, 5, 5, 6, 30, 70, 80, 90, 90, 90, 90),
        random_insertion=drawn(5, 5, 5, 5, 5, 20, 40, 50, 60, 70, 90),
    )
    assert "Deleting the 10 %" in found.sentence  # 25 points apart, more than half of the most
    assert "the 50 % that the map calls most important take class 0 from 5 % to 70 %" in found.insertion_sentence
    assert found.insertion_sentence.endswith("at random 50 % takes it to 20 %.")
    crossing = replace(found, deletion=drawn(90, 75, 20, 5, 5, 5, 5, 5, 5, 5, 5))
    assert crossing.sentence.endswith("class 0 from 90 % to 5 %; at random 30 % takes it to 45 %.")
    worse = replace(found, deletion=drawn(90, 50, 50, 90, 90, 90, 90, 90, 90, 90, 5))
    assert worse.deletion.area > worse.random_deletion.area
    assert worse.sentence.endswith("class 0 from 90 % to 90 %; at random 80 % takes it to 5 %.")
    # Areas that do not differ have nothing to show: the usual share, however the curves cross there.
    even = replace(found, deletion=drawn(90, 75, 40, 45, 35, 25, 15, 10, 5, 5, 5))
    assert even.sentence.endswith("class 0 from 90 % to 75 %; at random 10 % takes it to 65 %.")


def test_a_map_of_another_photo_is_refused(linear):
    model, photo, perfect = linear
    with pytest.raises(trust.NotItsMap, match="another picture"):
        deletion_insertion(model, photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT), perfect)


def test_progress_and_stopping(linear):
    model, photo, perfect = linear
    told: list[tuple[int, int]] = []
    deletion_insertion(model, photo, perfect, progress=lambda *step: told.append(step))
    assert told[-1] == (2 + 5 * 27, 2 + 5 * 27)
    with pytest.raises(trust.Cancelled):
        deletion_insertion(model, photo, perfect, cancelled=lambda: True)
    with pytest.raises(trust.Cancelled):
        randomisation(model, photo, layer="conv", cancelled=lambda: True)


def test_deleting_what_grad_cam_found_in_a_real_photo_beats_chance(lite0, photos):
    found = deletion_insertion(lite0, photos["coffee"], attribution.attribute(lite0, photos["coffee"]), steps=6)
    assert found.deletion.probability[0] == pytest.approx(0.951, abs=0.002)
    assert found.deletion.area < 0.8 * found.random_deletion.area
    assert found.insertion.area > 1.2 * found.random_insertion.area


def edges(model, image, method, target, layer):
    """Looks at the photo alone."""
    found = attribution.attribute(model, image, "grad_cam", target, layer)
    grey = found.seen.astype(np.float32).mean(axis=2)
    return with_map(found, np.hypot(*np.gradient(grey)))


def test_grad_cam_changes_when_the_network_forgets_and_an_edge_detector_does_not(lite0, photos):
    before = copy.deepcopy(lite0.module.state_dict())
    found = randomisation(lite0, photos["rocket"])
    assert len(found.stages) == 6
    assert found.stages[0].down_to == "classifier.1"
    assert found.stages[-1].down_to == "features.0.0"
    assert found.final[0] == found.stages[-1].correlation
    assert len(set(found.final)) == 3
    assert found.left < 0.3
    assert found.passed
    assert "as it should" in found.sentence
    assert all(np.isfinite(stage.heatmap).all() and stage.heatmap.max() > 0 for stage in found.stages)
    fake = randomisation(lite0, photos["rocket"], explain=edges, stages=2)
    assert [stage.correlation for stage in fake.stages] == pytest.approx([1, 1])
    assert [stage.similarity for stage in fake.stages] == pytest.approx([1, 1])
    assert fake.left == pytest.approx(1)
    assert not fake.passed
    assert "Do not trust" in fake.sentence
    assert hooks(lite0.module) == 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in lite0.module.state_dict().items())


def test_the_network_forgets_from_its_end_and_in_the_end_all(resnet18, vit, photos):
    for model, lowest, last in ((resnet18, "conv1", "fc"), (vit, "", "head")):
        original = dict(model.module.named_parameters())
        shared: list[set[str]] = []
        keys: list[str] = []

        def spy(twin, image, method, target, layer, original=original, shared=shared, keys=keys):
            mine = dict(twin.module.named_parameters())
            shared.append({name for name in mine if mine[name] is original[name]})
            keys.append(twin.key)
            return attribution.attribute(twin, image, method, target, layer)

        layer = "layer2" if model is resnet18 else "blocks.0"
        found = randomisation(model, photos["coffee"], layer=layer, explain=spy)
        assert shared[0] == set(original)
        assert set(original) - shared[1] == {f"{last}.weight", f"{last}.bias"}
        assert all(later < earlier for earlier, later in pairwise(shared[:7]))
        assert not shared[-1]
        assert found.stages[-1].down_to == lowest
        assert len(set(keys)) == len(keys)
        again = randomisation(model, photos["coffee"], layer=layer)
        assert [stage.correlation for stage in again.stages] == [stage.correlation for stage in found.stages]
        other = randomisation(model, photos["coffee"], layer=layer, seed=1, stages=2)
        assert other.stages[-1].correlation != found.stages[-1].correlation
        assert "random to begin with" in found.sentence


def test_a_map_agrees_with_itself_and_not_with_its_opposite(linear):
    _, _, perfect = linear
    same, opposite = agreement(perfect, perfect), agreement(perfect, with_map(perfect, -perfect.raw))
    assert (same.correlation, same.overlap, same.note) == (pytest.approx(1), 1, "")
    assert (opposite.correlation, opposite.overlap) == (pytest.approx(-1), 0)
    assert "Rank correlation −1.00" in opposite.sentence


def test_overlap_by_hand(linear):
    _, _, perfect = linear
    first, second = np.zeros((SIDE, SIDE)), np.zeros((SIDE, SIDE))
    first[:2], second[1:3] = 2 + np.random.default_rng(7).random((2, 2, SIDE))
    found = agreement(with_map(perfect, first), with_map(perfect, second), share=0.25)  # 16 of 64 pixels each
    assert found.overlap == 8 / 24
    assert found.chance == pytest.approx(0.0625 / (0.5 - 0.0625))
    blank = agreement(perfect, with_map(perfect, np.zeros((SIDE, SIDE))))
    assert (blank.correlation, blank.overlap) == (0, 0)
    assert "blank" in blank.note


def test_rank_correlation_is_scipys():
    random = np.random.default_rng(8)
    for tied in (1, 10, 100):
        a, b = random.integers(0, 1000 // tied, (2, 40, 5))
        b = b + a
        assert trust.rank_correlation(a, b) == pytest.approx(spearmanr(a.ravel(), b.ravel()).statistic)
    assert trust.rank_correlation(np.ones(5), np.arange(5)) == 0


def smooth(side, size):
    """The same smooth map over a photo of 100 x 100 pixels, seen as a crop of ``side`` in ``size`` pixels."""
    start = (100 - side) / 2
    at = start + (np.arange(size) + 0.5) * side / size
    return np.sin(at / 9)[:, None] + np.cos(at / 13)[None]


def test_maps_of_other_sizes_and_crops_are_lined_up(linear):
    _, _, perfect = linear
    seen = {size: np.zeros((size, size, 3), np.uint8) for size in (64, 96)}
    whole = replace(with_map(perfect, smooth(100, 96)), seen=seen[96])
    fine = replace(with_map(perfect, smooth(100, 64)), seen=seen[64])
    crop = replace(with_map(perfect, smooth(60, 64)), seen=seen[64] + 80)
    resized = agreement(whole, fine)
    assert resized.correlation > 0.999
    assert resized.note == "Compared at 64 x 64 pixels, the smaller of the two views."
    assert "different parts" in agreement(whole, crop).note
    assert agreement(whole, crop).correlation < 0.9
    lined = agreement(whole, crop, boxes=((0, 0, 100, 100), (20, 20, 80, 80)))
    assert lined.correlation > 0.99
    assert lined.overlap > 0.9
    assert lined.note == "Compared on what both networks see, 36 % of the first one's view."
    apart = agreement(whole, crop, boxes=((0, 0, 100, 100), (200, 0, 260, 60)))
    assert "no part in common" in apart.note


def test_matrix_of_agreements(linear):
    _, _, perfect = linear
    opposite = with_map(perfect, -perfect.raw)
    found = agreements([perfect, opposite, perfect])
    np.testing.assert_allclose(found.correlation, [[1, -1, 1], [-1, 1, -1], [1, -1, 1]])
    np.testing.assert_allclose(found.overlap, [[1, 0, 1], [0, 1, 0], [1, 0, 1]])
    assert found.notes == ()


def test_inside_by_hand(linear):
    _, _, perfect = linear
    values = np.full((SIDE, SIDE), -1.0)
    values[2, 3], values[2, 4], values[7, 7] = 4, 2, 2
    drawn = with_map(perfect, values)
    found = inside(drawn, (3, 2, 4, 3))
    assert (found.evidence, found.area, found.hit) == (pytest.approx(0.5), pytest.approx(1 / 64), True)
    half = inside(drawn, (3.5, 3, 5, 2))  # corners in any order; half of the first pixel, all of the second
    assert (half.evidence, half.area) == (pytest.approx(0.5), pytest.approx(1.5 / 64))
    whole = inside(drawn, (-5, -5, 50, 50))
    assert (whole.evidence, whole.area, whole.hit) == (pytest.approx(1), 1, True)
    missed = inside(drawn, (6, 6, 8, 8))
    assert (missed.evidence, missed.hit) == (pytest.approx(0.25), False)
    assert "its peak lies outside" in missed.sentence
    nothing = inside(with_map(perfect, np.full((SIDE, SIDE), -1.0)), (0, 0, 4, 4))
    assert (nothing.evidence, nothing.hit) == (0, False)
    with pytest.raises(trust.EmptyBox, match="8 x 8"):
        inside(drawn, (9, 9, 12, 12))
