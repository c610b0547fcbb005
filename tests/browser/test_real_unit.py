"""A real unit in a real browser: its value, its products, the way down and back, another photo, a small screen."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import settled

pytestmark = pytest.mark.browser
UNIT = "layer=features.0.2&channel=1&unit=40,50"


def account(page: Page) -> None:
    """Waits until the account is drawn."""
    page.wait_for_selector(".root[data-ready] .chain[data-value]")
    settled(page)


def test_the_equation_ends_in_the_value_that_feature_maps_shows(visit):
    page = visit(f"/convolution?{UNIT}")
    account(page)
    value = page.locator(".chain").get_attribute("data-value")
    expect(page.locator(".card.last .result")).to_have_text(f"= {value}")
    expect(page.locator(".card").first).to_contain_text("sum of 27 products")
    page.goto(page.url.replace("/convolution", "/feature_maps"))
    expect(page.get_by_text(f"Unit at row 40, column 50: {value}")).to_be_visible()


def test_pointing_at_a_bar_shows_its_products_without_the_server(visit):
    page = visit(f"/convolution?{UNIT}")
    sent: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page.reload()
    account(page)
    assert sent, "the socket is not being watched"
    page.mouse.move(5, 5)
    sent.clear()
    for colour in ("red", "green", "blue"):
        bar = page.locator("button.bar").filter(has_text=colour)
        bar.hover()
        expect(page.locator(".about")).to_have_text(colour)
        total = bar.locator(".number").inner_text()
        expect(page.locator(".grids figcaption").last).to_have_text(f"products, sum {total}")
    page.locator(".grid").first.locator(".cell").nth(4).hover()
    expect(page.locator(".here")).to_contain_text(re.compile(r"row 1, column 1 .* × .* = "))
    assert not sent


def test_down_to_the_pixels_back_and_another_photo(visit):
    page = visit("/convolution?layer=features.1.0.block.1.1&channel=2&unit=20,30")
    account(page)
    crumb = page.locator(".trail .crumb")
    expect(crumb).to_have_count(1)
    page.locator("button.bar").nth(1).click()
    expect(crumb).to_have_count(2)
    page.locator("button.walk").click()
    expect(page.locator(".pixel")).to_contain_text("Here the photo begins")
    settled(page)
    way, pixel = crumb.all_inner_texts(), page.locator(".chain").get_attribute("data-value")
    page.get_by_text("Other photos").click()
    page.get_by_role("button", name=re.compile("coffee", re.IGNORECASE)).first.click()
    expect(page).to_have_url(re.compile("image=coffee"))
    expect(page.locator(f".chain:not([data-value='{pixel}'])")).to_be_visible()
    expect(crumb).to_have_text(way)
    crumb.first.click()
    expect(crumb).to_have_count(1)
    expect(page.locator(".card").last).to_contain_text("features.1.0.block.1.1 ch 2 (20, 30)")
    settled(page)
    page.get_by_role("tab", name="Softmax").click()  # the selection has a unit now; one click still opens another tab
    expect(page.locator("strong.result:visible")).to_contain_text("%")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_small_screen(visit, theme):
    page = visit("/convolution?layer=features.2.0&channel=2&unit=20,30", width=390, theme=theme)
    account(page)
    main = page.get_by_test_id("stMain")
    assert main.evaluate("main => main.scrollWidth <= main.clientWidth")
    expect(page.locator(".frame.photo .square")).to_be_visible()
    page.locator("canvas.map").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"unit=20(,|%2C)31"))
