"""The channel atlas in a real browser: what a clicked unit sees is drawn on the photo."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from explorer import graph, models
from tests.browser.conftest import settled

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
