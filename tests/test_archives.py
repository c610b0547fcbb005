"""A ZIP of class folders: what is in it, and what it cannot do."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import warnings
import zipfile

import pytest
from PIL import Image

from explorer import archives, images
from explorer.archives import BadArchive, Limits


def photo(shade: int, kind: str = "PNG", side: int = 8) -> bytes:
    """A small picture of its own shade."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (shade % 256, shade // 256, 7)).save(buffer, kind)
    return buffer.getvalue()


def packed(files, packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP of (name, bytes), also of names that occur twice."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


def names(archive: archives.Archive) -> dict[str, list[str]]:
    """Paths by class."""
    return {name: [path for path, _ in files] for name, files in archive.classes.items()}


def reason(archive: archives.Archive, name: str) -> str:
    """Why a file was refused."""
    return dict(archive.refused)[name]


def test_the_folder_is_the_class_and_the_bytes_are_the_files():
    files = [("dog/b.png", photo(1)), ("dog/a.jpg", photo(2, "JPEG")), ("cat/c.gif", photo(3, "GIF"))]
    found = archives.read(packed(files))
    assert names(found) == {"cat": ["cat/c.gif"], "dog": ["dog/a.jpg", "dog/b.png"]}
    assert dict(found.classes["dog"])["dog/b.png"] == photo(1)
    assert found.refused == ()
    assert found.count == 3


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_every_welcome_format_is_taken(kind):
    found = archives.read(packed([("a/x", photo(5, kind))]))
    ((_, content),) = found.classes["a"]
    assert images.open_image(content).size == (8, 8)


def test_folders_around_and_below_the_classes_do_not_matter():
    around = archives.read(packed([("pets/train/cat/1.png", photo(1)), ("pets/val/cat/2.png", photo(2))]))
    assert list(around.classes) == ["cat"]
    below = archives.read(packed([("n1/images/1.png", photo(1)), ("n2/images/2.png", photo(2))]))
    assert list(below.classes) == ["n1", "n2"]
    mixed = archives.read(packed([("1.png", photo(1)), ("cat/2.png", photo(2)), ("./cat/3.png", photo(3))]))
    assert names(mixed) == {"": ["1.png"], "cat": ["cat/2.png", "cat/3.png"]}
    windows = archives.read(packed([("pets\\dog\\1.png", photo(1))]))
    assert names(windows) == {"dog": ["pets/dog/1.png"]}


@pytest.mark.parametrize(
    ("folders", "classes"),
    [
        (["a", "a", "a/more", "b"], ["a", "a", "a", "b"]),  # most of a lies directly in it
        (["kinds", "kinds/a", "kinds/a", "kinds/b"], ["kinds", "a", "a", "b"]),  # a stray picture joins nothing
        (["set/train/a", "set/train/a/old", "set/val/a"], ["a", "a", "a"]),
        (["x/a", "x/b", "y/c"], ["a", "b", "c"]),
        (["a", "a", "a/b", "a/b/c"], ["a", "a", "a", "a"]),
        (["a/images", "b/images"], ["a", "b"]),
        (["", "a"], ["", "a"]),
    ],
)
def test_a_folder_inside_a_class_folder_belongs_to_it(folders, classes):
    found = archives.class_folders([tuple(folder.split("/")) if folder else () for folder in folders])
    assert [folder[-1] if folder else "" for folder in found] == classes


def test_litter_is_passed_over_in_silence():
    litter = ["__MACOSX/cat/._1.png", "cat/.DS_Store", ".git/x.png", "cat/Thumbs.db", "cat/desktop.ini", "cat/"]
    found = archives.read(packed([("cat/1.png", photo(1)), *((name, b"\0" * 9) for name in litter if name[-1] != "/")]))
    assert names(found) == {"cat": ["cat/1.png"]}
    assert found.refused == ()


def test_names_that_point_outside_are_refused_and_the_others_stay():
    outside = ["../evil.png", "cat/../../evil2.png", "/etc/evil3.png", "C:\\evil4.png", "..\\evil5.png"]
    files = [(name, photo(place)) for place, name in enumerate(outside)]
    found = archives.read(packed([*files, ("cat/fine.png", photo(99))]))
    assert names(found) == {"cat": ["cat/fine.png"]}
    assert len(found.refused) == len(outside)
    assert {why for _, why in found.refused} == {"Its name points outside the archive."}


def test_odd_names_are_read_as_they_were_meant():
    data = bytearray(packed([("Käfer/über.png", photo(1)), ("a\tb/x\u202e.png", photo(2))]))
    assert list(archives.read(bytes(data)).classes) == ["Käfer", "a_b"]
    for signature, flags in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):  # UTF-8 that does not say so: old programs
        place = -1
        while (place := data.find(signature, place + 1)) >= 0:
            data[place + flags] &= ~0x08
    assert list(archives.read(bytes(data)).classes) == ["Käfer", "a_b"]
    decomposed = archives.read(packed([("Ka\u0308fer/1.png", photo(1)), ("Käfer/2.png", photo(2))]))
    assert list(decomposed.classes) == ["Käfer"]  # macOS and Windows write the same letter in two ways
    long = archives.read(packed([("x" * 200 + "/1.png", photo(1))]))
    assert "longer than 120" in long.refused[0][1]


def test_what_is_no_picture_is_refused_with_its_reason():
    files = {
        "cat/notes.txt": b"hello",
        "cat/fake.jpg": b"<html></html>",
        "cat/more.zip": packed([("a.png", photo(1))]),
        "cat/empty.png": b"",
    }
    found = archives.read(packed([*files.items(), ("cat/1.png", photo(1))]))
    assert "not a picture" in reason(found, "cat/notes.txt")
    assert "not a picture" in reason(found, "cat/fake.jpg")
    assert "archive in the archive" in reason(found, "cat/more.zip")
    assert reason(found, "cat/empty.png") == "It is empty."
    assert found.count == 1


def test_a_second_copy_is_refused_also_under_the_same_name():
    files = [("cat/1.png", photo(1)), ("dog/copy.png", photo(1)), ("cat/1.png", photo(1)), ("cat/2.png", photo(2))]
    found = archives.read(packed(files))
    assert names(found) == {"cat": ["cat/1.png", "cat/2.png"]}
    assert reason(found, "dog/copy.png") == "It is the same picture as cat/1.png."


def test_copies_are_kept_for_who_asks():
    files = [("cat/1.png", photo(1)), ("dog/copy.png", photo(1)), ("cat/1.png", photo(1))]
    found = archives.read(packed(files), copies=True)
    assert names(found) == {"cat": ["cat/1.png"], "dog": ["dog/copy.png"]}
    assert "a second time" in reason(found, "cat/1.png")  # a name is one file


@pytest.mark.parametrize("separator", ["/", "\\"])
def test_a_path_of_thousands_of_folders_is_refused_without_being_followed(separator):
    deepest = separator.join(["a"] * 31)
    files = [("cat/1.png", photo(1)), (f"{deepest}{separator}2.png", photo(2)), (f"a{separator}" * 8000, photo(3))]
    files[2] = (files[2][0] + "3.png", files[2][1])
    data = packed(files)
    tracemalloc.start()
    found = archives.read(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert names(found) == {"a": [deepest.replace("\\", "/") + "/2.png"], "cat": ["cat/1.png"]}
    ((_, why),) = found.refused
    assert why == "It lies deeper than 31 folders; put it into fewer."
    assert peak < 30 * len(data)  # it was a thousand times as much and more: the square of the depth


def test_two_different_pictures_of_one_name_are_not_confused():
    found = archives.read(packed([("cat/1.png", photo(1)), ("cat/1.png", photo(2))]))
    assert names(found) == {"cat": ["cat/1.png"]}
    assert "a second time" in reason(found, "cat/1.png")


def test_encrypted_linked_and_rarely_packed_files_are_refused():
    data = bytearray(packed([("cat/1.png", photo(1))]))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(signature) + flags] |= 1
    assert "encrypted" in reason(archives.read(bytes(data)), "cat/1.png")
    rare = archives.read(packed([("cat/1.png", photo(1))], zipfile.ZIP_LZMA))
    assert "rare way" in reason(rare, "cat/1.png")
    link = zipfile.ZipInfo("cat/link.png")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "link" in reason(archives.read(buffer.getvalue()), "cat/link.png")


def test_a_bomb_is_stopped_by_its_ratio_its_size_and_the_sum():
    bomb = photo(1)[:8] + bytes(8 * 2**20)
    assert "as a bomb does" in archives.read(packed([("a/bomb.png", bomb)])).refused[0][1]
    stored = packed([("a/large.png", photo(1) + bytes(3000))], zipfile.ZIP_STORED)
    assert "more than" in archives.read(stored, Limits(each=2000)).refused[0][1]
    several = packed([(f"a/{shade}.bmp", photo(shade, "BMP", 32)) for shade in range(5)])
    found = archives.read(several, Limits(total=7000))  # 3,126 bytes each
    assert found.count == 2
    assert all("All pictures together" in why for _, why in found.refused)
    few = archives.read(several, Limits(pictures=3))
    assert (few.count, len(few.refused)) == (3, 2)
    with pytest.raises(BadArchive, match="more than 4 files"):
        archives.read(several, Limits(entries=4))
    with pytest.raises(BadArchive, match="at most"):
        archives.read(several, Limits(packed=100))


def test_a_header_that_lies_about_the_size_is_not_believed():
    data = bytearray(packed([("a/1.png", photo(1)[:8] + bytes(2**21))]))
    directory = data.find(b"PK\x01\x02")
    struct.pack_into("<L", data, directory + 24, 1000)  # claims to unpack to 1,000 bytes
    assert "damaged" in archives.read(bytes(data)).refused[0][1]


def test_entries_that_share_their_bytes_cannot_multiply_the_work():
    """Fifield's bomb: a thousand entries of the directory point at the same megabytes."""
    content = photo(1)[:8] + random.Random(1).randbytes(2**20)
    data = packed([("a/0000.png", content)], zipfile.ZIP_STORED)
    start = data.find(b"PK\x01\x02")
    entry, end = data[start : data.find(b"PK\x05\x06")], bytearray(data[data.find(b"PK\x05\x06") :])
    entries = b"".join(entry.replace(b"0000", f"{place:04d}".encode()) for place in range(1000))
    struct.pack_into("<HHL", end, 8, 1000, 1000, len(entries))
    found = archives.read(data[:start] + entries + bytes(end), Limits(total=3 * 2**20))
    assert found.count == 1
    assert len(found.refused) == 999


@pytest.mark.parametrize("data", [b"", b"PK", b"Rar!\x1a\x07", photo(1), b"PK\x03\x04" + bytes(100)])
def test_what_is_no_zip_is_one_sentence(data):
    with pytest.raises(BadArchive) as caught:
        archives.read(data)
    assert "\n" not in str(caught.value)


def test_damage_anywhere_is_a_sentence_and_never_a_crash():
    good = packed([(f"{shade % 3}/{shade}.png", photo(shade)) for shade in range(6)])
    noise = random.Random(5)
    for _ in range(400):
        data = bytearray(good)
        for _ in range(noise.choice((1, 2, 8))):
            data[noise.randrange(len(data))] = noise.randrange(256)
        try:
            found = archives.read(bytes(data[: noise.choice((len(data), noise.randrange(len(data))))]))
        except BadArchive:
            continue
        assert found.count <= 6


def test_a_path_reads_like_its_bytes(tmp_path):
    data = packed([("cat/1.png", photo(1)), ("cat/no.txt", b"x")])
    (tmp_path / "a.zip").write_bytes(data)
    assert archives.read(tmp_path / "a.zip") == archives.read(data)
