"""The training script: its data, its loss, and a run that is stopped and goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from explorer import catalogue
from explorer.segmentation import FIRST_TRAINING_SEED, cells
from scripts import train_unet


def test_the_recipe_is_the_cards():
    assert catalogue.get("unet_cells").preprocessing == train_unet.RECIPE
    assert max(train_unet.HELD_OUT) < FIRST_TRAINING_SEED


def test_pictures_are_those_of_the_training_seeds_and_made_once(tmp_path):
    images, masks = train_unet.pictures(tmp_path, 2)
    made = [cells(FIRST_TRAINING_SEED + index, train_unet.SIDE) for index in (0, 1)]
    assert np.array_equal(images.numpy(), np.stack([each.image for each in made]))
    assert np.array_equal(masks.numpy(), np.stack([each.mask for each in made]))
    before = {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    again, _ = train_unet.pictures(tmp_path, 2)
    assert torch.equal(again, images)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("writer", [(np, "savez"), (torch, "save")])
def test_a_stop_while_a_file_is_written_leaves_no_half_of_it(tmp_path, monkeypatch, writer):
    monkeypatch.setattr(train_unet, "BATCH", 2)
    monkeypatch.setattr(train_unet, "SIDE", 64)
    monkeypatch.setattr(train_unet, "CROP", 48)

    def stop(*given, **_):
        next(each for each in given if isinstance(each, Path)).write_bytes(b"half")
        raise KeyboardInterrupt

    state = torch.get_rng_state()
    with monkeypatch.context() as patch:
        patch.setattr(*writer, stop)
        with pytest.raises(KeyboardInterrupt):
            train_unet.train(tmp_path, 0, 4)
    monkeypatch.setattr(train_unet, "BEFORE", 1)
    monkeypatch.setattr(train_unet, "AFTER", 0)
    train_unet.train(tmp_path, 0, 4)  # reads what is there
    assert torch.load(tmp_path / "unet_0_4.pt", weights_only=True)["epoch"] == 1
    torch.set_rng_state(state)


def test_a_varied_mask_still_lies_over_its_blobs():
    mask = torch.zeros(24, train_unet.SIDE, train_unet.SIDE, dtype=torch.bool)
    mask[:, 30:90, 40:70] = True
    image = mask.to(torch.uint8) * 200 + 20
    seen, wanted = train_unet.varied(image, mask, torch.Generator().manual_seed(0))
    assert seen.shape == (24, 1, train_unet.CROP, train_unet.CROP)
    for picture, truth in zip(seen[:, 0], wanted.bool(), strict=True):
        assert picture[truth].std() < 1e-5  # one gray value inside, another outside
        assert picture[~truth].std() < 1e-5
        assert (picture[truth].mean() - picture[~truth].mean()).abs() > 0.5


def test_the_loss_is_cross_entropy_and_what_is_missing_to_a_dice_of_one():
    wanted = torch.zeros(1, 2, 2, dtype=torch.long)
    wanted[0, 0] = 1
    inside = torch.tensor([[0.9, 0.6], [0.2, 0.5]])
    scores = torch.stack([(1 - inside).log(), inside.log()])[None]
    entropy = -(torch.tensor([0.9, 0.6, 0.8, 0.5]).log()).mean()
    dice = (2 * (0.9 + 0.6) + 1) / (0.9 + 0.6 + 0.2 + 0.5 + 2 + 1)
    assert train_unet.loss_of(scores, wanted) == pytest.approx(float(entropy) + 1 - dice, rel=1e-5)


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(train_unet, "BATCH", 2)
    monkeypatch.setattr(train_unet, "SIDE", 64)
    monkeypatch.setattr(train_unet, "CROP", 48)
    monkeypatch.setattr(train_unet, "BEFORE", 1)
    monkeypatch.setattr(train_unet, "AFTER", 2)
    state = torch.get_rng_state()
    at_once, stopped = tmp_path / "at_once", tmp_path / "stopped"
    for folder in (at_once, stopped):
        folder.mkdir()
    whole = train_unet.train(at_once, 0, 4).state_dict()

    calls = []

    def stop(*given):
        calls.append(given)
        if len(calls) == 4:  # in the middle of the second epoch
            raise KeyboardInterrupt
        return torch.nn.functional.cross_entropy(*given)

    loss_of = train_unet.loss_of
    monkeypatch.setattr(train_unet, "loss_of", lambda *given: (stop(*given), loss_of(*given))[1])
    with pytest.raises(KeyboardInterrupt):
        train_unet.train(stopped, 0, 4)
    monkeypatch.setattr(train_unet, "loss_of", loss_of)
    resumed = train_unet.train(stopped, 0, 4).state_dict()
    assert all(torch.equal(values, resumed[name]) for name, values in whole.items())
    torch.set_rng_state(state)
