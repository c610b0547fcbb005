"""Attention of a vision transformer in a real browser, its numbers against those that Python computes."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from explorer import attention, images, models
from tests.browser.conftest import frames, settled

pytestmark = pytest.mark.browser
FITS = "main => main.scrollWidth <= main.clientWidth"
VIT = "/attribution?network=vit_b_32&weights=random"


def opened(visit, path: str = VIT, **options) -> Page:
    """The Attribution page with its attention tab open."""
    page = visit(path, **options)
    page.get_by_role("tab", name="Attention", exact=True).click()
    settled(page)
    return page


def drawn(page: Page, mode: str = "attention") -> None:
    """Waits until the exhibit shows this mode."""
    page.locator(f".root[data-ready*='|{mode}|']").wait_for()
    settled(page)


def place(page: Page, row: int, column: int) -> dict[str, float]:
    """The middle of one of ViT-B/32's 7 x 7 patches on the drawn photo."""
    box = page.locator("canvas.photo").bounding_box()
    assert box
    return {"x": (column - 0.5) / 7 * box["width"], "y": (row - 0.5) / 7 * box["height"]}


def test_the_numbers_are_the_networks_own_and_pointing_asks_nobody(visit):
    page = opened(visit)
    drawn(page)
    expect(page.locator(".said")).to_contain_text("from the class token")
    model, photo = models.load("vit_b_32", "random", "cpu"), images.samples()["chelsea"].open()
    weights = attention.maps(model, photo, 11)[4]  # block 12, head 5
    query = 1 + 2 * 7 + 3  # row 3, column 4
    before = len(frames(page))
    page.get_by_role("button", name="Head 5, block 12", exact=True).click()
    page.locator("canvas.photo").hover(position=place(page, 3, 4))
    said = page.locator(".said")
    expect(said).to_contain_text("Head 5, block 12, from row 3, column 4")
    shares = [float(each) for each in re.findall(r"([\d.]+) %", said.inner_text())]
    near = weights[query, 1:].reshape(7, 7)[1:4, 2:5].sum()
    np.testing.assert_allclose(shares, [100 * weights[query, 0], 100 * near], rtol=0.06)  # two digits are shown
    page.locator("canvas.photo").click(position=place(page, 3, 4))
    page.locator("canvas.photo").hover(position=place(page, 7, 1))
    read = page.locator(".read")
    expect(read).to_contain_text("Row 7, column 1")
    found = re.search(r"([\d.]+) %", read.inner_text())
    assert found
    assert float(found[1]) == pytest.approx(100 * weights[query, 1 + 6 * 7], rel=0.06)
    expect(said).to_contain_text("from row 3, column 4")  # held
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    expect(said).to_contain_text("from row 3, column 5")
    page.keyboard.press("Home")
    expect(said).to_contain_text("from the class token")
    assert len(frames(page)) == before


def test_a_dot_opens_its_block_and_the_modes_keep_the_patch(visit):
    page = opened(visit)
    drawn(page)
    page.locator("canvas.photo").click(position=place(page, 2, 6))
    chart = page.locator("canvas.chart")
    x, y = json.loads(chart.get_attribute("data-places") or "")
    chart.hover(position={"x": x, "y": y})
    expect(page.locator(".dot")).to_contain_text("Block 1")
    named = re.match(r"Block 1, (head \d+): mean distance \d+ px", page.locator(".dot").inner_text())
    assert named
    chart.click(position={"x": x, "y": y})
    said = page.locator(".said")
    expect(said).to_contain_text(f"{named[1].capitalize()}, block 1, from row 2, column 6")
    expect(page.get_by_text("block=0)")).to_be_attached()  # the code, folded, follows, so Python has heard
    page.get_by_role("radio", name="Rollout").click()
    drawn(page, "rollout")
    expect(page.locator(".layer")).to_have_count(12)
    expect(said).to_contain_text("Rolled out to block 12, row 2, column 6")
    page.get_by_role("radio", name="Positions").click()
    drawn(page, "positions")
    expect(said).to_contain_text("The position of row 2, column 6 is most like that of")


def test_other_networks_offer_one_and_a_small_screen_holds_it(visit):
    page = opened(visit, "/attribution?network=resnet18&weights=random", theme="dark")
    expect(page.get_by_test_id("stSidebar").locator("img").first).to_have_js_property("complete", True)
    page.get_by_role("button", name="Look at ViT-B/32").click()
    page.wait_for_url(re.compile("network=vit_b_32"))
    drawn(page)
    page.set_viewport_size({"width": 390, "height": 844})
    # What watches its own width may still be getting narrower.
    page.wait_for_function(FITS, arg=page.get_by_test_id("stMain").element_handle())
    page.locator("canvas.photo").click(position=place(page, 4, 4))
    expect(page.locator(".said")).to_contain_text("from row 4, column 4")
