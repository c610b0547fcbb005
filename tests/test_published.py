"""Published figures against torchvision's own metadata as noted beforehand, the timeline and the families' colours."""

from __future__ import annotations

import json
import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer import catalogue, palettes, published
from explorer.figures import timeline as figures

FACTS = json.loads((Path(__file__).parent / "reference" / "guide_facts.json").read_text())


@pytest.mark.parametrize("name", [name for name in FACTS["torchvision"] if name != "vit_h_14"])
def test_every_entry_says_what_torchvision_said(name):
    noted = {entry: row for entry, row in FACTS["torchvision"][name].items() if entry != "_own"}
    found = {row.entry: row for row in published.entries(name)}
    assert set(noted) <= set(found)
    for entry, row in noted.items():
        shown = found[entry]
        assert shown.parameters == row["num_params"]
        assert shown.macs == round(row["gmacs"] * 1e9)
        for accuracy, key in ((shown.top1, "acc1"), (shown.top5, "acc5")):
            assert accuracy == (None if math.isnan(row[key]) else row[key])  # VGG-16's features have none
        assert shown.side == row["crop"]


def test_what_is_shown_is_what_the_app_loads():
    from torchvision.models import get_model_weights

    for slug in ("resnet50", "vit_b_16", "mobilenet_v2", "regnet_y_128gf"):
        best = published.best(slug)
        assert best is not None
        assert best.entry == get_model_weights(slug).DEFAULT.name
    v2, v1 = published.entries("resnet50")
    assert (v2.entry, v2.top1, v1.entry, v1.top1) == ("IMAGENET1K_V2", 80.858, "IMAGENET1K_V1", 76.13)
    assert v2.megabytes == pytest.approx(102.54, abs=0.1)  # resnet50-11ad3fa6.pth


def test_figures_from_elsewhere_have_sources_and_do_not_pretend():
    for slug, top1 in (("efficientnet_lite0", 75.1), ("efficientnet_lite1", 76.7), ("efficientnet_lite2", 77.6)):
        row = published.best(slug)
        assert row is not None
        assert (row.top1, row.dataset) == (top1, "ImageNet")
        assert "github.com/tensorflow" in row.source
    lenet = published.best("lenet5")
    assert lenet is not None
    assert (lenet.top1, lenet.dataset) == (99.46, "MNIST")
    assert published.best("unet") is None
    assert all(row.source for row in published.all())


def test_rounded_figures_agree_with_what_is_counted():
    from explorer import scaling

    row, counted = published.best("mobilenet_v1"), scaling.mobilenet(1, 1.0, 224)
    assert row is not None
    assert row.parameters is not None
    assert row.macs is not None
    assert round(counted.parameters / 1e5) == row.parameters / 1e5
    assert round(counted.macs / 1e6) == row.macs / 1e6


def test_the_timeline_has_every_network_once_in_its_year():
    everything, guide = published.timeline(everything=True), published.timeline()
    assert [each.slug for each in guide] == [each.slug for each in everything if each.guide]
    assert {each.slug for each in everything} == set(catalogue.titles())
    assert {each.slug for each in everything if each.top1 is None} == {
        *("lenet5", "alexnet_lrn", "unet", "yolo", "yolo_scenes", "unet_cells")
    }
    for each in everything:
        assert abs(each.place - max(each.year, published.FIRST)) < 0.35
    spots = {(each.place, each.top1 is None) for each in everything}
    assert len(spots) == len(everything)
    vggs = [each.parameters for each in sorted(guide, key=lambda each: each.place) if each.family == "VGG"]
    assert vggs == sorted(vggs)
    assert (
        next(each.parameters for each in guide if each.slug == "unet")
        == FACTS["guide_models"]["UNet(1,2) 256"]["params"]
    )


def test_the_figure_draws_what_it_is_given():
    guide = published.timeline()
    figure = figures.timeline(guide, "resnet50")
    drawn = {
        slug: y
        for trace in figure.data
        if trace.customdata is not None
        for slug, y in zip(trace.customdata, trace.y, strict=True)
    }
    assert drawn["resnet50"] == 80.858
    assert drawn["lenet5"] == 0
    assert len(drawn) == len(guide)
    rings = [trace for trace in figure.data if trace.marker.symbol == "circle-open" and len(trace.x)]
    assert [list(trace.y) for trace in rings] == [[80.858]]


@pytest.mark.parametrize("width", [285, 900])
def test_labels_collide_with_no_label_and_cover_no_named_dot(width):
    """Boxes in pixels, with the widths that the letters have at 12 pixels, on a phone and on a wide page."""
    milestones = {each.slug: each for each in published.timeline()}
    last = max(each.year for each in milestones.values())
    across, up = width / (last + 0.75 - published.FIRST + 0.6), 370 / 37  # pixels a year, pixels a percent
    boxes, dots = {}, {}
    for slug, (text, anchor, right, above) in figures.LABELS.items():
        each = milestones[slug]
        x, y = each.place * across, (40 if each.top1 is None else each.top1) * up
        lines = text.split("<br>")
        wide = 6.2 * max(map(len, lines))
        left = x + right - {"left": 0.0, "center": wide / 2, "right": wide}[anchor]
        boxes[slug] = (left, y + above - 6.5 * len(lines), left + wide, y + above + 6.5 * len(lines))
        dots[slug] = (x, y)
    for one, other in combinations(boxes, 2):
        a, b = boxes[one], boxes[other]
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (one, other)
    for slug, box in boxes.items():
        assert not any(box[0] < x < box[2] and box[1] < y < box[3] for x, y in dots.values()), slug


def linear(colour: str) -> np.ndarray:
    """Linear light of a colour like #1f77b4."""
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


# Machado, Oliveira, Fernandes 2009, severity 1: protanopia, deuteranopia, tritanopia.
BLINDNESS = {
    "none": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_LMS = np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]])
TO_LAB = np.array([[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]])


def test_ten_colours_are_readable_on_both_themes_and_apart_for_every_eye():
    colours = sorted(set(palettes.FAMILY_COLOURS.values()))
    assert len(colours) == 10
    assert {card.family for card in catalogue.CATALOGUE.values()} <= set(palettes.FAMILY_COLOURS)
    assert palettes.family_colour("Swin") == palettes.OTHER
    light = np.array([0.2126, 0.7152, 0.0722])
    for ground in ("#ffffff", "#0e1420"):
        for colour in colours:
            high, low = sorted((linear(colour) @ light + 0.05, linear(ground) @ light + 0.05), reverse=True)
            assert high / low >= 3, (colour, ground)
    for eye, matrix in BLINDNESS.items():
        seen = [np.cbrt(TO_LMS @ np.clip(np.asarray(matrix) @ linear(colour), 0, 1)) @ TO_LAB.T for colour in colours]
        apart = min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2))
        assert apart > (0.15 if eye == "none" else 0.05), eye  # OKLab; 0.02 can just be seen


def tab() -> None:
    """The tab alone."""
    from pages.shared import timeline

    timeline.draw()


def test_the_tab_shows_the_guides_networks_and_all():
    app = AppTest.from_function(tab, default_timeout=60).run()
    assert not app.exception
    assert len(app.dataframe[0].value) == len(catalogue.CATALOGUE)
    app.segmented_control[0].set_value("all").run()
    assert not app.exception
    assert len(app.dataframe[0].value) == len(catalogue.titles())
    assert "The ring is EfficientNet-Lite0" in app.caption[0].value
