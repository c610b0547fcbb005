"""The Detection page in Streamlit's own test harness: its steps, its numbers and its code."""

from __future__ import annotations

import re

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer import detection, models
from explorer.detection import looking
from pages.shared.detection import steps, truth
from pages.shared.detection.asked import Asked
from pages.shared.detection.subject import FIRST
from tests.pages.test_pages import opened, read


def shown(app: AppTest) -> str:
    """All that a person reads."""
    return "\n".join(read(each.value) for each in (*app.markdown, *app.caption))


def steps_alone():
    """A page with nothing but the steps."""
    from explorer import models
    from pages.shared.detection import cache, steps

    steps.draw(models.load("yolo_scenes", device="cpu"), cache.scene(1)[1], 1)


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
