"""The controls of the Convolution and Receptive field pages: python -m benchmarks.playground [--rounds 5].

Wall clock in a real Chromium on a warm server, from the press of a control to the last change of the page, in turn with
the emptiest rerun of a fragment: at most 250 ms, or 1.5 times that rerun.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, sync_playwright

from benchmarks.pages import SETTLED, opened
from tests.browser.conftest import ARGUMENTS, running_server, settled, system_chromium

_Control = Callable[[Page, int], Locator]


def up(label: str) -> _Control:
    """Plus and minus of a number input, in turn."""

    def control(page: Page, number: int) -> Locator:
        field = page.get_by_test_id("stNumberInput").filter(has_text=re.compile(label)).first
        return field.get_by_test_id("stNumberInputStepDown" if number % 2 else "stNumberInputStepUp")

    return control


def one_of(*names: str) -> _Control:
    """Buttons of a row, in turn."""

    def control(page: Page, number: int) -> Locator:
        return page.get_by_text(names[number % len(names)], exact=True).first

    return control


def selector(*places: str) -> _Control:
    """Elements, in turn."""

    def control(page: Page, number: int) -> Locator:
        return page.locator(places[number % len(places)]).first

    return control


# name -> (address, tab, what has to be there first, control)
CONTROLS: dict[str, tuple[str, str, str, _Control]] = {
    "by hand, padding": ("convolution", "By hand", "[data-plane]", up("^Padding")),
    "by hand, kernel size": ("convolution", "By hand", "[data-plane]", up("^Kernel size")),
    "channels, filters": ("convolution", "Channels", "[data-plane]", up("^Channels out")),
    "pooling, window": ("convolution", "Pooling", "[data-plane]", up("^Window")),
    "on my photo, size of the kernel": ("convolution", "On my photo", "canvas", one_of("5 × 5", "7 × 7", "3 × 3")),
    "formulas, stride": ("convolution", "Formulas", "[data-testid=stNumberInput]", up("^Stride")),
    "a real unit, channel": ("convolution", "A real unit", ".root[data-ready]", up("^Channel")),
    "build a stack, example": (
        "receptive_field",
        "Build a stack",
        "canvas",
        one_of("Two 3 × 3", "One 5 × 5", "Three 3 × 3"),
    ),
    "surgery, last stride": (
        "receptive_field",
        "Surgery",
        "[data-testid=stRadio]",
        lambda page, number: page.get_by_test_id("stRadio").last.locator("label").nth((0, 1, 2)[number % 3]),
    ),
}


def pressed(page: Page, control: Locator) -> float:
    """Presses a control; milliseconds until the page has settled."""
    page.wait_for_timeout(300)
    page.evaluate("document.addEventListener('pointerdown', () => { window.pressed = performance.now(); }, true)")
    control.click()
    return float(page.wait_for_function(SETTLED, polling=20).json_value())


def main() -> None:
    """Prints each control beside the emptiest rerun."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with (
        sync_playwright() as playwright,
        tempfile.TemporaryDirectory() as folder,
        running_server(Path(folder)) as app,
        running_server(Path(folder), "benchmarks/baseline/one_number.py") as baseline,
    ):
        browser = playwright.chromium.launch(executable_path=system_chromium(), args=ARGUMENTS)
        with opened(browser, f"{app}/feature_maps") as page:  # imports torch, once
            page.wait_for_selector("canvas.all")
            page.wait_for_timeout(6000)
        for name, (address, tab, ready, control) in CONTROLS.items():
            with opened(browser, f"{app}/{address}") as ours, opened(browser, baseline) as theirs:
                ours.get_by_role("tab", name=tab, exact=True).click()
                ours.wait_for_selector(ready)
                settled(ours)
                ours.wait_for_timeout(1500)
                theirs.wait_for_selector("[data-testid=stNumberInput]")
                own, base = [], []
                for number in range(-2, rounds):  # what is computed once is computed by then
                    mine = pressed(ours, control(ours, number + 2))
                    other = pressed(theirs, up("Number")(theirs, number + 2))
                    if number >= 0:
                        own.append(mine)
                        base.append(other)
            ratio = statistics.median(a / b for a, b in zip(own, base, strict=True))
            verdict = "ok" if statistics.median(own) <= 250 or ratio <= 1.5 else "OVER"
            print(
                f"{name}: {statistics.median(own):.0f} ms ({min(own):.0f} to {max(own):.0f}) against "
                f"{statistics.median(base):.0f} ms, ratio {ratio:.2f}: {verdict}",
                flush=True,
            )
        browser.close()


if __name__ == "__main__":
    main()
