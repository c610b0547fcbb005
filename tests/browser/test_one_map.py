"""One map and layers side by side in a real browser: options, Stop, and a click that opens a layer."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from explorer import images, layer_views, models
from tests.browser.conftest import frames, settled

pytestmark = pytest.mark.browser


def test_a_slow_map_is_stopped_and_the_quick_one_is_still_there(visit):
    page = visit("/attribution?network=resnet18&weights=random&method=occlusion")
    main = page.get_by_test_id("stMain")
    ask = main.get_by_role("button", name="Draw Occlusion: about")
    ask.click()
    expect(main.get_by_text(re.compile(r"\d+ of 170 passes, about .* left"))).to_be_visible()
    main.get_by_role("button", name="Stop", exact=True).click()
    expect(ask).to_be_visible()
    settled(page)
    expect(main.get_by_text("Until then: Grad-CAM")).to_be_visible()
    main.get_by_role("button", name="Options").click()
    expect(page.get_by_text("Window", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Trust", exact=True).click()
    expect(main.get_by_text("All below is about the map by Occlusion")).to_be_visible()


def test_a_click_on_a_map_opens_that_layer_and_pointing_asks_nobody(visit):
    page = visit("/feature_maps", width=390, theme="dark")
    page.get_by_role("tab", name="Side by side", exact=True).click()
    row = page.locator(".columns[data-ready]")
    row.wait_for()
    settled(page)
    model = models.load("efficientnet_lite0", device="cpu")
    (view,) = layer_views.views(model, images.samples()["chelsea"].open(), ["features.5"])
    button = page.get_by_role("button", name=f"Open features.5, channel {view.channels[1]}, above")
    button.scroll_into_view_if_needed()
    before = len(frames(page))
    button.locator("canvas").hover(position={"x": 2, "y": 2})
    expect(button.locator(".range")).to_contain_text("0, 0: about")
    assert len(frames(page)) == before
    assert page.get_by_test_id("stMain").evaluate("main => main.scrollWidth <= main.clientWidth")
    button.click()
    page.wait_for_url(re.compile(rf"layer=features\.5&channel={view.channels[1]}"))
    expect(page.locator(".chosen .name")).to_contain_text(f"Channel {view.channels[1]}")
    expect(page.locator("canvas.all")).to_be_in_viewport()  # the atlas came into view: it stands far above
