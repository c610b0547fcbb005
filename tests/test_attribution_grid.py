"""Grids of maps: each cell is what `attribute` says, none is computed twice, and a refusal carries its reason."""

from __future__ import annotations

import copy
import io
import json

import numpy as np
import pytest
import torch

from explorer import attribution, catalogue, grid
from explorer.errors import Cancelled
from explorer.grid import Cell
from explorer.weight_files import WeightsUnavailable
from tests.conftest import wrapped
from tests.test_capture import hooks

QUICK = ("grad_cam", "eigen_cam", "saliency", "guided_backprop")


def filled(model, cells, photos, **options):
    """All cells of a grid of one network, which may have random weights."""
    return list(grid.fill(cells, photos.__getitem__, lambda _: model, untrained=True, **options))


def test_a_cell_is_exactly_what_attribute_says(resnet18, photos):
    cells = [Cell("resnet18", method, "coffee", target) for method in QUICK for target in (5, None)]
    cells += [
        Cell("resnet18", "layer_cam", "chelsea", 7, layer="layer2"),
        Cell("resnet18", "smooth_grad", "chelsea", 7, options=(("noise", 0.3), ("samples", 2))),
    ]
    found = filled(resnet18, cells, photos)
    assert [each.cell for each in found] == cells
    assert [(each.done, each.total) for each in found] == [(number, 10) for number in range(1, 11)]
    for each in found:
        cell = each.cell
        plain = attribution.attribute(
            resnet18, photos[cell.photo], cell.method, cell.target, cell.layer, **dict(cell.options)
        )
        np.testing.assert_array_equal(each.found.raw, plain.raw)
        np.testing.assert_array_equal(each.found.heatmap, plain.heatmap)
        assert (each.found.target, each.found.label, each.found.layer) == (plain.target, plain.label, plain.layer)
        assert each.found.probability == plain.probability
        assert each.reason == ""


def test_reasons_are_those_of_availability_and_fail_nothing_else(lite0, photos):
    methods = ("rollout", "grad_cam", "tokens_cam")
    cells = [Cell("efficientnet_lite0", method, "coffee", 967) for method in methods]
    cells += [
        Cell("efficientnet_lite0", "grad_cam", "coffee", 967, layer=layer) for layer in ("layer4", "classifier.1")
    ]
    found = list(grid.fill(cells, photos.__getitem__, lambda _: lite0))
    assert [each.reason for each in found] == [
        attribution.availability(lite0, each.method, each.layer) for each in cells
    ]
    assert [each.found is None for each in found] == [True, False, True, True, True]
    unknown = list(grid.fill([Cell("efficientnet_lite0", "tarot", "coffee")], photos.__getitem__, lambda _: lite0))
    assert "no method 'tarot'" in unknown[0].reason


def test_networks_that_have_learnt_nothing_are_asked_only_on_request(resnet18, photos):
    cell = Cell("resnet18", "grad_cam", "coffee", 5)
    (refused,) = grid.fill([cell], photos.__getitem__, lambda _: resnet18)
    assert refused.found is None
    assert "random weights" in refused.reason
    (drawn,) = filled(resnet18, [cell], photos)
    assert drawn.reason == ""


def test_classes_are_found_by_their_names(resnet18, photos):
    other = copy.copy(resnet18)
    other.classes = tuple(reversed(resnet18.classes))
    asked = Cell("resnet18", "grad_cam", "coffee", 5, "class 5")
    (found,) = filled(other, [asked], photos)
    assert (found.found.target, found.found.label) == (994, "class 5")
    np.testing.assert_array_equal(
        found.found.raw, attribution.attribute(resnet18, photos["coffee"], "grad_cam", 994).raw
    )
    (by_number,) = filled(other, [Cell("resnet18", "grad_cam", "coffee", 5)], photos)
    assert by_number.found.label == "class 994"
    unknown = filled(other, [Cell("resnet18", "grad_cam", "coffee", 5, "unicorn")], photos)
    assert unknown[0].reason == "ResNet-18 does not know the class “unicorn”."
    beyond = filled(other, [Cell("resnet18", "grad_cam", "coffee", 1000)], photos)
    assert "classes 0 to 999" in beyond[0].reason


def test_nothing_is_computed_twice_and_each_network_is_loaded_once(resnet18, photos):
    asked, loaded = [], []

    def explain(model, photo, cell):
        asked.append(cell)
        return attribution.attribute(model, photo, cell.method, cell.target, cell.layer)

    def load(slug):
        loaded.append(slug)
        if slug == "vgg16":
            raise WeightsUnavailable("No weights today.")
        return resnet18

    cells = [
        Cell(network, method, "coffee", 5, layer=layer)
        for method in ("saliency", "grad_cam")
        for network in ("resnet18", "vgg16", "resnet34")
        for layer in ("layer1", "layer3")
    ]
    found = list(grid.fill([*cells, cells[0]], photos.__getitem__, load, explain=explain, untrained=True))
    assert loaded == ["resnet18", "vgg16", "resnet34"]
    assert [each.cell.network for each in found] == ["resnet18"] * 4 + ["vgg16"] * 4 + ["resnet34"] * 4
    # Saliency reads pixels: both layers are one question.
    assert [(cell.network, cell.method, cell.layer) for cell in asked] == [
        (network, method, layer)
        for network in ("resnet18", "resnet34")
        for method, layer in (("saliency", None), ("grad_cam", "layer1"), ("grad_cam", "layer3"))
    ]
    assert found[1].found is found[0].found
    assert (found[1].seconds, found[1].done) == (0.0, 2)
    assert {each.reason for each in found if each.cell.network == "vgg16"} == {"No weights today."}


@pytest.mark.parametrize("count", [0, 1, 3])
def test_cancelling_keeps_what_is_done_and_leaves_the_network_as_found(resnet18, photos, count):
    before = copy.deepcopy(resnet18.module.state_dict())
    done = []
    cells = [Cell("resnet18", method, "coffee", 5) for method in (*QUICK, "occlusion")]
    for each in grid.fill(
        cells, photos.__getitem__, lambda _: resnet18, cancelled=lambda: len(done) >= count, untrained=True
    ):
        done.append(each)  # noqa: PERF402  # the condition looks at it
    assert [each.cell for each in done] == cells[:count]
    module = resnet18.module
    assert hooks(module) == 0
    assert not module.training
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in module.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_a_cell_stopped_within_is_not_yielded(resnet18, photos):
    passes = 0

    def stop():
        nonlocal passes
        passes += 1
        return passes > 5

    assert not filled(resnet18, [Cell("resnet18", "occlusion", "coffee", 5)], photos, cancelled=stop)
    assert passes > 5

    def stopped(slug):
        raise Cancelled("Stopped while weights were on their way.")

    assert not list(grid.fill([Cell("resnet18")], photos.__getitem__, stopped))


def test_whoever_stops_reading_computes_no_more(resnet18, photos):
    asked = []

    def explain(model, photo, cell):
        asked.append(cell)
        return attribution.attribute(model, photo, cell.method, cell.target)

    cells = [Cell("resnet18", "grad_cam", "coffee", target) for target in range(4)]
    reading = grid.fill(cells, photos.__getitem__, lambda _: resnet18, explain=explain, untrained=True)
    next(reading)
    next(reading)
    reading.close()
    assert asked == cells[:2]


def test_a_network_without_classes_says_so(photos):
    unet = wrapped(torch.nn.Identity(), catalogue.get("unet"), catalogue.get("unet").preprocessing, 2)
    (found,) = filled(unet, [Cell("unet", "grad_cam", "coffee")], photos)
    assert found.reason == attribution.availability(unet, "grad_cam")


def test_a_sheet_holds_its_pictures_and_headings_where_they_belong():
    red, blue = (np.full((224, 224, 3), colour, np.uint8) for colour in ((200, 0, 0), (0, 0, 200)))
    small = np.full((112, 112, 3), (0, 200, 0), np.uint8)
    paper = grid.sheet(
        "Title", ["First row", "Second"], ["A", "B"], {(0, 0): red, (0, 1): blue, (1, 0): small, (1, 1): "Why not."}
    )
    pixels = np.asarray(paper)
    # 24 margin, 150 + 8 for the headings of rows, 8 between; above: 24 margin, two lines and one of headings of 19, 8.
    left, top = 24 + 158, 24 + 3 * 19 + 8
    assert paper.size == (left + 2 * 224 + 8 + 24, top + 2 * 224 + 8 + 24)
    np.testing.assert_array_equal(pixels[top : top + 224, left : left + 224], red)
    np.testing.assert_array_equal(pixels[top : top + 224, left + 232 : left + 456], blue)
    np.testing.assert_array_equal(pixels[top + 232 : top + 344, left : left + 112], small)
    reason = pixels[top + 232 : top + 456, left + 232 : left + 456]
    assert (reason[-1, -1] == (0xF0, 0xF0, 0xF3)).all()
    assert reason.min() < 120  # written
    assert pixels[top : top + 20, 24:174].min() < 100  # the first row's heading
    assert pixels[top - 27 : top - 8, left : left + 224].min() < 100
    bare = grid.sheet("Title", ["", ""], ["", ""], {})
    assert bare.width == 24 + 2 * 224 + 8 + 24


def test_letters_that_the_font_lacks_are_spelt_with_those_it_has():
    written = {
        text: np.asarray(grid.sheet(text, [""], [""], {}))[:60] for text in ("Cafe x 3 - 2", "Café × 3 − 2", "カフェ")
    }
    np.testing.assert_array_equal(written["Cafe x 3 - 2"], written["Café × 3 − 2"])
    assert written["カフェ"].min() < 100


def test_an_archive_tells_which_map_is_which():
    maps = [
        (Cell("resnet18", "grad_cam", "coffee", 5, "espresso"), np.arange(6, dtype=np.float32).reshape(2, 3)),
        (Cell("resnet18", "smooth_grad", "Café", None, options=(("samples", 2),)), np.ones((4, 4), np.float32)),
    ]
    with np.load(io.BytesIO(grid.archive(maps))) as kept:
        cells = json.loads(str(kept["cells"]))
        for number, (cell, raw) in enumerate(maps):
            np.testing.assert_array_equal(kept[f"map_{number:03d}"], raw)
            told = {**cells[number], "options": tuple(map(tuple, cells[number]["options"]))}
            assert Cell(**told) == cell
