"""Scenes: the same from the same seed, never out of the picture, and nothing shared between training and measuring."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.datasets
from PIL import Image

from explorer import images
from explorer.detection import CLASSES, NoScene, scenes


def alike(first: scenes.Scene, second: scenes.Scene) -> bool:
    return all(
        np.array_equal(getattr(first, name), getattr(second, name)) for name in ("image", "boxes", "labels", "visible")
    )


def test_the_same_seed_gives_the_same_scene_and_another_another():
    assert alike(scenes.make(5), scenes.make(5))
    assert not np.array_equal(scenes.make(5).image, scenes.make(6).image)
    assert not np.array_equal(scenes.make(5).image, scenes.make(5, held_out=False).image)


def test_no_box_leaves_the_picture_and_every_thing_is_mostly_seen():
    seen: set[int] = set()
    photos: dict[bool, set[str]] = {True: set(), False: set()}
    longest = []
    for seed in range(120):
        for held_out in (True, False):
            scene = scenes.make(seed, held_out)
            assert scene.image.shape == (160, 160, 3)
            assert scene.image.dtype == np.uint8
            assert 1 <= len(scene.boxes) == len(scene.labels) == len(scene.visible) <= scenes.MOST_THINGS
            assert (scene.boxes >= 0).all()
            assert (scene.boxes <= 160).all()
            assert (scene.boxes[:, 2:] > scene.boxes[:, :2]).all()
            assert (scene.visible >= 1 - scenes.MOST_COVERED).all()
            assert (scene.visible <= 1).all()
            longest += (scene.boxes[:, 2:] - scene.boxes[:, :2]).max(1).tolist()
            seen |= set(scene.labels.tolist())
            photos[held_out].add(scene.photo)
    assert seen == set(range(len(CLASSES)))
    assert not photos[True] & photos[False]
    assert len(photos[True]) == 2
    assert len(photos[False]) == 5
    assert min(longest) >= 23
    assert max(longest) <= 73
    assert max(longest) / min(longest) > 2.7  # a scale of nearly 3


def test_a_scene_paints_things_where_its_boxes_say(monkeypatch):
    """Against a background without anything: what differs from it lies in the boxes, and reaches all their sides."""
    monkeypatch.setattr(scenes, "_background", lambda slug, random: np.full((160, 160, 3), 128, np.float32))
    monkeypatch.setattr(scenes, "_paint", lambda window, random: np.array([255, 0, 0], np.float32))
    for seed in range(20):
        scene = scenes.make(seed)
        painted = np.abs(scene.image[..., 0].astype(int) - 128) > 60
        inside = np.zeros((160, 160), bool)
        for left, top, right, bottom in scene.boxes.astype(int):
            part = painted[top:bottom, left:right]
            inside[top:bottom, left:right] = True
            # An edge that runs through a pixel may fill little of it, so one pixel of play at each side.
            assert part[:2].any()
            assert part[-2:].any()
            assert part[:, :2].any()
            assert part[:, -2:].any()
        assert not (painted & ~inside).any()


def test_digits_are_those_of_scikit_learns_table_and_the_last_quarter_is_held_out(monkeypatch):
    table = sklearn.datasets.load_digits()
    drawn: list[np.ndarray] = []
    whole = Image.fromarray

    def note(values, *rest):
        if values.shape == (8, 8):
            drawn.append(values)
        return whole(values, *rest)

    monkeypatch.setattr(scenes.Image, "fromarray", note)
    for held_out in (True, False):
        drawn.clear()
        for seed in range(30):
            scenes.make(seed, held_out)
        assert len(drawn) > 20
        for values in drawn:
            same = (table.images * 255 // 16 == values).all(axis=(1, 2))
            assert same.sum() == 1
            row = int(same.argmax())
            assert (row >= 1347) == held_out
            assert 1 <= table.target[row] <= 5


def test_a_missing_package_is_told_in_one_sentence(monkeypatch):
    monkeypatch.setattr(images, "samples", dict)
    scenes._photo.cache_clear()
    with pytest.raises(NoScene, match="scikit-image and scikit-learn"):
        scenes.make(0)
    scenes._photo.cache_clear()


def test_a_sample_scene_is_the_scene_of_its_seed():
    sample = images.samples()["scene_3"]
    assert sample.subject == "scenes"
    assert np.array_equal(np.asarray(sample.open()), scenes.make(3).image)
