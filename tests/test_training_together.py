"""Several processes, started by torchrun, train as one would; the shell, which starts them, says what it does."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from explorer import catalogue, storage, training
from explorer.training import Plan, bundled, parallel, records
from explorer.training.parallel import World
from tests.test_training_runs import ROOT, TIMEOUT, finished


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Each test has a data folder of its own, so that no other test sees its networks."""
    monkeypatch.setenv(storage.VARIABLE, str(tmp_path / "data"))


def test_two_processes_train_as_one(tmp_path):
    """torchrun, two processes on the CPU with gloo, against one process."""
    digits = bundled.get("digits")
    digits = replace(digits, train=digits.train[::10], validation=digits.validation[::10])
    folder = tmp_path / "photos"
    for part, items in (("train", digits.train), ("val", digits.validation)):
        for item in items:
            place = folder / part / digits.classes[item.label]
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{item.name}.png").write_bytes(item.read())
    options = {"epochs": 2, "unfreeze": 3, "dropout": 0, "batch_size": 13, "learning_rate": 0.01}
    written = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    arguments = ["--data", str(folder), "--model=lenet5", "--device=cpu", "--out", str(tmp_path / "two"), *written]
    in_two_processes("-m", "explorer.training", *arguments)
    two = records.read(tmp_path / "two")
    assert two.counts == ((4, 2),) * 10  # the folders' own division
    dataset = training.from_folder(folder)
    one = finished(dataset, Plan(network="lenet5", **options), tmp_path / "one")
    for ours, theirs in zip(one.history, two.epochs, strict=True):
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-4)
        assert ours.validation_loss == pytest.approx(theirs.validation_loss, rel=1e-4)
        assert ours.validation_accuracy == theirs.validation_accuracy


def in_two_processes(*arguments: str) -> None:
    """Under torchrun, on the CPU with gloo."""
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr[-3000:]


_NORMS = """
import sys
from dataclasses import replace
from pathlib import Path
from explorer import training
from explorer.training import Plan, bundled, parallel
whole = bundled.get("textures")
few = replace(whole, train=whole.train[::7], validation=whole.validation[::3])
with parallel.joined("cpu") as device:
    for unfreeze in (0, 4):
        plan = Plan(
            network="shufflenet_v2_x0_5", weights="random", side=64, unfreeze=unfreeze, dropout=0, epochs=2,
            batch_size=5, learning_rate=0.01, backbone_rate=1.0,
        )
        list(training.fit(few, plan, folder=Path(sys.argv[1], f"unfrozen-{unfreeze}"), device=device))
"""


def test_two_processes_report_what_the_kept_batch_norms_give(tmp_path):
    """Statistics differ between processes; those that are checked are those that are kept."""
    (tmp_path / "norms.py").write_text(_NORMS)
    in_two_processes(str(tmp_path / "norms.py"), str(storage.folder("training")))
    frozen, unfrozen = (training.get(f"unfrozen-{stages}") for stages in (0, 4))
    for run in (frozen, unfrozen):
        found = training.of_run(run, "cpu")
        assert found.accuracy == pytest.approx(run.best.validation_accuracy)
        loss = -np.log(found.probabilities[np.arange(len(found.truths)), found.truths]).mean()
        assert loss == pytest.approx(run.best.validation_loss, rel=1e-5)
    begun, learnt = (load_file(run.folder / "best.safetensors") for run in (frozen, unfrozen))
    assert not torch.equal(begun["conv5.1.running_mean"], learnt["conv5.1.running_mean"])  # it did follow the photos
    alone = finished(training.data(frozen), frozen.plan, tmp_path / "alone")
    for ours, theirs in zip(alone.history, frozen.epochs, strict=True):
        assert (ours.loss, ours.validation_loss) == pytest.approx((theirs.loss, theirs.validation_loss), rel=1e-4)


def test_on_graphics_cards_batch_norms_that_are_trained_become_common_ones(monkeypatch):
    monkeypatch.setattr(parallel, "DistributedDataParallel", lambda module, **_: module)
    network = catalogue.get("resnet18").unfilled()
    names = list(network.state_dict())
    card = torch.device("cuda", 0)
    for buffers, kind in ((False, nn.BatchNorm2d), (True, nn.SyncBatchNorm)):
        wrapped = World(0, 2).wrap(network, card, buffers=buffers)
        assert type(wrapped.bn1) is type(wrapped.layer4[1].bn2) is kind
        assert list(wrapped.state_dict()) == names


def test_the_shell_says_what_it_begins_with_where_nothing_can_be_fetched(tmp_path, capsys):
    from explorer.training.__main__ import main

    options = ["--model=shufflenet_v2_x0_5", "--side=32", "--epochs=1", "--device=cpu", "--out", str(tmp_path / "run")]
    assert main(["--data=bundled:faces", *options]) == 0
    told = capsys.readouterr().out.splitlines()
    (line,) = [each for each in told if "could not be downloaded" in each]
    assert line.endswith("The run begins with random weights: what is frozen knows nothing.")
    (kept,) = [each for each in told if "computed once and kept" in each]
    assert told.index(line) < told.index(kept)


def test_the_shell_says_in_one_sentence_what_it_needs(tmp_path, capsys):
    from explorer.training.__main__ import main

    for arguments, named in (
        ([], "--data"),
        (["--data", str(tmp_path / "none")], "no folder"),
        (["--data", "bundled:cats"], "textures"),
        (["--data", "bundled:faces", "--model", "unet"], "U-Net"),
        (["--data", "bundled:faces", "--epochs", "0"], "epochs"),
        (["--resume", str(tmp_path)], "run.json"),
    ):
        assert main([*arguments, "--device=cpu"]) == 1
        told = capsys.readouterr().err.strip().splitlines()
        assert named in told[-1]
        assert told[-1].endswith(".")
