"""The Chart tab of the Performance page in Streamlit's own test harness."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from explorer import catalogue, performance, storage
from pages.shared.performance import choices, measured
from pages.shared.performance import table as table_view
from tests.pages.test_pages import captions, opened, read


def tab() -> None:
    """The tab alone."""
    from pages.shared.performance import chart

    chart.draw()


@pytest.fixture(autouse=True)
def _nothing_measured(tmp_path, monkeypatch):
    monkeypatch.setenv(storage.VARIABLE, str(tmp_path))  # whatever other tests of this session have measured


@pytest.fixture
def app() -> AppTest:
    found = AppTest.from_function(tab, default_timeout=60).run()
    assert not found.exception
    assert not found.warning
    return found


def shown(app: AppTest) -> list[str]:
    """The networks of the table."""
    return list(app.dataframe[0].value["network"])


def preset(app: AppTest, name: str) -> None:
    """Clicks one of the pills."""
    app.pills(key="perf-preset").set_value(name).run()
    assert not app.exception


def slug_of(title: str) -> str:
    table = performance.table()
    return table.loc[table["network"] == title, "slug"].iloc[0]


def test_it_opens_with_the_guides_ten_its_figures_and_a_note_for_each_that_differs(app):
    assert [slug_of(title) for title in shown(app)] == list(performance.TEN)
    frame = app.dataframe[0].value.set_index("network")
    assert frame.loc["ResNet-50", "guide: top-1"] == "75.3 % ⁵"
    assert frame.loc["ResNet-50", "top-1, %"] == 80.858
    assert frame.loc["VGG-16", "guide: parameters"] == "138M"
    assert frame.loc["LeNet-5", "elsewhere"] == "99.46 % on MNIST"
    text = "\n".join(read(each.value) for each in app.markdown)
    noted = [claim for claim in performance.claims() if claim.note]
    for number, claim in enumerate(noted, start=1):
        assert f"{number}. **{claim.what}**, {claim.printed}: {claim.note}" in text
    assert "**ConvNeXt-Tiny**, **ResNet-50**, **EfficientNet-B0**, **MobileNetV2**" in text
    assert "Not drawn, for want of Top-1: LeNet-5." in captions(app)


def test_presets_and_limits_leave_what_keeps_to_them(app):
    table = performance.table()
    preset(app, "Under 10 M parameters")
    light = set(table.loc[table["parameters"] <= 10e6, "network"])
    assert set(shown(app)) == light
    assert f"{len(light)} of {table['slug'].nunique()} networks" in captions(app)
    app.multiselect(key="perf-families").set_value(["EfficientNet"]).run()
    assert shown(app) == ["EfficientNet-B0", "EfficientNet-B1", "EfficientNet-B2"]
    assert app.session_state["perf-preset"] is None  # what is shown is no preset any more
    app.selectbox(key="perf-macs").set_value(0.1e9).run()
    assert not app.dataframe
    assert "No network keeps to all of these limits" in app.info[0].value
    preset(app, "All networks")
    assert set(shown(app)) == set(table["network"])
    app.toggle(key="perf-versions").set_value(True).run()
    assert len(shown(app)) == len(table)
    assert not app.exception


def test_every_number_can_be_an_axis_an_area_and_a_colour(app):
    preset(app, "All networks")
    for column in performance.METRICS:
        app.selectbox(key="perf-x").set_value(column).run()
        assert not app.exception, column
        assert not app.warning, column
    app.selectbox(key="perf-x").set_value("top1").run()
    for column in ("depth", "field_px", "input_px"):
        app.selectbox(key="perf-y").set_value(column).run()
        assert not app.warning, column
    for key in ("perf-area", "perf-colour"):
        for column in ("latency_ms", "file_mb", "macs"):
            app.selectbox(key=key).set_value(column).run()
            assert not app.warning, (key, column)


def test_without_measurements_macs_stand_in_for_latency_and_a_button_leads_to_them(app):
    preset(app, "Fits my latency")
    assert "None of these has been measured on this device yet" in app.info[0].value
    assert len(shown(app)) == performance.table()["slug"].nunique()
    assert "MACs" in " ".join(read(each.value) for each in app.markdown)
    assert app.button(key="performance-measure").label == "Measure the 10 smallest of these"
    app.button(key="performance-measure").click().run()
    assert app.session_state["performance-tab"] == "Benchmark here"
    table = performance.table()
    smallest = table[table["loaded"]].sort_values("macs")["slug"].head(10)
    assert app.session_state["benchmark-networks"] == list(smallest)
    assert set(smallest) <= set(catalogue.titles())
    assert app.session_state["benchmark-batches"] == [1]


def test_measured_are_those_of_the_view_whatever_their_speed(app):
    preset(app, "Fits my latency")
    app.multiselect(key="perf-families").set_value(["ViT"]).run()
    assert app.button(key="performance-measure").label == "Measure these"
    app.button(key="performance-measure").click().run()
    table = performance.table()
    assert set(app.session_state["benchmark-networks"]) == set(table.loc[table["family"] == "ViT", "slug"])


def test_only_what_was_not_measured_goes_into_the_plan(monkeypatch):
    monkeypatch.setattr(measured, "latencies", lambda: {"vit_b_16": 90.0, "vit_b_32": 40.0})
    app = AppTest.from_function(tab, default_timeout=60).run()
    preset(app, "Fits my latency")
    app.multiselect(key="perf-families").set_value(["ViT"]).run()
    assert shown(app) == ["ViT-B/32"]
    app.button(key="performance-measure").click().run()
    table = performance.table()
    vits = set(table.loc[table["family"] == "ViT", "slug"])
    assert set(app.session_state["benchmark-networks"]) == vits - {"vit_b_16", "vit_b_32"}


def test_where_all_that_were_measured_are_too_slow_it_is_said(monkeypatch):
    monkeypatch.setattr(measured, "latencies", lambda: {"vgg16": 180.0})
    app = AppTest.from_function(tab, default_timeout=60).run()
    preset(app, "Fits my latency")
    words = [each.value for each in app.info]
    assert "The one measured network is slower than 50 ms; allow more, or measure others." in words


def test_a_network_that_beats_all_others_is_named_alone(app):
    preset(app, "The guide's ten")
    app.selectbox(key="perf-x").set_value("top5").run()
    ten = performance.table().query("ten and loaded")
    best = ten.loc[ten["top1"].idxmax(), "network"]
    assert ten.loc[ten["top5"].idxmax(), "network"] == best  # so nothing else is on the front
    text = "\n".join(read(each.value) for each in app.markdown)
    assert f"On the Pareto front: **{best}** alone." in text


def test_what_was_measured_here_is_the_latency(monkeypatch):
    monkeypatch.setattr(measured, "latencies", lambda: {"resnet18": 21.5, "vgg16": 180.0, "mobilenet_v2": 9.0})
    app = AppTest.from_function(tab, default_timeout=60).run()
    assert not app.info
    preset(app, "Fits my latency")
    networks = performance.table()["slug"].nunique()
    assert f"{networks - 3} of {networks} networks have no latency" in app.info[0].value
    assert shown(app) == ["ResNet-18", "MobileNetV2"]
    text = "\n".join(read(each.value) for each in app.markdown)
    assert (
        "**2 measured networks answer one image within 50 ms** on this device; 1 of the measured ones is slower" in text
    )
    assert list(app.dataframe[0].value["latency, ms"]) == [21.5, 9.0]
    monkeypatch.setattr("explorer.benchmark.latencies", measured.latencies)
    names: dict[str, pd.DataFrame] = {}
    exec(app.code[0].value, names)
    assert list(names["shown"]["network"]) == shown(app)
    assert list(names["front"]["network"]) == ["MobileNetV2"]  # faster, and named more rightly
    preset(app, "All networks")
    app.selectbox(key="perf-x").set_value("latency_ms").run()
    assert f"Not drawn, for want of Latency or Top-1: {networks - 3} networks." in captions(app)


@pytest.mark.parametrize(
    "steps",
    [
        {},
        {"perf-preset": "Under 10 M parameters", "perf-y": "depth", "perf-x": "macs"},
        {"perf-preset": "All networks", "perf-families": ["ViT", "Swin"], "perf-x": "top1", "perf-y": "top5"},
        {"perf-preset": "The guide's networks", "perf-years": (2014, 2019), "perf-versions": True, "perf-y": "file_mb"},
    ],
    ids=["as it opens", "limits", "families", "years"],
)
def test_the_code_gives_what_is_shown(app, steps):
    for key, value in steps.items():
        widgets = (*app.pills, *app.selectbox, *app.multiselect, *app.toggle, *app.slider)
        next(widget for widget in widgets if widget.key == key).set_value(value).run()
    names: dict[str, pd.DataFrame] = {}
    exec(app.code[0].value, names)
    assert list(names["shown"]["network"]) == shown(app)
    front = next((each.value for each in app.markdown if each.value.startswith("On the Pareto front")), "")
    if "front" in names and len(names["shown"].dropna(subset=[app.selectbox(key="perf-y").value])) > 1:
        up = app.selectbox(key="perf-y").value
        best = names["front"].sort_values(up, ascending=performance.METRICS[up].better < 0)
        for title in list(dict.fromkeys(best["network"]))[:8]:
            assert f"**{title}**" in read(front)
    else:
        assert not front


def test_the_page_is_in_the_navigation_and_needs_no_loaded_network():
    app = opened("performance", network="vgg16")
    assert app.title[0].value == "What does each design cost and buy?"
    assert "The ring is VGG-16." in captions(app)
    assert not app.warning


def test_a_csv_has_all_columns(app, monkeypatch):
    assert [button.label for button in app.get("download_button")] == ["CSV"]
    given = []
    monkeypatch.setattr(table_view.st, "download_button", lambda label, data, **_: given.append((label, data)))
    app.run()
    ((label, data),) = given
    assert label == "CSV"
    back = pd.read_csv(io.StringIO(data))
    assert list(back.columns) == [*performance.COLUMNS, "latency_ms"]
    table = performance.table()
    assert list(back["parameters"]) == list(table.loc[table["ten"] & table["loaded"], "parameters"])


def test_presets_are_told_apart_by_what_they_set():
    known = choices.presets((1998, 2022))
    assert len({str(sorted(values.items(), key=str)) for values in known.values()}) == len(known)
    assert len({tuple(sorted(values)) for values in known.values()}) == 1  # each sets everything that another one does
