"""The Transfer learning page in Streamlit's own test harness: what it plans is what is trained, and nothing is lost."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from explorer import archives, catalogue, training
from pages.shared.tuning import plan as planning
from tests.pages.test_evidence import labelled, shown
from tests.pages.test_pages import opened, read

SIDE = 48


def archive(broken: bool = False) -> bytes:
    """Twelve pictures of two colours, each with its own noise, in two folders."""
    dice, buffer = np.random.default_rng(0), io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, colour in (("rust", (180, 70, 30)), ("sea", (20, 90, 160))):
            for number in range(12):
                pixels = np.clip(np.array(colour) + dice.normal(0, 25, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
                picture = io.BytesIO()
                Image.fromarray(pixels).save(picture, "PNG")
                file.writestr(f"{name}/{number}.png", picture.getvalue())
        if broken:
            file.writestr("sea/torn.png", b"\x89PNG\r\n\x1a\n and nothing more")
            file.writestr("../../outside.png", b"climbing")
    return buffer.getvalue()


def step(app, name: str):
    """Goes to a step by its button in the row."""
    app.button(key=f"tuning-to-{name}").click().run()
    assert not app.exception
    return app


@pytest.fixture(autouse=True)
def own_folder(monkeypatch, tmp_path):
    """Runs of these tests are in no other test's list of networks."""
    monkeypatch.setenv("CNN_EXPLORER_DATA", str(tmp_path))


def test_it_opens_with_pictures_that_are_ready_to_be_learnt():
    app = opened("transfer_learning")
    textures = training.bundled_set("textures")
    words = (
        f"Textures: 3 classes, {len(textures.train)} pictures to learn from, {len(textures.validation)} to check with"
    )
    assert words in shown(app)
    assert not app.warning
    assert "none yet" in app.button(key="tuning-to-result").label


def test_a_zip_is_checked_before_anything_is_trained():
    app = opened("transfer_learning")
    labelled(app.button_group, "Pictures").set_value("zip").run()
    assert app.file_uploader(key="tuning-zip").proto.max_upload_size_mb * 2**20 == archives.Limits().packed
    app.file_uploader(key="tuning-zip").upload("paint.zip", archive(broken=True), "application/zip").run()
    assert not app.exception
    dataset = training.from_archive(archive(broken=True), "paint")
    assert f"paint: 2 classes, {len(dataset.train)} pictures to learn from" in shown(app)
    assert len(dataset.train) + len(dataset.validation) == 24
    assert {name.rpartition("/")[2] for name, _ in dataset.report.left_out} == {"torn.png", "outside.png"}
    assert any(each.label == "2 files are left out" for each in app.expander)
    # Another page and back: the pictures are still there.
    app.switch_page("pages/home.py").run()
    app.switch_page("pages/transfer_learning.py").run()
    assert "paint, 2 classes" in app.button(key="tuning-to-data").label


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no more", archive()[:500]], ids=["empty", "head", "cut"])
def test_a_zip_that_is_none_is_one_sentence_and_what_was_there_stays(data):
    app = opened("transfer_learning")
    labelled(app.button_group, "Pictures").set_value("zip").run()
    app.file_uploader(key="tuning-zip").upload("bad.zip", data, "application/zip").run()
    assert not app.exception
    assert len(app.warning) == 1
    assert "Textures, 3 classes" in app.button(key="tuning-to-data").label


def test_the_guides_recipes_train_what_the_guide_says():
    app = step(opened("transfer_learning"), "plan")
    app.button(key="tuning-recipe-The guide's fine-tuning, mended").click().run()
    # layer4 has 14,964,736 parameters; the guide's ten classes are three here: 2,048 x 3 + 3.
    assert f"Trained: {14_964_736 + 2_048 * 3 + 3:,} /" in shown(app)
    app.button(key="tuning-recipe-The guide's feature extraction").click().run()
    assert (
        f"Trained: {2_048 * 256 + 256 + 256 * 3 + 3:,} / {23_508_032 + 2_048 * 256 + 256 + 256 * 3 + 3:,} ("
        in shown(app)
    )
    assert not app.exception


def test_the_code_is_the_plan():
    app = step(opened("transfer_learning"), "plan")
    app.number_input(key="tuning-plan-epochs").set_value(3).run()
    app.button(key="tuning-guide").click().run()
    app.slider(key="tuning-plan-rotation").set_value(20.0).run()
    code = next(each.value for each in app.code if "training.Plan" in each.value)
    names: dict[str, object] = {}
    exec(code.split("for progress")[0], names)
    plan = names["plan"]
    assert plan == training.Plan(
        epochs=3,
        augmentation=training.Augmentation(
            crop=0.08, flip=0.5, rotation=20.0, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.1
        ),
    )
    assert planning.lines(training.Plan()).startswith("from explorer import training")


def test_a_run_is_found_again_and_its_network_stands_in_every_list():
    app = opened("transfer_learning")
    labelled(app.button_group, "Pictures").set_value("zip").run()
    app.file_uploader(key="tuning-zip").upload("paint.zip", archive(), "application/zip").run()
    step(app, "plan").number_input(key="tuning-plan-epochs").set_value(2).run()
    step(app, "run").button(key="tuning-start").click().run()
    job = training.of(app.session_state["_tuning_visitor"])
    assert job is not None
    app.switch_page("pages/home.py").run()  # it goes on while nobody looks
    assert job.wait(120)
    assert job.state == "done", job.error
    app.switch_page("pages/transfer_learning.py").run()
    step(app, "run")
    run = training.runs()[0]
    assert run.epochs == job.results
    assert len(run.epochs) == 2
    assert f"right after epoch {run.best.number}, whose weights are kept" in shown(app)
    step(app, "result")
    found = training.of_run(run)
    right, checked = int(np.trace(found.confusion)), int(found.confusion.sum())
    assert f"**{right} of {checked} pictures that it never learnt from are right**" in shown(app)
    assert f"the most frequent class would get {found.support.max()}." in shown(app)
    table = next(each.value for each in app.dataframe if "Recall" in each.value)
    np.testing.assert_allclose(table["Recall"].astype(float), found.recall)
    assert found.accuracy == pytest.approx(run.best.validation_accuracy)
    app.button(key="tuning-use").click().run()
    assert app.title[0].value == "Why this class?"
    assert app.session_state["selection"].network == run.slug
    assert run.slug in catalogue.titles()
    assert "rust" in shown(app)
    # Deleted, it is in no list, and the selection falls back.
    app.switch_page("pages/transfer_learning.py").run()
    sure = app.checkbox(key=f"tuning-sure-{run.name}")
    assert read(sure.label) == f"Delete “{run.title}” for good, for everyone"
    assert app.button(key="tuning-delete").disabled
    sure.check().run()
    app.button(key="tuning-delete").click().run()
    assert not app.exception
    assert run.slug not in catalogue.titles()
    assert app.session_state["selection"].network == catalogue.DEFAULT
    step(app, "run")
    assert "This run has been deleted" in shown(app)
    assert not app.warning


def test_a_network_whose_base_was_deleted_keeps_its_result():
    whole = training.bundled_set("digits")
    few = replace(whole, train=whole.train[::20], validation=whole.validation[::20])
    *_, first = training.fit(few, training.Plan(network="lenet5", epochs=1, title="First"), device="cpu")
    base = training.get(first.run)
    *_, last = training.fit(few, training.Plan(network=base.slug, epochs=1, title="Second"), device="cpu")
    assert training.get(last.run).base == "First"
    training.forget(base.name)
    (run,) = training.runs()
    assert run.base == ""
    assert training.table([run])[0]["Began with"] == f"a network deleted since, {run.weights}"
    app = step(opened("transfer_learning"), "result")
    assert not app.warning
    text = shown(app)
    assert "A tuned network that was deleted since" in text
    assert "The network that it was before it was tuned is deleted." in text
    assert any("Recall" in each.value for each in app.dataframe)
    assert any(each.label == "Take it along" for each in app.expander)


def test_what_was_broken_off_is_deleted_by_its_name():
    whole = training.bundled_set("digits")
    few = replace(whole, train=whole.train[::20], validation=whole.validation[::20])
    going = training.fit(few, training.Plan(network="lenet5", epochs=2), device="cpu")
    next(going)
    going.close()
    (run,) = training.runs()
    app = step(opened("transfer_learning"), "run")
    assert any(each.label == "1 unfinished run" for each in app.expander)
    assert f"“{run.title}” goes for good, for everyone." in shown(app)
    assert app.button(key=f"tuning-drop-{run.name}").label == "Delete for good"
    app.button(key=f"tuning-drop-{run.name}").click().run()
    assert not app.exception
    assert training.runs() == ()


def test_a_checkpoint_that_fits_nothing_is_one_sentence():
    app = step(opened("transfer_learning"), "result")
    given = ("x.safetensors", b"not at all", "application/octet-stream")
    app.file_uploader(key="tuning-brought-file").upload(*given).run()
    app.file_uploader(key="tuning-brought-file").upload(*given)  # the harness forgets files after a run
    app.button(key="tuning-bring").click().run()
    assert not app.exception
    assert len(app.warning) == 1
