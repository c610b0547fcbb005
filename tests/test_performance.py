"""The table of networks against torchvision and the guide as noted beforehand; the front against brute force."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from explorer import catalogue, performance
from explorer.performance import checking, counting, guide, placing, records, views

REFERENCE = Path(__file__).parent / "reference"
FACTS = json.loads((REFERENCE / "guide_facts.json").read_text())

# What we count and torchvision prints differently, with the reason.
OTHER_PARAMETERS = {
    "inception_v3": "torchvision counts its auxiliary head, which only training uses; the app builds it without"
}
# Google counts more than convolutions and linear layers: 407, 631 and 899 million for our 385, 600 and 860.
OTHER_MACS = {f"efficientnet_lite{size}": "Google's count has more than products of weights" for size in range(3)}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return performance.table()


def test_there_is_every_network_with_every_version_of_its_weights(table):
    import torchvision
    from torchvision.models import get_model_weights, list_models

    assert list(table.columns) == list(performance.COLUMNS)
    assert list(dict.fromkeys(table["slug"])) == list(catalogue.titles(mine=False))
    for name in list_models(module=torchvision.models):
        if name in set(table["slug"]):
            assert set(table.loc[table["slug"] == name, "weights"]) == {e.name for e in get_model_weights(name)}
    assert set(list_models(module=torchvision.models)) <= set(table["slug"])
    assert (table.groupby("slug")["loaded"].sum() == 1).all()


def test_counts_are_torchvisions_for_all_its_classification_networks(table):
    from torchvision.models import get_model_weights

    theirs = table[table["source"] == "torchvision"]
    assert len(theirs) > 100
    for row in theirs.itertuples():
        meta = get_model_weights(row.slug)[row.weights].meta
        assert (row.parameters == meta["num_params"]) != (row.slug in OTHER_PARAMETERS), row.slug
        assert round(row.macs / 1e9, 3) == meta["_ops"], row.slug
        assert row.published_parameters == meta["num_params"]
        accuracy = meta["_metrics"].get("ImageNet-1K", {}).get("acc@1", math.nan)
        assert row.top1 == accuracy or (math.isnan(row.top1) and math.isnan(accuracy))


def test_inception_has_torchvisions_count_once_its_auxiliary_head_is_added(table):
    from torchvision.models import inception_v3

    whole = inception_v3(weights=None, init_weights=False)
    head = sum(parameter.numel() for parameter in whole.AuxLogits.parameters())
    row = table[table["slug"] == "inception_v3"].iloc[0]
    assert row["parameters"] + head == row["published_parameters"]


def test_figures_from_elsewhere_round_to_what_is_counted(table):
    others = table[(table["source"] != "torchvision") & table["published_macs"].notna()]
    assert set(others["slug"]) == {"mobilenet_v1", *OTHER_MACS}
    for row in others.itertuples():
        assert round(row.parameters / 1e5) == row.published_parameters / 1e5
        assert (round(row.macs / 1e6) == row.published_macs / 1e6) != (row.slug in OTHER_MACS)


@pytest.mark.parametrize("name", FACTS["torchvision"])
def test_counts_are_those_that_were_noted(table, name):
    noted = FACTS["torchvision"][name]["_own"]
    rows = table[table["slug"] == name]
    for side, macs in noted["macs"].items():
        shown = set(rows.loc[rows["input_px"] == int(side), "macs"])
        assert (shown or {counting.count(name, int(side)).macs}) == {macs}
    if name not in OTHER_PARAMETERS:
        assert noted["params"] in set(rows["parameters"])


@pytest.mark.parametrize(
    ("slug", "name"),
    [
        ("lenet5", "LeNet5"),
        ("alexnet_lrn", "AlexNet(guide)"),
        ("alexnet", "AlexNet(torchvision)"),
        ("vgg16", "vgg16"),
        ("vgg16_bn", "vgg16() as the guide builds it"),
        ("unet", "UNet(1,2) 256"),
    ],
)
def test_the_guides_own_networks_cost_what_was_noted(table, slug, name):
    row = table[table["slug"] == slug].iloc[0]
    assert (row["parameters"], row["macs"]) == (
        FACTS["guide_models"][name]["params"],
        FACTS["guide_models"][name]["macs"],
    )


# Side of the field of the last map, pixels, by the input's gradient in torchvision's networks with positive weights.
FIELDS = {
    "alexnet": 195,
    "vgg16": 212,
    "googlenet": 379,
    "resnet18": 435,
    "resnet50": 427,
    "mobilenet_v2": 491,
    "densenet121": 2071,
    "convnext_tiny": 1688,
}


def test_receptive_fields_are_those_that_were_measured_and_published(table):
    loaded = table[table["loaded"]].set_index("slug")
    for slug, field in FIELDS.items():
        assert loaded.loc[slug, "field_px"] == field
    # Araujo, Norris, Sim: Computing receptive fields of convolutional neural networks, Distill 2019.
    assert loaded.loc["inception_v3", "field_px"] == 1311
    assert loaded.loc["mobilenet_v1", "field_px"] == 315
    for slug in ("efficientnet_b0", "vit_b_16", "swin_t", "mobilenet_v3_large"):
        assert loaded.loc[slug, "whole_image"]
        assert math.isnan(loaded.loc[slug, "field_px"])


def test_depth_and_activation_memory_of_networks_that_one_can_work_out(table):
    loaded = table[table["loaded"]].set_index("slug")
    for depth in (18, 34, 50, 101, 152):
        assert loaded.loc[f"resnet{depth}", "depth"] == depth
    # LeNet-5: C1 and its tanh, S2, C3 and its tanh, S4, C5 and its tanh, C5 as a vector, F6 and its tanh, ten digits.
    numbers = 2 * 6 * 28**2 + 6 * 14**2 + 2 * 16 * 10**2 + 16 * 5**2 + 2 * 120 + 120 + 2 * 84 + 10
    assert loaded.loc["lenet5", "activation_mb"] == 4 * numbers / 1e6
    assert loaded.loc["lenet5", "file_mb"] == pytest.approx(4 * 61_706 / 1e6, rel=0.01)


@pytest.mark.parametrize("slug", catalogue.titles(mine=False))
def test_what_is_kept_is_what_is_counted_now(slug):
    """Every entry made anew; where this fails, ``python -m explorer.performance`` writes the file again."""
    assert [record for record in records.records() if record.slug == slug] == records.made(slug)


AS_KEPT = pytest.mark.skipif(
    json.loads(records.FILE.read_text())["torchvision"] != records.made_with(),
    reason="the kept file is another torchvision's; `python -m explorer.performance` makes this one's",
)


@AS_KEPT
def test_everything_is_kept_for_the_torchvision_that_is_installed():
    kept = json.loads(records.FILE.read_text())
    assert [entry["slug"] for entry in kept["records"]] == [record.slug for record in records.records()]


def test_a_network_that_is_not_kept_is_counted_and_another_torchvision_is_asked_anew(monkeypatch, tmp_path):
    kept = json.loads(records.FILE.read_text())
    others = [entry for entry in kept["records"] if entry["slug"] not in ("lenet5", "alexnet")]
    alexnet = next(entry for entry in kept["records"] if entry["slug"] == "alexnet")
    before = records.records()
    monkeypatch.setattr(records, "FILE", tmp_path / "kept.json")
    monkeypatch.setattr(catalogue, "titles", lambda mine=True: dict.fromkeys(("lenet5", "alexnet")))
    for name, top1 in ((records.made_with(), 12.5), ("0.0.1", 56.522)):
        records.FILE.write_text(json.dumps({"torchvision": name, "records": [*others, {**alexnet, "top1": 12.5}]}))
        records.records.cache_clear()
        lenet, found = records.records()
        assert lenet == before[0]
        assert found.top1 == top1
    records.records.cache_clear()


@AS_KEPT
def test_the_table_needs_no_torch():
    code = "import sys; from explorer import performance; performance.table(); performance.claims()"
    code += "\nassert not {'torch', 'torchvision'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=True)


def test_the_guides_ten_rows_stand_as_it_prints_them(table):
    noted = json.loads((REFERENCE / "guide_table.json").read_text())
    rows = table[table["ten"] & table["loaded"]]
    names = [row["model"] for row in noted]
    assert [title.replace("ConvNeXt-Tiny", "ConvNeXt-T") for title in rows["network"]] == names
    for row, said in zip(rows.itertuples(), noted, strict=True):
        assert row.claimed_year == said["year"]
        assert row.claimed_parameters == said["params"]
        assert row.claimed_macs == ("" if said["flops"] == "-" else said["flops"])
        if isinstance(said["top1"], str):
            assert row.claimed_top1.replace(" ", "") == said["top1"].replace(" ", "")
        else:
            assert row.claimed_top1 == f"{said['top1']} %"


def test_each_figure_that_differs_has_a_reason_and_no_other():
    found = performance.claims()
    assert len(found) == 10 * 4 - 1  # LeNet-5 has no FLOPs
    assert {(claim.slug, claim.column) for claim in found if not claim.agrees} == set(guide.NOTES)
    for claim in found:
        assert bool(claim.note) != claim.agrees
        assert "{" not in claim.note
        assert abs(claim.truth - claim.value) <= 0.08 * claim.value  # none is another order
    notes = {(claim.slug, claim.column): claim.note for claim in found}
    assert "76.13 %, its V2" in notes["resnet50", "top1"]
    assert "80.86 %" in notes["resnet50", "top1"]
    assert "61,706" in notes["lenet5", "parameters"]
    assert "85.30 % at 384 px" in notes["vit_b_16", "top1"]


@pytest.mark.parametrize(
    ("printed", "value", "digit"),
    [("61M", 61e6, 1e6), ("15.5G", 15.5e9, 1e8), ("60K", 60e3, 1e3), ("~99 % (MNIST)", 99, 1), ("75.3 %", 75.3, 0.1)],
)
def test_printed_figures_are_read(printed, value, digit):
    assert checking.parse(printed) == (pytest.approx(value), pytest.approx(digit))


def test_a_figure_agrees_if_ours_rounds_to_it():
    assert checking.rounds_to(61_100_840, "61M")
    assert not checking.rounds_to(62_378_344, "61M")
    assert not checking.rounds_to(25_557_032, "25M")  # cut off, not rounded
    assert checking.rounds_to(7_978_856, "8M")
    assert checking.rounds_to(99.46, "~99 % (MNIST)")
    assert not checking.rounds_to(69.778, "68.7 %")
    with pytest.raises(ValueError, match="no figure"):
        checking.parse("many")


def brute(x: np.ndarray, y: np.ndarray) -> list[bool]:
    """The front by its definition: less x, more y."""
    front = []
    for i in range(len(x)):
        beaten = any(x[j] <= x[i] and y[j] >= y[i] and (x[j] < x[i] or y[j] > y[i]) for j in range(len(x)) if j != i)
        front.append(not beaten and not math.isnan(x[i]) and not math.isnan(y[i]))
    return front


@pytest.mark.parametrize("seed", range(30))
def test_the_front_is_that_of_brute_force(seed):
    dice = np.random.default_rng(seed)
    points = dice.integers(0, 6, (dice.integers(0, 40), 2)).astype(float)  # few values: ties and equal points
    points[dice.random(points.shape) < 0.1] = np.nan
    frame = pd.DataFrame(points, columns=["cost", "gain"], index=dice.permutation(len(points)))
    found = performance.pareto(frame, "cost", "gain")
    assert list(found.index) == list(frame.index)
    assert list(found) == brute(*points.T)
    for better in ((-1, -1), (+1, +1), (+1, -1)):
        turned = points * (-better[0], better[1])
        assert list(performance.pareto(frame, "cost", "gain", better=better)) == brute(*turned.T)


def test_the_front_of_real_networks_and_its_corners(table):
    front = performance.pareto(table, "macs", "top1")
    x, y = table["macs"].to_numpy(float), table["top1"].to_numpy(float)
    assert list(front) == brute(x, y)
    assert front[x == x[~np.isnan(y)].min()].all()  # the cheapest
    assert not front[np.isnan(y)].any()
    with_missing = pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64"), "b": [1.0, 5.0, 1.0]})
    assert list(performance.pareto(with_missing, "a", "b")) == [True, False, False]
    same = pd.DataFrame({"a": [1, 1, 1], "b": [2, 2, 1]})
    assert list(performance.pareto(same, "a", "b")) == [True, True, False]
    endless = pd.DataFrame({"a": [np.inf, 1.0, np.inf], "b": [9.0, 1.0, np.inf]})
    assert list(performance.pareto(endless, "a", "b")) == brute(*endless.to_numpy().T)
    with pytest.raises(ValueError, match="-1"):
        performance.pareto(same, "a", "b", better=(0, 1))


def test_limits_keep_what_is_known_to_fit(table):
    small = performance.within(table, most={"parameters": 10e6})
    assert set(small["slug"]) == {row.slug for row in table.itertuples() if row.parameters <= 10e6}
    measured = performance.with_latency(table, {"resnet18": 20.0, "vit_b_16": 90.0})
    assert set(performance.within(measured, most={"latency_ms": 50})["slug"]) == {"resnet18"}
    vgg = performance.within(table, families=["VGG"], years=(2014, 2014), most={"macs": None})
    assert set(vgg["slug"]) == {f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")}
    assert performance.within(table, years=(1999, 2011)).empty


def test_a_latency_belongs_to_the_size_it_was_measured_at(table):
    rows = performance.with_latency(table, {"vit_b_16": 90.0}).set_index("weights")
    rows = rows[rows["slug"] == "vit_b_16"]
    assert rows.loc["IMAGENET1K_V1", "latency_ms"] == rows.loc["IMAGENET1K_SWAG_LINEAR_V1", "latency_ms"] == 90.0
    assert math.isnan(rows.loc["IMAGENET1K_SWAG_E2E_V1", "latency_ms"])  # 384 px


def test_the_view_places_dots_lines_front_and_claims(table):
    ten = table[table["ten"] & table["loaded"]]
    seen = views.view(ten, "parameters", "top1", area="macs", chosen="resnet50")
    slugs = list(ten["slug"].iloc[seen.rows])
    assert seen.missing == ("LeNet-5",)
    assert (seen.x.log, seen.y.log) == (True, False)
    assert seen.across[slugs.index("resnet50")] == pytest.approx(25.557032)
    assert [slugs[i] for i in seen.front] == ["mobilenet_v2", "efficientnet_b0", "resnet50", "convnext_tiny"]
    said = {slugs[dot]: (x, y) for dot, x, y in seen.claimed}
    assert said["resnet50"] == (25.0, 75.3)
    assert said["efficientnet_b0"] == (pytest.approx(5.288548), 77.1)  # its 5.3M agrees: the dot's own place
    assert "vgg16" not in said
    vgg, mobile = (seen.diameter[slugs.index(slug)] for slug in ("vgg16", "resnet50"))
    assert (vgg / mobile) ** 2 == pytest.approx(15.470264320 / 4.089184256)
    everything = table[table["source"] != "none"]
    seen = views.view(everything, "macs", "top1", colour="year")
    slugs, loaded = everything["slug"].iloc[seen.rows].to_numpy(), everything["loaded"].iloc[seen.rows].to_numpy()
    assert not seen.claimed
    assert seen.shade is not None
    assert ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"] in [
        list(slugs[list(line)]) for line in seen.lines
    ]
    assert {slugs[a] for a, b in seen.versions if everything["weights"].iloc[seen.rows[b]] == "IMAGENET1K_V1"} >= {
        "resnet50"
    }
    assert all(loaded[a] and not loaded[b] and slugs[a] == slugs[b] for a, b in seen.versions)
    assert views.view(table, "depth", "top1").front == ()  # neither deep nor shallow is better
    nothing = views.view(table[table["slug"] == "unet"], "macs", "top1")
    assert len(nothing.rows) == 0
    assert nothing.names == ()


@pytest.mark.parametrize(("width", "height", "least"), [(285, 400, 14), (800, 500, 35)])
def test_names_collide_with_no_name_and_cover_no_dot(table, width, height, least):
    loaded = table[table["loaded"]]
    for x, y, chosen in (("parameters", "top1", "vgg11"), ("macs", "top1", "yolo"), ("year", "depth", "resnet152")):
        seen = views.view(loaded, x, y, area="macs", chosen=chosen, width=width, height=height)
        middle = np.stack([seen.x.share(seen.across) * width, seen.y.share(seen.up) * height], axis=1)
        assert ((middle >= 0) & (middle <= (width, height))).all()
        boxes = []
        for name in seen.names:
            wide = 6.2 * len(name.text)  # what 12-pixel letters take
            left, bottom = middle[name.index] + (name.right - wide / 2, name.up - 6.5)
            boxes.append((left, bottom, left + wide, bottom + 13))
            inside = (middle > (left, bottom)) & (middle < (left + wide, bottom + 13))
            assert name.led or not inside.all(axis=1).any()  # what must be named may cover a dot, far from its own
        for i, a in enumerate(boxes):
            assert not any(a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3] for b in boxes[:i])
        if x != "year":
            assert len(boxes) >= least
        if chosen in set(loaded["slug"].iloc[seen.rows]):
            assert loaded["network"][loaded["slug"] == chosen].iloc[0] in [name.text for name in seen.names]


@pytest.mark.parametrize(("width", "height"), [(285, 380), (800, 450)])
def test_the_front_is_named_whatever_is_crowded(table, width, height):
    for rows in (table, table[table["loaded"]], table[table["ten"] & table["loaded"]]):
        for x in ("parameters", "macs", "activation_mb", "file_mb"):
            for y in ("top1", "top5"):
                seen = views.view(rows, x, y, area="macs", chosen="resnet50", width=width, height=height)
                assert set(seen.front) <= {name.index for name in seen.names}, (x, y, len(rows))


def test_an_axis_of_accuracies_never_makes_a_mountain_of_a_tenth(table):
    two = table[table["loaded"] & table["slug"].isin(["resnet50", "resnet18"])].assign(top1=[80.0, 80.1])
    # 0.1 points become 2: 0.95 more on each side, and 6 % of the two beyond the dots.
    assert views.view(two, "parameters", "top1").y.ends == pytest.approx((80 - 0.95 - 0.12, 80.1 + 0.95 + 0.12))
    wide = two.assign(top1=[70.0, 80.0])
    assert views.view(wide, "parameters", "top1").y.ends == pytest.approx((70 - 0.6, 80 + 0.6))
    alike = two.assign(year=2015)
    assert views.view(alike, "year", "top1").x.ends == pytest.approx((2014.5, 2015.5))


@pytest.mark.parametrize("times", [(21.0, 24.0), (21.0, 29.0), (20.0, 53.0), (7.0, 40.0), (0.012, 0.1), (2.0, 900.0)])
def test_a_short_logarithmic_axis_has_ticks(table, times):
    from explorer.figures.performance import chart

    measured = dict(zip(("resnet18", "vgg16"), times, strict=True))
    rows = performance.with_latency(table, measured).dropna(subset=["latency_ms"])
    seen = views.view(rows, "latency_ms", "top1")
    axis = chart(seen, rows, "").layout.xaxis
    if math.log10(times[1] / times[0]) * 1.12 < 1:
        assert 3 <= len(axis.tickvals) <= 8
        assert all(
            10 ** seen.x.ends[0] <= tick * 1.001 and tick <= 10 ** seen.x.ends[1] * 1.001 for tick in axis.tickvals
        )
        steps = {f"{tick:.2g}" for tick in axis.tickvals}
        assert len(steps) == len(axis.tickvals)  # round numbers, none twice
    else:
        assert axis.tickvals is None


def test_a_name_crosses_a_line_only_if_it_must():
    dot, size = np.array([[50.0, 50.0]]), (200.0, 100.0)
    names = placing.place(dot, np.array([10.0]), ["net"], [0], size)
    assert names[0].right > 0  # the natural place is at the right
    line = np.array([[50.0, 50.0], [200.0, 50.0]])
    assert placing.place(dot, np.array([10.0]), ["net"], [0], size, [line])[0].right < 0
    everywhere = [np.array([[0.0, y], [200.0, y]]) for y in range(0, 100, 4)]
    assert len(placing.place(dot, np.array([10.0]), ["net"], [0], size, everywhere)) == 1
    assert placing.place(dot, np.array([10.0]), ["n" * 40], [0], size) == ()


def test_the_figure_draws_the_view(table):
    from explorer.figures.performance import chart

    ten = table[table["ten"] & table["loaded"]]
    seen = views.view(ten, "parameters", "top1", area="macs", chosen="resnet50")
    figure = chart(seen, performance.with_latency(ten, {"resnet50": 31.25}), "resnet50")
    dots = next(trace for trace in figure.data if trace.customdata is not None and len(trace.x) == len(seen.rows))
    places = dict(zip(dots.customdata, zip(dots.x, dots.y, strict=True), strict=True))
    assert places["vgg16"] == (pytest.approx(138.357544), 71.592)
    hover = dict(zip(dots.customdata, dots.text, strict=True))
    assert "31.2 ms" in hover["resnet50"]
    assert "25.56 M parameters · 4.09 G MACs" in hover["resnet50"]
    assert "sees whole image" in hover["vit_b_16"]
    assert "nan" not in "".join(hover.values())
    rings = [trace for trace in figure.data if trace.marker.symbol == "circle-open"]
    assert [list(trace.y) for trace in rings] == [[80.858]]
    stairs = next(trace for trace in figure.data if trace.line.dash == "dash")
    assert stairs.line.shape == "hv"
    assert list(stairs.y) == sorted(stairs.y)
    assert {note.text for note in figure.layout.annotations} == {name.text for name in seen.names}
    every = performance.with_latency(table, {})
    for x, y, colour in (("depth", "field_px", "macs"), ("top1", "year", "year"), ("latency_ms", "top1", "latency_ms")):
        shown = views.view(every, x, y, colour=colour)
        assert len(chart(shown, every, "").data)
