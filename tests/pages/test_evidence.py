"""The tabs Trust and Intervene in Streamlit's own test harness, on small networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from explorer import activations, attribution, catalogue, intervention, predict, trust
from explorer.architectures.vit import VisionTransformer
from explorer.errors import Cancelled
from explorer.models import Model
from explorer.preprocessing import Preprocessing
from pages.shared import long_run, pictures
from pages.shared.evidence import agreeing, intervene
from pages.shared.evidence import trust as trusting
from pages.shared.evidence.asked import Asked
from pages.shared.selection import Selection
from pages.shared.text import number
from tests.architectures.live_weights import make_live
from tests.conftest import wrapped
from tests.pages.test_pages import read
from tests.test_capture import hooks


def trust_page(model, method="grad_cam", against=None):
    """A page with nothing but the Trust tab."""
    from explorer import activations, attribution
    from pages.shared import pictures
    from pages.shared.evidence import trust

    picture, layer = pictures.find("chelsea"), activations.default_layer(model).name
    trust.draw(model, picture, attribution.attribute(model, picture.open(), method, 5, layer, against=against))


def completeness_page(model, found):
    """A page with the Trust tab of a map, and what stands under the map itself."""
    from pages.shared import pictures
    from pages.shared.evidence import options, trust

    options.against(found)
    trust.draw(model, pictures.find("chelsea"), found)


def intervene_page(model, method="grad_cam", against=None):
    """A page with nothing but the Intervene tab."""
    from explorer import activations, attribution
    from pages.shared import pictures
    from pages.shared.evidence import intervene

    picture, layer = pictures.find("chelsea"), activations.default_layer(model).name
    quick = {"window": 16, "stride": 16} if method == "occlusion" else {}
    found = attribution.attribute(model, picture.open(), method, 5, layer, against=against, **quick)
    intervene.draw(model, picture, found, found.layer)


def shown(app) -> str:
    """All that a person reads."""
    return "\n".join(read(each.value) for each in (*app.markdown, *app.caption))


def labelled(group, label: str):
    """The widget whose label starts like this."""
    return next(each for each in group if each.label.startswith(label))


@pytest.fixture
def photo():
    return pictures.find("chelsea").open()


@pytest.fixture(scope="module")
def vit():
    """A vision transformer of two blocks and four heads."""
    module = VisionTransformer(image_size=32, patch_size=8, num_classes=10, dim=32, depth=2, heads=4)
    make_live(module, torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
    return wrapped(module, catalogue.get("vit_b_16"), Preprocessing(resize=37, crop=32), classes=10)


def test_what_trust_says_is_what_its_code_computes(resnet18, photo):
    app = AppTest.from_function(trust_page, args=(resnet18,), default_timeout=120).run()
    for label in ("Check it", "Let it forget", "Check integrated gradients"):
        labelled(app.button, label).click().run()
    assert not app.exception
    names = {"model": resnet18, "photo": photo}
    exec(app.code[0].value, names)
    text = shown(app)
    assert "\n**" + names["inside"].sentence + "**" in text
    assert names["curves"].sentence in text
    assert names["curves"].verdict in text
    assert f"**{names['forgetting'].sentence}**" in text
    complete = names["complete"]
    assert f"sum to {number(round(float(complete.raw.sum(dtype=np.float64)), 3))};" in text
    methods = [attribution.METHODS[key].title for key in names["agreements"].methods]
    assert len(methods) > 5
    assert _said(methods, names["agreements"]) in text
    # All of it is kept: another run offers nothing that is known.
    app.run()
    assert names["curves"].sentence in shown(app)
    assert [each.label for each in app.button if "passes" in each.label and "Ask" not in each.label] == []


def test_one_class_against_another_is_asked_so_in_every_measurement(resnet18, photo):
    app = AppTest.from_function(trust_page, args=(resnet18, "grad_cam", 7), default_timeout=120).run()
    for label in ("Let it forget", "Check integrated gradients"):
        labelled(app.button, label).click().run()
    names = {"model": resnet18, "photo": photo}
    exec(app.code[0].value, names)
    logits = predict.logits(resnet18, photo)
    rise = logits[5] - logits[7] - _lead_of_the_baseline(resnet18, names["complete"])
    assert names["complete"].difference == pytest.approx(rise, abs=1e-4)
    text = shown(app)
    assert "the lead of “class 5” over “class 7”, in logits, gains" in text
    assert f"**{names['forgetting'].sentence}**" in text
    assert names["forgetting"].original.against == 7
    assert {each.against for each in names["maps"]} == {7}


def _said(titles, agreements) -> str:
    """Which is most like the first map, and which least."""
    own = np.where(np.arange(len(titles)) == 0, np.nan, agreements.correlation[0])
    most, least = np.nanargmax(own), np.nanargmin(own)
    values = [f"{own[place]:.2f}".replace("-", "−") for place in (most, least)]
    first = f"{titles[0]}'s map is most like {titles[most]}'s (rank correlation {values[0]})"
    return f"{first} and least like {titles[least]}'s ({values[1]})"


def test_what_other_networks_say_is_what_the_code_computes(lite0, photo):
    app = AppTest.from_function(trust_page, args=(lite0, "layer_cam", 7), default_timeout=120).run()
    labelled(app.button, "Ask them").click().run()
    assert not app.exception
    names = {"model": lite0, "photo": photo}
    slow = ("curves =", "forgetting =", "complete =", "print(")
    exec("\n".join(line for line in app.code[0].value.splitlines() if not line.startswith(slow)), names)
    titles = ["EfficientNet-Lite0", "EfficientNet-Lite1", "EfficientNet-Lite2"]
    assert [each.card.title for each in names["others"]] == titles[1:]
    assert {each.against for each in names["theirs"]} == {7}
    assert _said(titles, names["between"]) in shown(app)


def test_asking_other_networks_counts_their_passes_and_hears_stop(resnet18, photo, monkeypatch):
    twin = intervention.intervened(resnet18, [intervention.Intervention("layer1", (0,))])
    found = attribution.attribute(resnet18, photo, "superpixels", 5, segments=25)
    asked = Asked(resnet18, pictures.find("chelsea"), found, 0.01)
    one, slugs = asked.effort.passes, ["resnet34", "resnet50"]

    def load(slug, weights, device, *, progress):
        progress(1, 100)  # bytes
        return twin

    monkeypatch.setattr("explorer.models.load", load)
    told: list[tuple[int, int]] = []
    result = agreeing._beside(asked, slugs, lambda *step: told.append(step), lambda: False)
    assert len(result.found) == 3
    assert {total for _, total in told} == {2 * one}
    assert told == sorted(told)
    assert {done // one for done, _ in told} >= {0, 1}
    assert len({done for done, _ in told}) > 4
    del told[:]
    with pytest.raises(Cancelled, match="passes"):
        agreeing._beside(asked, slugs, lambda *step: told.append(step), lambda: bool(told) and told[-1][0] > one)
    assert one < told[-1][0] < 2 * one  # in the middle of the second one
    del told[:]
    with pytest.raises(Cancelled, match="Stopped after 0 of 2 networks"):  # while its weights are on their way
        agreeing._beside(asked, slugs, lambda *step: told.append(step), lambda: len(told) == 2)
    assert told == [(0, 2 * one)] * 2


def test_a_network_that_does_not_know_one_of_the_two_classes_is_left_out(resnet18, photo, monkeypatch):
    names = tuple("another" if index == 7 else name for index, name in enumerate(resnet18.classes))
    other = Model(resnet18.card, resnet18.module, resnet18.weights, resnet18.device, names, resnet18.preprocessing, "x")
    monkeypatch.setattr("explorer.models.load", lambda *_, **__: other)
    for against, left_out in ((7, 1), (8, 0)):
        found = attribution.attribute(resnet18, photo, "grad_cam", 5, against=against)
        asked = Asked(resnet18, pictures.find("chelsea"), found, 0.01)
        result = agreeing._beside(asked, ["resnet34"], lambda *_: None, lambda: False)
        assert len(result.left_out) == left_out
        assert all("“class 7”" in sentence for sentence in result.left_out)


def _lead_of_the_baseline(model, complete) -> float:
    with torch.no_grad():
        logits = model.module(model.preprocessing.normalise(complete.baseline))[0]
    return float(logits[5] - logits[7])


def test_the_number_of_passes_is_the_one_on_the_button(resnet18, photo):
    totals = set()
    found = attribution.attribute(resnet18, photo, "grad_cam", 5)
    trust.deletion_insertion(resnet18, photo, found, progress=lambda _, total: totals.add(total))
    app = AppTest.from_function(trust_page, args=(resnet18,), default_timeout=120).run()
    assert f"{totals.pop()} passes" in labelled(app.button, "Check it").label


def test_code_names_options_and_the_other_class(resnet18, photo):
    found = attribution.attribute(resnet18, photo, "smooth_grad", 5, against=7, samples=2)
    code = trusting.lines(found, (0.0, 0.0, 32.0, 32.0)).splitlines()
    names = {"model": resnet18, "photo": photo}
    exec("\n".join(code[:4]), names)
    np.testing.assert_array_equal(names["found"].raw, found.raw)
    assert names["inside"].area == pytest.approx(0.25)


def test_whoever_clicks_elsewhere_stops_it_and_the_network_is_as_before(resnet18, monkeypatch):
    before = hooks(resnet18.module)
    monkeypatch.setattr(long_run, "called_away", lambda: True)
    app = AppTest.from_function(trust_page, args=(resnet18,), default_timeout=120).run()
    labelled(app.button, "Check it").click().run()
    assert not app.exception
    assert "Stopped after 16 of 137 steps. Whatever is chosen or clicked meanwhile stops it." in shown(app)
    assert hooks(resnet18.module) == before
    monkeypatch.undo()
    next(each for each in app.button if each.label == "Check it").click().run()
    assert "Deleting the 11 %" in shown(app)
    assert trust.Cancelled is intervention.Cancelled is Cancelled


@pytest.mark.parametrize(
    ("method", "meaning"),
    [
        ("grad_cam", "what speaks for the class"),
        ("saliency", "what moves the class's score, up or down"),
        ("eigen_cam", "what the map shows, whatever the class"),
    ],
)
def test_the_box_says_what_counts_as_evidence(resnet18, method, meaning):
    app = AppTest.from_function(trust_page, args=(resnet18, method), default_timeout=120).run()
    assert not app.exception
    assert f"Evidence: {meaning}. " in shown(app)


def test_the_first_box_leaves_little_on_each_side():
    heatmap = np.zeros((10, 20), np.float32)
    heatmap[3:5, 8:12] = 1.0
    heatmap[9, 19] = 0.5
    assert trusting.around_most(heatmap) == (8.0, 3.0, 12.0, 5.0)
    assert trusting.around_most(np.zeros((10, 20), np.float32)) == (5.0, 2.5, 15.0, 7.5)


def test_intervene_opens_with_something_off_and_its_code_says_the_same(resnet18, photo):
    app = AppTest.from_function(intervene_page, args=(resnet18,), default_timeout=60).run()
    assert not app.exception
    layer = activations.default_layer(resnet18).name
    best = intervention.contributions(resnet18, photo, layer, 5).order[:3].tolist()
    assert app.multiselect[0].value == best
    assert "the 3 channels that seem to carry most of “class 5” are off" in shown(app)
    names = {"model": resnet18, "photo": photo}
    exec(app.code[0].value, names)
    assert names["guess"].order[:3].tolist() == best
    assert intervene.points(names["shift"]) in shown(app)
    # By hand: the same network with those channels of the last map zeroed before its mean.
    maps = activations.feature_maps(resnet18, photo, [layer])[layer].values.copy()
    maps[best] = 0
    weight, bias = (tensor.detach().numpy() for tensor in resnet18.module.fc.parameters())
    np.testing.assert_allclose(names["after"], weight @ maps.mean(axis=(1, 2)) + bias, atol=1e-3)


def test_the_changed_network_is_asked_the_same_as_the_whole_one(resnet18, photo):
    app = AppTest.from_function(intervene_page, args=(resnet18, "grad_cam", 7), default_timeout=60).run()
    names = {"model": resnet18, "photo": photo}
    exec(app.code[0].value, names)
    assert names["found"].against == 7
    before = attribution.attribute(resnet18, photo, "grad_cam", 5, names["found"].layer, against=7)
    same = f"{trust.rank_correlation(before.raw, names['found'].raw):.2f}".replace("-", "−")
    assert f"rank correlation of the two {same} (" in shown(app)


def test_changes_add_up_are_taken_back_and_reset(resnet18):
    app = AppTest.from_function(intervene_page, args=(resnet18,), default_timeout=60).run()
    app.slider[0].set_value(2.0).run()
    labelled(app.button_group, "Change").set_value("block").run()
    name = intervention.blocks(resnet18)[-1].name
    labelled(app.button_group, "Residual blocks").set_value([name]).run()
    chips = [each.label for each in app.button if each.key.startswith("intervene-chip")]
    assert [read(chip).split(" of ")[-1] for chip in chips] == [
        f"{activations.default_layer(resnet18).name} times 2",
        f"{name} off",
    ]
    app.button(key="intervene-chip-0").click().run()
    assert f"'{name}', None, 0.0, 'block'" in app.code[0].value
    assert app.code[0].value.count("Intervention(") == 1
    app.button(key="intervene-reset").click().run()
    assert "Nothing is changed" in shown(app)
    assert "±0.0 points" in shown(app)
    labelled(app.button, "Switch off the 3").click().run()
    assert app.code[0].value.count("Intervention(") == 1
    assert not app.exception


def test_the_search_switches_off_what_it_finds(resnet18, photo):
    app = AppTest.from_function(intervene_page, args=(resnet18,), default_timeout=120).run()
    labelled(app.button, "Find the channels").click().run()
    layer = activations.default_layer(resnet18).name
    found = intervention.greedy(resnet18, photo, layer, 5)
    assert found.sentence in shown(app)
    names = {"model": resnet18, "photo": photo}
    exec(app.code[0].value, names)
    assert (names["carriers"].channels, names["carriers"].logits) == (found.channels, found.logits)
    assert app.multiselect[0].value == list(found.channels)
    shift = found.probabilities[-1] - found.probabilities[0]
    assert intervene.points(shift) in shown(app)


def test_the_search_is_for_what_carries_the_lead_where_one_class_is_asked_against_another(resnet18, photo):
    app = AppTest.from_function(intervene_page, args=(resnet18, "grad_cam", 7), default_timeout=120).run()
    assert "carry most of “class 5” over “class 7” are off" in shown(app)
    labelled(app.button, "Find the channels that carry the lead over “class 7”").click().run()
    found = intervention.greedy(resnet18, photo, activations.default_layer(resnet18).name, 5, against=7)
    assert found.sentence in shown(app)
    assert app.multiselect[0].value == list(found.channels)
    names = {"model": resnet18, "photo": photo}
    exec(app.code[0].value, names)
    assert names["carriers"].sentence == found.sentence
    np.testing.assert_array_equal(names["guess"].values, _guess(resnet18, photo, against=7).values)


@pytest.mark.parametrize(
    ("against", "carried"), [(None, "the class's logit"), (7, "the lead of “class 5” over “class 7”")]
)
def test_help_names_what_the_channels_are_ranked_by(resnet18, against, carried):
    app = AppTest.from_function(intervene_page, args=(resnet18, "saliency", against), default_timeout=60).run()
    assert f"by how much {carried}" in read(app.multiselect[0].help)
    assert "Saliency · class 5 · " in shown(app)  # a method without a layer has none to name


def test_shares_and_their_change_agree_to_the_last_digit_shown():
    assert intervene.share(0.2451) == "24.5 %"
    assert intervene.share(0.0004) == "below 0.1 %"
    assert intervene.moved(0.2451, 0.0787) == "−16.6 points"
    assert (intervene.share(0.0046), intervene.share(0.0034)) == ("0.5 %", "0.3 %")
    assert intervene.moved(0.0046, 0.0034) == "−0.2 points"


def _guess(model, photo, against):
    return intervention.contributions(model, photo, activations.default_layer(model).name, 5, against=against)


def test_completeness_is_that_of_the_map_as_one_map_would_draw_it(resnet18, photo):
    app = AppTest.from_function(trust_page, args=(resnet18,), default_timeout=120)
    options = {"baseline": "white", "steps": 8}
    app.session_state["selection"] = Selection(
        options=tuple(("integrated_gradients", name, value) for name, value in options.items())
    )
    app.run()
    labelled(app.button, "Check integrated gradients").click().run()
    expected = attribution.attribute(resnet18, photo, "integrated_gradients", 5, **options)
    text = shown(app)
    assert f"gains {number(round(expected.difference, 3))} from the baseline to the photo" in text
    assert "what the logit gains from white to the photo" in text
    assert "white to photo · 8 steps" in text
    names = {"model": resnet18, "photo": photo}
    exec(app.code[0].value, names)
    assert names["complete"].delta == pytest.approx(expected.delta)


@pytest.mark.parametrize(
    ("difference", "delta", "missed"),
    [(-0.0315, 0.0103, "1.0 % of a logit"), (-4.0, 0.8, "20.0 %"), (8.0, 0.1, "1.2 %")],
)
def test_completeness_of_next_to_nothing_is_judged_by_a_logit(resnet18, photo, difference, delta, missed):
    found = attribution.attribute(resnet18, photo, "integrated_gradients", 5, against=7, steps=8)
    found = replace(found, difference=difference, delta=delta)
    app = AppTest.from_function(completeness_page, args=(resnet18, found), default_timeout=60).run()
    text = shown(app)
    where = "below" if difference < 0 else "above"
    assert f"the lead in logits is {number(abs(difference))} {where} the baseline's" in text
    assert f"within {number(delta)} ({missed})" in text
    assert f"gains {number(round(difference, 3))} from the baseline to the photo" in text
    assert f"{'they do not add up well' if missed.startswith('20') else 'they add up'}, {missed} off." in text


def test_heads_of_a_transformer_and_slow_maps_behind_a_button(vit, photo):
    app = AppTest.from_function(intervene_page, args=(vit, "occlusion"), default_timeout=60).run()
    labelled(app.button_group, "Change").set_value("head").run()
    labelled(app.button_group, "Heads").set_value([1, 3]).run()
    attention = intervention.heads(vit)[-1].layer
    assert f"'{attention}', (1, 3), 0.0, 'head'" in app.code[0].value
    labelled(app.button, "Draw it: about").click().run()
    assert not app.exception
    assert "rank correlation of the two" in shown(app)
    names = {"model": vit, "photo": photo}
    exec(app.code[0].value, names)
    assert intervene.points(names["shift"]) in shown(app)
    assert len(predict.softmax(names["after"])) == 10
