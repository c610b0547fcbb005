"""What a map is said to cost, against what it takes; layers beside each other; twins that know their layers."""

from __future__ import annotations

import numpy as np
import pytest

from explorer import activations, attribution, intervention, layer_views
from explorer.graph.values import Values


def counted(model, photo, method, **options) -> int:
    """How many passes the method itself reports, at the end."""
    totals = []
    attribution.attribute(model, photo, method, 5, progress=lambda done, total: totals.append((done, total)), **options)
    assert totals[-1][0] == totals[-1][1]
    return totals[-1][1]


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("score_cam", {"channels": 16}),
        ("ablation_cam", {"channels": 16}),
        ("integrated_gradients", {"steps": 8}),
        ("smooth_grad", {"samples": 6}),
        ("occlusion", {"window": 32}),
        ("occlusion", {"window": 32, "stride": 10}),
    ],
)
def test_the_passes_said_before_are_those_that_are_made(resnet18, photos, method, options):
    said = attribution.effort(resnet18, method, **options)
    assert said.passes == counted(resnet18, photos["chelsea"], method, **options)


@pytest.mark.parametrize("method", ["score_cam", "ablation_cam"])
def test_channels_that_are_silent_on_the_photo_are_not_counted(resnet18, photos, method):
    silent = intervention.Intervention("layer4", tuple(range(40, 512)), 0.0)
    twin = intervention.intervened(resnet18, [silent])
    maps = activations.feature_maps(twin, photos["chelsea"], ["layer4"])["layer4"].values
    for options in ({}, {"channels": 60}):
        said = attribution.effort(twin, method, "layer4", maps=maps, **options)
        assert said.passes == counted(twin, photos["chelsea"], method, layer="layer4", **options)
        assert said.bound == ""
        beforehand = attribution.effort(twin, method, "layer4", **options)
        assert (beforehand.bound, beforehand.passes > said.passes) == ("at most", True)


def test_superpixels_need_about_as_many_passes_as_regions_were_asked_for(resnet18, photos):
    said = attribution.effort(resnet18, "superpixels", segments=25).passes
    assert counted(resnet18, photos["chelsea"], "superpixels", segments=25) == pytest.approx(said, rel=0.6)


def test_ablation_behind_the_last_layer_costs_next_to_nothing_and_before_the_first_all(lite0):
    late = attribution.effort(lite0, "ablation_cam", "features.8", channels=64).work
    early = attribution.effort(lite0, "ablation_cam", "features.0", channels=32).work
    # 64 channels behind the last convolution: the classifier alone, 1.28 of 385 MMACs each.
    assert late == pytest.approx(1 + 2 + 64 * 1.28 / 385, abs=1.2)
    assert 30 < early < 35
    assert attribution.effort(lite0, "grad_cam").work == 1


def test_an_option_that_does_not_fit_is_refused_beforehand(resnet18):
    with pytest.raises(attribution.NotApplicable, match="must not exceed the window"):
        attribution.effort(resnet18, "occlusion", window=8, stride=9)
    with pytest.raises(attribution.NotApplicable, match="window must be a whole number from 1 to 64"):
        attribution.effort(resnet18, "occlusion", window=65)


def test_layers_beside_each_other_are_the_feature_maps_of_each(resnet18, photos):
    photo, names = photos["chelsea"], ("relu", "layer1.0.iadd", "layer2", "layer4")
    steps = layer_views.spatial(resnet18)
    names = tuple(
        next(each for each in steps if each.startswith(name)) for name in ("relu", "layer1.0.", "layer2", "layer4")
    )
    added = next(name for name in steps if "add" in name)
    found = layer_views.views(resnet18, photo, (*names, added), count=3)
    assert [view.layer for view in found] == [*names, added]
    for view in found:
        maps = activations.feature_maps(resnet18, photo, [view.layer])[view.layer].values
        strength = np.abs(maps.astype(np.float64)).mean(axis=(1, 2))
        assert list(view.channels) == list(np.argsort(-strength, kind="stable")[:3])
        np.testing.assert_array_equal(view.maps, maps[list(view.channels)])
        np.testing.assert_allclose(view.mean, maps.mean(axis=0), rtol=1e-5, atol=1e-6)
        assert view.stride == 64 / maps.shape[1]
    step = Values(resnet18, photo).output(added)[0].numpy()
    np.testing.assert_array_equal(found[-1].maps, step[list(found[-1].channels)])


def test_a_twin_lists_no_layers_and_has_those_of_its_original(resnet18, monkeypatch):
    layers, nodes = activations.layers(resnet18), activations.nodes(resnet18)

    def fail(*_):
        raise AssertionError("listed anew")

    monkeypatch.setattr("explorer.capture.layers", fail)
    twin = intervention.intervened(resnet18, [intervention.Intervention("layer4", (1,))])
    assert activations.layers(twin) is layers
    assert activations.nodes(twin) is nodes
    assert activations.layers(resnet18.noted("why")) is layers


def test_the_list_that_a_twin_takes_over_is_the_one_it_would_make(resnet50):
    from explorer import capture

    twin = intervention.intervened(resnet50, [intervention.Intervention("layer3", None, 0.5)])
    side = resnet50.preprocessing.crop
    assert capture.layers(twin.module, (1, 3, side, side)) == activations.layers(twin)
