"""The tabs Trust and Intervene in a real browser: the box, Stop, and what is switched off."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from explorer import attribution, images, models, trust
from tests.browser.conftest import frames, settled

pytestmark = pytest.mark.browser
FITS = "main => main.scrollWidth <= main.clientWidth"


def opened(visit, tab: str, path: str = "/attribution", **options) -> Page:
    """The Attribution page with one of its tabs open."""
    page = visit(path, **options)
    page.get_by_role("tab", name=tab, exact=True).click()
    settled(page)
    return page


def test_a_box_drawn_by_hand_is_measured_when_the_stroke_ends(visit):
    page = opened(visit, "Trust")
    canvas = page.locator("canvas[data-box]")
    canvas.scroll_into_view_if_needed()
    page.get_by_role("button", name="Check it").wait_for()
    settled(page)
    place = canvas.bounding_box()
    assert place
    before = len(frames(page))
    page.mouse.move(place["x"] + 0.45 * place["width"], place["y"] + 0.5 * place["height"])
    page.mouse.down()
    for step in range(1, 9):
        page.mouse.move(
            place["x"] + (0.45 + 0.05 * step) * place["width"], place["y"] + (0.5 + 0.04 * step) * place["height"]
        )
    left, top, right, bottom = map(float, (canvas.get_attribute("data-box") or "").split())
    assert [left, top, right, bottom] == pytest.approx([100.8, 112, 190.4, 183.7], abs=2)
    assert len(frames(page)) == before  # drawing asks nobody
    page.mouse.up()
    model = models.load("efficientnet_lite0", device="cpu")
    found = attribution.attribute(model, images.samples()["chelsea"].open(), "grad_cam", 282)
    expect(page.get_by_text(trust.inside(found, (left, top, right, bottom)).sentence)).to_be_visible()
    canvas.focus()
    page.keyboard.press("Shift+ArrowRight")
    expect(page.get_by_text(trust.inside(found, (left, top, right + 4, bottom)).sentence)).to_be_visible()


def test_stop_ends_a_measurement_and_what_is_left_is_seen_without_asking(visit):
    page = opened(visit, "Trust", "/attribution?network=resnet18&weights=random")
    # Methods are compared without being asked for where that is quick; else there is a button.
    page.get_by_text("map is most like").or_(page.get_by_role("button", name="Compare methods")).first.wait_for()
    settled(page)
    ask = page.get_by_role("button", name="Check it: about")
    ask.click()
    main = page.get_by_test_id("stMain")
    expect(main.get_by_text(re.compile(r"\d+ of 137 passes, about .* left"))).to_be_visible()
    main.get_by_role("button", name="Stop", exact=True).click()
    ask.wait_for()
    settled(page)
    assert page.locator(".pair").count() == 0
    page = opened(visit, "Trust", "/attribution?network=lenet5")  # a thousand times as fast
    page.get_by_role("button", name="Check it: about").click()
    slider = page.get_by_label("Share of the pixels deleted and inserted")
    expect(slider).to_be_visible()
    settled(page)
    before = len(frames(page))
    slider.fill("50")
    expect(page.locator(".lost")).to_contain_text("Without the best 50 %")
    assert len(frames(page)) == before


def test_a_channel_less_changes_the_answer_and_reset_brings_it_back(visit):
    page = opened(visit, "Intervene", theme="dark")
    first = page.locator(".root[data-ready*='|with '] .row.chosen")
    expect(first).to_contain_text("tiger cat")
    expect(first.locator(".change")).to_contain_text(re.compile(r"−\d+\.\d points"))
    page.get_by_role("button", name="Reset").click()
    row = page.locator(".row.chosen .change")
    expect(row).to_have_text("±0.0 points")
    page.set_viewport_size({"width": 390, "height": 844})
    # What watches its own width may still be getting narrower.
    page.wait_for_function(FITS, arg=page.get_by_test_id("stMain").element_handle())
