"""The Segmentation page in a real browser: the mask's threshold, the switches of the U, and the way to a stage."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from explorer import images, models, segmentation
from tests.browser.conftest import frames, settled

pytestmark = pytest.mark.browser


def dice(threshold: float = 0.5, cut: tuple[int, ...] = ()) -> float:
    """What the shipped network reaches on the coins."""
    found = segmentation.segment(
        models.load("unet_cells", device="cpu"),
        images.samples()["coins"].open(),
        skips=[level not in cut for level in range(4)],
        longest=384,
    )
    return segmentation.overlap(found.mask(threshold), segmentation.coins().mask).dice


def test_threshold_and_opacity_ask_nobody(visit):
    page = visit("/segmentation")
    root = page.locator(".root[data-dice]")
    expect(root).to_have_attribute("data-dice", f"{dice():.3f}")
    settled(page)
    before = len(frames(page))
    slider = page.get_by_label("Threshold of the mask")
    slider.fill("230")
    expect(root).to_have_attribute("data-dice", f"{dice(230 / 256):.3f}")
    page.get_by_label("Opacity of the mask over the picture").fill("100")
    page.get_by_label("Against the right mask").uncheck()
    expect(page.get_by_text("The mask over what the network saw")).to_be_visible()
    assert len(frames(page)) == before


def expect_skips(page: Page, *on: bool) -> None:
    """Waits until these switches are on; the browser draws them after the words."""
    switches = page.get_by_role("switch")
    expect(switches).to_have_count(len(on))
    for index, each in enumerate(on):
        expect(switches.nth(index)).to_have_attribute("aria-checked", str(each).lower())


def test_a_skip_is_cut_by_mouse_and_by_keyboard_and_comes_back(visit):
    page = visit("/segmentation")
    page.get_by_role("tab", name="Skips").click()
    page.get_by_text("All skips are there.").wait_for()
    expect_skips(page, True, True, True, True)
    page.get_by_role("switch", name="Skip 3").click()
    expect(page.get_by_text(f"Without skip 3: Dice {dice(cut=(2,)):.3f}")).to_be_visible()
    expect_skips(page, True, True, False, True)
    settled(page)
    page.get_by_role("switch", name="Skip 1").focus()
    page.keyboard.press("Space")
    expect(page.get_by_text(f"Without skips 1, 3: Dice {dice(cut=(0, 2)):.3f}")).to_be_visible()
    settled(page)
    expect(page.get_by_role("switch", name="Skip 1")).to_be_focused()  # the next key meets the same switch
    page.keyboard.press("Enter")
    expect(page.get_by_text("Without skip 3: Dice")).to_be_visible()
    # Chosen skips outlive another tab.
    page.get_by_role("tab", name="Sizes").click()
    expect(page.get_by_text(re.compile("572 × 572 → 572 × 572"))).to_be_visible()
    page.get_by_role("tab", name="Skips").click()
    expect(page.get_by_text("Without skip 3: Dice")).to_be_visible()
    expect_skips(page, True, True, False, True)


def test_a_stage_opens_in_feature_maps(visit):
    page = visit("/segmentation", width=390, theme="dark")
    page.get_by_role("tab", name="Skips").click()
    page.get_by_text("All skips are there.").wait_for()
    settled(page)
    page.get_by_role("link", name=re.compile("^Down 2")).click()
    page.wait_for_url("**/feature_maps?**")
    expect(page.get_by_text(re.compile("U-Net, small · cells · encoders.1"))).to_be_visible()
    page.wait_for_url(re.compile(r"(?=.*network=unet_cells)(?=.*layer=encoders\.1)"))
