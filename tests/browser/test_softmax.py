"""Softmax and the formulas in a real browser."""

from __future__ import annotations

import math
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import frames, settled

pytestmark = pytest.mark.browser


def opened(visit, tab: str, path: str = "/convolution", **options) -> Page:
    """The Convolution page with a tab open and drawn."""
    page = visit(path, **options)
    page.get_by_role("tab", name=tab, exact=True).click()
    shown = {"Softmax": page.locator(".table button.row"), "Formulas": page.get_by_text("How many parameters?")}
    expect(shown[tab].first).to_be_visible()
    settled(page)
    return page


def number(text: str) -> float:
    """A number as people write it."""
    return float(text.replace("\u2212", "-").replace("%", "").strip())


def test_temperature_and_terms_ask_nobody(visit):
    page = opened(visit, "Softmax")
    rows = page.locator(".table button.row")
    expect(rows.first).to_contain_text("tiger cat")
    expect(rows.first).to_contain_text("40.8 %")  # efficientnet_lite.md: 0.41
    before = len(frames(page))
    cells = rows.nth(1).locator("span")
    z, best = number(cells.nth(1).inner_text()), number(rows.first.locator("span").nth(1).inner_text())
    page.get_by_label("Temperature").fill("0")  # the coldest place of the slider: T = 0.1
    expect(page.locator(".now")).to_have_text("T = 0.1")
    shifted = number(cells.nth(3).inner_text())
    assert shifted == pytest.approx((z - best) / 0.1, abs=0.02)
    assert number(cells.nth(4).inner_text()) == pytest.approx(math.exp(shifted), rel=0.02)
    rows.nth(1).hover()
    expect(page.locator(".under .term").nth(1)).to_have_class(re.compile("lit"))
    expect(page.locator(".said")).to_contain_text("Egyptian cat")
    page.get_by_role("button", name="Back to 1").click()
    expect(rows.first).to_contain_text("40.8 %")
    assert len(frames(page)) == before
    rows.nth(2).click()
    page.wait_for_url(re.compile("class=281"))  # tabby, on every page
    expect(page.locator(".result")).to_contain_text("16.7 %")


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
@pytest.mark.parametrize("tab", ["Formulas", "Softmax"])
def test_both_fit(visit, tab, width, theme):
    page = opened(visit, tab, width=width, theme=theme)
    main = page.get_by_test_id("stMain")
    assert main.evaluate("main => main.scrollWidth <= main.clientWidth")
