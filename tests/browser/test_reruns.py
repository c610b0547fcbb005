"""What a run of a component leaves behind: nothing, though Streamlit lets it go only when it leaves the page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import settled

pytestmark = pytest.mark.browser

# What components (they live in shadow trees) watch and hold, and how often one has begun to watch.
LISTEN = """(() => {
  const held = window.held = {watches: new Map(), begun: 0, pictures: new Set()};
  const {observe, disconnect} = ResizeObserver.prototype, {createObjectURL, revokeObjectURL} = URL;
  ResizeObserver.prototype.observe = function (target, ...how) {
    if (target.getRootNode() instanceof ShadowRoot) { held.begun += 1; held.watches.set(this, target); }
    return observe.call(this, target, ...how);
  };
  ResizeObserver.prototype.disconnect = function () { held.watches.delete(this); return disconnect.call(this); };
  URL.createObjectURL = (blob) => {
    const address = createObjectURL.call(URL, blob);
    if (blob.type === 'image/png') held.pictures.add(address);
    return address;
  };
  URL.revokeObjectURL = (address) => { held.pictures.delete(address); return revokeObjectURL.call(URL, address); };
})()"""


def another_scene(page: Page, _: int) -> None:
    """Detection: the picture with boxes."""
    page.get_by_role("button", name="Another scene").click()


def another_order(page: Page, turn: int) -> None:
    """Feature maps: the atlas."""
    page.get_by_role("radio", name=("By strength", "By index")[turn % 2]).click()


def other_numbers(page: Page, _: int) -> None:
    """Convolution: the grid."""
    page.get_by_role("button", name="Random").click()


def another_stack(page: Page, _: int) -> None:
    """Receptive field: the cone."""
    page.get_by_role("button", name="Larger kernel of layer 1").click()


def another_skip(page: Page, _: int) -> None:
    """Segmentation: the U."""
    page.get_by_role("switch", name="Skip 3").click()


@pytest.mark.parametrize(
    ("path", "tab", "change"),
    [
        ("/detection", "", another_scene),
        ("/feature_maps?layer=features.3", "", another_order),
        ("/convolution", "", other_numbers),
        ("/receptive_field", "", another_stack),
        ("/segmentation", "Skips", another_skip),
    ],
)
def test_one_watch_for_each_thing_however_often_it_is_drawn(
    visit, path: str, tab: str, change: Callable[[Page, int], None]
) -> None:
    page = visit(path, before=lambda fresh: fresh.add_init_script(LISTEN))
    if tab:
        page.get_by_role("tab", name=tab).click()
    page.wait_for_function("held.begun > 0")
    settled(page)
    for turn in range(3):
        before = page.evaluate("held.begun")
        change(page, turn)
        page.wait_for_function("before => held.begun > before", arg=before)
        settled(page)
    watched, things, pictures = page.evaluate(
        "() => [held.watches.size, new Set(held.watches.values()).size, held.pictures.size]"
    )
    assert watched == things > 0
    assert pictures == int(path == "/detection")
