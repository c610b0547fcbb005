"""Pictures to learn from: what is read, what is left out, and how they are divided."""

from __future__ import annotations

import io
import struct
import zipfile
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from skimage import data as skimage_data
from sklearn.datasets import load_digits

from explorer import training
from explorer.archives import BadArchive
from explorer.training import BadDataset, bundled, kept_data


def picture(seed: int, size: tuple[int, int] = (24, 16), kind: str = "PNG") -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, kind)
    return buffer.getvalue()


def packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def pets(count: int = 10) -> dict[str, bytes]:
    return {
        f"pets/{kind}/{index}.png": picture(1000 * number + index)
        for number, kind in enumerate(("dog", "cat"))
        for index in range(count)
    }


def test_a_zip_of_class_folders_is_divided_by_class_and_seed():
    archive = packed(pets())
    dataset = training.from_archive(archive, share=0.3)
    assert dataset.classes == ("cat", "dog")
    assert dataset.counts == ((7, 3), (7, 3))
    names = {item.name for item in (*dataset.train, *dataset.validation)}
    assert names == set(pets())
    assert all(dataset.classes[item.label] in item.name for item in (*dataset.train, *dataset.validation))
    assert training.from_archive(archive, share=0.3) == dataset
    other = training.from_archive(archive, share=0.3, seed=1)
    assert {item.name for item in other.validation} != {item.name for item in dataset.validation}


def test_folders_that_divide_are_followed():
    files = {
        f"{part}/{kind}/{n}.png": picture(hash((part, kind, n)) % 10**9)
        for part, count in (("train", 4), ("val", 2))
        for kind in "ab"
        for n in range(count)
    }
    dataset = training.from_archive(packed(files))
    assert dataset.counts == ((4, 2), (4, 2))
    assert all(item.name.startswith("val/") for item in dataset.validation)


def test_a_part_of_a_division_is_told_and_not_followed(tmp_path):
    files = {f"{part}/{kind}/{n}.png": picture(n + 10 * len(part + kind)) for part, kind, n in PARTS}
    warning = "The division into “train” and “val” {}; so all pictures are mixed and divided anew."
    assert not any("divi" in each for each in training.from_archive(packed(files)).report.warnings)
    lacking = {name: data for name, data in files.items() if not name.startswith("val/cats")}
    dataset = training.from_archive(packed(lacking), share=0.5)
    assert dataset.report.warnings[0] == warning.format("has no picture to check with for “cats”")
    assert dataset.counts == ((2, 2), (3, 3))
    outside = {**files, "late/dog/7.png": picture(7)}
    assert training.from_archive(packed(outside)).report.warnings[0] == warning.format("leaves out late/dog/7.png")
    for name, data in lacking.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert training.from_folder(tmp_path).report.warnings[0] == dataset.report.warnings[0]
    # A class may be called 'train': nobody divided anything.
    trains = {f"{kind}/{n}.png": picture(n + len(kind)) for kind in ("train", "aeroplane") for n in (0, 20, 40)}
    assert not any("divi" in each for each in training.from_archive(packed(trains)).report.warnings)


PARTS = [
    (part, kind, n) for part, count in (("train", 4), ("val", 2)) for kind in ("cats", "dog") for n in range(count)
]


def test_copies_of_a_file_are_counted_like_copies_of_a_picture():
    files = pets()
    files["pets/cat/again.png"] = files["pets/cat/0.png"]
    files["pets/cat/mine.png"] = files["pets/dog/3.png"]
    report = training.from_archive(packed(files)).report
    assert report.copies == 2
    assert dict(report.left_out) == {
        "pets/cat/again.png": "It is the same picture as pets/cat/0.png.",
        "pets/dog/3.png": "It is the same picture as pets/cat/mine.png, which is said to be “cat”.",
    }
    assert "2 second copies of pictures left out: what was learnt cannot be checked." in report.warnings


def test_copies_never_stand_on_both_sides():
    files = pets()
    files["pets/cat/again.bmp"] = reencoded(files["pets/cat/0.png"], "BMP")  # the same pixels in other bytes
    files["pets/cat/mine.bmp"] = reencoded(files["pets/dog/3.png"], "BMP")
    dataset = training.from_archive(packed(files))
    assert dataset.report.copies == 2
    reasons = dict(dataset.report.left_out)
    assert reasons["pets/cat/again.bmp"] == "It is the same picture as pets/cat/0.png."
    assert "said to be “cat”" in reasons["pets/dog/3.png"]
    pixels = Counter(item.open().tobytes() for item in (*dataset.train, *dataset.validation))
    assert set(pixels.values()) == {1}
    assert any("copies" in warning for warning in dataset.report.warnings)


def reencoded(data: bytes, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(data)).save(buffer, kind)
    return buffer.getvalue()


def test_what_is_broken_is_listed_and_left_out():
    files = pets()
    files["pets/cat/cut.png"] = files["pets/cat/1.png"][:60]
    files["pets/cat/notes.txt"] = b"meow"
    files["../../etc/passwd.png"] = picture(5)
    files["__MACOSX/pets/cat/._1.png"] = b"\x00"
    files["pets/Käfig ☃/1.png"] = picture(77)
    files["pets/Käfig ☃/2.png"] = picture(78)
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 60000, 60000, 8, 2, 0, 0, 0)
    files["pets/dog/bomb.png"] = header + b"\0" * 40
    dataset = training.from_archive(packed(files))
    left_out = dict(dataset.report.left_out)
    assert {"pets/cat/cut.png", "pets/cat/notes.txt", "pets/dog/bomb.png"} <= set(left_out)
    assert any("passwd" in name for name in left_out)
    assert not any("MACOSX" in name for name in left_out)
    assert "Käfig ☃" in dataset.classes
    assert all(reason.endswith(".") for reason in left_out.values())


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({}, "no picture"),
        ({"cat/1.png": picture(1), "cat/2.png": picture(2)}, "one class, “cat”"),
        ({"cat/1.png": picture(1), "cat/2.png": picture(2), "dog/1.png": picture(3)}, "“dog” has one usable"),
    ],
)
def test_too_little_is_said_plainly(files, named):
    with pytest.raises(BadDataset, match=named):
        training.from_archive(packed(files))


def test_a_folder_inside_a_class_is_no_class_and_is_told(tmp_path):
    files = {**pets(4), "pets/cat/old/7.png": picture(900), "pets/cat/old/8.png": picture(901)}
    found = training.from_archive(packed(files))
    assert len(found.classes) == 2
    assert sum(map(sum, found.counts)) == 4 * 2 + 2
    assert "The folder “old” lies inside “cat” and counts as part of it." in found.report.warnings
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert training.from_folder(tmp_path).counts == found.counts


def test_a_zip_without_folders_says_so():
    with pytest.raises(BadDataset, match="There is no folder in this archive"):
        training.from_archive(packed({"1.png": picture(1), "2.png": picture(2)}))


def test_no_zip_is_refused():
    with pytest.raises(BadArchive):
        training.from_archive(b"GIF89a")


def test_doubtful_sets_are_warned_about():
    files = {f"a/{n}.png": picture(n) for n in range(40)} | {f"b/{n}.png": picture(100 + n) for n in range(5)}
    warnings = " ".join(training.from_archive(packed(files)).report.warnings)
    assert "Fewer than 10 pictures to learn from: “b”" in warnings
    assert "32 pictures and the smallest 4" in warnings
    assert "Only 9 pictures to check with" in warnings


def test_classes_count_as_people_do():
    groups = {str(n): [(f"{n}-{i}", picture(10 * n + i)) for i in range(2)] for n in (10, 9, 1)}
    assert training.from_images(groups).classes == ("1", "9", "10")


def test_large_photos_are_kept_small():
    large = {
        kind: [(f"{n}.jpg", picture(n + shift, (2000, 1500), "JPEG")) for n in range(2)]
        for kind, shift in (("a", 0), ("b", 9))
    }
    dataset = training.from_images(large)
    assert {item.open().size for item in dataset.train} == {(1024, 768)}
    with pytest.raises(BadDataset, match="share"):
        training.from_images(large, share=1.5)


def test_a_folder_keeps_paths_and_notices_changes(tmp_path):
    for name, content in pets(4).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "pets/cat/loop").symlink_to(tmp_path)
    dataset = training.from_folder(tmp_path / "pets")
    assert dataset.counts == ((3, 1), (3, 1))
    assert all(item.path and not item.data for item in dataset.train)
    kept = tmp_path / "run"
    kept.mkdir()
    kept_data.write(kept, dataset)
    assert kept_data.read(kept) == dataset
    (tmp_path / "pets/cat/0.png").write_bytes(picture(3, (9, 9)))
    with pytest.raises(training.BadCheckpoint, match="has changed"):
        kept_data.read(kept)
    with pytest.raises(BadDataset, match="no folder"):
        training.from_folder(tmp_path / "none")


def test_bundled_sets_survive_being_kept(tmp_path):
    for slug in training.sets():
        dataset = training.bundled_set(slug)
        kept_data.write(tmp_path, dataset)
        assert kept_data.read(tmp_path) == dataset
    with pytest.raises(BadDataset, match="textures"):
        training.bundled_set("cats")


def test_textures_are_halves_of_scikit_images_photos():
    dataset = bundled.textures()
    assert dataset.counts == ((21, 21),) * 3
    photo = skimage_data.brick()
    first = dataset.train[0]
    assert np.array_equal(np.asarray(first.open())[..., 0], photo[:128, :128])
    rights = {column for item in dataset.validation for column in [int(item.name.rsplit(" ", 1)[1])]}
    assert min(rights) == 256
    assert max(int(item.name.rsplit(" ", 1)[1]) for item in dataset.train) + 128 <= 256


def test_faces_and_digits_are_the_packages_own():
    faces = bundled.faces()
    assert faces.counts == ((80, 20), (80, 20))
    assert np.array_equal(np.asarray(faces.train[0].open())[..., 0], np.rint(skimage_data.lfw_subset()[0] * 255))
    digits = bundled.digits()
    assert digits.counts == ((40, 20),) * 10
    truth = load_digits().target
    for item in (*digits.train, *digits.validation):
        assert truth[int(item.name.rsplit(" ", 1)[1])] == item.label
