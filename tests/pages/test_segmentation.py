"""The Segmentation page in Streamlit's own test harness."""

from __future__ import annotations

import re

import pytest
from PIL import Image

from explorer import images, models, segmentation
from pages.shared.segmentation import size_table, skips, up_again
from pages.shared.segmentation.picture_to_mask import lines
from pages.shared.segmentation.subject import Shown
from tests.pages.test_pages import captions, opened


def shown(app) -> str:
    """All that a person reads of Markdown."""
    return "\n".join(each.value for each in (*app.markdown, *app.caption, *app.warning))


def at(tab: str):
    """The page with a tab open."""
    app = opened("segmentation")
    app.session_state["segmentation-tab"] = tab
    app.run()
    assert not app.exception
    return app


def shown_of(name: str, call: str, right=None) -> Shown:
    """A picture before the shipped network, without a page."""
    from pages.shared import pictures

    return Shown(models.load("unet_cells", device="cpu"), pictures.find(name), 384, right, call)


def test_it_opens_with_the_coins_and_a_measured_mask():
    app = opened("segmentation")
    assert "U-Net, small · cells · Coins from Pompeii · 384 × 303 pixels" in captions(app)
    found = segmentation.segment(models.load("unet_cells", device="cpu"), images.samples()["coins"].open())
    dice = segmentation.overlap(found.mask(), segmentation.coins().mask).dice
    assert f"reaches a Dice of **{dice:.3f}**" in shown(app)
    assert not app.warning
    assert app.session_state["selection"].network == "efficientnet_lite0"  # the page borrows; it changes nothing


def test_a_seed_is_kept_and_its_blobs_are_counted():
    app = opened("segmentation")
    app.segmented_control(key="segmentation-source").set_value("made").run()
    app.number_input(key="segmentation-seed").set_value(12).run()
    assert f"The picture has {segmentation.cells(12).count} blobs" in shown(app)
    app.switch_page("pages/home.py").run()
    app.switch_page("pages/segmentation.py").run()
    assert app.number_input(key="segmentation-seed").value == 12
    next(button for button in app.button if button.label == "Another one").click().run()
    assert f"The picture has {segmentation.cells(13).count} blobs" in shown(app)


@pytest.mark.parametrize("source", ["cell", "tissue", "retina", "yours"])
def test_every_picture_gets_a_mask_and_none_a_measure_that_nobody_knows(source):
    app = opened("segmentation")
    app.segmented_control(key="segmentation-source").set_value(source).run()
    assert not app.exception
    assert "U-Net, small · cells" in captions(app)
    assert "reaches a Dice" not in shown(app)


def test_a_cut_skip_is_measured():
    app = at("Skips")
    app.session_state["_segmentation_cut"] = {0, 2}
    app.run()
    unet = models.load("unet_cells", device="cpu")
    photo, right = images.samples()["coins"].open(), segmentation.coins().mask

    def dice(*there):
        return segmentation.overlap(segmentation.segment(unet, photo, skips=there, longest=384).mask(), right).dice

    assert f"Without skips 1, 3: Dice **{dice(False, True, False, True):.3f}**" in shown(app)
    assert f"| skip 3 | {dice(True, True, False, True):.3f} | " in shown(app)
    assert f"| all | {dice(False, False, False, False):.3f} |" in shown(app)


def test_the_size_table_is_the_papers_and_any_other():
    app = at("Sizes")
    assert "**572 × 572 → 572 × 572** pixels. 2 of the 4 poolings drop a row" in shown(app)
    app.segmented_control(key="segmentation-kind").set_value("paper").run()
    assert "**572 × 572 → 388 × 388**" in shown(app)
    app.number_input(key="segmentation-height").set_value(100).run()
    assert any("The smallest side is 188 pixels." in warning.value for warning in app.warning)


def test_the_table_names_only_what_an_odd_size_loses():
    app = at("Sizes")
    app.number_input(key="segmentation-height").set_value(97).run()
    app.number_input(key="segmentation-width").set_value(131).run()
    text = shown(app).replace("\N{NO-BREAK SPACE}", " ")
    assert "**97 × 131 → 97 × 131** pixels. 2 of the 4 poolings drop a row or column" in text
    # By hand: 97 → 48 → 24 → 12 → 6 and 131 → 65 → 32 → 16 → 8; 2 × 32 is one column short of 65.
    assert "| down 1 | 2 × 2 pooling: 1 row, 1 column dropped | 48 × 65 |" in text
    assert "| down 2 | 2 × 2 pooling: 1 column dropped | 24 × 32 |" in text
    assert "| up 2 | stretched to the skip: 1 column added | 48 × 65 |" in text
    assert not app.exception


@pytest.mark.parametrize(("width", "height", "drawn"), [(26, 384, 38), (384, 303, 710), (384, 20, 10752)])
def test_a_tall_picture_beside_its_skips_ends_with_the_screen(monkeypatch, width, height, drawn):
    from types import SimpleNamespace

    import numpy as np

    widths = []
    monkeypatch.setattr(skips.blocks, "image", lambda _data, *, width, alt: widths.append(width))
    nothing = np.zeros((height, width))
    found = SimpleNamespace(mask=lambda: nothing > 0.5, seen=np.zeros((height, width, 3), np.uint8), skips=(True,))
    skips._beside(found, found)
    assert widths == [drawn]


def test_the_ways_up_are_told_apart():
    app = at("Up again")
    assert "exactly **nearest neighbour**" in shown(app)
    app.segmented_control(key="segmentation-way").set_value("uneven").run()
    assert "**checkerboard** of 1, 2 and 4 stamps" in shown(app)
    rows = re.findall(r"\| up (\d) \| ([\d.]+) % \| ([\d.]+) % \|", shown(app))
    assert [row[0] for row in rows] == ["4", "3", "2", "1"]


def test_a_random_unet_is_never_silent():
    app = opened("segmentation", network="unet")
    assert any("U-Net runs with random weights" in warning.value for warning in app.warning)
    assert "U-Net · random (seed 0) · Coins from Pompeii" in captions(app)


def test_the_code_of_each_view_runs():
    coins = segmentation.coins().mask
    for name, call, right in (
        ("coins", 'images.samples()["coins"].open()', coins),
        ("cell", "photo", None),
    ):
        about = shown_of(name, call, right)
        ran: dict = {"photo": Image.new("RGB", (64, 48))}
        for code in (
            lines(about),
            skips.lines(about, (True, False, True, True)),
            up_again.lines(about, "uneven"),
            size_table.lines(570, 300, valid=True),
        ):
            exec(code, ran)
        assert ran["found"].values.shape == (8, 8)
    made = segmentation.cells(5)
    about = shown_of("coins", "Image.fromarray(segmentation.cells(5).image)", made.mask)
    object.__setattr__(about, "picture", type("P", (), {"name": "cells_5"})())
    exec(lines(about), ran)
    assert ran["found"].probability.shape == made.mask.shape
