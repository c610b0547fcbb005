"""The tab My photos in a real browser: what it opens with, and a photo chosen from it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import settled

pytestmark = pytest.mark.browser


def test_it_opens_with_disagreement_and_a_photo_of_it_becomes_everyones(visit):
    page = visit("/performance")
    page.get_by_role("tab", name="My photos", exact=True).click()
    main = page.get_by_test_id("stMain")
    expect(main.get_by_text(re.compile(r"All 3 networks give the same first answer to \d of 8 photos"))).to_be_visible()
    expect(main.locator(".js-plotly-plot")).to_have_count(2)
    settled(page)
    main.get_by_role("button", name="Select", exact=True).first.click()
    expect(page).to_have_url(re.compile("image=flower"))
    expect(page.get_by_test_id("stSidebar").get_by_text(re.compile("vultilion"))).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function(  # what was drawn for the wide window follows a moment later
        "() => { const main = document.querySelector('[data-testid=stMain]');"
        " return main.clientWidth <= 390 && main.scrollWidth <= main.clientWidth; }"
    )
