"""The diagram in a real browser: unfold, fold, search, select, paint, trace, compare, links, and the keyboard alone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import frames, settled

pytestmark = pytest.mark.browser


def diagram(page: Page) -> Locator:
    """The first diagram, drawn."""
    svg = page.locator("svg.sheet-svg").first
    expect(svg).to_have_attribute("data-boxes", re.compile(r"\d+"))
    return svg


def box(page: Page, key: str) -> Locator:
    """A box of the diagram."""
    return page.locator(f"g.box[data-key='{key}']").first


def heading(page: Page, key: str) -> Locator:
    """The heading of an unfolded frame."""
    return page.locator(f"g.heading[data-key='{key}']").first


def test_unfold_fold_and_select(visit):
    page = visit("/architectures?network=efficientnet_lite0")
    diagram(page)
    expect(box(page, "features.1.0")).to_have_count(0)
    box(page, "features.3").locator(".handle").click()
    expect(box(page, "features.3.0")).to_be_visible()
    settled(page)
    box(page, "features.3.0").click()
    expect(page.get_by_text("features.3.0 · MBConv").first).to_be_visible()
    expect(page.get_by_text(re.compile("MobileNetV2|Widen, filter")).first).to_be_visible()
    expect(page.get_by_text("the channels that answer most strongly").first).to_be_visible()
    page.wait_for_url(re.compile(r"layer=features\.3\.0"))
    heading(page, "features.3").locator(".handle").click()
    expect(box(page, "features.3.0")).to_have_count(0)
    expect(box(page, "features.3")).to_be_visible()


def test_the_first_click_does_not_move_the_page_and_the_view_outlives_a_detour(visit):
    page = visit("/architectures?network=efficientnet_lite0")
    diagram(page)
    settled(page)
    main = page.get_by_test_id("stMain")
    main.evaluate("main => main.scrollTo(0, 300)")
    before = main.evaluate("main => main.scrollTop")
    box(page, "features.3").click()
    expect(page.get_by_text("the channels that answer most strongly").first).to_be_visible()
    settled(page)
    assert main.evaluate("main => main.scrollTop") == before
    page.get_by_text("Top to bottom").click()
    expect(page.get_by_role("radio", name="Top to bottom")).to_be_checked()
    settled(page)
    page.get_by_role("tab", name="Code").click()
    expect(page.get_by_text("whole, as it runs")).to_be_visible()
    page.get_by_test_id("stTopNavLink").filter(has_text="Home").click()
    expect(page.get_by_role("heading", name="What a network sees")).to_be_visible()
    page.get_by_test_id("stTopNavLink").filter(has_text="Architectures").click()
    diagram(page)
    expect(page.get_by_role("tab", name="Code")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("radio", name="Top to bottom")).to_be_checked()


def test_a_deep_link_opens_what_holds_the_layer_and_back_leads_back(visit):
    page = visit("/architectures?network=resnet50&layer=layer3.0.conv2")
    diagram(page)
    expect(box(page, "layer3.0.conv2")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_text(re.compile("256 × 14 × 14")).first).to_be_visible()
    expect(page.get_by_text("Code of Conv2d")).to_be_visible()


def test_identical_blocks_are_one_box_that_opens(visit):
    page = visit("/architectures?network=resnet50")
    diagram(page)
    box(page, "layer3").locator(".handle").click()
    expect(box(page, "layer3.1:5")).to_contain_text("Bottleneck × 5")
    page.get_by_role("button", name="Fit").first.click()
    box(page, "layer3.1:5").locator(".handle").click()
    expect(box(page, "layer3.5")).to_be_attached()


def test_search_finds_and_compares_without_the_server(visit):
    page = visit("/architectures?network=resnet50")
    diagram(page)
    settled(page)
    before = len(frames(page))
    query = page.get_by_label(re.compile("Find boxes")).first
    query.fill("layer3")
    expect(page.locator(".said").first).to_have_text(re.compile(r"1"))
    query.fill("params>1e6")
    expect(page.locator(".said").first).to_have_text(re.compile(r"\d"))
    query.fill("nothing of that name")
    expect(page.locator(".said").first).not_to_be_empty()
    box(page, "layer2").hover()
    assert len(frames(page)) == before


def test_search_looks_inside_what_is_folded(visit):
    page = visit("/architectures?network=resnet18")
    diagram(page)
    query = page.get_by_label(re.compile("Find boxes")).first
    query.fill("layer3.0.downsample.0")
    expect(page.locator(".said").first).to_contain_text("Enter looks inside")
    query.press("Enter")
    expect(box(page, "layer3.0.downsample.0")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_text("1 operation fits")).to_be_visible()
    query.fill("no such thing")
    query.press("Enter")
    expect(page.get_by_text("Nothing in this network fits “no such thing”.")).to_be_visible()


def test_paint_shows_numbers_and_a_legend(visit):
    page = visit("/architectures?network=efficientnet_lite0")
    diagram(page)
    before = box(page, "features.6").locator("rect.tint").evaluate("rect => getComputedStyle(rect).fill")
    page.get_by_role("combobox", name="Colour by").click()
    page.get_by_role("option", name="Zeros on this picture").click()
    expect(page.locator(".legend").first).to_contain_text("100 %")
    expect(box(page, "features.0")).to_contain_text("%")
    expect(box(page, "features.6").locator("rect.tint")).not_to_have_css("fill", before)


def test_the_keyboard_alone_is_enough(visit):
    page = visit("/architectures?network=resnet18")
    diagram(page)
    box(page, "layer1").focus()
    page.keyboard.press("ArrowRight")
    expect(box(page, "layer2")).to_be_focused()
    page.keyboard.press("Space")
    expect(box(page, "layer2.0")).to_be_attached()
    settled(page)
    box(page, "layer2.0").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("layer2.0 · BasicBlock").first).to_be_visible()
    expect(box(page, "layer2.0")).to_have_attribute("aria-pressed", "true")


def test_trace_dims_all_that_does_not_matter(visit):
    page = visit("/architectures?network=googlenet&layer=inception3a.branch2.0.conv")
    svg = diagram(page)
    expect(box(page, "inception3a.branch3")).to_be_attached()
    page.get_by_role("button", name="Trace").first.click()
    opacity = "element => Number(getComputedStyle(element).opacity)"
    page.wait_for_function(
        "([element, read]) => eval(read)(element) < 0.6",
        arg=[box(page, "inception3a.branch3").element_handle(), opacity],
    )
    expect(box(page, "conv1")).to_have_css("opacity", "1")
    expect(svg).to_be_visible()


@pytest.mark.parametrize(("button", "start"), [("SVG", b"<svg"), ("PNG", b"\x89PNG")])
def test_what_is_on_screen_can_be_kept(visit, button, start, tmp_path):
    page = visit("/architectures?network=efficientnet_lite0")
    diagram(page)
    with page.expect_download() as download:
        page.get_by_role("button", name=button, exact=True).first.click()
    kept = tmp_path / "kept"
    download.value.save_as(kept)
    data = kept.read_bytes()
    assert start in data[:200]
    if button == "SVG":
        assert b"features.3" in data
        assert b"var(--" not in data  # colours are resolved, so that it opens anywhere


def test_compare_selects_a_stage_in_all_networks(visit):
    page = visit("/architectures?compare=efficientnet_lite0,efficientnet_lite1")
    expect(page.get_by_role("tab", name="Compare")).to_have_attribute("aria-selected", "true")
    expect(page.locator("button.open:visible")).to_have_count(2)
    page.get_by_text("Stage 2").first.click()
    expect(page.locator(".row.stage.chosen")).to_have_attribute("data-stride", "8")
    expect(page.locator("button.open:visible")).to_have_count(2)
    page.locator("button.open:visible").last.click()
    page.wait_for_url(re.compile(r"/feature_maps\?.*network=efficientnet_lite1.*layer=features\.3"))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_page_fits_both_themes_and_widths(visit, theme, width):
    page = visit("/architectures?network=resnet18&layer=layer2", width=width, theme=theme)
    diagram(page)
    settled(page)
    main = page.get_by_test_id("stMain")
    assert main.evaluate("main => main.scrollWidth <= main.clientWidth")
