"""A tuned network in the selection: chosen like any other, and gone without a crash."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from explorer import storage, training
from explorer.training import Plan, bundled


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv(storage.VARIABLE, str(tmp_path))


def chosen_page(query):
    """Takes a link over, and says what is chosen."""
    import streamlit as st

    from pages.shared import selection

    if "selection" not in st.session_state:
        st.session_state["selection"], complaints = selection.from_query(query, selection.Selection())
        selection.complain(complaints)
    st.text(selection.current().network)
    st.text(" ".join(st.session_state.get("complaints", [])))


def test_a_tuned_network_is_chosen_by_link_and_may_be_deleted_meanwhile():
    whole = bundled.get("digits")
    few = replace(whole, train=whole.train[::20], validation=whole.validation[::20])
    *_, last = training.fit(few, Plan(network="lenet5", epochs=1), device="cpu")
    run = training.get(last.run)
    page = AppTest.from_function(chosen_page, args=({"network": run.slug},), default_timeout=30).run()
    assert [text.value for text in page.text] == [run.slug, ""]
    shutil.rmtree(run.folder)
    page.run()
    assert not page.exception
    assert page.text[0].value == "efficientnet_lite0"
    assert "deleted" in page.text[1].value
    fresh = AppTest.from_function(chosen_page, args=({"network": run.slug},), default_timeout=30).run()
    assert fresh.text[0].value == "efficientnet_lite0"
    assert "does not exist" in fresh.text[1].value
