"""Kernels on the photo in a real browser: pointing, which asks nobody, presets, editing, borrowing."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import settled

pytestmark = pytest.mark.browser
# When anything was last sent to the server; the socket is open already, so Playwright would not hear of it.
_COUNT_FRAMES = """() => {
  const send = WebSocket.prototype.send;
  window.sentAt = performance.now();
  WebSocket.prototype.send = function (data) { window.sentAt = performance.now(); return send.call(this, data); };
}"""


def on_my_photo(visit: Callable[..., Page], **how: object) -> Page:
    """The tab, open, its exhibit drawn."""
    page = visit("/convolution", **how)
    page.get_by_role("tab", name="On my photo").click()
    expect(page.locator(".root[data-ready]:visible")).to_be_visible()
    settled(page)
    return page


def numbers(cells: Locator) -> list[float]:
    """What is written in cells."""
    return [float(text.replace("−", "-")) for text in cells.all_text_contents()]


def result(page: Page) -> float:
    """The result at the place that is pointed at."""
    return float(page.locator(".total .result").first.inner_text().replace("−", "-"))


def test_pointing_writes_products_whose_sum_is_the_result_and_asks_nobody(visit):
    page = on_my_photo(visit)
    page.evaluate(_COUNT_FRAMES)
    page.wait_for_function("performance.now() - window.sentAt > 1000")  # what loading the page had to say is said
    before = page.evaluate("window.sentAt")
    expect(page.get_by_text("Sobel x").first).to_be_visible()
    seen = set()
    for side, x, y in (("left", 1, 100), ("left", 210, 130), ("right", 260, 90), ("right", 5, 200)):
        page.locator(f".{side} .mark").hover(position={"x": x, "y": y})
        pixels, products = numbers(page.locator(".patch .cell")), numbers(page.locator(".products .cell"))
        kernel = [-1, 0, 1, -2, 0, 2, -1, 0, 1]
        assert products == [pixel * weight for pixel, weight in zip(pixels, kernel, strict=True)]
        assert sum(products) == result(page)
        seen.add(page.locator(".root[data-ready]").get_attribute("data-at"))
    assert len(seen) == 4
    page.locator(".right .mark").click(position={"x": 100, "y": 100})
    held = page.locator(".root[data-ready]").get_attribute("data-at")
    page.locator(".right .mark").hover(position={"x": 10, "y": 10})
    page.keyboard.press("ArrowRight")
    row, column = map(int, held.split(","))
    expect(page.locator(".root[data-ready]")).to_have_attribute("data-at", f"{row},{column + 1}")
    assert page.evaluate("window.sentAt") == before


def test_a_preset_and_an_edited_number_change_the_result_at_once(visit):
    page = on_my_photo(visit, width=390, theme="dark")
    page.get_by_role("combobox", name="Kernel").click()
    page.get_by_role("option", name="Identity").click()
    expect(page.get_by_text("Copies each pixel: nothing changes.")).to_be_visible()
    expect(page.get_by_label("Kernel, row 1, column 1")).to_have_value("1")  # drawn after the words
    page.locator(".left .mark").click(position={"x": 60, "y": 60})
    middle = numbers(page.locator(".patch .cell"))[4]
    assert result(page) == middle
    cell = page.get_by_label("Kernel, row 1, column 1")
    cell.fill("-2,5")
    cell.press("Enter")
    expect(page.locator(".total .result").first).to_have_attribute("data-value", str(-2.5 * middle).removesuffix(".0"))
    expect(page.get_by_role("combobox", name="Kernel")).to_have_value("My own")


def test_a_borrowed_kernel_runs_and_leads_to_its_feature_map(visit):
    page = on_my_photo(visit)
    page.get_by_text("Borrow one from a network").click()
    sheet = page.locator(".all[data-kernels='32']")
    expect(sheet).to_be_visible()
    settled(page)
    sheet.focus()
    sheet.press("Home")
    sheet.press("ArrowRight")
    sheet.press("ArrowRight")
    sheet.press("Enter")
    expect(sheet).to_have_attribute("data-picked", "2")
    expect(page.get_by_text("Channel 2 of features.0.0 ·").first).to_be_visible()
    settled(page)
    page.locator(".right .mark").hover(position={"x": 150, "y": 150})
    expect(page.locator(".sum")).to_have_count(3)  # drawn after the words
    sums = [float(text.removeprefix("sum ").replace("−", "-")) for text in page.locator(".sum").all_text_contents()]
    assert sum(sums) == pytest.approx(result(page), rel=1e-3, abs=1e-3)
    page.get_by_role("link", name=re.compile("Channel 2 among all")).click()
    page.wait_for_url(
        re.compile(r"feature_maps.*layer=features\.0\.0.*channel=2|feature_maps.*channel=2.*layer=features")
    )
    expect(page.locator(".name")).to_have_text("Channel 2")
