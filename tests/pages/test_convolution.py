"""The Convolution page in Streamlit's own test harness: its formulas and its softmax."""

from __future__ import annotations

import numpy as np
import pytest

from explorer import models, predict
from tests.pages.test_pages import opened, read


def tab(name: str, **query: str):
    """The page with one of its tabs open."""
    app = opened("convolution", **query)
    app.session_state["convolution-tab"] = name
    app.session_state["_convolution_tab"] = name
    app.run()
    assert not app.exception
    return app


def shown(app) -> str:
    """Text and formulas."""
    return "\n".join([*(read(each.value) for each in app.markdown), *(each.value for each in app.latex)])


# The guide's own examples and counts (guide.md 2.1), and the published first layers its slip mixes up.
EXAMPLES = {
    "3 × 3": ("224 × 224 becomes **224 × 224**", "1{,}792"),
    "3 × 3, stride 2": ("224 × 224 becomes **112 × 112**", "1{,}792"),
    "7 × 7, stride 2": ("224 × 224 becomes **112 × 112**", "9{,}408"),  # ResNet's conv1: 64 x 3 x 7 x 7
    "AlexNet's stem": ("224 × 224 becomes **55 × 55**", "23{,}296"),  # torchvision's features.0
    "LeNet-5's C1": ("32 × 32 becomes **28 × 28**", "156"),  # LeCun et al. 1998, section II.B
    "Depthwise": ("14 × 14 becomes **14 × 14**", "4{,}608"),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_one_click_away(name):
    app = tab("Formulas")
    pills = next(each for each in app.pills if each.label == "Examples")
    pills.set_value(name).run()
    size, parameters = EXAMPLES[name]
    assert size in shown(app)
    assert rf"\mathbf{{{parameters}}}" in shown(app)


def test_the_guides_slip_is_named():
    app = tab("Formulas")
    next(each for each in app.pills if each.label == "Examples").set_value("7 × 7, stride 2").run()
    assert "that is a slip" in shown(app)
    assert "**GoogLeNet** and **ResNet**" in shown(app)


def test_what_pytorch_refuses_is_one_sentence():
    app = tab("Formulas")
    app.number_input(key="formulas-size").set_value(2)
    app.number_input(key="formulas-padding").set_value(0).run()
    assert "A window of 3 does not fit into 2 pixels" in app.warning[0].value
    app.number_input(key="formulas-groups").set_value(2).run()
    assert any("3 input and 64 output channels cannot be divided into 2 groups" in each.value for each in app.warning)
    app.number_input(key="formulas-size").set_value(224)
    app.number_input(key="formulas-groups").set_value(1).run()
    assert not app.warning


def test_what_the_floor_drops_is_said():
    app = tab("Formulas")
    app.number_input(key="formulas-size").set_value(6)
    app.number_input(key="formulas-padding").set_value(0)
    app.number_input(key="formulas-stride").set_value(2).run()
    assert "a rest of 1" in shown(app)  # windows at 0 and 2 end at pixel 4; pixel 5 is never read
    assert "the last 1 pixel of the input" in shown(app)


def test_a_layer_of_the_network_lends_its_numbers():
    app = tab("Formulas", network="resnet50")
    next(box for box in app.selectbox if "convolution of ResNet-50" in box.label).select("layer3.0.downsample.0").run()
    assert "56 × 56" not in shown(app)
    assert "28 × 28 becomes **14 × 14**" in shown(app)
    assert rf"\mathbf{{{512 * 1024:,}}}".replace(",", "{,}") in shown(app)


def test_softmax_shows_the_networks_answer(photos):
    from pages.shared.components import softmax as component

    seen = {}
    real = component._component
    patch = pytest.MonkeyPatch()
    patch.setattr(component, "_component", lambda **given: seen.update(given))
    try:
        app = tab("Softmax")
    finally:
        patch.setattr(component, "_component", real)
        patch.undo()
    assert not app.warning
    header, blobs = unpacked(seen["data"])
    model = models.load("efficientnet_lite0")
    expected = predict.top_k(model, photos["chelsea"])
    assert header["labels"] == [each.label for each in expected]
    one = header["temperatures"].index(1)
    probabilities = blobs["probabilities"].reshape(-1, 5)
    np.testing.assert_allclose(probabilities[one], [each.probability for each in expected], rtol=1e-5)
    np.testing.assert_allclose(probabilities.sum(axis=1) + blobs["restProbability"], 1, rtol=1e-5)  # at every T
    assert (np.diff(probabilities[:, 0]) <= 1e-7).all()  # hotter is never surer
    exponentials = blobs["exponentials"].reshape(-1, 5)
    np.testing.assert_allclose(exponentials.sum(axis=1) + blobs["rest"], blobs["total"], rtol=1e-5)


def unpacked(data: bytes):
    """Header and arrays of a component's payload."""
    import json

    length = int(np.frombuffer(data[:4], np.uint32)[0])
    header = json.loads(data[4 : 4 + length])
    types = {"Float32Array": np.float32, "Uint8Array": np.uint8, "Int32Array": np.int32, "Uint32Array": np.uint32}
    body = data[4 + length :]
    return header, {
        name: np.frombuffer(body, types[kind], count, offset)
        for name, (kind, offset, count) in header.pop("blobs").items()
    }
