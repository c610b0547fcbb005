"""Decoding, anchors, suppression and measuring: against hand-computed numbers, torchvision and torchmetrics."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torchvision.ops

from explorer import detection
from explorer.detection import Candidates, anchors, scenes


@pytest.fixture
def random() -> np.random.Generator:
    """The same one for every test, whichever ran before."""
    return np.random.default_rng(0)


def boxes(count: int, random: np.random.Generator, side: float = 100) -> np.ndarray:
    corner = random.uniform(0, 0.7 * side, (count, 2))
    return np.concatenate([corner, corner + random.uniform(1, 0.3 * side, (count, 2))], 1)


# --- decoding ---


def test_one_anchor_by_hand():
    """Cell (column 4, row 2) of 16 px: sigmoid(ln 3) = 0.75, sigmoid(0) = 0.5, exp(ln 2) = 2, exp(0) = 1."""
    raw = np.full((2, 6, 8, 7), -20.0)
    raw[1, 2, 4] = [math.log(3), 0, math.log(2), 0, math.log(4), math.log(9), 0]
    said = detection.decode(raw, [(10, 20), (30, 40)], 16)
    at = (1, 2, 4)
    assert said.offsets[at] == pytest.approx([0.75, 0.5])
    assert said.centres[at] == pytest.approx([(4 + 0.75) * 16, (2 + 0.5) * 16])
    assert said.scales[at] == pytest.approx([2, 1])
    assert said.sizes[at] == pytest.approx([60, 40])
    assert said.boxes[at] == pytest.approx([46, 20, 106, 60])
    assert said.objectness[at] == pytest.approx(0.8)  # 4 / 5
    assert said.classes[at] == pytest.approx([0.9, 0.1])
    assert said.labels[at] == 0
    assert said.scores[at] == pytest.approx(0.72)
    assert (said.width, said.height, said.grid) == (128, 96, (6, 8))
    found = said.above(0.5)
    assert len(found) == 1
    assert found.places.tolist() == [[1, 2, 4]]
    assert found.boxes[0] == pytest.approx([46, 20, 106, 60])


def test_every_number_equals_torchs_own_functions(random):
    raw = random.normal(0, 3, (3, 5, 4, 5 + 6))
    shapes = torch.tensor([(12.0, 30.0), (35.0, 35.0), (70.0, 20.0)], dtype=torch.float64)
    said, values = detection.decode(raw, shapes.tolist(), 32), torch.from_numpy(raw)
    y, x = torch.meshgrid(torch.arange(5), torch.arange(4), indexing="ij")
    centre = (values[..., :2].sigmoid() + torch.stack([x, y], 2)) * 32
    size = values[..., 2:4].clamp(max=math.log(1000 / 16)).exp() * shapes[:, None, None]
    whole = torchvision.ops.box_convert(torch.cat([centre, size], 3).reshape(-1, 4), "cxcywh", "xyxy")
    clipped = torchvision.ops.clip_boxes_to_image(whole, (160, 128))
    np.testing.assert_allclose(said.boxes.reshape(-1, 4), clipped.numpy(), atol=1e-9)
    np.testing.assert_allclose(said.objectness, values[..., 4].sigmoid().numpy(), atol=1e-12)
    np.testing.assert_allclose(said.classes, values[..., 5:].softmax(-1).numpy(), atol=1e-12)
    np.testing.assert_allclose(said.scores, said.objectness * said.classes.max(3), atol=1e-12)
    assert (said.labels == values[..., 5:].argmax(-1).numpy()).all()


def test_no_box_leaves_the_picture_and_wild_numbers_stay_finite(random):
    raw = random.normal(0, 500, (3, 10, 10, 14))
    with np.errstate(all="raise", under="ignore"):
        said = detection.decode(raw, anchors.ANCHORS, 16, (150, 155))
    for values in (said.boxes, said.scores, said.sizes, said.classes):
        assert np.isfinite(values).all()
    assert (said.boxes >= 0).all()
    assert (said.boxes[..., 0::2] <= 150).all()
    assert (said.boxes[..., 1::2] <= 155).all()
    assert (said.boxes[..., 2:] >= said.boxes[..., :2]).all()


def test_boxes_above_come_best_first_and_all_of_them(random):
    said = detection.decode(random.normal(0, 2, (3, 6, 6, 9)), anchors.ANCHORS, 16)
    found = said.above(0.2)
    assert len(found) == (said.scores >= 0.2).sum() > 3
    assert (np.diff(found.scores) <= 0).all()
    for index, place in enumerate(map(tuple, found.places)):
        assert found.scores[index] == said.scores[place]
        assert (found.boxes[index] == said.boxes[place]).all()
        assert found.labels[index] == said.labels[place]


@pytest.mark.parametrize("shape", [(2, 4, 4, 14), (3, 4, 4), (3, 4, 4, 5)])
def test_numbers_of_another_head_are_refused(shape):
    with pytest.raises(detection.WrongHead, match="give the anchors that it was trained with"):
        detection.decode(np.zeros(shape), anchors.ANCHORS, 16)


# --- suppression ---


@pytest.mark.parametrize("limit", [0.05, 0.3, 0.45, 0.7, 0.95])
@pytest.mark.parametrize("seed", range(4))
def test_the_same_boxes_stay_as_with_torchvision(limit, seed):
    random = np.random.default_rng(seed)
    some, scores, labels = boxes(120, random, 60), random.permutation(120) / 120, random.integers(0, 3, 120)
    result = detection.suppress(some, scores, labels, limit)
    theirs = torchvision.ops.batched_nms(*map(torch.from_numpy, (some, scores, labels)), limit)
    assert result.kept.tolist() == theirs.tolist()
    alone = detection.suppress(some, scores, limit=limit)
    assert alone.kept.tolist() == torchvision.ops.nms(torch.from_numpy(some), torch.from_numpy(scores), limit).tolist()
    assert alone.limit == limit


def test_every_removal_names_the_box_and_the_overlap_that_torchvision_computes(random):
    some, scores, labels = boxes(80, random, 50), random.permutation(80) / 80, random.integers(0, 2, 80)
    shared = torchvision.ops.box_iou(torch.from_numpy(some), torch.from_numpy(some)).numpy()
    result = detection.suppress(some, scores, labels, 0.3)
    told = {each.box: (step.keeper, each.iou) for step in result.steps for each in step.removed}
    assert len(told) + len(result.kept) == 80
    assert len(told) > 10
    for box, (keeper, iou) in told.items():
        assert iou == pytest.approx(shared[keeper, box]) == pytest.approx(result.iou[box])
        assert iou > 0.3
        assert labels[keeper] == labels[box]
        assert scores[keeper] > scores[box]
        assert result.removed_by[box] == keeper
        # No better box that stayed would have removed it before.
        earlier = [each for each in result.kept if scores[each] > scores[keeper] and labels[each] == labels[box]]
        assert all(shared[each, box] <= 0.3 for each in earlier)
    assert [step.keeper for step in result.steps] == result.kept.tolist()
    assert (result.removed_by[result.kept] == -1).all()


def test_three_boxes_by_hand():
    """A covers B by 8 of 12, 2 / 3; C overlaps B alone, and B is gone when C decides."""
    some = [(0, 0, 10, 1), (2, 0, 12, 1), (8, 0, 18, 1)]
    result = detection.suppress(some, [0.9, 0.8, 0.7], limit=0.2)
    assert result.kept.tolist() == [0, 2]
    (removal,) = result.steps[0].removed
    assert (removal.box, removal.iou) == (1, pytest.approx(8 / 12))
    assert detection.suppress(some, [0.9, 0.8, 0.7], [0, 1, 0], 0.2).kept.tolist() == [0, 1, 2]
    assert detection.suppress(np.empty((0, 4)), []).steps == ()


def test_overlap_equals_torchvisions_and_empty_boxes_overlap_nothing(random):
    first, second = boxes(30, random), boxes(20, random)
    theirs = torchvision.ops.box_iou(torch.from_numpy(first), torch.from_numpy(second)).numpy()
    np.testing.assert_allclose(detection.overlap(first, second), theirs, atol=1e-12)
    assert detection.overlap([(3, 3, 3, 9)], [(3, 3, 3, 9)])[0, 0] == 0


# --- anchors ---


def test_the_anchors_are_what_k_means_finds_in_the_training_scenes():
    """Of a quarter of the scenes that they come from (whose 2,100 boxes give 22.9 x 29.6, 34.9 x 43.7, 51.5 x 59.0)."""
    some = np.concatenate([scenes.make(seed, held_out=False).boxes for seed in range(150)])
    sizes = some[:, 2:] - some[:, :2]
    found = anchors.cluster(sizes, 3)
    np.testing.assert_allclose(found.sizes, anchors.ANCHORS, atol=2.5)
    for count, iou in ((1, 0.579), (2, 0.715), (3, 0.762), (4, 0.779)):
        assert anchors.cluster(sizes, count).mean_iou == pytest.approx(iou, abs=0.02)


def test_k_means_ends_where_every_box_has_its_best_anchor_and_every_anchor_is_a_mean(random):
    sizes = random.uniform(5, 60, (300, 2))
    found = anchors.cluster(sizes, 4, seed=3)
    best = anchors.shape_iou(sizes, found.sizes).argmax(1)
    for index in range(4):
        assert found.sizes[index] == pytest.approx(sizes[best == index].mean(0))
    assert (np.diff(found.sizes.prod(1)) > 0).all()


def test_k_means_ends_after_so_many_rounds_at_the_latest(random, monkeypatch):
    sizes = random.uniform(5, 60, (300, 2))
    enough = anchors.cluster(sizes, 4).rounds
    assert 2 < enough < anchors.MOST_ROUNDS
    monkeypatch.setattr(anchors, "MOST_ROUNDS", 2)
    found = anchors.cluster(sizes, 4)
    assert found.rounds == 2
    assert found.mean_iou == pytest.approx(anchors.shape_iou(sizes, found.sizes).max(1).mean())


def test_the_iou_of_shapes_is_that_of_boxes_on_one_centre(random):
    sizes, others = random.uniform(5, 60, (9, 2)), random.uniform(5, 60, (7, 2))
    first, second = (torch.from_numpy(np.concatenate([-each / 2, each / 2], 1)) for each in (sizes, others))
    theirs = torchvision.ops.box_iou(first, second).numpy()
    np.testing.assert_allclose(anchors.shape_iou(sizes, others), theirs, atol=1e-12)
    with pytest.raises(ValueError, match="give more boxes"):
        anchors.cluster(sizes, 10)


# --- measuring ---


def candidates(some, scores, labels) -> Candidates:
    return Candidates(
        np.array(some, float).reshape(-1, 4), np.array(scores, float), np.array(labels), np.zeros((len(scores), 3), int)
    )


def test_matching_by_hand():
    truth = [(0, 0, 10, 10), (20, 20, 30, 30), (50, 50, 60, 60)]
    found = candidates(
        [(0, 0, 10, 9), (0, 0, 10, 8), (20, 20, 30, 30), (50, 50, 60, 54)], [0.9, 0.8, 0.7, 0.6], [1, 1, 2, 1]
    )
    result = detection.match(found, truth, [1, 1, 1])
    # The second finds the first thing taken, the third is of another class, the fourth covers four tenths.
    assert result.thing.tolist() == [0, -1, -1, -1]
    assert result.iou == pytest.approx([0.9, 0.8, 1.0, 0.4])
    assert result.missed == (1, 2)
    assert (result.right, result.precision, result.recall) == (1, 0.25, pytest.approx(1 / 3))
    assert detection.match(found, truth, [1, 1, 1], 0.4).thing.tolist() == [0, -1, -1, 2]
    nothing = detection.match(candidates([], [], []), np.empty((0, 4)), [])
    assert math.isnan(nothing.precision)
    assert math.isnan(nothing.recall)


def test_right_boxes_and_recall_agree_with_coco():
    """With one kind of thing and every box kept, COCO's recall at IoU 0.5 is the share that matching finds."""
    from torchmetrics.detection import MeanAveragePrecision

    right, things, random = 0, 0, np.random.default_rng(1)
    metric = MeanAveragePrecision(iou_thresholds=[0.5])
    for _ in range(8):
        truth = boxes(6, random)
        jitter = truth[:5] + random.normal(0, 4, (5, 4))
        found = candidates(jitter, random.permutation(5) / 5 + 0.1, np.zeros(5, int))
        matching = detection.match(found, truth, np.zeros(6, int))
        right, things = right + matching.right, things + 6
        metric.update(
            [
                {
                    "boxes": torch.tensor(found.boxes),
                    "scores": torch.tensor(found.scores),
                    "labels": torch.zeros(5).int(),
                }
            ],
            [{"boxes": torch.tensor(truth), "labels": torch.zeros(6).int()}],
        )
    assert float(metric.compute()["mar_100"]) == pytest.approx(right / things, abs=1e-6)


def test_mean_precision_of_perfect_and_of_half_right_boxes():
    truth = [([(0, 0, 10, 10)], [0]), ([(5, 5, 25, 25)], [1])]
    perfect = [candidates(some, [0.9], labels) for some, labels in truth]
    result = detection.mean_precision(perfect, truth)
    assert (result.at_50, result.at_75, result.overall) == pytest.approx((1, 1, 1))
    assert result.by_class == ((0, pytest.approx(1)), (1, pytest.approx(1)))
    # The second box is 20 x 13 of 20 x 20: IoU 0.65, right at 0.5 to 0.65, 4 of COCO's ten limits.
    half = [perfect[0], candidates([(5, 5, 25, 18)], [0.9], [1])]
    result = detection.mean_precision(half, truth)
    assert (result.at_50, result.at_75) == pytest.approx((1, 0.5))
    assert dict(result.by_class)[1] == pytest.approx(0.4)
    none = detection.mean_precision([perfect[0], candidates([], [], [])], truth)
    assert none.at_50 == pytest.approx(0.5)
