"""The Detection page in Streamlit's own test harness: its steps, its numbers and its code."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest
from torchvision.ops import box_iou

from explorer import catalogue, detection, models, weight_files
from explorer.detection import Candidates, looking, pretrained
from explorer.errors import Cancelled
from pages.shared.components.scene import View
from pages.shared.detection import steps, subject, theirs, truth
from pages.shared.detection.asked import Asked
from pages.shared.detection.subject import FIRST
from pages.shared.long_run import LongRun
from tests.pages.test_pages import opened, read


def shown(app: AppTest) -> str:
    """All that a person reads."""
    return "\n".join(read(each.value) for each in (*app.markdown, *app.caption))


def steps_alone():
    """A page with nothing but the steps."""
    from explorer import models
    from pages.shared.detection import cache, steps

    steps.draw(models.load("yolo_scenes", device="cpu"), cache.scene(1)[1], 1)


def theirs_alone():
    """A page with nothing but torchvision's detectors."""
    from pages.shared.detection import cache, subject, theirs

    go = theirs.draw(cache.scene(subject.FIRST)[1])
    if go is not None:
        go()


def at(step: str, **state: object) -> AppTest:
    """The page at one of its steps."""
    app = opened("detection")
    for key, value in {"detection-step": step, **state}.items():
        app.session_state[key] = value
    app.run()
    assert not app.exception
    return app


@pytest.fixture(scope="module")
def small():
    return models.load("yolo_scenes", device="cpu")


@pytest.fixture(scope="module")
def said(small):
    """What the network says about the first scene."""
    return looking.look(small, detection.make(FIRST).open())


def test_it_opens_with_the_boxes_of_a_scene_against_the_truth(said):
    app = at("truth")
    scene, boxes = detection.make(FIRST), said.above(0.3)
    found = boxes.take(detection.suppress(boxes.boxes, boxes.scores, boxes.labels).kept)
    matching = detection.match(found, scene.boxes, scene.labels)
    text = shown(app)
    assert f"{matching.right} of {len(scene.labels)} things found" in text
    assert f"precision {matching.precision:.2f}, recall {matching.recall:.2f}" in text
    assert "YOLO, small" in text
    assert "0.45" in text


@pytest.mark.parametrize("step", steps.STEPS)
def test_every_step_draws_on_a_scene_and_on_a_photo(step):
    assert not at(step).warning
    photo = at(step, **{"detection-source": "photo"})
    assert not photo.warning
    if step == "truth":
        assert "Nobody has told what is in this picture" in shown(photo)


def test_the_grid_counts_the_guides_channels():
    app = at("grid")
    assert "3 × (5 + 9) = 42 channels" in shown(app)
    next(each for each in app.button if each.label == "The guide's head").click().run()
    assert "3 × (5 + 80) = 255 channels" in shown(app)
    assert not app.exception


def test_anchors_of_another_size_fit_a_scene_as_its_truth_says():
    app, things = at("grid"), detection.make(FIRST).boxes
    for scale in (1.0, 1.5):
        app.slider(key="detection-anchor-scale").set_value(scale).run()
        assert not app.exception
        anchors = np.array(detection.ANCHORS) * scale
        assert "\n".join(f"| {i} | {w:.0f} px | {h:.0f} px |" for i, (w, h) in enumerate(anchors, 1)) in shown(app)
        # Of torchvision: boxes and anchors on one centre.
        sides = [torch.from_numpy(each).double() for each in (things[:, 2:] - things[:, :2], anchors)]
        iou = box_iou(*(torch.cat([-each / 2, each / 2], 1) for each in sides)).max(1).values.mean()
        assert f"mean IoU of **{iou:.2f}**" in shown(app)
    photo = at("grid", **{"detection-source": "photo"})
    assert "Laid on the centre" not in shown(photo)


def test_the_decode_table_is_what_decode_computes(said):
    app = at("decode")
    place = np.unravel_index(said.scores.argmax(), said.scores.shape)
    text = shown(app)
    for number in (said.centres[place], said.sizes[place]):
        assert all(f"{value:.1f} px" in text for value in number)
    assert f"objectness **{said.objectness[place]:.3f}**" in text
    assert f"**{said.scores[place]:.3f}**" in text
    assert f"+ {place[2]}) × 16" in text


def test_raw_numbers_can_be_changed_and_move_the_box():
    app = at("decode")
    app.toggle(key="detection-change").set_value(True).run()
    slider = next(each for each in app.slider if each.label == "$t_w$")
    slider.set_value(0.0).run()
    assert not app.exception
    width = re.search(r"(\d+) × exp\(0\.0000\)", shown(app))
    assert width
    assert f"width **{width[1]}.0 px**" in shown(app)


def test_raw_numbers_beyond_the_usual_stay_as_they_are_until_they_are_moved(small, said):
    anchor, row, column = map(int, np.unravel_index(said.objectness.argmin(), said.objectness.shape))
    least = float(said.raw[anchor, row, column, 4])
    assert least < -8
    identity = f"{opened_picture().digest}|{small.key}"
    app = at("decode", _detection_places={identity: (anchor, row, column)}, **{"detection-change": True})
    slider = next(each for each in app.slider if each.label == "$t_o$")
    assert slider.min <= slider.value == pytest.approx(least)
    assert f"| $t_o$ | {least:.4f} |".replace("-", "−") in shown(app)


def test_the_confidence_decides_how_many_boxes_there_are(said):
    app = at("threshold")
    app.slider(key="detection-confidence").set_value(0.05).run()
    assert f"{(said.scores >= 0.05).sum()} of 300 boxes" in shown(app)
    app.slider(key="detection-confidence").set_value(0.95).run()
    assert f"{(said.scores >= 0.95).sum()} of 300 boxes" in shown(app)
    assert not app.exception


def test_suppression_goes_decision_by_decision(said):
    app = at("suppression", **{"detection-confidence": 0.05})
    boxes = said.above(0.05)
    result = detection.suppress(boxes.boxes, boxes.scores, boxes.labels)
    assert f"Decision 1 of {len(result.steps)}" in shown(app)
    assert f"{len(boxes)} boxes: {len(result.kept)} stay, {len(boxes) - len(result.kept)} go" in shown(app)
    next(each for each in app.button if each.label == "Next").click().run()
    assert f"Decision 2 of {len(result.steps)}" in shown(app)
    step = result.steps[1]
    assert f"{boxes.scores[step.keeper]:.2f}" in shown(app)
    app.slider(key="detection-confidence").set_value(0.95).run()
    assert not app.exception


def test_the_final_boxes_follow_both_limits_which_all_steps_share(said):
    app = at("truth")
    app.slider(key="detection-confidence").set_value(0.02).run()
    app.slider(key="detection-limit").set_value(0.95).run()
    boxes = said.above(0.02)
    left = detection.suppress(boxes.boxes, boxes.scores, boxes.labels, 0.95).kept
    assert f"confidence 0.02 · IoU limit 0.95 · {len(left)} boxes" in shown(app)
    assert len(left) > len(detection.suppress(boxes.boxes, boxes.scores, boxes.labels, 0.45).kept)
    app.segmented_control(key="detection-step").set_value("suppression").run()
    assert f"{len(boxes)} boxes: {len(left)} stay" in shown(app)
    assert app.slider(key="detection-limit").value == 0.95
    assert not app.exception


def test_seven_steps_lead_from_the_first_to_the_last():
    app = opened("detection")
    assert "**Step 6 of 7:**" in shown(app)
    next(each for each in app.button if each.label == "Start at step 1: Grid").click().run()
    for number, name in enumerate(list(steps.STEPS.values())[1:], start=2):
        assert f"**Step {number - 1} of 7:**" in shown(app)
        next(each for each in app.button if each.label == f"On to step {': '.join(name.split())}").click().run()
        assert not app.exception
    assert "**Step 7 of 7:**" in shown(app)
    assert not any(each.label.startswith("On to step") for each in app.button)


def test_a_photo_without_boxes_says_how_near_the_best_score_comes(small):
    from pages.shared import pictures

    best = looking.look(small, pictures.find(pictures.default("photos")).open()).scores.max()
    assert best < 0.95
    state = {"detection-source": "photo", "detection-confidence": 0.95}
    text = shown(at("truth", **state))
    assert f"the best of 300 scores is {best:.3f}, less than the confidence of 0.95" in text
    assert "| Box |" not in text
    assert "none of the final boxes" in shown(at("why", **state))
    assert "none of the final boxes" not in shown(at("why"))


def test_fresh_scenes_are_measured_when_asked(monkeypatch, small):
    monkeypatch.setattr(truth, "_FRESH", 5)
    app = AppTest.from_function(steps_alone, default_timeout=120).run()
    next(each for each in app.button if each.label.startswith("Measure it")).click().run()
    assert not app.exception
    found, things = [], []
    for seed in range(20_000, 20_005):
        scene = detection.make(seed)
        boxes = looking.look(small, scene.open()).above(0.01)
        found.append(boxes.take(detection.suppress(boxes.boxes, boxes.scores, boxes.labels).kept))
        things.append((scene.boxes, scene.labels))
    assert f"mAP@0.5 = {detection.mean_precision(found, things).at_50:.3f}" in shown(app)


def test_another_scene_is_the_next_seed():
    app = at("truth")
    next(each for each in app.button if each.label == "Another scene").click().run()
    assert f"scene {FIRST + 1} ·" in shown(app)


def test_the_guides_head_runs_with_random_weights_and_says_so():
    app = opened("detection", network="yolo")
    assert not app.exception
    assert any("random weights" in each.value for each in app.warning)
    boxes = re.search(r"The best 20 of (\d+) boxes are listed", shown(app))  # chance finds many
    assert boxes
    assert f"**{boxes[1]} boxes.**" in shown(app)
    assert shown(app).count("| class ") == 20


def test_the_guides_head_has_no_truth_in_a_scene_which_is_not_that_nobody_knows_it():
    text = shown(opened("detection", network="yolo"))
    assert f"scene {FIRST} ·" in text
    assert "other classes than the things of a scene" in text
    assert "Nobody has told" not in text


def test_the_chosen_network_is_warned_of_photos_only_while_it_looks_at_one():
    app = opened("detection", network="yolo_scenes", image="coffee")
    assert f"scene {FIRST} ·" in shown(app)
    assert not app.warning
    app.segmented_control(key="detection-source").set_value("photo").run()
    assert not app.exception
    assert "of “Coffee” it can make nothing" in app.warning[0].value
    app.segmented_control(key="detection-source").set_value("scene").run()
    assert not app.warning


def test_fresh_scenes_are_none_of_the_pages_nor_of_the_cards():
    measured = range(truth._FIRST, truth._FIRST + truth._FRESH)
    card = catalogue.get("yolo_scenes")
    assert card.bundled is not None
    path = weight_files.bundled_path(card.bundled)
    assert path is not None
    told = re.findall(r"seeds ([\d,]+) to ([\d,]+)", path.with_suffix(".md").read_text(encoding="utf-8"))
    ranges = {
        range(*(int(end.replace(",", "")) + more for end, more in zip(each, (0, 1), strict=True))) for each in told
    }
    assert {each.start for each in ranges} == {10_000, 50_000}
    for one in (*ranges, range(subject._MOST + 1)):
        assert one.stop <= measured.start or measured.stop <= one.start


def test_a_detector_at_hand_draws_its_boxes(monkeypatch):
    views: list[View] = []
    cards = tuple(replace(card, at_hand=True) for card in pretrained.detectors())
    monkeypatch.setattr(pretrained, "detectors", lambda: cards)
    monkeypatch.setattr(theirs, "scene", lambda view, *_: views.append(view))

    def detect(slug: str, image: Image.Image, progress: object = None) -> Candidates:
        assert (slug, image.size) == (cards[0].slug, (160, 160))
        return Candidates(np.array([[10, 20, 60, 80.0]]), np.array([0.874]), np.array([17]), np.empty((1, 0), int))

    monkeypatch.setattr(pretrained, "detect", detect)
    app = AppTest.from_function(theirs_alone, default_timeout=120).run()
    assert "is not at hand" not in shown(app)
    next(each for each in app.button if each.label == "Find things: about 1 s, 1 pass").click().run()
    assert not app.exception
    assert f"{cards[0].title} · COCO · Scene {FIRST} · 1 box ·" in shown(app)
    (box,) = views[-1].boxes
    assert (list(box.at), box.tag) == ([10, 20, 60, 80], "cat 0.87")


def test_a_fetch_tells_how_far_it_is_and_can_be_stopped(monkeypatch):
    told: list[tuple[int, int]] = []

    def offer(run: LongRun[object]) -> None:
        assert (run.passes, run.unit) == (round(pretrained.detectors()[0].megabytes), "MB")
        asked = iter((False, False, True))
        with pytest.raises(Cancelled, match="is kept"):
            run.compute(lambda *given: told.append(given), lambda: next(asked))

    def detect(slug: str, image: Image.Image, progress: Callable[[int, int], None]) -> None:
        for done in (0, 6_000_000, 7_000_000):
            progress(done, 0 if not done else 14_000_000)
        raise AssertionError("it went on")

    monkeypatch.setattr(theirs, "offer", offer)
    monkeypatch.setattr(pretrained, "detect", detect)
    assert not AppTest.from_function(theirs_alone, default_timeout=120).run().exception
    assert told == [(6, round(pretrained.detectors()[0].megabytes))]


def test_torchvisions_detectors_say_that_their_weights_are_not_here():
    app = at("truth")
    app.session_state["detection-others"] = True
    app.run()
    assert not app.exception
    assert "is not at hand" in shown(app)


def test_the_code_computes_what_is_shown(small, said):
    scene = detection.make(FIRST)
    asked = Asked(small, opened_picture(), FIRST, (scene.boxes, scene.labels), 0.3, 0.45)
    names: dict[str, object] = {"model": small}
    exec(steps.lines(asked), names)
    result = names["result"]
    assert isinstance(result, detection.Suppression)
    assert result.kept.tolist() == asked.suppression.kept.tolist()
    assert names["matching"].precision == detection.match(asked.found, scene.boxes, scene.labels).precision


def opened_picture():
    from pages.shared.detection import cache

    return cache.scene(FIRST)[1]


def test_a_wrong_box_says_what_is_wrong_with_it():
    from types import SimpleNamespace

    from explorer.detection import Candidates, match
    from pages.shared.detection import truth

    things = np.array([[0, 0, 40, 40], [60, 60, 100, 100.0]]), np.array([2, 5])
    boxes = np.array([[0, 0, 40, 40], [1, 1, 41, 41], [62, 62, 100, 100], [20, 20, 60, 60], [120, 120, 150, 150.0]])
    labels, scores = np.array([2, 2, 7, 2, 2]), np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    found = Candidates(boxes, scores, labels, np.zeros((5, 3), int))
    asked = SimpleNamespace(found=found, truth=things, name=lambda label: f"kind {label}")
    said = [truth._why(asked, match(found, *things), index) for index in range(5)]
    assert said[0] == "right"
    assert said[1] == "wrong: a better box has it"
    assert said[2] == "wrong: that is a kind 5"
    assert said[4] == "wrong: there is nothing"
    lonely = Candidates(boxes[3:4], scores[:1], labels[:1], np.zeros((1, 3), int))
    asked = SimpleNamespace(found=lonely, truth=things, name=str)
    assert truth._why(asked, match(lonely, *things), 0) == "wrong: too far off"
