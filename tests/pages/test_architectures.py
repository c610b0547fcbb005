"""The Architectures page in Streamlit's own test harness."""

from __future__ import annotations

import json

import pytest

from explorer import catalogue
from pages.shared.text import count
from tests.pages.test_pages import captions, opened, read

FACTS = {"resnet50": (25_557_032, 4_089_184_256), "vgg16": (138_357_544, 15_470_264_320), "unet": (31_042_434, None)}


def words(app) -> str:
    """All text of the page."""
    return "\n".join(read(each.value).replace("**", "") for each in (*app.markdown, *app.caption))


@pytest.mark.parametrize("slug", FACTS)
def test_the_head_has_the_published_totals_and_no_weights_are_loaded(slug):
    app = opened("architectures", network=slug)
    metrics = {metric.label: metric.value for metric in app.metric}
    parameters, macs = FACTS[slug]
    assert metrics["Parameters"] == count(parameters)
    if macs:
        assert metrics["MACs"] == count(macs)
    assert not app.warning  # nothing was asked of the network, so nothing had to be fetched
    assert catalogue.get(slug).caveat in words(app)


@pytest.mark.parametrize("slug", [*catalogue.CATALOGUE, "swin_t", "maxvit_t", "regnet_x_400mf", "inception_v3"])
def test_every_network_can_be_seen(slug):
    app = opened("architectures", network=slug)
    assert read(app.subheader[0].value).startswith(catalogue.get(slug).title)
    assert not app.warning


def test_claims_stand_beside_what_is_true():
    app = opened("architectures", network="alexnet")
    table = next(read(each.value) for each in app.markdown if "the guide" in each.value)
    assert "| Parameters | 61M | 61,100,840 | 61,100,840 |" in table
    assert "724M | 714,188,480 at 224 px | 0.714 G" in table
    assert "56.5 %" in table


def test_a_link_to_a_layer_opens_it_with_its_numbers_and_its_activations():
    app = opened("architectures", network="efficientnet_lite0", layer="features.2.0.block.1.0")
    text = words(app)
    assert "A convolution that pads its input" in text
    assert "In: 96 × 112 × 112" in text
    assert "Out: 96 × 56 × 56" in text
    assert "Parameters: 864 (below 0.1 % of all)" in text
    assert any(r"\left\lceil \frac{112}{2} \right\rceil = 56" in each.value for each in app.caption)
    assert "ImageNet: the channels that answer most strongly" in captions(app)


@pytest.mark.parametrize("slug", ["resnet18", "densenet121", "vit_b_32", "lenet5", "yolo", "unet", "mobilenet_v2"])
@pytest.mark.parametrize("tab", ["Ideas and blocks", "Code", "Timeline", "Scaling lab"])
def test_tabs_open_for_every_kind_of_network(slug, tab):
    app = opened("architectures", network=slug)
    app.session_state["architecture-tab"] = tab
    app.run()
    assert not app.exception
    assert not app.warning
    if tab == "Code":
        assert "class " in app.code[-1].value


def test_the_table_and_the_graph_can_be_kept():
    from pages.shared import cache, depth_charts

    graph = cache.graph("lenet5")
    rows = [depth_charts.row(node) for node in graph.nodes]
    assert sum(row["parameters"] for row in rows) == 61_706
    lines = depth_charts.table(rows).decode().splitlines()
    assert lines[0].startswith("layer,operation,output,parameters,MACs")
    assert lines[1].startswith("c1,Conv2d,6 × 28 × 28,156,117600")
    kept = json.loads(depth_charts.as_json(catalogue.get("lenet5"), graph))
    assert (kept["params"], kept["macs"], kept["input_shape"]) == (61_706, 416_520, [1, 1, 32, 32])
    assert [node["name"] for node in kept["nodes"]][:2] == ["c1", "activation1"]
    assert kept["nodes"][1]["inputs"] == ["c1"]


@pytest.mark.parametrize("kind", ["params", "macs", "memory", "field", "time", "zeros", "dead"])
def test_every_paint_gives_each_box_a_share_and_a_text(kind):
    from explorer import models
    from explorer.graph.folding import fold
    from pages.shared import cache, painting, pictures

    model = models.load("efficientnet_lite0", device="cpu")
    graph = cache.graph("efficientnet_lite0")
    folded = fold(graph)
    paint = painting.paint(kind, graph, folded, model, pictures.find("coffee"))
    assert paint is not None
    assert set(paint.values) == set(paint.texts)
    assert {box.key for box in folded.boxes if box.nodes and box.module} <= set(paint.values)
    assert all(0 <= value <= 1 for value in paint.values.values())
    if kind in ("params", "macs", "memory"):
        assert max(paint.values.values()) == 1
    if kind == "params":
        total = sum(box.params for box in folded.boxes)
        assert total == 4_652_008
    if kind == "zeros":
        from explorer import activations

        maps = activations.feature_maps(model, pictures.find("coffee").open(), ["features.0"])["features.0"]
        assert paint.values["features.0"] == pytest.approx((maps.values == 0).mean(), abs=1e-6)


def test_a_link_with_networks_to_compare_opens_them():
    app = opened("architectures", compare="efficientnet_lite0,efficientnet_lite1")
    assert app.multiselect[0].value == ["efficientnet_lite0", "efficientnet_lite1"]
    assert not app.warning
    assert not app.exception


@pytest.mark.parametrize("text", ["resnet18", "a,b", "resnet18,resnet18", "resnet18,resnet34,vgg11,vgg13,vgg16"])
def test_a_link_with_an_impossible_comparison_is_survived(text):
    app = opened("architectures", compare=text)
    assert read(app.warning[0].value).startswith("The link asks for the compare")
    assert not app.exception


def test_a_failure_is_one_kind_sentence(monkeypatch):
    from explorer import measures
    from pages.shared import cache

    app = opened("architectures")
    cache.summaries.clear()  # another page may have asked for them

    def fail(*_, **__):
        raise RuntimeError("no clock")

    monkeypatch.setattr(measures, "summaries", fail)
    app.selectbox(key="diagram-paint").set_value("zeros").run()
    assert not app.exception
    assert "Something went wrong here" in app.warning[-1].value
