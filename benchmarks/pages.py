"""The app in a real Chromium against empty Streamlit apps: python -m benchmarks.pages [--rounds 7].

Wall clock, in turn in one run: a layer change from key press to settled page, the first paint of a fresh server, and
the Attribution page one click after Home.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import ARGUMENTS, running_server, system_chromium

# Notes when the page last changed: light DOM and component roots alike, and images that finish loading.
WATCH = """
window.last = 0; window.pressed = 0;
const touch = () => { window.last = performance.now(); };
const seen = new WeakSet(), observer = new MutationObserver((records) => {
  if (records.some((record) => record.target.getRootNode() !== document
      || (record.target.closest || (() => 1)).call(record.target, '[data-testid=stMain]'))) touch();
  for (const host of document.querySelectorAll('[data-testid=stBidiComponentIsolated], [data-testid=stMain] *'))
    if (host.shadowRoot && !seen.has(host)) { seen.add(host); watch(host.shadowRoot); }
});
const watch = (root) => observer.observe(root, {subtree: true, childList: true, attributes: true, characterData: true});
watch(document);
document.addEventListener('load', (event) => { if (event.target.tagName === 'IMG') touch(); }, true);
document.addEventListener('keydown', ({key}) => { if (key === 'Enter') window.pressed = performance.now(); }, true);
"""
# Milliseconds from the key press to the last change, once nothing has changed for 600 ms and the script has ended.
SETTLED = """
() => {
  const app = document.querySelector('[data-testid=stApp]');
  const idle = app && app.getAttribute('data-test-script-state') === 'notRunning';
  return idle && window.last > window.pressed && performance.now() - window.last > 600 && window.last - window.pressed;
}
"""


def change(page: Page, text: str, label: str = "Layer") -> float:
    """Picks ``text`` in the select box called ``label``; milliseconds until the page has settled."""
    box = page.get_by_role("combobox", name=re.compile(label))
    box.click()
    box.fill(text)
    page.get_by_role("option").first.wait_for()
    page.wait_for_timeout(300)
    page.keyboard.press("Enter")
    return float(page.wait_for_function(SETTLED, polling=50).json_value())


@contextmanager
def opened(browser: Browser, address: str) -> Iterator[Page]:
    """A page of a new visitor that notes its changes."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.add_init_script(WATCH)
    page.goto(address)
    yield page
    context.close()


def ratio(name: str, own: list[float], base: list[float], limit: float) -> None:
    """Prints medians and the median of the ratios, round by round."""
    ratios = sorted(a / b for a, b in zip(own, base, strict=True))
    print(
        f"{name}: {statistics.median(own):.0f} ms against {statistics.median(base):.0f} ms, "
        f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}), at most {limit}"
    )


def layer_changes(browser: Browser, folder: Path, rounds: int) -> None:
    """ResNet-18, each change to a layer that was not asked for before: 64 channels of 56 x 56, 512 of 7 x 7."""
    parts = [f"{block}.{part}" for block in (0, 1) for part in ("conv1", "bn1", "relu1", "conv2", "bn2", "relu2")]
    stages = {"64 channels": "layer1", "512 channels": "layer4"}
    with running_server(folder) as app, running_server(folder, "benchmarks/baseline/one_image.py") as baseline:
        for name, stage in stages.items():
            layers = [f"{stage}.{part}" for part in parts]
            link = f"{app}/feature_maps?network=resnet18&weights=random&layer={layers[-1]}"
            with opened(browser, link) as ours, opened(browser, baseline) as theirs:
                ours.wait_for_selector("canvas.all")
                theirs.wait_for_selector("[data-testid=stImage] img")
                own, base = [], []
                ours.wait_for_timeout(5000)  # the warm-up of a fresh server is over by then
                for number in range(-1, min(rounds, len(layers) - 2)):
                    mine = change(ours, layers[number + 1])
                    other = change(theirs, str(number + 3))
                    if number >= 0:
                        own.append(mine)
                        base.append(other)
                ratio(f"layer change, {name}", own, base, 1.5)


def first_paint(browser: Browser, folder: Path, rounds: int) -> None:
    """Title on a fresh server, ours against an empty app; then Home to its result, and Attribution a click later."""
    own: list[float] = []
    base: list[float] = []
    result: list[float] = []
    click: list[float] = []
    title = "() => document.querySelector('h1') && performance.now()"
    for _ in range(rounds):
        with running_server(folder, "benchmarks/baseline/empty.py") as address, opened(browser, address) as page:
            base.append(float(page.wait_for_function(title, polling=10).json_value()))
        with running_server(folder) as address, opened(browser, address) as page:
            own.append(float(page.wait_for_function(title, polling=10).json_value()))
            page.wait_for_selector("canvas.blend[data-ready]")
            result.append(float(page.evaluate("performance.now()")))
            page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
            page.wait_for_timeout(1000)
            start = float(page.evaluate("performance.now()"))
            page.get_by_test_id("stTopNavLink").filter(has_text="Attribution").click()
            page.wait_for_selector(".panels canvas.photo:visible")
            click.append(float(page.evaluate("performance.now()")) - start)
    ratio("first paint of a fresh server", own, base, 1.3)
    print(f"Home's first answer on a fresh server: {statistics.median(result):.0f} ms after the request")
    print(f"Attribution one click after Home: {statistics.median(click):.0f} ms ({max(click):.0f} at most), limit 1500")


def main() -> None:
    """Runs all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=system_chromium(), args=ARGUMENTS)
        layer_changes(browser, Path(folder), rounds)
        first_paint(browser, Path(folder), rounds)
        browser.close()


if __name__ == "__main__":
    main()
