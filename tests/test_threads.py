"""Many visitors, one network: a thousand questions at once get exactly the answers of one after the other."""

from __future__ import annotations

import itertools
import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from explorer import activations, attribution, predict
from tests.test_capture import hooks

LAYERS = ("relu", "layer1.0.bn1", "layer2", "layer3.1.conv2", "layer4")


def questions(photos):
    """Every combination of photo, layer and class, for each of the three kinds of question."""
    for photo, layer, target in itertools.product(("chelsea", "coffee", "china", "camera"), LAYERS, (None, 3, 700)):
        yield "attribute", photo, layer, target
    for photo, layer in itertools.product(photos, LAYERS):
        yield "maps", photo, layer, None
    for photo in photos:
        yield "top", photo, "", None


def answer(model, photos, question):
    kind, photo, layer, target = question
    if kind == "attribute":
        found = attribution.attribute(model, photos[photo], "grad_cam", target, layer)
        return found.raw.tobytes(), found.heatmap.tobytes(), found.target, found.probability
    if kind == "maps":
        return activations.feature_maps(model, photos[photo], [layer])[layer].values.tobytes()
    return predict.top_k(model, photos[photo])


def test_eight_threads_on_one_network_get_exactly_the_serial_answers(resnet18, photos):
    asked = list(questions(photos))
    serial = {question: answer(resnet18, photos, question) for question in asked}
    assert len(set(serial.values())) > len(asked) // 2  # the answers do differ, so a mix-up would show
    calls = asked * (1000 // len(asked) + 1)
    random.Random(0).shuffle(calls)
    with ThreadPoolExecutor(8) as visitors:
        answers = list(visitors.map(lambda question: answer(resnet18, photos, question), calls[:1000]))
    wrong = [question for question, got in zip(calls, answers, strict=False) if got != serial[question]]
    assert not wrong
    assert hooks(resnet18.module) == 0


def test_a_hook_serves_only_its_own_thread(resnet18, photos):
    """Even someone who forgot the lock does not get another thread's maps."""
    inputs = {name: resnet18.preprocess(photos[name]) for name in ("chelsea", "coffee")}
    from explorer import capture

    expected = {name: capture.outputs(resnet18.module, x, ["layer4"])["layer4"].numpy() for name, x in inputs.items()}

    def ask(name):
        return name, capture.outputs(resnet18.module, inputs[name], ["layer4"])["layer4"].numpy()

    with ThreadPoolExecutor(8) as visitors:
        for name, maps in visitors.map(ask, ["chelsea", "coffee"] * 40):
            assert np.array_equal(maps, expected[name])
