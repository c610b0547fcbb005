"""Receptive fields in a real browser: a map that is pointed at and clicked, surgery, and a transformer beside it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import settled

pytestmark = pytest.mark.browser


def ready(page: Page) -> None:
    """Waits until the map and the photo are drawn."""
    expect(page.locator("canvas.map")).to_have_attribute("data-photo", "yes")
    settled(page)


def at(page: Page, canvas: str, row: float, column: float) -> tuple[float, float]:
    """The point of the window at these shares of a canvas."""
    box = page.locator(f"canvas.{canvas}").bounding_box()
    assert box is not None
    return box["x"] + column * box["width"], box["y"] + row * box["height"]


def test_clicking_the_map_moves_unit_square_gradient_and_address(visit):
    page = visit("/receptive_field?layer=features.3&channel=3&unit=14,14")
    ready(page)
    # features.3 of Lite0: 28 x 28 units of 67 pixels, unit u from 8 u - 26 on, as the graph has it.
    expect(page.locator("canvas.photo")).to_have_attribute("data-square", "86,86,153,153")
    page.mouse.click(*at(page, "map", 3.5 / 28, 9.5 / 28))
    page.wait_for_url(re.compile(r"unit=3%2C9|unit=3,9"))
    expect(page.locator("canvas.heat")).to_have_attribute("data-unit", "3,9")
    expect(page.get_by_text(re.compile(r"row 3, column 9 · could see 67 × 67 px"))).to_be_visible()
    expect(page.locator("canvas.photo")).to_have_attribute("data-square", "46,0,113,65")


def test_pointing_moves_the_square_without_the_server(visit):
    page = visit("/receptive_field?layer=features.3&channel=3&unit=14,14", width=1440)
    sent: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page.reload()
    ready(page)
    sent.clear()
    page.mouse.move(*at(page, "map", 0.5 / 28, 27.5 / 28))
    expect(page.locator("canvas.photo")).to_have_attribute("data-square", "190,0,224,41")
    expect(page.locator(".here")).to_contain_text("in the padding around it")
    page.mouse.move(*at(page, "photo", 0.5, 0.5))
    expect(page.locator(".here")).to_contain_text(re.compile(r"Pixel at row 1\d\d, column 1\d\d: \d+ of 784 units"))
    page.locator("canvas.map").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".here")).to_contain_text("Row 15, column 14")
    assert not sent


def test_surgery_changes_resolution_field_and_macs(visit):
    page = visit("/receptive_field?layer=features.3")
    ready(page)
    page.get_by_role("tab", name="Surgery").click()
    numbers = page.get_by_test_id("stMetric")
    expect(numbers.nth(0)).to_contain_text("14 × 14")
    expect(numbers.nth(1)).to_contain_text("as trained")
    expect(page.get_by_text("After surgery")).to_be_visible()
    page.get_by_text("Remove it", exact=True).last.click()
    expect(numbers.nth(1)).to_contain_text("before")
    expect(numbers.nth(2)).to_contain_text("× 1.98")
    page.get_by_text("Keep the stride").last.click()
    expect(numbers.nth(0)).to_contain_text("as trained")
    expect(numbers.nth(2)).to_contain_text("385 M")


def test_a_transformer_beside_says_that_it_is_untrained(visit):
    page = visit("/receptive_field?layer=features.3")
    ready(page)
    page.get_by_text("A convolutional network beside a vision transformer").click()
    expect(page.locator(".js-plotly-plot")).to_be_visible()
    expect(page.get_by_text(re.compile("distances of an untrained network"))).to_be_visible()
