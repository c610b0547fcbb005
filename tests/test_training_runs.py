"""Runs: what they learn, what they leave alone, and that they can be broken off anywhere."""

from __future__ import annotations

import copy
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from explorer import catalogue, jobs, models, storage, training
from explorer.training import GUIDE, Augmentation, Dataset, Plan, bundled, checkpoints, fitting, loading, records
from explorer.training.learner import Learner
from explorer.training.parallel import World
from explorer.training.randomness import SownDropout

ROOT = Path(__file__).parents[1]
TIMEOUT = 240  # seconds for another process: less than a test may take, so that it is ended and says why
EXACT = ("loss", "accuracy", "validation_loss", "validation_accuracy", "head_rate", "backbone_rate")


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Each test has a data folder of its own, so that no other test sees its networks."""
    monkeypatch.setenv(storage.VARIABLE, str(tmp_path / "data"))


@pytest.fixture(scope="module")
def textures() -> Dataset:
    return bundled.get("textures")


@pytest.fixture(scope="module")
def few(textures) -> Dataset:
    """Nine patches to learn from, six to check with."""
    return replace(textures, train=textures.train[::7], validation=textures.validation[::11])


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """Forty digits to learn from, twenty to check with."""
    whole = bundled.get("digits")
    return replace(whole, train=whole.train[::10], validation=whole.validation[::10])


def finished(dataset: Dataset, plan: Plan, folder: Path) -> training.Progress:
    *_, last = training.fit(dataset, plan, folder=folder, device="cpu")
    assert last.phase == "done"
    return last


def numbers(progress: training.Progress) -> list[tuple[float, ...]]:
    return [tuple(getattr(epoch, name) for name in EXACT) for epoch in progress.history]


LENET = Plan(network="lenet5", weights="bundled", unfreeze=1, epochs=4, batch_size=16, learning_rate=0.01)


def test_textures_are_learnt_and_equal_from_run_to_run(textures, tmp_path):
    plan = Plan(network="efficientnet_lite0", epochs=5)
    steps = list(training.fit(textures, plan, folder=tmp_path / "kept", device="cpu"))
    last = steps[-1]
    assert last.history[last.best - 1].validation_accuracy >= 0.95
    assert "126 passes" in last.note
    assert "630" in last.note
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert len(last.losses) == 5 * 4  # 63 photos make four batches of at most 16
    assert [step.result.number for step in steps if step.result] == [1, 2, 3, 4, 5]
    again = finished(textures, plan, tmp_path / "again")
    assert numbers(last) == numbers(again)
    first, second = (load_file(tmp_path / name / "best.safetensors") for name in ("kept", "again"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    anew = training.fit(textures, replace(plan, keep_features=False), folder=tmp_path / "anew", device="cpu")
    uncached = next(step for step in anew if step.result and step.epoch == 2)
    anew.close()  # each of these epochs costs as much as the whole run above
    # Batches are put together differently, so sums are rounded differently.
    assert np.array(numbers(uncached)) == pytest.approx(np.array(numbers(last)[:2]), rel=1e-4)


def test_what_is_frozen_is_bit_equal_after_training(few, tmp_path, resnet18, monkeypatch):
    monkeypatch.setattr(models, "load", lambda *_, **__: resnet18)
    before = copy.deepcopy(resnet18.module.state_dict())
    finished(few, Plan(network="resnet18", unfreeze=1, epochs=2, batch_size=4), tmp_path / "run")
    after = load_file(tmp_path / "run" / "best.safetensors")
    same = {name for name in before if name in after and torch.equal(before[name], after[name])}
    frozen = {name for name in before if not name.startswith(("layer4", "fc"))}
    assert frozen <= same  # parameters, running means and variances, counters
    assert not any(name.startswith("layer4") for name in same)
    assert all(torch.equal(value, resnet18.module.state_dict()[name]) for name, value in before.items())
    assert not any(parameter.requires_grad for parameter in resnet18.module.parameters())


def test_the_guides_frozen_norms_drift_and_ours_do_not(few, resnet18, monkeypatch):
    """Its model.train() also switches the frozen batch norms, whose statistics then follow the new photos."""
    photos, _, _ = next(loading.batches(few.train, resnet18.preprocessing, [np.arange(4)]))
    guide = copy.deepcopy(resnet18.module).requires_grad_(False).train()
    before = guide.bn1.running_mean.clone()
    guide(photos)
    assert not torch.equal(guide.bn1.running_mean, before)
    monkeypatch.setattr(models, "load", lambda *_, **__: resnet18)
    learner = Learner(Plan(network="resnet18", unfreeze=1), few.classes, "cpu", World())
    learner.step(photos, torch.tensor([0, 1, 2, 0]), 4, 0, 0)
    assert torch.equal(learner.network.bn1.running_mean, before)
    seen = int(resnet18.module.layer4[0].bn1.num_batches_tracked)
    assert int(learner.network.layer4[0].bn1.num_batches_tracked) == seen + 1  # an unfrozen one follows


def test_rates_belong_to_the_head_and_to_the_rest_by_what_they_are(few):
    plan = Plan(network="efficientnet_lite0", unfreeze=1, backbone_rate=0.1, learning_rate=0.01)
    learner = Learner(plan, few.classes, "cpu", World())
    learner.begin_epoch(0)
    groups = {group["name"]: group for group in learner.optimiser.param_groups}
    assert (groups["head"]["lr"], groups["backbone"]["lr"]) == (0.01, pytest.approx(0.001))
    assert sum(parameter.numel() for parameter in groups["head"]["params"]) == 1280 * 3 + 3
    both = sum(parameter.numel() for group in groups.values() for parameter in group["params"])
    assert both == learner.split.trainable


def test_one_step_is_pytorchs_own(few):
    """Against a plain loop: AdamW, clipping, label smoothing, on the features of one batch."""
    plan = Plan(network="lenet5", dropout=0, label_smoothing=0.1, clip=0.05, learning_rate=0.01, weight_decay=0.1)
    learner = Learner(plan, few.classes, "cpu", World())
    features, labels = torch.randn(9, 84, generator=torch.Generator().manual_seed(1)), torch.arange(9) % 3
    twin = copy.deepcopy(learner.network.output)
    optimiser = torch.optim.AdamW(twin.parameters(), lr=0.01, weight_decay=0.1)
    learner.begin_epoch(0)
    for step in range(3):
        optimiser.zero_grad()
        loss = nn.CrossEntropyLoss(label_smoothing=0.1)(twin(features), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(twin.parameters(), 0.05)
        optimiser.step()
        assert learner.step(features, labels, 9, 0, step).mean_loss == pytest.approx(float(loss.detach()), rel=1e-5)
    for ours, theirs in zip(learner.network.output.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_other_visitors_random_numbers_change_nothing(digits, tmp_path):
    plan = replace(LENET, epochs=1, dropout=0.5, augmentation=Augmentation(rotation=10))
    quiet = finished(digits, plan, tmp_path / "quiet")
    steps = training.fit(digits, plan, folder=tmp_path / "loud", device="cpu")
    state = torch.random.get_rng_state()
    last = None
    for step in steps:
        last = step
        assert torch.equal(torch.random.get_rng_state(), state)  # and a run takes none of theirs
        torch.rand(7)
        state = torch.random.get_rng_state()
    assert numbers(last) == numbers(quiet)


# A batch norm's statistics and blocks that are skipped at random; features that are computed anew.
NORMS = Plan(
    network="efficientnet_b0", weights="random", side=32, unfreeze=1, epochs=3, batch_size=5, learning_rate=0.01,
    augmentation=GUIDE,
)  # fmt: skip
FEATURES = Plan(network="lenet5", weights="bundled", hidden=16, dropout=0.3, epochs=4, learning_rate=0.01)


@pytest.mark.parametrize("plan", [LENET, NORMS, FEATURES], ids=["unfrozen", "norms", "features"])
def test_stopped_and_resumed_equals_unbroken(plan, digits, few, tmp_path):
    digits = few if plan is NORMS else digits
    whole = finished(digits, plan, tmp_path / "whole")
    steps = training.fit(digits, plan, folder=tmp_path / "broken", device="cpu")
    for step in steps:
        if step.phase == "training" and step.epoch == 3:
            break
    steps.close()
    stopped = records.read(tmp_path / "broken")
    assert (stopped.state, len(stopped.epochs), stopped.resumable) == ("stopped", 2, True)
    assert bool(whole.note) == (plan is FEATURES)
    *_, last = training.resume(tmp_path / "broken", device="cpu")
    assert numbers(last) == numbers(whole)
    assert np.array_equal(last.losses, whole.losses)
    first, second = (load_file(tmp_path / name / "best.safetensors") for name in ("whole", "broken"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert records.read(tmp_path / "broken").state == "done"


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Time of change and bytes of each file."""
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}


def test_a_finished_run_is_over_and_a_run_without_its_last_epoch_is_refused(digits, tmp_path):
    folder = tmp_path / "run"
    whole = finished(digits, replace(LENET, epochs=2), folder)
    before = contents(folder)
    (done,) = training.resume(str(folder), device="cpu")
    assert (done.phase, done.share, numbers(done)) == ("done", 1.0, numbers(whole))
    assert contents(folder) == before
    records.update(folder, state="stopped")
    with pytest.raises(training.BadCheckpoint, match=r"last\.safetensors .* is missing, .* after epoch 2"):
        list(training.resume(folder, device="cpu"))
    assert contents(folder)["best.safetensors"] == before["best.safetensors"]


def test_the_tuned_network_can_be_used_while_its_run_goes_on(digits):
    """So it can after a kill too: nothing that is asserted here waits for the run's end."""
    ended = 0
    for step in training.fit(digits, replace(LENET, epochs=4), device="cpu"):
        ended += bool(step.result)
        if not (step.result and step.best == step.epoch):
            continue
        run = training.get(step.run)
        assert run.slug in catalogue.titles()
        assert training.of_run(run, "cpu").accuracy == pytest.approx(step.result.validation_accuracy)
        with pytest.raises(training.RunBusy):
            training.entitle(run.name, "While it writes")
    assert ended == 4


def test_many_features_are_not_kept_and_the_network_is_trained_all_the_same(digits, tmp_path, monkeypatch):
    plan = Plan(network="lenet5", weights="bundled", epochs=1)
    kept = finished(digits, plan, tmp_path / "kept")
    monkeypatch.setattr("explorer.training.learner._MOST_FEATURES", 1)
    last = finished(digits, plan, tmp_path / "run")
    assert (bool(kept.note), last.note) == (True, "")
    assert np.array(numbers(last)) == pytest.approx(np.array(numbers(kept)), rel=1e-4)


def test_who_only_looks_at_a_run_keeps_nobody_from_it(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    looking = (tmp_path / ".held").open("a")
    fcntl.flock(looking, fcntl.LOCK_SH | fcntl.LOCK_NB)
    assert not checkpoints.is_held(tmp_path)
    waited = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        looking.close()

    monkeypatch.setattr(checkpoints.time, "sleep", sleep)
    with checkpoints.held(tmp_path):
        assert len(waited) == 1
        assert checkpoints.is_held(tmp_path)
        with pytest.raises(training.RunBusy), checkpoints.held(tmp_path):
            pass


def test_what_a_kill_left_half_written_is_swept_away(digits, tmp_path):
    steps = training.fit(digits, replace(LENET, epochs=1), folder=tmp_path / "run", device="cpu")
    next(steps)
    steps.close()
    for name in (records.LAST, records.BEST):
        (tmp_path / "run" / f".{name}.0123abcd").write_bytes(b"half")
    list(training.resume(tmp_path / "run", device="cpu"))
    assert not [path for path in (tmp_path / "run").iterdir() if path.name.startswith(".") and path.name != ".held"]


_KILLED = """
import sys
from dataclasses import replace
from pathlib import Path
from explorer import devices, training
from explorer.training import Plan, bundled
devices.configure_threads()
whole = bundled.get("digits")
digits = replace(whole, train=whole.train[::10], validation=whole.validation[::10])
plan = Plan(network="lenet5", weights="bundled", unfreeze=1, epochs=4, batch_size=16, learning_rate=0.01)
for step in training.fit(digits, plan, folder=Path(sys.argv[1]), device="cpu"):
    print(step.phase, step.epoch, flush=True)
    if step.phase == "training" and step.epoch == 3:
        sys.stdin.readline()  # in the middle of the epoch, until it is killed
"""


def test_killed_in_mid_epoch_loses_at_most_that_epoch(digits, tmp_path):
    folder = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    patience = threading.Timer(TIMEOUT, process.kill)
    patience.start()
    assert any(line == "training 3\n" for line in process.stdout)
    patience.cancel()
    assert records.read(folder).state == "running"
    with pytest.raises(training.RunBusy):
        next(training.resume(folder, device="cpu"))
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=TIMEOUT)
    broken = records.read(folder)
    assert (broken.state, len(broken.epochs)) == ("interrupted", 2)
    *_, last = training.resume(folder, device="cpu")
    whole = finished(digits, LENET, tmp_path / "whole")
    assert numbers(last) == numbers(whole)
    first, second = (load_file(place / "best.safetensors") for place in (folder, tmp_path / "whole"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not [path for path in folder.iterdir() if path.name.startswith(".") and path.name != ".held"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("plan", [LENET, FEATURES], ids=["unfrozen", "features"])
def test_a_graphics_card_learns_the_same_and_goes_on_where_a_cpu_stopped(plan, digits, tmp_path):
    plan = replace(plan, dropout=0)  # a card draws other random numbers
    whole = finished(digits, plan, tmp_path / "whole")
    steps = training.fit(digits, plan, folder=tmp_path / "moved", device="cpu")
    next(step for step in steps if step.result)
    steps.close()
    *_, moved = training.resume(tmp_path / "moved", device="cuda")
    *_, card = training.fit(digits, plan, folder=tmp_path / "card", device="cuda")
    for there in (moved, card):
        assert len(there.history) == plan.epochs
        # Convolutions are rounded to TF32 there, and every step builds on that.
        losses = [(ours.loss, ours.validation_loss) for ours in there.history]
        assert np.array(losses) == pytest.approx(
            np.array([(ours.loss, ours.validation_loss) for ours in whole.history]), rel=0.05
        )


def test_a_file_is_whole_or_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "last.safetensors"
    checkpoints.write(path, {"a": torch.arange(3)}, {"epoch": 1})

    def torn(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(os, "fsync", torn)
    with pytest.raises(OSError, match="no space"):
        checkpoints.write(path, {"a": torch.arange(9)}, {"epoch": 2})
    monkeypatch.undo()
    state, facts = checkpoints.read(path)
    assert (state["a"].tolist(), facts) == ([0, 1, 2], {"epoch": 1})
    assert [each.name for each in tmp_path.iterdir()] == ["last.safetensors"]
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(training.BadCheckpoint):
        checkpoints.read(path)


def test_the_first_epoch_is_kept_even_if_nothing_was_right():
    """The guide's best_model.pt is never written while the accuracy is 0."""
    wrong = training.Epoch(1, 2.0, 0.0, 2.0, 0.0, 1e-3, 0.0, 1.0)
    assert training.progress.best((wrong,)) == 1
    lower = replace(wrong, number=2, validation_loss=1.0)
    assert training.progress.best((wrong, lower, replace(lower, number=3))) == 2


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_best(digits, tmp_path, monkeypatch):
    steps = training.fit(digits, replace(LENET, epochs=3), folder=tmp_path / "run", device="cpu")
    next(step for step in steps if step.result)
    monkeypatch.setattr(loading, "batches", broken)
    with pytest.raises(training.Diverged, match="smaller learning rate"):
        list(steps)
    run = records.read(tmp_path / "run")
    assert (run.state, len(run.epochs), run.usable) == ("failed", 1, True)
    assert "no longer a number" in run.error


def broken(items, preprocessing, parts, **_):
    for part in parts:
        yield torch.full((len(part), 1, 32, 32), float("nan")), torch.zeros(len(part), dtype=torch.long), part


def test_a_run_in_the_background_is_paused_stopped_and_resumed(digits):
    job = training.start(digits, replace(LENET, epochs=10_000), "anna", device="cpu")  # it is stopped long before
    with pytest.raises(training.RunBusy):
        training.start(digits, LENET, "anna", device="cpu")
    while not job.results:
        assert not job.finished, job.error
        job.wait(0.02)
    job.pause()
    while job.state != "paused":
        assert not job.finished, job.error
        job.wait(0.02)
    (run,) = training.runs()
    assert (run.state, run.name) == ("running", job.latest.run)
    with pytest.raises(training.RunBusy):
        training.forget(run.name)
    job.stop()
    assert job.wait(60)
    assert (job.state, training.get(run.name).state) == ("stopped", "stopped")
    assert training.load(training.get(run.name), "cpu").classes == digits.classes
    facts = checkpoints.read_json(run.folder / records.FACTS)
    checkpoints.write_json(run.folder / records.FACTS, {**facts, "plan": {**facts["plan"], "epochs": len(job.results)}})
    again = training.go_on(training.get(run.name), "anna", device="cpu")
    assert again.wait(60)
    assert again.state == "done", again.error
    assert jobs.find("training anna") is again
    training.forget(run.name)
    assert training.runs() == ()


def test_a_network_without_a_linear_end_is_trained_too(few, tmp_path):
    last = finished(few, Plan(network="squeezenet1_1", weights="random", epochs=1, side=64), tmp_path / "run")
    assert last.note == ""  # its head is a convolution; nothing can be kept
    assert len(last.history) == 1


def test_other_sizes_are_refused_where_they_cannot_be(few, tmp_path):
    steps = training.fit(
        few, Plan(network="vit_b_32", weights="random", side=64), folder=tmp_path / "run", device="cpu"
    )
    with pytest.raises(training.BadPlan, match="own size"):
        list(steps)
    assert records.read(tmp_path / "run").state == "failed"


def test_dropouts_between_unfrozen_layers_are_at_work(few):
    """AlexNet's stand between its linear layers, which are one stage; those of frozen parts rest."""
    new = "classifier.6.dropout"
    for unfreeze, working in ((0, {new}), (1, {"classifier.0", "classifier.3", new})):
        learner = Learner(Plan(network="alexnet", weights="random", unfreeze=unfreeze), few.classes, "cpu", World())
        modules = dict(learner.network.named_modules())
        assert {name for name, each in modules.items() if isinstance(each, SownDropout) and each.training} == working


def test_a_pause_is_no_work(digits, tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(fitting, "time", SimpleNamespace(monotonic=lambda: now[0]))
    told = []
    for step in training.fit(digits, replace(LENET, epochs=2), folder=tmp_path, device="cpu"):
        told.append(step)  # whoever listens takes his time, and no step takes any here
        now[0] += 100.0
    assert [told[-1].seconds, *(epoch.seconds for epoch in told[-1].history)] == [0.0, 0.0, 0.0]
    assert records.read(tmp_path).seconds == 0.0
