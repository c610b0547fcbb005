"""One map and the tabs of Feature maps: options reach the backend, what is slow can be stopped, the code shown runs."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from explorer import activations, attribution, catalogue, filters, intervention, predict
from explorer.architectures.vit import VisionTransformer
from explorer.preprocessing import Preprocessing
from pages.shared import long_run, pictures, view_code
from pages.shared.selection import Selection, from_query
from pages.shared.text import number
from tests.architectures.live_weights import make_live
from tests.conftest import wrapped
from tests.pages.test_evidence import labelled, shown
from tests.pages.test_pages import opened
from tests.test_capture import hooks


def one_map_page(model, method="grad_cam", tab="one map"):
    """A page with nothing but One map, or with what other tabs ask of it; leaves its map in the session."""
    import streamlit as st

    from pages.shared import blocks, pictures, selection
    from pages.shared.evidence import one_map, questions

    if "begun" not in st.session_state:
        st.session_state["begun"] = True
        selection.change(method=method, target=5)
    picture = pictures.find("chelsea")
    if tab == "one map":
        one_map.draw(picture, model)
    else:
        with blocks.kindly():
            st.session_state["found"] = one_map.asked(model, picture).result
    st.session_state["asking"] = questions.question(model, picture)


def started(model, method="grad_cam", tab="one map") -> AppTest:
    """That page, drawn."""
    app = AppTest.from_function(one_map_page, args=(model, method, tab), default_timeout=120).run()
    assert not app.exception
    return app


def drawn(app) -> AppTest:
    """With the map drawn where that was waiting for a click."""
    asks = [each for each in app.button if each.label.startswith("Draw ")]
    if asks:
        asks[0].click().run()
    assert not app.exception
    return app


def code(app, place: int = 0):
    """Names after the lines shown have run, as a visitor would run them."""
    names: dict[str, object] = {}
    exec(app.code[place].value, names)
    return names


def run_on(app, model) -> attribution.Attribution:
    """The map that the lines shown draw, on this network instead of one from the catalogue."""
    names = {"model": model}
    exec("\n".join(line for line in app.code[0].value.splitlines() if not line.startswith("model = ")), names)
    return names["found"]


@pytest.fixture
def photo():
    return pictures.find("chelsea").open()


def test_a_white_baseline_on_the_page_is_one_in_the_backend(resnet18, photo):
    app = started(resnet18, "integrated_gradients")
    app.selectbox(key="option-integrated_gradients-baseline").set_value("white").run()
    app.select_slider(key="option-integrated_gradients-steps").set_value(8).run()
    drawn(app)
    expected = attribution.attribute(resnet18, photo, "integrated_gradients", 5, baseline="white", steps=8)
    text = shown(app)
    assert expected.difference < 0
    assert f"is {number(round(-expected.difference, 4))} below the baseline's" in text
    assert f"within {number(round(abs(expected.delta), 4))} " in text
    assert "white to photo · 8 steps" in text
    found = run_on(app, resnet18)
    np.testing.assert_array_equal(found.raw, expected.raw)
    assert "baseline='white'" in app.code[0].value
    # They stay while other methods are looked at, until they are given back.
    app.selectbox(key="select-method").set_value("grad_cam").run()
    app.selectbox(key="select-method").set_value("integrated_gradients").run()
    assert app.selectbox(key="option-integrated_gradients-baseline").value == "white"
    assert app.session_state["asking"].options == {"baseline": "white", "steps": 8}
    app.button(key="option-integrated_gradients-usual").click().run()
    assert app.session_state["asking"].options == {}


@pytest.mark.parametrize(
    ("method", "chosen"),
    [
        ("smooth_grad", {"samples": 4, "noise": 0.3}),
        ("score_cam", {"channels": 16}),
        ("ablation_cam", {"channels": 8}),
        ("occlusion", {"window": 21, "stride": 21}),
        ("superpixels", {"segments": 10}),
        ("eigen_cam", {"centred": True}),
    ],
)
def test_every_option_is_part_of_the_question_and_of_the_code(resnet18, photo, method, chosen):
    app = started(resnet18, method)
    for name, value in chosen.items():
        widgets = app.selectbox if name == "centred" else app.select_slider
        widgets(key=f"option-{method}-{name}").set_value(value).run()
    drawn(app)
    expected = attribution.attribute(resnet18, photo, method, 5, **chosen)
    found = run_on(app, resnet18)
    np.testing.assert_array_equal(found.raw, expected.raw)
    assert dict(found.options) == dict(expected.options)
    assert app.session_state["asking"].options == chosen


def test_options_of_one_network_do_not_trouble_another(resnet18, lite0):
    app = started(lite0, "occlusion")
    app.select_slider(key="option-occlusion-window").set_value(74).run()
    app.select_slider(key="option-occlusion-stride").set_value(74).run()
    kept = app.session_state["selection"]
    assert kept.options == (("occlusion", "window", 74), ("occlusion", "stride", 74))
    other = AppTest.from_function(one_map_page, args=(resnet18, "occlusion"), default_timeout=120)
    other.session_state["selection"] = kept
    other.run()
    assert not other.exception
    assert other.session_state["asking"].options == {}


def test_a_link_brings_the_options_that_differ_and_leaves_others_alone():
    here = Selection(
        method="smooth_grad",
        options=(("smooth_grad", "noise", 0.3), ("smooth_grad", "samples", 4), ("eigen_cam", "centred", True)),
    )
    query = here.to_query()
    assert query == {"method": "smooth_grad", "option": "noise-0.3_samples-4"}
    found, complaints = from_query(query, Selection(options=(("smooth_grad", "seed", 3), ("occlusion", "window", 32))))
    assert set(found.options) == {*here.options[:2], ("occlusion", "window", 32)}
    assert not complaints
    centred = Selection(method="eigen_cam", options=here.options).to_query()
    assert from_query(centred, Selection())[0].options == here.options[2:]
    for bad in ("noise", "noise-", "-3", "noise-0.3_", "noise-1e9999", "a b-3", "x-1" + "_x-1" * 9, "noise-<b>"):
        found, complaints = from_query({"method": "smooth_grad", "option": bad}, Selection())
        assert [value for _, _, value in found.options] in ([], ["1e9999"])
        assert len(complaints) == (not found.options)


def test_options_of_a_link_reach_the_map_and_those_that_cannot_be_do_not():
    app = opened("attribution", method="eigen_cam", option="centred-1_steps-8_channels-all")
    assert "eigen_cam', target=282, layer='features.8', centred=True)" in app.code[0].value
    app = opened("attribution", method="integrated_gradients", option="steps-8_baseline-green_seed-7")
    assert "blurred photo to photo · 8 steps" in shown(app)
    app.selectbox(key="option-integrated_gradients-baseline").set_value("white").run()
    assert app.query_params["option"] == "steps-8_seed-7_baseline-white"
    app.button(key="option-integrated_gradients-usual").click().run()
    assert "option" not in app.query_params
    assert not app.exception


def test_a_slow_map_waits_behind_a_button_and_the_quick_one_stays(resnet18, monkeypatch):
    monkeypatch.setattr("pages.shared.evidence.questions.pace", lambda *_: 1.0)
    before = hooks(resnet18.module)
    app = started(resnet18, "layer_cam")
    app.selectbox(key="select-method").set_value("score_cam").run()
    ask = labelled(app.button, "Draw Score-CAM")
    chelsea, layer = pictures.find("chelsea").open(), app.session_state["asking"].layer
    maps = activations.feature_maps(resnet18, chelsea, [layer])[layer]
    flat = int((maps.minimum == maps.maximum).sum())  # nothing of the photo is left behind them: one pass for all
    assert ask.label == f"Draw Score-CAM: about {(514 - flat) / 60:.0f} min, {513 - flat} passes"
    assert flat > 1
    assert "Until then: Layer-CAM" in shown(app)
    monkeypatch.setattr(long_run, "called_away", lambda: True)
    ask.click().run()
    assert not app.exception
    assert re.search(r"Stopped after 0 of \d+ passes. Whatever is chosen or clicked meanwhile stops it.", shown(app))
    assert "Until then: Layer-CAM" in shown(app)
    assert hooks(resnet18.module) == before
    assert not resnet18.module.training
    assert not any(parameter.requires_grad for parameter in resnet18.module.parameters())
    monkeypatch.setattr(long_run, "called_away", lambda: False)
    app.select_slider(key="option-score_cam-channels").set_value(32).run()
    labelled(app.button, "Draw Score-CAM: about 33 s, 32 passes").click().run()
    assert "Score-CAM · strongest 32 channels" in shown(app)
    assert "Until then" not in shown(app)
    # What one visitor waited for, another has at once.
    other = started(resnet18, "score_cam")
    assert "Until then" in shown(other)  # all channels: nobody drew that
    other.select_slider(key="option-score_cam-channels").set_value(32).run()
    assert "Score-CAM · strongest 32 channels" in shown(other)


def test_what_stands_in_says_all_that_it_was_asked(resnet18, monkeypatch):
    monkeypatch.setattr("pages.shared.evidence.questions.pace", lambda *_: 1.0)
    app = started(resnet18, "layer_cam")
    app.selectbox(key="select-against").set_value(7).run()
    app.selectbox(key="select-method").set_value("score_cam").run()
    until = next(line for line in shown(app).splitlines() if "Until then" in line)
    assert "Until then: Layer-CAM" in until
    assert "class 5 · and not class 7" in until
    app.selectbox(key="select-method").set_value("eigen_cam").run()
    app.selectbox(key="select-method").set_value("score_cam").run()
    until = next(line for line in shown(app).splitlines() if "Until then" in line)
    assert "Until then: Eigen-CAM" in until
    assert "class" not in until


def test_a_map_that_asks_about_no_class_is_not_shown_as_evidence_for_one(resnet18):
    app = AppTest.from_function(one_map_page, args=(resnet18, "eigen_cam"), default_timeout=120)
    app.session_state["selection"] = Selection(evidence="both")
    app.run()
    assert not app.exception
    assert "Evidence" not in {each.label for each in (*app.segmented_control, *app.radio, *app.selectbox)}
    assert "Eigen-CAM draws the same map whatever the class." in shown(app)
    assert "class 5" not in shown(app)
    app.selectbox(key="select-method").set_value("grad_cam").run()
    assert "Evidence" in {each.label for each in (*app.segmented_control, *app.radio, *app.selectbox)}
    assert "whatever the class" not in shown(app)
    assert "class 5" in shown(app)


def test_other_tabs_say_what_to_do_while_the_map_is_not_there_and_can_draw_it(resnet18, photo, monkeypatch):
    monkeypatch.setattr("pages.shared.evidence.questions.pace", lambda *_: 1.0)
    app = AppTest.from_function(one_map_page, args=(resnet18, "superpixels", "trust"), default_timeout=120)
    app.session_state["selection"] = Selection(options=(("superpixels", "segments", 25),))
    app.run()
    assert app.warning[0].value.startswith("All below is about the map by Superpixels, which takes about 27 s here")
    assert "found" not in app.session_state
    labelled(app.button, "Draw Superpixels").click().run()
    assert not app.warning
    expected = attribution.attribute(resnet18, photo, "superpixels", 5, segments=25)
    np.testing.assert_array_equal(app.session_state["found"].raw, expected.raw)


def test_the_code_of_one_map_is_whole(lite0, photo):
    app = opened("attribution", method="hires_cam", class_="281", against="285", layer="features.6")
    found = code(app)["found"]
    expected = attribution.attribute(lite0, photo, "hires_cam", 281, "features.6", against=285)
    np.testing.assert_array_equal(found.raw, expected.raw)
    share = predict.softmax(found.logits)[281]
    assert f"and not {found.against_label}" in shown(app)
    assert f"tabby {100 * share:.0f} %" in shown(app)


def test_where_a_step_is_chosen_intervene_changes_a_layer_and_says_so(lite0, photo):
    app = opened("attribution", method="saliency", layer="features.2.1.add")
    app.session_state["attribution-tab"] = "Intervene"
    app.run()
    assert not app.exception
    assert not app.warning
    assert not app.error
    assert "features.2.1.add is a step between layers, where nothing can be switched; features.8 is used" in shown(app)
    best = intervention.contributions(lite0, photo, "features.8", int(predict.logits(lite0, photo).argmax()))
    assert app.multiselect[0].value == best.order[:3].tolist()


def test_the_page_says_how_many_methods_there_are():
    words = {16: "Sixteen", 17: "Seventeen", 18: "Eighteen"}
    assert f"{words[len(attribution.METHODS)]} methods" in opened("attribution").markdown[0].value


def test_code_of_the_atlas_and_by_depth(lite0, photo):
    from explorer import activations, measures

    app = opened("feature_maps", layer="features.8", order="strength", channel="7")
    atlas, depth = code(app), code(app, 1)
    maps = activations.feature_maps(lite0, photo, ["features.8"])["features.8"]
    np.testing.assert_array_equal(atlas["values"], maps.values[7])
    strength = maps.strength[atlas["shown"]]
    assert 7 in atlas["shown"]
    assert 1 < len(strength) < 1280
    assert (np.diff(strength) <= 0).all()
    assert len(atlas["levels"]) == len(strength)
    assert depth["known"]["features.8.0"] == measures.summaries(lite0, photo)["features.8.0"]


def tab(name: str, **query: str) -> AppTest:
    """Feature maps with one of its tabs open."""
    app = opened("feature_maps", **query)
    app.session_state["maps-tab"] = name
    app.run()
    assert not app.exception
    return app


@pytest.mark.parametrize("layer", ["features.5", "features.2.1.add"])  # a step between layers has patches too
def test_code_of_what_excites_a_channel(layer):
    app = tab("What excites it", layer=layer, channel="3")
    found = code(app, -1)["found"]
    assert f"**{number(round(found[0].value, 3))}** at {found[0].unit[0]}, {found[0].unit[1]}" in shown(app)


@pytest.mark.parametrize("layer", ["features.0.0", "features.1.0.0", "features.8.0"])
def test_code_of_the_weights(lite0, layer, monkeypatch):
    sheets = []
    monkeypatch.setattr("pages.shared.maps.weights._show", lambda pixels, _: sheets.append(pixels))
    app = tab("Weights", layer=layer)
    names = code(app, -1)
    assert names["found"].layer in filters.names(lite0)
    np.testing.assert_array_equal(names["sheet"], sheets[-1])


def test_layers_side_by_side_with_their_code(lite0, photo):
    app = tab("Side by side")
    assert app.multiselect[0].value == ["features.1", "features.2", "features.3", "features.5", "features.8"]
    step = next(each for each in app.multiselect[0].options if "add" in each).split("  ·  ")[0]
    app.multiselect[0].set_value(["features.8", step]).run()
    assert not app.exception
    views = code(app, -1)["views"]
    assert [view.layer for view in views] == [step, "features.8"]
    assert "2 layers · 3 strongest channels each" in shown(app)
    labelled(app.button_group, "Of each").set_value("mean").run()
    assert "mean of all channels" in shown(app)
    app.multiselect[0].set_value([]).run()
    assert "Choose up to 8 layers" in app.info[0].value


def test_networks_side_by_side_with_their_code(lite0):
    app = tab("Side by side", compare="efficientnet_lite0,efficientnet_lite1")
    labelled(app.button_group, "Side by side").set_value("networks").run()
    assert not app.exception
    compared = code(app, -1)["compared"]
    assert [profile.title for profile in compared.profiles] == ["EfficientNet-Lite0", "EfficientNet-Lite1"]
    answers = compared.profiles[0].answers
    assert answers[0].label == lite0.label(282)


def test_options_of_rollout(photo):
    module = VisionTransformer(image_size=32, patch_size=8, num_classes=10, dim=32, depth=2, heads=4)
    make_live(module, torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
    vit = wrapped(module, catalogue.get("vit_b_16"), Preprocessing(resize=37, crop=32), classes=10)
    app = started(vit, "rollout")
    app.select_slider(key="option-rollout-residual").set_value(0.2).run()
    expected = attribution.attribute(vit, photo, "rollout", 5, residual=0.2)
    np.testing.assert_array_equal(run_on(app, vit).raw, expected.raw)
    assert "Attention rollout · residual 20 %" in shown(app)


def test_an_upload_is_opened_by_its_own_name():
    picture = pictures.Picture("abc", "my 'cat'.jpg", "", b"", "abc")
    assert view_code.opened(picture) == "images.open_image(Path(\"my 'cat'.jpg\").read_bytes())"
