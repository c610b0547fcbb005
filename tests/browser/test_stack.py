"""Building a stack in a real browser: pointing without the server, changing layers, and what cannot be."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import settled

pytestmark = pytest.mark.browser


def cone(page: Page, fields: str) -> Locator:
    """The cone, once its layers see so many pixels each."""
    canvas = page.locator("canvas.cone")
    expect(canvas).to_have_attribute("data-fields", fields)
    return canvas


def test_pointing_at_a_unit_lights_its_pixels_without_the_server(visit):
    sent: list[object] = []
    page = visit("/receptive_field")
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page.reload()
    canvas = cone(page, "3 5 6 10 14 16")
    settled(page)
    assert sent  # the ear works
    sent.clear()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.45 * box["width"], box["y"] + 15)  # the deepest layer, left of the middle
    expect(canvas).to_have_attribute("data-layer", "6")
    expect(canvas).to_have_attribute("data-unit", "3")
    expect(canvas).to_have_attribute("data-cells", "16")
    expect(page.get_by_text("Unit 3 of layer 6: pixels 6 to 21, centre 13.5.")).to_be_visible()
    expect(page.locator(".formula")).to_contain_text("14 + (2 − 1) · 1 · 2 = 16 px")
    canvas.focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(page.get_by_text("Unit 0 of layer 6: pixels −6 to 9, centre 1.5; 6 of them are padding.")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(canvas).to_have_attribute("data-layer", "5")
    page.locator("canvas.photo").hover(position={"x": 150, "y": 150})
    expect(page.get_by_text(re.compile("of layer 5 sees 14 × 14 pixels"))).to_be_visible()
    assert not sent


def test_layers_are_changed_added_moved_and_removed(visit):
    page = visit("/receptive_field")
    cone(page, "3 5 6 10 14 16")
    page.get_by_role("button", name="Larger kernel of layer 1").click()
    cone(page, "4 6 7 11 15 17")
    page.get_by_role("button", name="Later: layer 2").click()  # the pooling comes before the second convolution
    cone(page, "4 5 9 13 17 19")
    page.get_by_role("button", name="Remove: layer 6").click()
    page.get_by_role("button", name="Remove: layer 1").click()  # at once: no change undoes the one before
    cone(page, "2 6 10 14")
    page.get_by_role("button", name="+ convolution").click()
    cone(page, "2 6 10 14 18")
    page.get_by_text("Dilated 1 2 4 8").click()
    cone(page, "3 7 15 31")
    expect(page.get_by_text(re.compile("Weights: your stack against one 31 × 31"))).to_be_visible()


def test_an_impossible_layer_says_why_and_the_others_stay(visit):
    page = visit("/receptive_field", width=390, theme="dark")
    cone(page, "3 5 6 10 14 16")
    kernel = page.get_by_role("textbox", name="Kernel of layer 5")
    kernel.fill("40")
    kernel.press("Enter")
    cone(page, "3 5 6 10")
    expect(page.locator(".stop")).to_contain_text("Layer 5: a window of 40 does not fit into 18 values")
    expect(page.get_by_role("button", name="Larger padding of layer 6")).to_be_enabled()
    page.get_by_role("button", name="Larger padding of layer 6").click()
    expect(page.get_by_role("button", name="Larger padding of layer 6")).to_be_disabled()  # half the kernel, no more


def test_a_networks_own_stack_is_that_of_its_graph(visit):
    page = visit("/receptive_field")
    cone(page, "3 5 6 10 14 16")
    settled(page)
    networks = page.get_by_role("combobox", name="A network's own")
    networks.click()
    networks.fill("ResNet-18")
    page.get_by_role("option", name="ResNet-18 (2015)").click()
    canvas = page.locator("canvas.cone")
    expect(canvas).to_have_attribute("data-fields", re.compile(r"^7 11 19 27 35 43 .* 435$"))
    expect(canvas).to_have_attribute("data-pixels", "224")
    expect(page.get_by_text("whose units see 435 px")).to_be_visible()
