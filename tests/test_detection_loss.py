"""The loss: by hand, who is responsible, and near zero on a scene that was learnt by heart."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from explorer import detection
from explorer.architectures.yolo import yolo_small
from explorer.detection import anchors, loss, scenes

ANCHORS = torch.tensor(anchors.ANCHORS)


def perfect(boxes: torch.Tensor, labels: torch.Tensor, classes: int = 9) -> torch.Tensor:
    """Raw numbers that say exactly what is there: (1, 3, 10, 10, 5 + classes)."""
    raw = torch.zeros(1, 3, 10, 10, 5 + classes, dtype=torch.float64)
    raw[..., 4] = -40
    owner = loss.assign([boxes], ANCHORS, (10, 10), 16)
    for _, anchor, row, column, thing in zip(*(each.tolist() for each in owner), strict=True):
        left, top, right, bottom = boxes[thing].double().tolist()
        offset = ((left + right) / 32 - column, (top + bottom) / 32 - row)
        at = raw[0, anchor, row, column]
        at[:2] = torch.logit(torch.tensor(offset, dtype=torch.float64))
        at[2:4] = (torch.tensor([right - left, bottom - top], dtype=torch.float64) / ANCHORS[anchor]).log()
        at[4], at[5 + labels[thing]] = 40, 40
    return raw


@pytest.mark.parametrize("seed", range(5))
def test_what_is_there_costs_nothing_and_decodes_to_the_truth(seed):
    scene = scenes.make(seed)
    boxes, labels = torch.from_numpy(scene.boxes), torch.from_numpy(scene.labels)
    raw = perfect(boxes, labels)
    assert float(loss.detection_loss(raw, [boxes], [labels], ANCHORS, 16).total) < 1e-9
    found = detection.decode(raw[0].numpy(), anchors.ANCHORS, 16).above(0.5)
    matching = detection.match(found, scene.boxes, scene.labels, 0.99)
    assert matching.right == len(found) == len(labels)


def test_each_part_by_hand():
    """One thing in the middle of cell (row 3, column 2), as large as the first anchor, and a head that says 0."""
    width, height = anchors.ANCHORS[0]
    boxes = torch.tensor([[40 - width / 2, 56 - height / 2, 40 + width / 2, 56 + height / 2]])
    raw = torch.zeros(1, 3, 10, 10, 5 + 9)
    raw[..., 4] = -30
    raw[0, 0, 3, 2, 4] = 0
    raw[0, 0, 3, 2, 0] = math.log(3)  # sigmoid 0.75, a quarter of a cell too far right
    raw[0, 0, 3, 2, 2] = 0.5
    parts = loss.detection_loss(raw, [boxes], [torch.tensor([4])], ANCHORS, 16)
    assert parts.position.item() == pytest.approx(0.25**2)
    assert parts.size.item() == pytest.approx(0.5**2)
    assert parts.objectness.item() == pytest.approx(math.log(2), abs=1e-6)
    assert parts.classes.item() == pytest.approx(math.log(9), abs=1e-5)
    assert parts.total.item() == pytest.approx(5 * (0.0625 + 0.25) + math.log(2) + math.log(9), abs=1e-5)


def test_a_wrong_yes_costs_half_and_a_nearly_right_one_nothing():
    width, height = anchors.ANCHORS[0]
    boxes = torch.tensor([[47 - width / 2, 56 - height / 2, 47 + width / 2, 56 + height / 2]])
    raw = perfect(boxes, torch.tensor([0])).float()
    far, near = raw.clone(), raw.clone()
    far[0, 0, 8, 8, 4] = 0  # somewhere else
    near[0, 0, 3, 3, 4], near[0, 0, 3, 3, 0] = 0, -4.0  # the cell beside, whose box ends up on the thing
    told = detection.decode(near[0].numpy(), anchors.ANCHORS, 16).boxes[0, 3, 3]
    assert detection.overlap([told], boxes.numpy())[0, 0] > loss.TOLERATED

    def objectness(numbers: torch.Tensor) -> float:
        return loss.detection_loss(numbers, [boxes], [torch.tensor([0])], ANCHORS, 16).objectness.item()

    assert objectness(far) == pytest.approx(0.5 * math.log(2), abs=1e-5)
    assert objectness(near) == pytest.approx(0, abs=1e-5)


def test_the_best_anchor_of_the_centres_cell_is_responsible_and_a_second_thing_takes_the_next():
    small = [40 - 11, 56 - 15, 40 + 11, 56 + 15]
    large = [40 - 26, 56 - 30, 40 + 26, 56 + 30]
    corner = [150.0, 150.0, 160.0, 160.0]
    owner = loss.assign([torch.tensor([small, small, large, corner]), torch.tensor([large])], ANCHORS, (10, 10), 16)
    told = list(zip(*(each.tolist() for each in owner), strict=True))
    assert told == [(0, 0, 3, 2, 0), (0, 1, 3, 2, 1), (0, 2, 3, 2, 2), (0, 0, 9, 9, 3), (1, 2, 3, 2, 4)]
    for some in (small, large):
        sizes = np.array([[some[2] - some[0], some[3] - some[1]]])
        assert anchors.shape_iou(sizes, anchors.ANCHORS).argmax() == (0 if some is small else 2)


def test_one_scene_can_be_learnt_by_heart():
    scene = next(made for made in map(scenes.make, range(50)) if len(made.labels) == 4)
    boxes, labels = torch.from_numpy(scene.boxes), torch.from_numpy(scene.labels)
    torch.manual_seed(0)
    network = yolo_small(widths=(8, 16, 16, 32, 32)).train()
    inputs = torch.from_numpy(scene.image).permute(2, 0, 1)[None].float() / 127.5 - 1
    optimizer = torch.optim.Adam(network.parameters())
    losses = []
    for step in range(300):
        optimizer.param_groups[0]["lr"] = 0.005 * (1 + math.cos(math.pi * step / 300))
        total = loss.detection_loss(network(inputs), [boxes], [labels], ANCHORS, network.stride).total
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(total.item())
    assert losses[0] > 20
    assert losses[-1] < 0.1  # measured: 41.6 and 0.053; after 500 steps 0.021
    with torch.inference_mode():
        found = detection.decode(network(inputs)[0].numpy(), anchors.ANCHORS, 16).above(0.5)
    matching = detection.match(found, scene.boxes, scene.labels, 0.9)
    assert matching.right == len(found) == 4
