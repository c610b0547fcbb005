"""On my photo and pooling on the photo in Streamlit's own test harness: every setting draws or says why not."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.test_convolution import shown, tab


def labelled(group, label: str):
    """The widget with this label."""
    return next(each for each in group if each.label == label)


def said(app) -> str:
    """Captions and warnings."""
    return "\n".join(each.value for each in (*app.caption, *app.warning))


def test_presets_sizes_and_switches_say_what_they_do():
    app = tab("On my photo")
    assert "Its numbers add up to 0: an even area comes out as 0." in said(app)
    labelled(app.toggle, "Divide by sum").set_value(True).run()
    assert "there is nothing to divide by" in said(app)
    labelled(app.selectbox, "Kernel").set_value("The guide's cross").run()
    assert "add up to 5, and they are divided by that: an even area keeps its brightness." in said(app)
    labelled(app.toggle, "Divide by sum").set_value(False).run()
    assert "an even area comes out 5 times as bright." in said(app)
    labelled(app.button_group, "Size").set_value(5).run()
    assert labelled(app.selectbox, "Kernel").value == "My own"
    labelled(app.button_group, "Size").set_value(3).run()
    assert labelled(app.selectbox, "Kernel").value == "The guide's cross"
    assert not said(app).count("Something went wrong")


def test_a_network_without_weights_lends_noise_and_says_so():
    app = tab("On my photo", weights="random")
    labelled(app.button_group, "Kernel").set_value("network").run()
    assert "its kernels are noise" in said(app)
    labelled(app.selectbox, "Whose kernels").set_value("lenet5").run()
    assert "its kernels are noise" not in said(app)
    assert "LeNet-5 knows digits only" in said(app)
    assert "6 kernels of 1 × 5 × 5" in said(app)
    assert "first_kernels.borrowed(model, photo" in "\n".join(each.value for each in app.code)
    assert "Click one" in shown(app)


def pooling_page():
    """A page with nothing but the pooling of the photo."""
    import streamlit as st

    from pages.shared import selection
    from pages.shared.convolution import pooling_photo
    from pages.shared.convolution.pool_choice import PoolChoice

    pooling_photo.draw(selection.picture(), PoolChoice(**st.session_state["settings"]))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "43,520 pixels become 2,688; of each window the largest pixel is kept."),
        ({"kind": "average", "ceil_mode": True}, "43,520 pixels become 2,752; of each window the mean is kept."),
        ({"kind": "adaptive average", "size": (5, 7)}, "43,520 pixels become 35;"),
        ({"kind": "adaptive max"}, "43,520 pixels become 1;"),
        ({"kernel": (99, 99), "stride": (99, 99)}, "1 times is all there is: a window of 99 × 99 does not fit"),
        ({"padding": (2, 2)}, "A padding of 2 is more than half of the kernel (2); choose at most 1."),
    ],
)
def test_every_pooling_draws_or_says_why_not(settings, sentence):
    app = AppTest.from_function(pooling_page, default_timeout=60)
    app.session_state["settings"] = settings
    app.run()
    assert not app.exception
    assert sentence in said(app)
