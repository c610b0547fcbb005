"""The tabs My photos and At scale in Streamlit's own test harness."""

from __future__ import annotations

import io
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
    app = AppTest.from_function(at_scale_page, default_timeout=120).run()
    assert not app.exception
    text = shown(app)
    assert "#### mine.parquet" in text
    assert "Both networks give the same first answer" in text
    assert "Over 3 photos whose folder names a class" in text
    assert "1 pictures could not be read" in "\n".join(each.label for each in app.expander)
    app.file_uploader[0].upload("other.parquet", b"nothing", "application/octet-stream").run()
    assert "other.parquet: This file is no result" in app.warning[0].value.replace("\\", "")
