"""Calibration, intervals, agreement and labels against cases that can be computed by hand, SciPy and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import binomtest
from scipy.stats import entropy as scipy_entropy
from sklearn.calibration import calibration_curve
from sklearn.metrics import top_k_accuracy_score

from explorer import answers, calibration, labels
from explorer.models import imagenet_classes


def test_calibration_of_four_answers_by_hand():
    # Two bins: 0.2 and 0.4 below the half, one of two right; 0.6 and 1.0 above, both right.
    found = calibration.reliability(np.array([0.2, 0.4, 0.6, 1.0]), np.array([True, False, True, True]), bins=2)
    assert found.count.tolist() == [2, 2]
    assert found.confidence == pytest.approx([0.3, 0.8])
    assert found.accuracy == pytest.approx([0.5, 1.0])
    assert found.error == pytest.approx(0.5 * 0.2 + 0.5 * 0.2)
    assert found.bias == pytest.approx(0.55 - 0.75)


def test_a_bin_holds_its_upper_edge_and_empty_bins_are_nan():
    found = calibration.reliability(np.array([0.5, 0.0]), np.array([True, False]), bins=4)
    assert found.count.tolist() == [1, 1, 0, 0]
    assert np.isnan(found.accuracy[2:]).all()
    assert found.error == pytest.approx(0.25)
    with pytest.raises(ValueError, match="positive length"):
        calibration.reliability(np.array([]), np.array([]))


def test_the_figure_shows_each_bin_as_a_dot_and_its_gap():
    from explorer.figures import evaluation as figures

    # Three bins of ten: one wrong at 0.95 and one at 0.93, one right at 0.45, one wrong at 0.15.
    found = calibration.reliability(np.array([0.95, 0.93, 0.45, 0.15]), np.array([False, False, True, False]), bins=10)
    figure = figures.reliability(found)
    traces = {trace.name: trace for trace in figure.data}
    dots, gaps = traces["bins"], traces["gap"]
    assert list(dots.x) == pytest.approx([0.15, 0.45, 0.94])
    assert list(dots.y) == pytest.approx([0, 1, 0])  # a bar of height 0 is not seen, a dot is
    assert list(dots.customdata) == [1, 1, 2]
    assert dots.marker.size[2] > dots.marker.size[0] == dots.marker.size[1] >= 7
    ends = np.array([each for each in gaps.y if each is not None], float).reshape(3, 2)
    np.testing.assert_allclose(ends, [[0, 0.15], [1, 0.45], [0, 0.94]])  # down or up to the diagonal
    low, high = figure.layout.yaxis.range
    assert low < 0
    assert high > 1


def test_curve_equals_scikit_learns_and_the_error_is_torchmetrics():
    import torch
    from torchmetrics.functional.classification import binary_calibration_error

    noise = np.random.default_rng(3)
    sure = noise.uniform(0.01, 0.99, 4000)
    right = noise.uniform(size=4000) < sure**2
    found = calibration.reliability(sure, right)
    theirs = calibration_curve(right, sure, n_bins=15)
    np.testing.assert_allclose(found.accuracy[found.count > 0], theirs[0])
    np.testing.assert_allclose(found.confidence[found.count > 0], theirs[1])
    reference = binary_calibration_error(torch.from_numpy(sure), torch.from_numpy(right).long(), n_bins=15, norm="l1")
    assert found.error == pytest.approx(float(reference), abs=1e-6)
    assert found.bias > 0.1


@pytest.mark.parametrize(("hits", "of"), [(0, 10), (10, 10), (3, 7), (690, 1000), (1, 1)])
def test_wilsons_interval_is_scipys(hits, of):
    theirs = binomtest(hits, of).proportion_ci(method="wilson")
    assert calibration.wilson(hits, of) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    with pytest.raises(ValueError, match="no share"):
        calibration.wilson(of + 1, of)


def distributions(count: int, networks: int, classes: int = 12) -> np.ndarray:
    """Random distributions (count, networks, classes)."""
    return np.random.default_rng(7).dirichlet(np.full(classes, 0.3), (count, networks))


def test_divergence_of_two_is_scipys_and_its_ends_are_zero_and_one():
    sure = distributions(50, 2)
    theirs = [jensenshannon(a, b, base=2) ** 2 for a, b in sure]
    np.testing.assert_allclose(answers.divergence(sure), theirs, atol=1e-12)
    np.testing.assert_allclose(answers.entropy(sure), scipy_entropy(sure, base=2, axis=-1), atol=1e-12)
    apart = np.eye(3)[None]
    assert answers.divergence(apart) == pytest.approx([1.0])
    assert answers.divergence(np.repeat(sure[:1, :1], 3, axis=1)) == pytest.approx([0.0])
    assert answers.divergence(sure[:, :1]).tolist() == [0.0] * 50


def example() -> answers.Answers:
    """Four pictures, three networks, three classes; first answers 0 0 0, 1 1 0, 2 0 1, 2 2 2."""
    first = np.array([[0, 0, 0], [1, 1, 0], [2, 0, 1], [2, 2, 2]])
    sure = np.where(np.arange(3) == first[..., None], 0.8, 0.1)
    return answers.collect(["a", "b", "c", "d"], ["x", "y", "y", ""], ["A", "B", "C"], ["p", "q", "r"], sure, k=2)


def test_agreement_by_hand():
    found = example()
    assert answers.agreement(found) == pytest.approx(np.array([[4, 3, 2], [3, 4, 2], [2, 2, 4]]) / 4)
    assert answers.unanimous(found) == 2
    order = answers.disputed(found).tolist()
    assert order == [2, 1, 0, 3]


def test_accuracy_counts_labelled_pictures_only_and_any_of_their_classes():
    found = example()
    assert answers.accuracy(found) == ()
    assert answers.reliability(found, 0) is None
    known = found.with_targets(labels.targets(found.folders, {"x": (0,), "y": (1, 2)}))
    assert known.labelled.tolist() == [True, True, True, False]
    assert [(each.hits, each.of) for each in answers.accuracy(known)] == [(3, 3), (2, 3), (2, 3)]
    assert answers.accuracy(known)[1].low == pytest.approx(calibration.wilson(2, 3)[0])
    reliability = answers.reliability(known, 1)
    assert reliability.error == pytest.approx(0.8 - 2 / 3)


def test_accuracies_are_scikit_learns():
    sure = distributions(200, 2)
    right = np.random.default_rng(2).integers(0, 12, 200)
    found = answers.collect([""] * 200, [""] * 200, ["A", "B"], [str(i) for i in range(12)], sure)
    found = found.with_targets([(int(each),) for each in right])
    for k in (1, 5):
        theirs = [top_k_accuracy_score(right, sure[:, network], k=k, labels=range(12)) for network in (0, 1)]
        assert [each.share for each in answers.accuracy(found, k)] == pytest.approx(theirs)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("tabby", "tabby"),
        ("Golf_Ball", "golf ball"),
        ("golf balls", "golf ball"),
        ("281", "tabby"),
        ("0281", "tabby"),
        ("281_tabby", "tabby"),
        ("n03888257", "parachute"),
        ("shih tzu", "Shih-Tzu"),
        ("cardigan", "cardigan"),
        ("Cardigan", "Cardigan"),
        ("photos of Rome", None),
        ("2024", None),
        ("12_monkeys", None),
        ("", None),
    ],
)
def test_a_folders_name_means_a_class(name, label):
    classes = imagenet_classes()
    assert labels.match(name, classes) == ((classes.index(label),) if label else ())


def test_cats_dogs_and_shared_names_mean_several():
    classes = imagenet_classes()
    assert labels.match("Cats", classes) == (281, 282, 283, 284, 285)
    dogs = labels.match("dog", classes)
    assert len(dogs) == 118  # as Fei-Fei's group counts them
    assert {"Chihuahua", "pug", "Siberian husky", "Mexican hairless"} <= {classes[index] for index in dogs}
    assert "timber wolf" not in {classes[index] for index in dogs}
    assert {classes[index] for index in labels.match("CARDIGAN", classes)} == {"cardigan", "Cardigan"}
    assert labels.described((281, 282, 283), classes) == "tabby and 2 others"
    assert labels.match("7", tuple("0123456789")) == (7,)


def test_ids_of_imagenette_are_torchvisions():
    from torchvision.datasets import Imagenette

    classes = imagenet_classes()
    for wordnet, names in Imagenette._WNID_TO_CLASS.items():
        (index,) = labels.match(wordnet, classes)
        assert classes[index] in names


def test_a_complete_set_of_ids_is_known_by_its_order():
    names = [f"n{number:08d}" for number in range(5, 5005, 5)]
    found = labels.match_all(reversed(names), imagenet_classes())
    assert [found[name] for name in names] == [(index,) for index in range(1000)]
    assert labels.match_all(names[:-1], imagenet_classes())[names[0]] == ()


def test_a_half_is_rounded_up_in_the_squares_of_agreement():
    from explorer.figures import evaluation as figures

    figure = figures.agreement(np.array([[1, 5 / 8], [3 / 8, 1]]), ["a", "b"])
    assert [each.text for each in figure.layout.annotations] == ["100 %", "63 %", "38 %", "100 %"]
