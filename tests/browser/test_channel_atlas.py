"""The channel atlas in a real browser: a clicked unit's field on the photo, and tabs that go along."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from explorer import graph, models
from tests.browser.conftest import settled
from tests.browser.test_journey import atlas_of, choose

pytestmark = pytest.mark.browser

# A map of 28 x 28 units has 256 colours at most: more, and the photo has come.
_PHOTO = """canvas => new Set(new Uint32Array(canvas.getContext('2d').getImageData(0, 0, 448, 448).data.buffer))
  .size > 1000"""
_KEEP = "canvas => { window.before = canvas.getContext('2d').getImageData(0, 0, 448, 448).data; }"
_CHANGED = """canvas => {
  const now = canvas.getContext('2d').getImageData(0, 0, 448, 448).data, rows = [], columns = [];
  for (let i = 0; i < now.length; i++)
    if (now[i] !== window.before[i]) { rows.push((i >> 2) / 448 | 0); columns.push((i >> 2) % 448); }
  const ends = (values) => [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  return [...ends(rows), ...ends(columns)];
}"""


def test_a_clicked_unit_draws_its_receptive_field_on_the_photo(visit):
    page = visit("/feature_maps?layer=features.3&channel=7")
    large = page.locator("canvas.map")
    large.wait_for()
    settled(page)
    page.get_by_label("Blend of photo and channel").fill("0")
    page.wait_for_function(_PHOTO, arg=large.element_handle())
    large.evaluate(_KEEP)
    box = large.bounding_box()
    assert box
    row, column = 3, 17
    large.click(position={"x": (column + 0.5) / 28 * box["width"], "y": (row + 0.5) / 28 * box["height"]})
    page.mouse.move(2, 2)
    expect(page.locator(".unit")).to_contain_text(f"Unit at row {row}, column {column}: ")
    settled(page)
    field = graph.of_model(models.load("efficientnet_lite0", device="cpu")).field_of("features.3")
    assert field
    (top, bottom), (left, right) = field.inside(row, 224), field.inside(column, 224)
    assert top == 0  # cut off by the photo's edge
    expected = [2 * top, 2 * (bottom + 1), 2 * left, 2 * (right + 1)]  # the canvas has two pixels for one of the photo
    assert large.evaluate(_CHANGED) == pytest.approx(expected, abs=4)  # the line is five wide


def test_the_open_tab_goes_along_with_the_atlas(visit):
    page = visit("/feature_maps?layer=features.3&channel=7")
    atlas_of(page, "features.3")
    page.get_by_role("tab", name="Weights").click()
    weights = page.get_by_role("combobox", name=re.compile("Convolution"))
    expect(weights).to_have_value(re.compile(r"^features\.3\."))
    settled(page)
    choose(page, "Layer", "features.5.1.add")
    expect(weights).to_have_value(re.compile(r"^features\.5\.1\."))
    atlas_of(page, "features.5.1.add")


def test_the_filter_goes_along_with_the_channel(visit):
    page = visit("/feature_maps?network=resnet18&weights=random&layer=layer2.0.conv2&channel=0")
    atlas_of(page, "layer2.0.conv2")
    page.get_by_role("tab", name="Weights").click()
    filter_shown = page.get_by_role("slider", name="Filter")
    expect(filter_shown).to_have_value("0")
    settled(page)
    page.locator("canvas.all").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(filter_shown).to_have_value("1")


def test_the_open_depth_chart_marks_the_layer_that_was_picked(visit):
    page = visit("/feature_maps?layer=features.3.0.block.0.0")
    marks = page.locator(".js-plotly-plot")
    place = "chart => chart.layout.shapes[0].x0"
    marks.wait_for()
    settled(page)
    before = marks.evaluate(place)
    choose(page, "Layer", "features.5.1.block.0.0")
    page.wait_for_function(
        "before => document.querySelector('.js-plotly-plot').layout.shapes[0].x0 > before", arg=before
    )
