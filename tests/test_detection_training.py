"""The training script of the small YOLO: its data, its rates, and a run that is stopped and goes on."""

from __future__ import annotations

import pytest
import torch

from explorer import models
from explorer.detection import make
from explorer.detection.loss import detection_loss
from scripts import train_yolo


def test_scenes_are_normalised_as_the_network_that_ships_does_it():
    scenes, model = [make(1), make(2)], models.load("yolo_scenes", device="cpu")
    seen = train_yolo.normalised(scenes)
    for values, scene in zip(seen, scenes, strict=True):
        torch.testing.assert_close(values[None], model.preprocess(scene.open()), check_stride=False)


def test_the_rate_rises_falls_to_nothing_and_begins_again_with_each_varied_round():
    rate, steps = train_yolo.learning_rate, train_yolo.PLAIN + sum(train_yolo.VARIED)
    assert steps == 6600
    assert max(map(rate, range(steps))) == rate(train_yolo.WARM_UP) == train_yolo.PEAK_RATE
    starts = [train_yolo.PLAIN + sum(train_yolo.VARIED[:index]) for index in range(len(train_yolo.VARIED))]
    for start in starts:
        assert rate(start - 1) < 4e-6  # a last step of nearly nothing
        assert rate(start) == train_yolo.VARIED_RATE
    assert [step for step in range(400, steps) if rate(step) > rate(step - 1)] == starts


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(train_yolo, "PLAIN", 2)
    monkeypatch.setattr(train_yolo, "VARIED", (1, 2))
    monkeypatch.setattr(train_yolo, "BATCH", 2)
    monkeypatch.setattr(train_yolo, "SAVE_EVERY", 3)
    state = torch.get_rng_state()
    at_once, stopped = tmp_path / "at_once", tmp_path / "stopped"
    for folder in (at_once, stopped):
        folder.mkdir()
    seen: list[tuple[int, bool, bool]] = []

    def seeds(seed, held_out=True, varied=False):
        seen.append((seed, held_out, varied))
        return make(seed, held_out, varied)

    monkeypatch.setattr(train_yolo, "make", seeds)
    whole = train_yolo.train(at_once, 0).state_dict()
    assert seen == [(each, False, each >= 4) for each in range(10)]  # each once, the first two batches plain

    calls = []

    def stop(*given):
        calls.append(given)
        if len(calls) == 5:  # in the last step, two after what was kept
            raise KeyboardInterrupt
        return detection_loss(*given)

    with monkeypatch.context() as patch:
        patch.setattr(train_yolo, "detection_loss", stop)
        with pytest.raises(KeyboardInterrupt):
            train_yolo.train(stopped, 0)
    seen.clear()
    resumed = train_yolo.train(stopped, 0).state_dict()
    assert [seed for seed, *_ in seen] == [6, 7, 8, 9]
    assert all(torch.equal(values, resumed[name]) for name, values in whole.items())
    torch.set_rng_state(state)


def test_the_bare_command_takes_the_threads_of_the_app(tmp_path, monkeypatch, capsys):
    """Of that many the card tells that the command writes the shipped file byte for byte."""
    told: list[int] = []
    monkeypatch.setattr(train_yolo.devices, "configure_threads", lambda: 3)
    monkeypatch.setattr(torch, "set_num_threads", told.append)
    monkeypatch.setattr(train_yolo, "report", lambda *_, **__: None)
    monkeypatch.setattr("sys.argv", ["train_yolo", str(tmp_path), "--evaluate"])
    train_yolo.main()
    assert told == [3]
