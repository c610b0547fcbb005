"""A visitor's own ZIP, trained, left alone, found again, and asked why."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import settled
from tests.pages.test_transfer_learning import archive

pytestmark = pytest.mark.browser


def test_upload_train_leave_come_back_and_ask_why(visit):
    page = visit("/transfer_learning")
    page.get_by_text("A ZIP of class folders").click()
    page.locator("input[type=file][accept*=zip]").set_input_files(
        {"name": "paint.zip", "mimeType": "application/zip", "buffer": archive()}
    )
    expect(page.get_by_role("button", name=re.compile("1 Data.*paint, 2 classes"))).to_be_visible()
    page.get_by_role("button", name="Next: plan").click()
    page.get_by_role("spinbutton", name="Epochs").fill("2")
    page.get_by_role("spinbutton", name="Epochs").press("Enter")
    settled(page)
    page.get_by_role("button", name="Next: run").click()
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("Training EfficientNet-Lite0 on paint")).to_be_visible()

    # Another tab of the same browser, and the first one closed: its session is gone, the run is not.
    first, page = page, page.context.new_page()
    page.goto(first.url)
    expect(page.get_by_role("button", name=re.compile("1 Data"))).to_be_visible()
    first.close()
    # The row of steps follows the run from every step, also while it waits for what other tests have in the queue.
    page.get_by_role("button", name="2 Plan").click()
    expect(page.get_by_role("button", name=re.compile("3 Run.*done"))).to_be_visible()
    page.get_by_role("button", name=re.compile("3 Run.*done")).click()
    expect(page.get_by_text(re.compile(r"Epoch 2: .* of the pictures to check with are right"))).to_be_visible()
    expect(page.locator(".js-plotly-plot .subplot")).to_have_count(3)

    page.get_by_role("button", name="Next: result").click()
    expect(page.get_by_role("table", name=re.compile("Confusion matrix"))).to_be_visible()
    page.get_by_role("button", name="Use it on every page").click()
    expect(page.get_by_role("heading", name="Why this class?")).to_be_visible()
    expect(page.get_by_text(re.compile(r"paint on EfficientNet-Lite0 .* Grad-CAM .* (rust|sea)")).first).to_be_visible()
