"""What a run leaves: figures as scikit-learn has them, a network for every page, a script; files from elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import load_file, save, save_file
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support
from torch import nn

from explorer import attribution, catalogue, graph, models, predict, published, storage, training
from explorer.catalogue import tuned
from explorer.training import Evaluation, Plan, bundled, checkpoints, records, script
from explorer.weight_files import WeightsMismatch

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True, scope="module")
def own_folder(tmp_path_factory):
    """A data folder of this module's own, so that no other test sees its networks."""
    patch = pytest.MonkeyPatch()
    patch.setenv(storage.VARIABLE, str(tmp_path_factory.mktemp("tuned")))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def run(own_folder):
    """LeNet-5's head, tuned for a moment on a few digits with a hidden layer."""
    whole = bundled.get("digits")
    few = replace(whole, train=whole.train[::8], validation=whole.validation[::4])
    plan = Plan(network="lenet5", hidden=16, dropout=0.1, epochs=2, learning_rate=0.01, title="My digits")
    *_, last = training.fit(few, plan, device="cpu")
    return training.get(last.run)


def test_figures_are_scikit_learns():
    random = np.random.default_rng(0)
    truths = random.integers(0, 4, 200)
    probabilities = random.dirichlet(np.ones(5), 200)
    probabilities[:, 3] = 0  # class 3 is never answered, class 4 never true
    confusion = np.zeros((5, 5), np.int64)
    np.add.at(confusion, (truths, probabilities.argmax(1)), 1)
    names = tuple(str(index) for index in range(200))
    found = Evaluation(tuple("abcde"), probabilities, truths, confusion, names)
    answers = probabilities.argmax(1)
    assert np.array_equal(found.confusion, confusion_matrix(truths, answers, labels=range(5)))
    precision, recall, f1, support = precision_recall_fscore_support(
        truths, answers, labels=range(5), zero_division=np.nan
    )
    assert np.allclose(found.precision, precision, equal_nan=True)
    assert np.allclose(found.recall, recall, equal_nan=True)
    assert np.allclose(found.f1, f1, equal_nan=True)
    assert np.array_equal(found.support, support)
    assert found.accuracy == pytest.approx((truths == answers).mean())
    assert len(found.mistakes) == (truths != answers).sum()
    sure = [mistake.probability for mistake in found.mistakes]
    assert sure == sorted(sure, reverse=True)
    worst = found.mistakes[0]
    assert (worst.truth, worst.answer) == (truths[worst.index], answers[worst.index])
    assert worst.of_truth == probabilities[worst.index, worst.truth]


def test_the_tuned_network_is_evaluated_on_what_it_was_checked_with(run):
    seen: list[tuple[int, int]] = []
    found = training.of_run(run, "cpu", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (50, 50)
    assert found.accuracy == pytest.approx(run.best.validation_accuracy)
    loss = -np.log(found.probabilities[np.arange(50), found.truths]).mean()
    assert loss == pytest.approx(run.best.validation_loss, rel=1e-4)
    items = training.data(run).validation
    model = training.load(run, "cpu")
    for mistake in found.mistakes:
        answer = predict.top_k(model, items[mistake.index].open(), 1)[0]
        assert (answer.index, items[mistake.index].name) == (mistake.answer, mistake.name)


def test_the_tuned_network_is_a_network_like_all_others(run):
    assert run.slug == f"mine:{run.name}"
    assert catalogue.titles()[run.slug] == "My digits"
    assert run.slug not in catalogue.titles(mine=False)
    assert not any(stone.slug.startswith("mine:") for stone in published.timeline())
    card = catalogue.get(run.slug)
    model = models.load(run.slug, device="cpu")
    assert model.classes == card.classes == tuple("0123456789")
    assert model.preprocessing == models.load("lenet5", device="cpu").preprocessing
    assert models.load(run.slug, device="cpu") is model
    assert models.load(run.slug, "random", "cpu").weights.source == "random"
    assert [name for name, _ in model.module.output.named_children()] == ["hidden", "relu", "output"] or [
        name for name, _ in model.module.output.named_children()
    ] == ["dropout", "hidden", "relu", "output"]
    traced = graph.of_model(model)
    assert traced.params == 61_706 - 850 + 84 * 16 + 16 + 16 * 10 + 10
    photo = training.data(run).validation[0].open()
    assert attribution.attribute(model, photo, "grad_cam").label in card.classes
    with pytest.raises(catalogue.UnknownArchitecture):
        catalogue.get("mine:../../etc")


def test_where_it_looks_before_and_after(run):
    photo = training.data(run).validation[3].open()
    both = training.looks(training.before(run, "cpu"), training.load(run, "cpu"), photo, target=3)
    assert both.method == "grad_cam"
    assert (both.after.target, both.after.label) == (3, "3")
    assert np.array_equal(both.before.seen, both.after.seen)
    alone = attribution.attribute(models.load("lenet5", device="cpu"), photo, "grad_cam")
    assert np.array_equal(both.before.raw, alone.raw)


def test_a_tuned_network_can_be_tuned_again(run):
    dataset = training.data(run)
    two = [part[:40] for part in (dataset.train, dataset.validation)]
    again = replace(dataset, train=two[0], validation=two[1])
    *_, last = training.fit(again, Plan(network=run.slug, epochs=1, dropout=0.3), device="cpu")
    second = training.get(last.run)
    card = catalogue.get(second.slug)
    assert isinstance(card, tuned.TunedArchitecture)
    assert (card.base, len(card.heads)) == ("lenet5", 2)
    assert training.of_run(second, "cpu").accuracy == pytest.approx(second.best.validation_accuracy)
    training.forget(second.name)
    assert second.slug not in catalogue.titles()


def test_titles_change_and_runs_are_compared(run):
    training.entitle(run.name, "Digits of mine")
    assert catalogue.titles()[run.slug] == training.get(run.name).title == "Digits of mine"
    (row,) = [each for each in training.table(training.runs()) if each["Network"] == "Digits of mine"]
    assert row["Validation accuracy, %"] == pytest.approx(100 * run.best.validation_accuracy, abs=0.05)
    assert row["Trained"] == "1,530 / 62,386 (2.5 %)"  # 84 * 16 + 16 + 16 * 10 + 10 of 61,706 - 850 + 1,530


def test_the_script_runs_where_the_checkpoint_lies(run, tmp_path):
    code = script.text(run)
    assert len([line for line in code.splitlines() if line]) <= 10
    (tmp_path / "use.py").write_text(code)
    (tmp_path / script.file_name(run)).write_bytes((run.folder / "best.safetensors").read_bytes())
    item = training.data(run).validation[0]
    (tmp_path / "digit.png").write_bytes(item.read())
    told = subprocess.run(
        [sys.executable, str(tmp_path / "use.py"), str(tmp_path / "digit.png")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    best = predict.top_k(training.load(run, "cpu"), item.open(), 3)
    assert [line.split(": ")[1] for line in told] == [f"{each.label}, {each.probability:.1%}" for each in best]


def test_what_this_app_wrote_can_be_brought_back(run):
    brought = training.bring((run.folder / "best.safetensors").read_bytes(), title="Again")
    assert (brought.state, brought.title, brought.plan) == ("brought", "Again", None)
    photo = training.data(run).validation[0].open()
    ours, theirs = (predict.logits(training.load(each, "cpu"), photo) for each in (run, brought))
    assert np.array_equal(ours, theirs)
    with pytest.raises(training.BadCheckpoint):
        training.data(brought)
    with pytest.raises(training.BadCheckpoint):
        next(training.resume(brought.folder))
    twin = training.bring((run.folder / "best.safetensors").read_bytes(), title="Again")
    titles = catalogue.titles()
    assert (titles[brought.slug], titles[twin.slug]) == (
        "Again",
        "Again (2)",
    )  # or nobody could tell one from the other
    training.forget(brought.name)
    training.forget(twin.name)


def test_torchvisions_state_dict_is_taken_for_any_catalogue_network():
    theirs = torchvision.models.squeezenet1_1(num_classes=4).eval()
    image = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    brought = training.bring(save(theirs.state_dict()), "squeezenet1_1", classes=["a", "b", "c", "d"])
    model = training.load(brought, "cpu")
    assert model.classes == ("a", "b", "c", "d")
    with torch.no_grad():
        assert torch.equal(model.module(image), theirs(image))
    # Names that differ between torchvision's code and ours are translated.
    renamed = torchvision.models.mobilenet_v2(num_classes=3).eval()
    brought = training.bring(save(renamed.state_dict()), "mobilenet_v2")
    model = training.load(brought, "cpu")
    assert model.classes == ("class 0", "class 1", "class 2")
    with torch.no_grad():
        torch.testing.assert_close(model.module(image), renamed(image))


def test_a_network_that_cannot_be_built_without_numbers_is_taken_too():
    theirs = torchvision.models.regnet_y_400mf(num_classes=2).eval()
    brought = training.bring(save(theirs.state_dict()), "regnet_y_400mf")
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(training.load(brought, "cpu").module(image), theirs(image))


def test_the_guides_own_checkpoint_is_taken():
    """Its feature_extraction puts Dropout, Linear, ReLU, Linear in the place of fc."""
    theirs = torchvision.models.resnet18()
    theirs.fc = nn.Sequential(nn.Dropout(0.5), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 3))
    theirs.eval()
    brought = training.bring(save(theirs.state_dict()), "resnet18", "Guide's")
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(training.load(brought, "cpu").module(image), theirs(image))


def test_what_does_not_fit_is_refused_and_leaves_nothing(run):
    before = {path.name for path in storage.folder("training").iterdir()}
    state = load_file(run.folder / "best.safetensors")
    with pytest.raises(training.BadCheckpoint, match="no safetensors"):
        training.bring(b"not a checkpoint")
    with pytest.raises(training.BadCheckpoint, match="choose the network"):
        training.bring(save(state))
    with pytest.raises(WeightsMismatch, match="another network"):
        training.bring(save(state), "resnet18")
    with pytest.raises(WeightsMismatch, match="c1"):
        training.bring(save({**state, "c1.weight": torch.zeros(6, 3, 5, 5)}), "lenet5")
    with pytest.raises(training.BadCheckpoint, match="3 names"):
        training.bring(save(state), "lenet5", classes=["a", "b", "c"])
    assert {path.name for path in storage.folder("training").iterdir()} == before


@pytest.mark.parametrize(
    "harm",
    [
        {"heads": [{"classes": 10**9, "hidden": 0, "dropout": 0}]},
        {"base": "yolo"},
        {"base": "mine:other"},
        {"options": {"block": 3}},
        {"version": 2},
        {"preprocessing": {}},
        {"classes": []},
    ],
)
def test_a_hostile_header_is_refused(run, harm, tmp_path):
    facts = checkpoints.facts(run.folder / "best.safetensors")
    card = {**facts["card"], **harm}
    if harm == {"classes": []}:
        card["heads"] = []
    path = tmp_path / "x.safetensors"
    save_file(load_file(run.folder / "best.safetensors"), path, {"cnn_explorer": json.dumps({"card": card})})
    with pytest.raises(training.BadCheckpoint):
        training.bring(path.read_bytes())


def test_a_head_larger_than_its_file_takes_no_memory(run, tmp_path, monkeypatch):
    facts = checkpoints.facts(run.folder / "best.safetensors")
    facts["card"] |= {"heads": [{"classes": 50_000, "hidden": 50_000, "dropout": 0}], "classes": []}
    path = tmp_path / "x.safetensors"
    save_file(load_file(run.folder / "best.safetensors"), path, {"cnn_explorer": json.dumps(facts)})
    build = tuned.TunedArchitecture.build

    def without_numbers(card, *arguments, **options):
        network = build(card, *arguments, **options)
        assert next(network.parameters()).is_meta
        return network

    monkeypatch.setattr(tuned.TunedArchitecture, "build", without_numbers)
    monkeypatch.delattr(nn.Module, "to_empty")
    with pytest.raises(WeightsMismatch, match="output"):
        training.bring(path.read_bytes())
    with pytest.raises(WeightsMismatch, match="output"):
        training.open_checkpoint(path)


def test_a_damaged_card_hides_one_network_and_no_page(run):
    path = run.folder / records.CARD
    good = path.read_bytes()
    path.write_bytes(b"{")
    assert run.slug not in catalogue.titles()
    assert run.name in {each.name for each in training.runs()}
    path.write_bytes(good)
    assert run.slug in catalogue.titles()


def test_the_curve_of_losses_has_room_above_its_highest(run):
    from explorer.figures import training as figures

    loss, accuracy, _ = figures.curves(run.epochs, np.array([3.0, 1.0, np.nan]), 2, 2, run.best.number)
    highest = max(3.0, *(each.loss for each in run.epochs), *(each.validation_loss for each in run.epochs))
    assert loss.layout.yaxis.range == pytest.approx((0, 1.08 * highest))
    assert accuracy.layout.yaxis.range[1] > 100
    assert figures.curves((), np.array([]), 1, 1, 0)[0].layout.yaxis.range == (0, 1)
