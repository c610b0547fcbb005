"""The diagram in a real Chromium: python -m benchmarks.diagrams [--rounds 5] [slugs].

Wall clock on a warm server: first paint (the network chosen in the sidebar, from the key press to the last change of
the page), unfolding a stage, folding it again, and selecting a box, each from the click to the last change of the page.
The first time a server sees a network it traces it, and the first selection loads it: both are reported apart.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks.pages import SETTLED, change, opened
from explorer import catalogue
from tests.browser.conftest import ARGUMENTS, running_server, system_chromium

# network -> (a stage that unfolds, two boxes of the opening to select in turn)
NETWORKS = {
    "resnet50": ("layer3", ("layer1", "layer2")),
    "resnet152": ("layer3", ("layer1", "layer2")),
    "densenet201": ("features.denseblock3", ("features.denseblock1", "features.transition1")),
    "vit_l_16": ("blocks.0:24", ("patch_embedding", "norm")),
}


def clicked(page: Page, selector: str) -> float:
    """Presses an element of the diagram; milliseconds until the page has settled."""
    page.wait_for_timeout(400)
    page.evaluate("document.addEventListener('pointerdown', () => { window.pressed = performance.now(); }, true)")
    page.locator(selector).first.dispatch_event("pointerdown", {"button": 0, "pointerId": 1, "isPrimary": True})
    page.locator(selector).first.dispatch_event("pointerup", {"button": 0, "pointerId": 1, "isPrimary": True})
    page.locator(selector).first.dispatch_event("click", {"button": 0})
    return float(page.wait_for_function(SETTLED, polling=20).json_value())


def report(name: str, found: list[float], limit: float) -> None:
    """One line."""
    print(f"  {name}: {statistics.median(found):.0f} ms ({min(found):.0f} to {max(found):.0f}), at most {limit:.0f}")


def main() -> None:
    """Prints the medians of each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slugs", nargs="*", default=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as app:
        browser = playwright.chromium.launch(executable_path=system_chromium(), args=ARGUMENTS)
        with opened(browser, f"{app}/architectures?network=lenet5") as page:  # imports torch, once
            page.wait_for_selector("svg.sheet-svg[data-boxes]")
            page.wait_for_timeout(6000)
        for slug in asked.slugs:
            stage, boxes = NETWORKS[slug]
            link = f"{app}/architectures?network={slug}&weights=random"
            paints, unfolds, folds = [], [], []
            with opened(browser, f"{app}/architectures?network=lenet5") as page:
                page.wait_for_selector("svg.sheet-svg[data-boxes] g.box")
                page.wait_for_timeout(1500)
                for _ in range(asked.rounds + 1):
                    paints.append(change(page, catalogue.titles()[slug], "Network"))
                    change(page, catalogue.titles()["lenet5"], "Network")
            with opened(browser, link) as page:
                page.wait_for_selector("svg.sheet-svg[data-boxes] g.box")
                page.wait_for_timeout(1500)
                for _ in range(asked.rounds):
                    unfolds.append(clicked(page, f"g.box[data-key='{stage}'] .handle"))
                    folds.append(clicked(page, f"g.heading[data-key='{stage}'] .handle"))
                first = clicked(page, f"g.box[data-key='{boxes[0]}']")
                selects = [
                    clicked(page, f"g.box[data-key='{boxes[number % 2]}']") for number in range(1, 2 * asked.rounds)
                ]
            print(slug)
            report("first paint", paints[1:], 1000)
            print(f"  first paint that traces it first: {paints[0]:.0f} ms")
            report("unfold", unfolds, 300)
            report("fold", folds, 300)
            report("select", selects, 300)
            print(f"  first selection, which loads the network: {first:.0f} ms")
        browser.close()


if __name__ == "__main__":
    main()
