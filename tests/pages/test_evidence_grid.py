"""The tab Grid in Streamlit's own test harness."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from explorer import attribution, images, predict
from explorer.grid import Cell
from explorer.preprocessing import Preprocessing
from pages.shared import pictures
from pages.shared.evidence.grid import asking, cache, keeping, many, one_photo, running
from pages.shared.selection import Selection
from tests.conftest import live_model
from tests.pages.test_pages import read


def grid_page(model):
    """A page with nothing but the tab."""
    from pages.shared import pictures
    from pages.shared.evidence.grid import tab

    tab.draw(pictures.find("chelsea"), model)


def opened(model) -> AppTest:
    """The page, drawn once."""
    app = AppTest.from_function(grid_page, args=(model,), default_timeout=120)
    app.run()
    assert not app.exception
    return app


def shown(app) -> str:
    """All that a person reads."""
    return "\n".join(read(each.value) for each in (*app.markdown, *app.caption))


def choose(app, label: str, value):
    """Sets a select box or a list by its label and runs."""
    group = [*app.selectbox, *app.multiselect]
    next(each for each in group if each.label == label).set_value(value)
    app.run()
    assert not app.exception, app.exception
    return app


@pytest.fixture(scope="module")
def small():
    """ResNet-18, live, at 64 pixels."""
    return live_model("resnet18", Preprocessing(resize=73, crop=64))


@pytest.fixture(autouse=True)
def nothing_known():
    """No test sees another's cells."""
    cache.tile.clear()
    cache.answer.clear()


@pytest.fixture
def seen(monkeypatch):
    """What the components were given last: cells by name, rows and columns."""
    last = {}

    def record(module):
        drawn = module.evidence_grid

        def spy(cells, key, on_open, **options):
            last.update(cells={cell.name: cell for cell in cells}, open=on_open, **options)
            return drawn(cells, key, on_open, **options)

        monkeypatch.setattr(module, "evidence_grid", spy)

    record(one_photo)
    record(many)
    return last


@pytest.fixture
def asked(monkeypatch):
    """Every map that was computed, in order: (method, class, layer)."""
    calls = []
    compute = asking.shared.attribution

    def spy(model, picture, method, target, layer, *rest, **options):
        found = compute(model, picture, method, target, layer, *rest, **options)
        calls.append((picture.name, method, target, layer))
        return found

    monkeypatch.setattr(asking.shared, "attribution", spy)
    return calls


def tile(model, cell: Cell) -> cache.Tile:
    """What is kept of a cell."""
    question = (cell.method, cell.target, cell.label, cell.layer, cell.options)
    return cache.tile(model.key, pictures.find(cell.photo).digest, question, cache.unknown)


def test_it_opens_with_a_small_grid_whose_cells_are_what_attribute_says(small, seen, asked):
    opened(small)
    methods = ("grad_cam", "layer_cam", "eigen_cam", "saliency")
    photo = pictures.find("chelsea").open()
    best = predict.top_k(small, photo, 3)
    assert [head.title for head in seen["rows"]] == [attribution.METHODS[key].title for key in methods]
    assert [head.title for head in seen["columns"]] == [each.label for each in best]
    for row, method in enumerate(methods):
        for column, each in enumerate(best):
            found = tile(small, Cell("resnet18", method, "chelsea", each.index, each.label))
            plain = attribution.attribute(small, photo, method, each.index)
            np.testing.assert_array_equal(found.raw, plain.raw)
            assert (found.layer, found.probability) == (plain.layer, plain.probability)
            cell = seen["cells"][f"{row},{column}"]
            assert cell.picture == found.picture
            assert Image.open(io.BytesIO(cell.picture)).size in {(64, 64), (192, 192)}
            assert cell.spoken.startswith(f"{attribution.METHODS[method].title}, {each.label}: ")
    assert len(asked) == 12


def test_no_cell_is_computed_twice(small, asked):
    app = opened(small)
    before = list(asked)
    app.run()
    assert asked == before
    choose(app, "Methods", ["grad_cam", "saliency", "hires_cam"])
    assert [method for _, method, _, _ in asked[12:]] == ["hires_cam"] * 3
    app.selectbox(key="grid-columns").set_value("layers").run()
    assert not app.exception
    cells = asked[15:]
    assert len(cells) == len(set(cells))
    assert [each for each in cells if each[1] == "saliency"] == [("chelsea", "saliency", cells[-1][2], None)]
    assert "the same at every layer" in shown(app)
    total = len(asked)
    app.selectbox(key="grid-columns").set_value("classes").run()
    assert len(asked) == total


def test_what_takes_long_waits_is_stopped_and_goes_on(small, seen, asked, monkeypatch):
    monkeypatch.setattr(running, "PATIENCE", 0.0)
    app = opened(small)
    assert asked == []
    assert "Draw them: 12 of 12 maps, about" in app.button(key="grid-one-ask").label
    stop = 5
    monkeypatch.setattr(running, "called_away", lambda: len(asked) >= stop)
    app.button(key="grid-one-ask").click().run()
    assert not app.exception
    assert len(asked) == 5
    first = list(asked)
    app.run()  # what Stop does in a browser: another run
    assert "Continue: 7 of 12 maps" in app.button(key="grid-one-ask").label
    assert sum(bool(cell.picture) for cell in seen["cells"].values()) == 5
    stop = 1000
    app.button(key="grid-one-ask").click().run()
    assert not app.exception
    assert len(asked) == len(set(asked)) == 12
    assert asked[:5] == first
    assert all(cell.picture for cell in seen["cells"].values())
    assert not [each for each in app.button if each.key == "grid-one-ask"]


def test_too_many_are_refused_kindly_and_none_at_all_too(small, seen):
    app = opened(small)
    choose(app, "Classes", list(range(70)))
    # Wide first: 60 classes of one method. They were not asked for: only the first are drawn.
    assert "4 × 70 are 280 maps, and 60 are the most that fit here: the first 1 × 60 are shown." in shown(app)
    assert len(seen["cells"]) == 60
    choose(app, "Classes", [])
    assert "Choose some classes to fill the grid." in shown(app)
    choose(app, "Classes", [7])
    assert [head.title for head in seen["columns"]] == ["class 7"]


def test_rows_that_are_alike_in_every_class_are_said_to_be(small, seen):
    app = opened(small)
    rows = {name: cell.picture for name, cell in seen["cells"].items() if name.startswith("2,")}
    assert len(set(rows.values())) == 1
    assert "Eigen-CAM draws the same map whatever the class." in shown(app)
    choose(app, "Methods", ["grad_cam", "rollout"])  # the latter cannot be drawn at all
    assert "whatever the class" not in shown(app)
    choose(app, "Methods", ["grad_cam", "eigen_cam"])
    choose(app, "Columns", "layers")
    assert "whatever the class" not in shown(app)


def test_a_second_class_is_said_to_be_left_out(small):
    app = opened(small)
    assert "“And not” is left out here" not in shown(app)
    app.session_state["selection"] = Selection(against=7)
    app.run()
    assert not app.exception
    assert "“And not” is left out here" in shown(app)


def test_photos_whose_maps_wait_say_what_was_answered(small, seen, asked, monkeypatch):
    monkeypatch.setattr(running, "PATIENCE", 0.0)
    app = AppTest.from_function(grid_page, args=(small,), default_timeout=120)
    app.session_state["grid-mode"] = "many"
    app.run()
    assert {cell.words for cell in seen["cells"].values()} == {"not asked yet"}
    photos = {name: pictures.find(name) for name in seen["cells"]}
    source = asking.Source(small, photos)
    for name in photos:
        source.ask(name)
    app.run()
    assert asked == []
    for name, cell in seen["cells"].items():
        assert cell.pending
        assert cell.words.startswith(f"{predict.top_k(small, photos[name].open(), 1)[0].label} ")
    choose(app, "Class", 7)
    assert not any("class" in cell.words for cell in seen["cells"].values())


def test_what_cannot_be_drawn_says_why(lite0, seen):
    app = opened(lite0)
    choose(app, "Methods", ["grad_cam", "tokens_cam"])
    reasons = [seen["cells"][f"1,{column}"].reason for column in range(3)]
    assert set(reasons) == {attribution.availability(lite0, "tokens_cam")}
    assert all(seen["cells"][f"0,{column}"].picture for column in range(3))


def settings(app, which: str) -> None:
    """Brings the page to one of several grids."""
    if which == "layers":
        choose(app, "Columns", "layers")
        choose(app, "Class", 282)
    elif which == "networks":
        choose(app, "Rows", "networks")
        choose(app, "Method", "layer_cam")
        choose(app, "Networks", ["efficientnet_lite0", "efficientnet_lite1"])
    elif which == "options":
        app.session_state["selection"] = Selection(options=(("smooth_grad", "samples", 4),))
        choose(app, "Methods", ["smooth_grad", "saliency"])
        choose(app, "Classes", [281])
    elif which == "many":
        app.segmented_control(key="grid-mode").set_value("many").run()
        assert not app.exception


@pytest.mark.parametrize("which", ["plain", "layers", "networks", "options", "many"])
def test_the_code_computes_what_is_shown(lite0, seen, monkeypatch, which):
    monkeypatch.setattr(running, "PATIENCE", 60.0)
    monkeypatch.setattr(running, "_OPENING", 60.0)
    plans = []
    for module, name in ((keeping, "of_one"), (keeping, "of_many")):
        keep = getattr(module, name)

        def spy(*given, keep=keep):
            plans.append(given)
            return keep(*given)

        monkeypatch.setattr(module, name, spy)
    app = opened(lite0)
    settings(app, which)
    names = {}
    exec(app.code[0].value, names)
    tiles = plans[-1][2] if which == "many" else plans[-1][3]
    cells = plans[-1][1] if which == "many" else list(plans[-1][2].cells.values())
    assert len(cells) == len(seen["cells"]) == len(names["cells"])
    assert (names["cells"] == cells) is (which != "layers")  # there the page names no layer where none is read
    computed = {each.cell: each.found for each in names["filled"]}
    for cell, written in zip(cells, names["cells"], strict=True):
        np.testing.assert_array_equal(computed[written].raw, tiles[cell].raw)
        assert computed[written].label == tiles[cell].label


def test_many_photos_come_by_probability(small, seen, asked):
    app = opened(small)
    app.segmented_control(key="grid-mode").set_value("many").run()
    assert not app.exception
    photos = {slug: each.open() for slug, each in images.samples().items() if each.subject == "photos"}
    first = {slug: predict.top_k(small, photo, 1)[0] for slug, photo in photos.items()}
    assert list(seen["cells"]) == sorted(photos, key=lambda slug: -first[slug].probability)
    for slug, cell in seen["cells"].items():
        assert cell.words.startswith(first[slug].label)
        found = tile(small, Cell("resnet18", "grad_cam", slug))
        np.testing.assert_array_equal(found.raw, attribution.attribute(small, photos[slug]).raw)
    total = len(asked)
    app.run()
    assert len(asked) == total
    choose(app, "Class", 7)
    share = {slug: predict.softmax(predict.logits(small, photo))[7] for slug, photo in photos.items()}
    assert list(seen["cells"]) == sorted(photos, key=lambda slug: -share[slug])


def test_two_hundred_uploads_are_asked_once_and_drawn_by_the_page(small, seen, asked, monkeypatch):
    random = np.random.default_rng(3)
    uploads = {}
    for number in range(200):
        data = images.encode_png(Image.fromarray(random.integers(0, 255, (64, 64, 3), np.uint8)))
        digest = images.digest(data)
        uploads[digest] = pictures.Picture(digest, f"{number}.png", "", data, digest)
    monkeypatch.setattr(running, "PATIENCE", 60.0)
    monkeypatch.setattr(running, "_OPENING", 60.0)
    app = AppTest.from_function(grid_page, args=(small,), default_timeout=120)
    app.session_state["uploads"] = uploads
    app.session_state["grid-mode"] = "many"
    app.run()
    assert not app.exception
    samples = sum(each.subject == "photos" for each in images.samples().values())
    assert len(seen["cells"]) == many.PAGE == len(asked)
    best = list(seen["cells"])
    shares = [float(cell.words.split()[-2]) for cell in seen["cells"].values()]
    assert shares == sorted(shares, reverse=True)
    app.selectbox(key="grid-page").set_value(8).run()
    assert not app.exception
    assert len(seen["cells"]) == 200 + samples - 8 * many.PAGE
    assert not set(best) & set(seen["cells"])
    assert len(asked) == len(set(asked)) == len(best) + len(seen["cells"])


def test_downloads_hold_every_map(small, monkeypatch):
    kept = {}
    button = keeping.st.download_button

    def spy(label, data, file, *rest, **options):
        kept[file.rsplit(".")[-1]] = data()
        return button(label, data, file, *rest, **options)

    monkeypatch.setattr(keeping.st, "download_button", spy)
    opened(small)
    paper = Image.open(io.BytesIO(kept["png"]))
    assert paper.width > 3 * 224
    assert paper.height > 4 * 224
    with np.load(io.BytesIO(kept["npz"])) as archive:
        cells = json.loads(str(archive["cells"]))
        assert len(cells) == 12
        for number, cell in enumerate(cells):
            photo = pictures.find(cell["photo"]).open()
            plain = attribution.attribute(small, photo, cell["method"], cell["target"])
            np.testing.assert_array_equal(archive[f"map_{number:03d}"], plain.raw)


def test_the_passes_of_a_grid_are_those_its_methods_count(resnet18):
    photo, passes = pictures.find("chelsea"), 0
    cells = [
        Cell("resnet18", "integrated_gradients", photo.name, 5, "class 5", None, (("steps", 8),)),
        Cell("resnet18", "saliency", photo.name, 5, "class 5", None),
        Cell("resnet18", "occlusion", photo.name, 5, "class 5", None, (("stride", 16), ("window", 16))),
    ]

    def told(done, total):
        nonlocal passes
        passes += total * (done == total)

    for cell in cells:
        options = dict(cell.options)
        attribution.attribute(resnet18, photo.open(), cell.method, 5, cell.layer, progress=told, **options)
    source = asking.Source(resnet18, {photo.name: photo})
    assert source.passes(cells) == (passes + 1, "")  # saliency, one pass, has nothing to tell on its way
    score = Cell("resnet18", "score_cam", photo.name, 5, "class 5", "layer4")
    assert source.passes([*cells, score]) == (passes + 1 + 512, "at most")
