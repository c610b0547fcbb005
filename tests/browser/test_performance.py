"""The Chart tab in a real browser: a click on a dot chooses the network, names fit a phone, rows can be kept."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from explorer import performance
from tests.browser.conftest import settled

pytestmark = pytest.mark.browser

NAMED = 9  # of the guide's ten, with which it opens: LeNet-5 has no accuracy on ImageNet

# Where the dot of a network lies in the window, by the chart's own axes.
PLACE = """
(slug) => {
  const chart = document.querySelector('.js-plotly-plot'), {xaxis, yaxis} = chart._fullLayout;
  const dots = chart.calcdata.find(([first]) => first.trace.customdata && first.trace.mode === 'markers');
  const dot = dots.find((each) => String(each.data) === slug);
  const box = chart.querySelector('.plotly .main-svg').getBoundingClientRect();
  return [box.x + xaxis._offset + xaxis.c2p(dot.x), box.y + yaxis._offset + yaxis.c2p(dot.y)];
}
"""


def opened(visit, path: str = "/performance", **options) -> Page:
    """The page with its chart drawn."""
    page = visit(path, **options)
    page.locator(".js-plotly-plot .scatterlayer .trace .point").first.wait_for()
    settled(page)
    return page


def names(page: Page) -> list[str]:
    """What is written beside the dots."""
    return page.locator(".js-plotly-plot .annotation-text").all_inner_texts()


def test_a_click_on_a_dot_chooses_the_network_for_all_pages(visit):
    page = opened(visit)
    assert len(names(page)) == NAMED
    page.mouse.click(*page.evaluate(PLACE, "vgg16"))
    expect(page.get_by_text("The ring is VGG-16.")).to_be_visible()
    expect(page.get_by_test_id("stSidebar").get_by_role("combobox", name=re.compile("Network"))).to_have_value(
        "VGG-16 (2014)"
    )
    page.wait_for_url(re.compile("network=vgg16"))
    page.get_by_test_id("stMain").get_by_text("Under 10 M parameters", exact=True).click()
    light = {row.network for row in performance.table().itertuples() if row.parameters <= 10e6}
    expect(page.get_by_text(f"{len(light)} of ")).to_be_visible()
    settled(page)
    with page.expect_download() as download:
        page.get_by_test_id("stDownloadButton").get_by_role("button").click()
    kept = pd.read_csv(io.StringIO(Path(download.value.path()).read_text()))
    assert set(kept["network"]) == light
    assert list(kept.columns) == [*performance.COLUMNS, "latency_ms"]
    page.get_by_role("link", name="Architectures").click()
    expect(page.get_by_role("heading", name="VGG-16 (2014)")).to_be_visible()
    page.get_by_role("link", name="Performance").click()
    expect(page.get_by_text(f"{len(light)} of ")).to_be_visible()  # the filters are as they were left


def test_on_a_phone_names_fit_and_nothing_is_cut_off(visit):
    page = opened(visit, width=390, theme="dark")
    page.get_by_test_id("stMain").get_by_text("All networks", exact=True).click()
    expect(page.get_by_text(f"{performance.table()['slug'].nunique()} networks;")).to_be_visible()
    settled(page)
    written = page.locator(".js-plotly-plot .annotation-text")
    expect(written).not_to_have_count(NAMED)  # the chart is drawn anew a moment after the page is
    phone = names(page)
    chart = page.locator(".js-plotly-plot").bounding_box()
    boxes = [each.bounding_box() for each in written.all()]
    assert chart
    assert len(boxes) >= 12
    for box in boxes:
        assert box
        assert chart["x"] <= box["x"]
        assert box["x"] + box["width"] <= chart["x"] + chart["width"] + 1
    main = page.get_by_test_id("stMain")
    assert main.evaluate("main => main.scrollWidth <= main.clientWidth")
    page.set_viewport_size({"width": 1200, "height": 900})  # turned, or another window: there is more room
    expect(written.nth(len(phone))).to_be_attached()
