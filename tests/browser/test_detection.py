"""The Detection page in a real browser: the steps, a cell by click and by key, boxes that tell their numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from explorer import detection, models
from explorer.detection import looking
from pages.shared.detection.subject import FIRST
from tests.browser.conftest import settled

pytestmark = pytest.mark.browser


CHOSEN = """(svg, count) => Array.from({length: count}, () => {
  svg.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}));
  const chosen = [...svg.parentElement.querySelectorAll('.tag.chosen')];
  return chosen.filter((tag) => getComputedStyle(tag).visibility === 'visible').length;
})"""  # in one go: a pause of the keys would choose the box


TOLD = """(svg) => {
  svg.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}));
  return svg.getRootNode().querySelector('.here').textContent;
}"""  # in one go: a moment later the box is chosen, and the page shows something else


def scene(page: Page):
    """The picture, once it is drawn."""
    return page.locator("svg[data-ready]")


def step(page: Page, name: str) -> None:
    """Goes to a step."""
    page.get_by_role("radio", name=re.compile(rf"\d\s+{re.escape(name)}")).click()
    settled(page)


def alone(boxes: np.ndarray) -> int:
    """One of boxes (N, 4) that is the smallest at its centre, and is another one when they are counted from behind."""
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    for index, (left, top, right, bottom) in enumerate(boxes):
        x, y = (left + right) / 2, (top + bottom) / 2
        under = (boxes[:, 0] <= x) & (x <= boxes[:, 2]) & (boxes[:, 1] <= y) & (y <= boxes[:, 3])
        if areas[index] == areas[under].min() and index != len(boxes) - 1 - index:
            return index
    raise AssertionError("every box lies on a smaller one")


def test_from_the_grid_to_the_truth(visit):
    """Step by step; what each says is what explorer computes."""
    model = models.load("yolo_scenes", device="cpu")
    page = visit("/detection")
    said_to_be = page.get_by_text(re.compile(r"scene \d+ ·"))  # the field shows 0 before it shows its number
    number = int(re.search(r"scene (\d+) ·", said_to_be.first.inner_text())[1])
    expect(page.get_by_role("spinbutton", name="Scene")).to_have_value(str(number))
    made = detection.make(number)
    said = looking.look(model, made.open())
    boxes = said.above(0.3)
    result = detection.suppress(boxes.boxes, boxes.scores, boxes.labels)
    found = boxes.take(result.kept)
    right = detection.match(found, made.boxes, made.labels).right
    page.get_by_text(f"{right} of {len(made.labels)} things found").wait_for()
    expect(scene(page).locator("rect.box.right")).to_have_count(right)

    step(page, "Grid")
    page.get_by_text("3 × (5 + 9) = 42 channels").wait_for()
    picture = page.get_by_role("application", name="under a grid of 10 by 10 cells")
    expect(picture.locator("rect.anchor.box")).to_have_count(3)
    frame = picture.bounding_box()
    assert frame
    picture.click(position={"x": frame["width"] * 0.35, "y": frame["height"] * 0.65})  # column 3, row 6 of 10
    page.get_by_text("Row 6, column 3 and its anchors.").wait_for()

    step(page, "Decode")
    start = said.scores.argmax() // (10 * 10)  # the grid keeps the anchor of the best box
    page.get_by_text(f"Row 6, column 3, anchor {start + 1}").wait_for()
    place = (int(start), 6, 3)
    page.get_by_text(f"centre x {said.centres[place][0]:.1f} px").wait_for()
    page.get_by_role("application", name="and the box it tells of").focus()
    page.keyboard.press("ArrowRight")
    place = (int(said.scores[:, 6, 4].argmax()), 6, 4)
    page.get_by_text(f"Row 6, column 4, anchor {place[0] + 1}").wait_for()
    page.get_by_text(f"centre x {said.centres[place][0]:.1f} px").wait_for()

    step(page, "Objectness")
    picture = page.get_by_role("application", name="The objectness of anchor 1 in every cell")
    frame = picture.bounding_box()
    assert frame
    picture.click(position={"x": frame["width"] * 0.75, "y": frame["height"] * 0.25})  # column 7, row 2
    page.get_by_text("Row 2, column 7, anchor 1").wait_for()  # decoded at once
    page.get_by_text(f"centre x {said.centres[0, 2, 7][0]:.1f} px").wait_for()

    step(page, "Threshold")
    picture = page.get_by_role("application", name=f"{len(boxes)} boxes over the picture")
    expect(picture.locator("rect.box.candidate")).to_have_count(len(boxes))
    chosen = alone(boxes.boxes)
    left, top, right_edge, bottom = boxes.boxes[chosen]
    frame = picture.bounding_box()
    assert frame
    x, y = (left + right_edge) / 2 / said.width, (top + bottom) / 2 / said.height
    picture.click(position={"x": frame["width"] * x, "y": frame["height"] * y})
    anchor, row, column = boxes.places[chosen].tolist()
    page.get_by_text(f"Row {row}, column {column}, anchor {anchor + 1}").wait_for()
    page.get_by_text(f"centre x {said.centres[anchor, row, column][0]:.1f} px").wait_for()

    step(page, "Suppression")
    page.get_by_text(f"Decision 1 of {len(result.steps)}").wait_for()
    if len(result.steps) > 1:
        page.get_by_role("button", name="Next").click()
        page.get_by_text(f"Decision 2 of {len(result.steps)}").wait_for()


def test_a_box_tells_its_numbers_and_a_click_asks_why(visit):
    page = visit("/detection", width=390, theme="dark")
    picture = scene(page)
    picture.scroll_into_view_if_needed()
    expect(picture.locator("rect.box.right").first).to_be_visible()
    settled(page)
    assert re.search(r"\d+ × \d+ px, from anchor \d, row \d, column \d", picture.evaluate(TOLD))
    page.get_by_text(re.compile(r"Why is there")).wait_for()  # the box that the key stopped at is the one in question
    expect(page.get_by_text("Asked for:")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("width", [1440, 390])
def test_labels_keep_clear_of_each_other_or_wait_for_their_box(visit, width):
    page = visit("/detection", width=width)
    page.get_by_text(f"scene {FIRST} ·").wait_for()
    field = page.get_by_role("spinbutton", name="Scene")
    expect(field).to_have_value(str(FIRST))  # it shows 0 before
    field.fill("11")  # four things over and beside each other
    page.keyboard.press("Enter")
    page.get_by_text("scene 11 ·").wait_for()
    slider = page.get_by_role("slider", name="IoU limit")
    slider.focus()
    for _ in range(10):  # to 0.95: hardly a box goes, so that labels abound
        page.keyboard.press("ArrowRight")
    page.get_by_text("IoU limit 0.95").wait_for()
    expect(scene(page)).to_have_attribute("data-ready", re.compile(r"\|0\.95$"))  # drawn after the words
    settled(page)
    frame, tags = page.locator(".frame"), page.locator(".frame .tag:not(.crowded)")
    around = frame.bounding_box()
    areas = [each.bounding_box() for each in tags.all()]
    assert around
    assert len(areas) > 5
    for index, one in enumerate(areas):
        assert around["x"] - 1 < one["x"]
        assert one["x"] + one["width"] < around["x"] + around["width"] + 1
        for other in areas[index + 1 :]:
            across = min(one["x"] + one["width"], other["x"] + other["width"]) - max(one["x"], other["x"])
            down = min(one["y"] + one["height"], other["y"] + other["height"]) - max(one["y"], other["y"])
            assert min(across, down) < 1
    hidden = page.locator(".frame .tag.crowded").count()
    expect(page.get_by_text("left out for want of room")).to_have_count(int(hidden > 0))
    shown = scene(page).evaluate(CHOSEN, len(areas))
    assert shown == [1] * len(areas)  # the label of the box that is pointed at, whether there was room or not


def test_another_scene_is_drawn_at_once(visit):
    page = visit("/detection")
    expect(scene(page)).to_have_attribute("data-ready", re.compile("."))
    before = scene(page).get_attribute("data-ready")
    page.get_by_role("button", name="Another scene").click()
    expect(scene(page)).not_to_have_attribute("data-ready", before or "")
    expect(page.get_by_text(f"scene {FIRST + 1} ·")).to_be_visible()
