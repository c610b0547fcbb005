"""The grids of the Convolution page in a real browser: point, step, edit, and what cannot be chosen."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import settled

pytestmark = pytest.mark.browser


def cell(page: Page, plane: str, index: int) -> Locator:
    """One cell of a grid; inputs are counted with their padding."""
    return page.locator(f".cell[data-plane={plane}][data-index='{index}']").first


LIT = """([plane, indices]) => indices ===
  [...plane.querySelectorAll('.cell[data-lit]')].map((cell) => +cell.dataset.index).sort((a, b) => a - b).join()"""


def expect_lit(page: Page, plane: str, *indices: int) -> None:
    """Waits until these cells of a plane are lit, and no others."""
    found = page.locator(f".plane[data-name={plane}]").first.element_handle()
    page.wait_for_function(LIT, arg=[found, ",".join(map(str, indices))])


def example(page: Page, name: str) -> None:
    """Chooses an example and waits for its grid."""
    expect(page.locator(".stage[data-ready]").first).to_be_visible()
    page.get_by_test_id("stButtonGroup").get_by_text(name, exact=True).first.click()
    expect(
        page.get_by_role("button", name=name, exact=True).or_(page.get_by_role("radio", name=name, exact=True)).first
    ).to_be_visible()
    settled(page)


def test_pointing_lights_what_belongs_together_and_asks_no_server(visit):
    page = visit("/convolution")
    expect(page.locator(".stage[data-ready]")).to_be_visible()
    settled(page)
    page.evaluate(
        "() => { const send = WebSocket.prototype.send; window.sent = 0;"
        "WebSocket.prototype.send = function (...all) { window.sent += 1; return send.apply(this, all); }; }"
    )
    cell(page, "output", 4).hover()  # the middle of the guide's figure: rows and columns 1 to 3
    expect_lit(page, "input", 6, 7, 8, 11, 12, 13, 16, 17, 18)
    expect_lit(page, "kernel", *range(9))
    products = page.locator(".chip .product").all_inner_texts()
    assert [int(text.split()[-1]) for text in products] == [1, 0, 1, 0, 1, 0, 0, 0, 1]  # image times kernel, by hand
    expect(page.locator(".sum .box")).to_have_text("4")
    cell(page, "input", 0).hover()  # a corner is read once
    expect_lit(page, "output", 0)
    expect(page.locator(".said")).to_contain_text("takes part in 1 of 9 outputs")
    cell(page, "input", 12).hover()
    expect_lit(page, "output", *range(9))
    cell(page, "kernel", 0).hover()  # the upper left weight never meets the last two rows and columns
    expect_lit(page, "input", 0, 1, 2, 5, 6, 7, 10, 11, 12)
    expect(cell(page, "output", 3)).to_have_attribute("data-note", "0")
    assert page.evaluate("window.sent") == 0
    page.get_by_role("button", name="Random").click()
    page.wait_for_function("window.sent > 0")  # a control does ask: the count can count


def test_marks_of_padding_and_of_what_is_never_read(visit):
    page = visit("/convolution")
    example(page, "The guide's edges")
    expect(page.locator(".cell.zero[data-plane]")).to_have_count(24)  # 7 x 7 around 5 x 5
    expect(page.locator(".plane .cell.border")).to_have_count(16)
    numbers = [text.replace("−", "-") for text in page.locator(".plane[data-name=output] .cell").all_inner_texts()]
    # The guide's table, guide.md 2.1
    assert list(map(int, numbers)) == [
        6,
        4,
        4,
        -3,
        -1,
        -3,
        3,
        2,
        3,
        -3,
        -1,
        -4,
        2,
        2,
        5,
        -1,
        -4,
        3,
        3,
        -3,
        -1,
        6,
        5,
        -3,
        -1,
    ]
    page.get_by_role("button", name="Repeat the border pixels instead").click()
    expect(page.locator(".cell[data-kind=copy]")).to_have_count(24)
    expect(cell(page, "output", 0)).to_have_text("2")  # padded with copies, guide.md 2.1
    example(page, "Stride 2")
    expect(page.locator(".plane .cell.unused")).to_have_count(11)
    cell(page, "input", 35).hover()
    expect(page.locator(".said")).to_contain_text("PyTorch rounds down")


def test_edit_step_and_play(visit):
    page = visit("/convolution")
    expect(page.locator(".stage[data-ready]")).to_be_visible()
    settled(page)
    cell(page, "input", 0).dblclick()
    field = page.locator(".cell input")
    field.fill("10")
    field.press("Tab")  # goes on to the next cell
    expect(cell(page, "output", 0)).to_have_text("13")
    field = cell(page, "input", 1).locator("input")
    expect(field).to_be_focused()
    field.press("Escape")
    expect(page.locator(".cell input")).to_have_count(0)
    stage = page.locator(".stage")
    page.get_by_role("button", name="Next output").click()
    expect(stage).to_have_attribute("data-at", "1")
    page.get_by_role("button", name="Previous output").click()
    expect(stage).to_have_attribute("data-at", "0")
    page.get_by_role("button", name="Faster").click()
    page.get_by_role("button", name="Play").click()
    expect(stage).to_have_attribute("data-at", re.compile("[2-8]"))
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("tab", name="Formulas").click()
    settled(page)
    page.get_by_role("tab", name="By hand").click()
    expect(cell(page, "output", 0)).to_have_text("13")  # the edit outlives the detour
    settled(page)  # a run that is still drawing would take the focus away
    board = page.locator(".plane[data-name=output]")
    board.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(".cell.pinned")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator(".cell.pinned")).to_have_count(0)


def test_what_pytorch_refuses_cannot_be_chosen(visit):
    page = visit("/convolution")
    expect(page.locator(".stage[data-ready]")).to_be_visible()
    settled(page)
    padding = page.get_by_role("spinbutton", name="Padding")
    padding.fill("6")
    padding.press("Enter")
    expect(page.locator(".title").first).to_contain_text("17 × 17")
    page.get_by_text("Reflect", exact=True).click()
    expect(page.locator(".title").first).to_contain_text("13 × 13")  # 4 is the most that 5 pixels can mirror
    expect(padding).to_have_value("4")
    expect(page.get_by_text("Padding 6 became 4")).to_be_visible()
    expect(page.get_by_test_id("stNumberInput").filter(has_text="Padding").get_by_role("button").last).to_be_disabled()
    expect(page.get_by_text('padding_mode="reflect"')).to_be_visible()


@pytest.mark.parametrize(("width", "theme"), [(1440, "dark"), (390, "light")])
def test_channels_and_pooling_fit_and_add_up(visit, width, theme):
    page = visit("/convolution", width=width, theme=theme)
    page.get_by_role("tab", name="Channels").click()
    expect(page.locator(".stage[data-kind=convolution]:visible")).to_be_visible()
    settled(page)  # the tab that was left is gone from the page only then
    example(page, "Grouped")
    expect(page.locator(".plane[data-name=kernel]")).to_have_count(8)
    cell(page, "output", 0).hover()
    groups = page.locator(".group")
    expect(groups).to_have_count(2)  # the two channels of its group
    sums = [int(text.split()[-1].replace("−", "-")) for text in page.locator(".group .line").all_inner_texts()]
    assert sum(sums) == int(page.locator(".sum .box").inner_text().replace("−", "-"))
    example(page, "Checkerboard")
    expect(page.locator(".stage[data-kind=transposed]:visible")).to_be_visible()
    assert page.locator(".plane[data-name=output] .cell").all_inner_texts()[:7] == ["1", "1", "2", "1", "2", "1", "1"]
    page.get_by_role("tab", name="Pooling").click()
    expect(page.locator(".stage[data-kind=max]:visible")).to_be_visible()
    settled(page)
    cell(page, "output", 0).hover()
    values = [int(text) for text in page.locator(".chip .value").all_inner_texts()]
    assert len(values) == 4
    expect(page.locator(".sum .box")).to_have_text(str(max(values)))
    assert page.get_by_test_id("stMain").evaluate("main => main.scrollWidth <= main.clientWidth")
