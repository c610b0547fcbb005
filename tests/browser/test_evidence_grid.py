"""The tab Grid in a real browser: stop, go on, open a cell; by keyboard and on a phone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import settled

pytestmark = pytest.mark.browser


def opened(visit, path: str = "/attribution", **options) -> Page:
    """The Attribution page with the tab Grid open."""
    page = visit(path, **options)
    page.get_by_role("tab", name="Grid", exact=True).click()
    settled(page)
    return page


def whole(page: Page, count: int) -> None:
    """Waits until all of a small grid is drawn; a busy machine asks before it draws the rest."""
    done = page.locator(f".frame[data-done='{count}']")
    ask = page.get_by_role("button", name=re.compile("(Continue|Draw them):"))
    done.or_(ask).first.wait_for()
    settled(page)
    if ask.count():
        ask.click()
    expect(done).to_be_attached()
    settled(page)


def stopped(page: Page, ask: Locator) -> int:
    """Clicks Stop, and waits until it is heard; how many of eight photos are done, by what the button offers then."""
    stop = page.get_by_test_id("stMain").get_by_role("button", name="Stop", exact=True)
    stop.click()
    expect(stop).to_have_count(0)  # before that the button may be the faded one of the run before
    settled(page)
    left = re.search(r"Continue: (\d+) of 16", ask.inner_text())
    assert left
    return 8 - int(left[1])


def test_stop_keeps_what_is_done_and_a_cell_opens_as_one_map(visit):
    page = opened(visit, "/attribution?method=superpixels")
    main = page.get_by_test_id("stMain")
    main.get_by_text("Many photos").click()
    frame = page.locator(".frame.wall")
    frame.wait_for()
    settled(page)
    ask = main.get_by_role(
        "button", name=re.compile(r"(Continue|Draw them): \d+ of 16 answers and maps, about .* passes")
    )
    ask.click()
    expect(frame).to_have_attribute("data-done", re.compile("[1-7]"))
    expect(main.get_by_text(re.compile(r"(9|1[0-5]) of 16 answers and maps, about .* left"))).to_be_visible()
    before = stopped(page, ask)
    assert 1 <= before < 8
    expect(frame).to_have_attribute("data-done", str(before))
    ask.click()
    # It goes on from there, to the end: a fast machine may be done before anybody could stop it again.
    expect(frame).to_have_attribute("data-done", "8")
    expect(main.get_by_role("button", name="Stop", exact=True)).to_have_count(0)
    settled(page)
    cell = frame.locator("button:not(.pending)").first
    spoken = cell.get_attribute("aria-label") or ""
    label, share = re.fullmatch(r".*: (.*) (\d+ %)\. Open as one map\.", spoken).groups()
    cell.click()
    expect(page.get_by_role("tab", name="One map", exact=True)).to_have_attribute("aria-selected", "true")
    expect(main.get_by_text(re.compile(f"Superpixels · {label} {share}"))).to_be_visible()
    settled(page)


def test_a_cell_is_opened_by_keyboard_with_its_method_class_and_network(visit):
    page = opened(visit)
    whole(page, 12)
    main = page.get_by_test_id("stMain")
    cell = page.locator("button[data-name='3,1']")
    expect(cell).to_have_attribute("aria-label", "Saliency, Egyptian cat: Egyptian cat 34 %. Open as one map.")
    cell.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name="One map", exact=True)).to_have_attribute("aria-selected", "true")
    expect(main.get_by_text(re.compile("EfficientNet-Lite0 · ImageNet · Saliency · Egyptian cat 34 %"))).to_be_visible()
    expect(page).to_have_url(re.compile("method=saliency&class=285|class=285&method=saliency"))


def test_headings_stay_in_sight_on_a_phone(visit):
    page = opened(visit, width=390, theme="dark")
    whole(page, 12)
    main, frame = page.get_by_test_id("stMain"), page.locator(".frame")
    assert main.evaluate("main => main.scrollWidth <= main.clientWidth")
    frame.scroll_into_view_if_needed()
    row, column = frame.locator("tbody th").nth(3), frame.locator("thead th").nth(3)
    frame.evaluate("frame => frame.scrollTo(frame.scrollWidth, frame.scrollHeight)")
    place = frame.bounding_box()
    for heading in (row, column):
        at = heading.bounding_box()
        assert place
        assert at
        assert at["x"] >= place["x"] - 1
        assert at["y"] >= place["y"] - 1
        assert at["x"] + at["width"] <= place["x"] + place["width"] + 1
        assert at["y"] + at["height"] <= place["y"] + place["height"] + 1
