"""The tabs My photos and At scale in Streamlit's own test harness."""

from __future__ import annotations

import io
import os
import zipfile

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from explorer import answers, evaluate, images, models, predict, storage
from explorer.evaluate import Plan
from pages.shared import long_run, pictures
from pages.shared.performance import at_scale, mapping, my_photos
from tests.pages.test_evidence import labelled, shown

ONE = ["efficientnet_lite0"]


def my_photos_page():
    """A page with nothing but the tab My photos."""
    from pages.shared.performance import my_photos

    my_photos.draw()


def at_scale_page():
    """A page with nothing but the tab At scale."""
    from pages.shared.performance import at_scale

    at_scale.draw()


@pytest.fixture(scope="module")
def packed() -> bytes:
    """A ZIP of two class folders and a text."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for folder, name in (("cat", "chelsea"), ("espresso", "coffee"), ("my street", "motorcycle")):
            photo = images.samples()[name].open()
            for place in range(2):
                file = io.BytesIO()
                photo.crop((place, place, photo.width, photo.height)).resize((120, 100)).save(file, "PNG")
                archive.writestr(f"{folder}/{name}{place}.png", file.getvalue())
        archive.writestr("cat/notes.txt", "no picture")
    return buffer.getvalue()


def test_it_opens_with_the_samples_and_says_what_its_code_computes():
    app = AppTest.from_function(my_photos_page, default_timeout=120).run()
    assert not app.exception
    samples = [each for each in images.samples().values() if each.subject == "photos"]
    names = {
        "photos": [each.open() for each in samples],
        "folders": [""] * len(samples),
        "files": [each.title for each in samples],
    }
    exec(app.code[0].value, names)
    found = names["found"]
    text = shown(app)
    assert f"All 3 networks give the same first answer to {answers.unanimous(found)} of {len(samples)} photos" in text
    first = found.files[answers.disputed(found)[0]]
    assert text.index(f"**{first}**") < min(
        text.index(f"**{found.files[place]}**") for place in answers.disputed(found)[1:4]
    )
    assert "How often" not in text  # nobody knows what they show


def test_a_zip_is_labelled_by_its_folders_and_can_be_corrected(packed):
    app = AppTest.from_function(my_photos_page, default_timeout=120)
    app.session_state["my-photos-networks"] = ONE
    app.run()
    labelled(app.button_group, "Photos").set_value("zip").run()
    app.file_uploader[0].upload("pets.zip", packed, "application/zip").run()
    assert not app.exception
    text = shown(app)
    assert "pets.zip: 6 photos in 3 folders." in text
    assert "cat/notes.txt: It is not a picture" in text
    model = models.load("efficientnet_lite0", device="cpu")
    right = []
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        for file, targets in (("cat/chelsea", range(281, 286)), ("espresso/coffee", (967,))):
            for place in range(2):
                photo = images.open_image(archive.read(f"{file}{place}.png"))
                right.append(predict.top_k(model, photo)[0].index in targets)
    assert f"**{np.sum(right)} of 4 photos**" in text
    assert "1 of 3 not known" in "\n".join(each.label for each in app.expander)
    assert "expected calibration error" in text


def said_page(found):
    """The sentences about some answers."""
    from pages.shared.performance import answered

    answered.headline(found)
    answered.accuracy(found, "said")


def given(*hits: int, of: int = 4, labelled: bool = True) -> answers.Answers:
    """Networks A, B ... that are right about so many of some photos: class 0 is right, they say it or class 1 ..."""
    first = np.array(
        [[0 if place < right else 1 + network for network, right in enumerate(hits)] for place in range(of)]
    )
    sure = np.where(np.arange(6) == first[..., None], 0.75, 0.05)
    names = [f"photo {place}" for place in range(of)]
    found = answers.collect(names, ["x"] * of, list("ABCD")[: len(hits)], [f"class {i}" for i in range(6)], sure)
    return found.with_targets([(0,)] * of) if labelled else found


@pytest.mark.parametrize(
    ("hits", "of", "sentence"),
    [
        ((0, 0, 0), 4, "None of 4 photos is named rightly by any network"),
        ((0,), 4, "None of 4 photos is named rightly"),
        ((0, 0), 1, "The photo is not named rightly by any network"),
        ((3,), 4, "3 of 4 photos"),
        ((3, 1, 2), 4, "A is right most often: 3 of 4 photos"),
        ((3, 1, 3), 4, "A and C are right most often: 3 of 4 photos"),
        ((2, 1, 2, 2), 4, "A, C and D are right most often: 2 of 4 photos"),
        ((2, 2), 4, "Both are right equally often: 2 of 4 photos"),
        ((2, 2, 2), 4, "All are right equally often: 2 of 4 photos"),
        ((90, 30), 100, "A is right most often: 90 % of 100 photos"),
    ],
)
def test_who_is_right_most_often_is_said_as_it_is(hits, of, sentence):
    app = AppTest.from_function(said_page, args=(given(*hits, of=of),), default_timeout=60).run()
    assert not app.exception
    assert f"**{sentence}** (95 % interval" in shown(app).replace("\u00a0%", " %")


@pytest.mark.parametrize(
    ("hits", "of", "sentence"),
    [
        ((4, 4, 4), 4, "All 3 networks give the same first answer to every photo."),
        ((4, 2), 4, "Both networks give the same first answer to 2 of 4 photos."),
        ((0, 0), 4, "On none of 4 photos do both networks give the same first answer."),
        ((1, 1, 1), 1, "All 3 networks give the photo the same first answer."),
        ((1, 0), 1, "The networks do not agree."),
        ((1,), 1, "A takes the photo for class 0, 75 %."),
        ((1,), 2, "2 photos through A: median confidence 75 %."),
    ],
)
def test_the_headline_counts_how_often_all_agree(hits, of, sentence):
    found = given(*hits, of=of, labelled=False)
    app = AppTest.from_function(said_page, args=(found,), default_timeout=60).run()
    assert f"**{sentence}**" in shown(app)


def test_one_photo_needs_no_statistics_and_a_deleted_network_is_forgotten():
    app = AppTest.from_function(my_photos_page, default_timeout=120)
    app.session_state["my-photos-networks"] = ["efficientnet_lite0", "mine:gone", "efficientnet_lite1"]
    app.run()
    assert not app.exception
    assert app.multiselect(key="my-photos-networks").value == ["efficientnet_lite0", "efficientnet_lite1"]
    assert "come with their weights; others fetch theirs once chosen" in shown(app)
    assert "Who agrees with whom" in shown(app)
    labelled(app.button_group, "Photos").set_value("mine").run()
    file = io.BytesIO()
    images.samples()["coffee"].open().save(file, "PNG")
    app.file_uploader[0].upload("mine.png", file.getvalue(), "image/png").run()
    assert not app.exception
    text = shown(app)
    assert "· 1 photo" in text
    assert "1 photos" not in text
    assert "What does each say" in text
    assert "Who agrees with whom" not in text


def test_a_choice_in_the_editor_counts():
    names = ["0 tench", "1 goldfish"]
    assert mapping.chosen({"a": ["1 goldfish", "0 tench"], "b": [], "c": None, "d": ["7 x"]}, names) == {
        "a": (1, 0),
        "b": (),
        "c": (),
        "d": (),
    }


def test_what_is_no_archive_is_one_sentence_and_nothing_is_lost(packed):
    app = AppTest.from_function(my_photos_page, default_timeout=120)
    app.session_state["my-photos-networks"] = ONE
    app.run()
    labelled(app.button_group, "Photos").set_value("zip").run()
    app.file_uploader[0].upload("pets.zip", packed, "application/zip").run()
    app.file_uploader[0].upload("bad.zip", b"nothing", "application/zip").run()
    assert not app.exception
    assert "bad.zip: This file is not a ZIP archive" in app.warning[0].value.replace("\\", "")
    assert "pets.zip: 6 photos" in shown(app)


def test_stop_keeps_what_is_done_and_the_rest_is_asked_for(packed, monkeypatch):
    monkeypatch.setattr(my_photos, "_PATIENCE", 0.0)
    app = AppTest.from_function(my_photos_page, default_timeout=120)
    app.session_state["my-photos-networks"] = ONE
    app.run()
    count = iter(range(100))
    monkeypatch.setattr(long_run, "called_away", lambda: next(count) >= 4)
    labelled(app.button, "Ask the networks").click().run()
    assert not app.exception
    assert "passes; they are kept" in shown(app)
    assert "So far: " in shown(app)
    monkeypatch.undo()
    monkeypatch.setattr(my_photos, "_PATIENCE", 0.0)
    app.run()
    labelled(app.button, "Ask about the others").click().run()
    assert not app.exception
    assert "So far" not in shown(app)
    assert "8 photos through EfficientNet-Lite0" in shown(app)


def test_answers_that_had_to_go_are_asked_for_again(monkeypatch):
    monkeypatch.setattr(my_photos, "_MOST_KEPT", 10)
    app = AppTest.from_function(my_photos_page, default_timeout=120)
    app.session_state["my-photos-networks"] = ONE
    app.run()
    for networks in (["efficientnet_lite1"], ONE, [*ONE, "efficientnet_lite1"], ONE):
        app.multiselect(key="my-photos-networks").set_value(networks).run()
        assert not app.exception
        assert not app.warning, networks
        titles = " and ".join("EfficientNet-Lite" + slug[-1] for slug in networks)
        assert ("Both networks give" if len(networks) > 1 else f"8 photos through {titles}") in shown(app)


def test_a_selected_photo_is_the_photo_of_every_page():
    app = AppTest.from_function(my_photos_page, default_timeout=120).run()
    button = next(each for each in app.button if each.label == "Select")
    button.click().run()
    assert not app.exception
    chosen = app.session_state["selection"].image
    assert chosen in pictures.samples()
    assert pictures.samples()[chosen].title == "Flower"  # which the three networks disagree about most


def test_at_scale_opens_with_an_example_and_a_command_that_the_program_understands():
    app = AppTest.from_function(at_scale_page, default_timeout=120).run()
    assert not app.exception
    assert "The samples, as an example" in shown(app)
    assert "same first answer to" in shown(app)
    from explorer.evaluate.__main__ import _plan

    words = app.code[0].value.replace("\\\n", "").split()
    assert words[:3] == [at_scale.python(), "-m", "explorer.evaluate"]
    plan = _plan(words[3:])
    assert plan.models == my_photos.NETWORKS
    assert plan.out.parent == storage.folder("evaluations")
    assert _plan(at_scale.command(["resnet50"], ray=True).replace("\\\n", "").split()[3:]).ray == "local"


def test_a_result_in_the_folder_is_shown(tmp_path, monkeypatch):
    monkeypatch.setenv(storage.VARIABLE, str(tmp_path / "data"))
    (tmp_path / "pictures" / "cat").mkdir(parents=True)
    for place in range(3):
        Image.new("RGB", (40, 40), (80 * place, 9, 9)).save(tmp_path / "pictures" / "cat" / f"{place}.png")
    (tmp_path / "pictures" / "cat" / "bad.png").touch()
    out = storage.folder("evaluations") / "mine.parquet"
    evaluate.run(Plan(tmp_path / "pictures", tuple(my_photos.NETWORKS[:2]), out, device="cpu", workers=0))
    read, original = [], evaluate.read
    monkeypatch.setattr(evaluate, "read", lambda source: (read.append(source), original(source))[1])
    app = AppTest.from_function(at_scale_page, default_timeout=120).run()
    app.run()
    assert read == [out]  # once, as long as the file is the same
    assert not app.exception
    text = shown(app)
    assert "#### mine.parquet" in text
    assert "Both networks give the same first answer" in text
    assert "Over 3 photos whose folder names a class" in text
    assert "1 picture could not be read" in "\n".join(each.label for each in app.expander)
    app.file_uploader[0].upload("other.parquet", b"nothing", "application/octet-stream").run()
    assert "other.parquet: This file is no result" in app.warning[0].value.replace("\\", "")
    os.utime(out, ns=(1, 1))
    app.run()
    assert [each for each in read if each == out] == [out] * 2
