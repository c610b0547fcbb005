"""The four steps of the Transfer learning page, one by one: what they show is what is trained and what was learnt."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from explorer import catalogue, images, predict, storage, training
from explorer.jobs import Job
from explorer.training import GUIDE, Dataset, Plan, augmentation
from pages.shared.components.data_url import data_url
from tests.pages.test_evidence import labelled, shown
from tests.pages.test_pages import ROOT, opened, read
from tests.pages.test_transfer_learning import step


@pytest.fixture(autouse=True)
def own_folder(monkeypatch, tmp_path):
    """Runs of these tests are in no other test's list of networks."""
    monkeypatch.setenv(storage.VARIABLE, str(tmp_path))


@pytest.fixture(scope="module")
def few() -> Dataset:
    """Twenty digits to learn from, twenty to check with."""
    whole = training.bundled_set("digits")
    return replace(whole, train=whole.train[::20], validation=whole.validation[::10])


@pytest.fixture
def going(few) -> Iterator[tuple[str, Job[training.Epoch]]]:
    """A visitor with a run that has ended an epoch and would go on for minutes."""
    visitor = "0123456789abcdef" * 2
    plan = Plan(network="lenet5", weights="bundled", hidden=32, epochs=10_000, title="A long one")
    job = training.start(few, plan, visitor, device="cpu")
    reached(job, lambda: bool(job.results))
    yield visitor, job
    mine = training.of(visitor)
    assert mine is not None
    mine.stop()
    assert mine.wait(60)


def reached(job: Job[training.Epoch], there) -> None:
    while not there():
        assert not job.finished, job.error
        job.wait(0.02)


def returned(visitor: str) -> AppTest:
    """The page in a new tab of the visitor's browser."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    app.session_state["_tuning_visitor"] = visitor
    app.run()
    app.switch_page("pages/transfer_learning.py").run()
    assert not app.exception
    return app


def component(app: AppTest, key: str) -> dict[str, Any]:
    """What a component of our own was told to draw."""
    (found,) = [each for each in app.get("bidi_component") if each.key == key]
    return json.loads(found.proto.json)


def pressed(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click().run()
    assert not app.exception
    return app


def test_a_new_tab_finds_data_plan_and_run_as_they_are(going):
    visitor, job = going
    app = returned(visitor)
    assert "Digits, 10 classes" in app.button(key="tuning-to-data").label
    assert "LeNet-5" in app.button(key="tuning-to-plan").label
    assert "under way" in app.button(key="tuning-to-run").label
    assert f"##### {job.title}" in shown(app)  # the step that is open
    step(app, "plan")
    assert app.number_input(key="tuning-plan-hidden").value == 32
    assert app.text_input(key="tuning-plan-title").value == "A long one"
    step(app, "data")
    digits = "Digits: 10 classes, 20 pictures to learn from, 20 to check with"
    assert digits in shown(app)
    labelled(app.button_group, "Pictures").set_value("bundled").run()
    assert "Textures: 3 classes" in shown(app)
    labelled(app.button_group, "Pictures").set_value("run").run()
    assert digits in shown(app)
    assert not app.exception


def test_a_run_is_paused_stopped_and_gone_on_with(going):
    visitor, job = going
    app = pressed(returned(visitor), "tuning-pause")
    reached(job, lambda: job.state == "paused")
    app.run()
    assert "paused" in app.button(key="tuning-to-run").label
    rested = len(job.results)
    pressed(app, "tuning-resume")
    reached(job, lambda: len(job.results) > rested)
    app.run()
    assert app.button(key="tuning-stop").label == "Stop, keep the best"
    pressed(app, "tuning-stop")
    assert job.wait(60)
    run = training.get(job.latest.run)
    assert (run.state, run.epochs) == ("stopped", job.results)
    app.run()
    assert "stopped" in app.button(key="tuning-to-run").label
    assert f"right after epoch {run.best.number}, whose weights are kept" in shown(app)
    assert f"{run.title}, stopped after {len(run.epochs)} of 10000 epochs" in shown(app)
    pressed(app, f"tuning-go-on-{run.name}")
    again = training.of(visitor)
    assert again is not None
    assert again is not job
    reached(again, lambda: bool(again.results))
    assert again.results[0].number == len(run.epochs) + 1
    assert training.get(run.name).epochs[: len(run.epochs)] == run.epochs


def test_the_row_of_steps_is_drawn_anew_once_the_run_is_another(going):
    visitor, job = going

    def page(visitor, drawn):
        import streamlit as st

        from pages.shared.tuning import strip

        st.session_state["draws"] = st.session_state.get("draws", 0) + 1
        if st.session_state["draws"] == 1:
            strip._follow(visitor, drawn)

    for drawn, times in (("running", 1), ("waiting", 2)):
        app = AppTest.from_function(page, args=(visitor, drawn), default_timeout=30).run()
        assert not app.exception
        assert app.session_state["draws"] == times, job.state


def test_photos_by_hand_are_a_class_each():
    dice = np.random.default_rng(0)

    def photos(name: str, count: int, shade: int) -> list[tuple[str, bytes, str]]:
        files = []
        for number in range(count):
            values = np.clip(dice.normal(shade, 20, (32, 32, 3)), 0, 255).astype(np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(values).save(buffer, "PNG")
            files.append((f"{name}{number}.png", buffer.getvalue(), "image/png"))
        return files

    app = opened("transfer_learning")
    labelled(app.button_group, "Pictures").set_value("hand").run()
    assert "Choose photos for two classes or more" in shown(app)
    app.text_input(key="tuning-class-0").set_value("night").run()
    app.text_input(key="tuning-class-1").set_value("day").run()
    night, day = photos("n", 10, 40), photos("d", 5, 200)
    app.file_uploader(key="tuning-files-0").set_value(night)
    app.file_uploader(key="tuning-files-1").set_value([*day, ("again.png", day[0][1], "image/png")])
    app.run()
    assert not app.exception
    assert "Your photos: 2 classes, 12 pictures to learn from, 3 to check with" in shown(app)
    assert "**day**\n**night**" in "\n".join(each.value for each in app.markdown if each.value.startswith("**"))
    assert "1 second copy of a picture left out: what was learnt cannot be checked." in shown(app)
    pressed(app, "tuning-more")
    assert app.text_input(key="tuning-class-2").label == "Class 3"
    # Another step and back: the uploaders are empty, the photos are not lost, and what is set counts.
    step(app, "plan")
    step(app, "data")
    assert "10 photos chosen before" in shown(app)
    app.text_input(key="tuning-class-1").set_value("noon").run()
    assert "**night**\n**noon**" in "\n".join(each.value for each in app.markdown if each.value.startswith("**"))
    app.slider(key="tuning-share").set_value(40).run()
    assert "Your photos: 2 classes, 9 pictures to learn from, 6 to check with" in shown(app)
    pressed(app, "tuning-drop-1")
    assert "Until then “Your photos” stays in use." in shown(app)


def test_the_diagram_shows_what_is_trained_and_what_is_frozen():
    app = step(opened("transfer_learning"), "plan")

    def states() -> dict[str, str]:
        return component(app, "tuning-diagram")["paint"]["text"]

    extraction = states()
    trained = {key for key, state in extraction.items() if state != "frozen"}
    assert trained == {key for key in extraction if key.startswith("classifier")}
    labelled(app.button_group, "What is trained").set_value("tune").run()
    app.slider(key="tuning-plan-unfreeze").set_value(2).run()
    assert not app.exception
    tuned = {key for key, state in states().items() if state != "frozen"} - trained
    anatomy = training.stages.of("efficientnet_lite0")
    modules = [path for stage in anatomy.stages[-2:] for path in stage.modules]
    assert tuned
    assert all(key.startswith(tuple(modules)) for key in tuned)
    assert {key for key in states() if key.startswith(tuple(modules))} == tuned


def test_the_preview_shows_the_photo_as_the_first_epochs_will():
    app = pressed(step(opened("transfer_learning"), "plan"), "tuning-guide")
    item = training.bundled_set("textures").train[0]
    looks = augmentation.preview(item.open(), catalogue.get("efficientnet_lite0").preprocessing, GUIDE, 5)
    assert len({look.tobytes() for look in looks}) == 5
    drawn = [each.proto.imgs[0].url for each in app.main.get("image")]
    assert drawn == [data_url(images.encode_png(look.resize((112, 112)))) for look in looks]
    assert "It changes from epoch to epoch" in shown(app)
    pressed(app, "tuning-none")
    assert len({each.proto.imgs[0].url for each in app.main.get("image")}) == 1


@pytest.fixture
def run(few) -> training.Run:
    """A run that learns next to nothing, so that there are mistakes."""
    *_, last = training.fit(few, Plan(network="lenet5", epochs=1, learning_rate=1e-5, title="Hasty"), device="cpu")
    return training.get(last.run)


def test_a_mistake_that_is_clicked_is_looked_at_before_and_after(run):
    worst = training.of_run(run, "cpu").mistakes
    assert len(worst) > 3
    app = step(opened("transfer_learning"), "result")
    tiles = component(app, "tuning-mistakes")["tiles"]
    assert [tile["name"] for tile in tiles] == [str(each.index) for each in worst[:12]]
    assert f"is {run.classes[worst[2].truth]} (" in tiles[2]["detail"]
    assert app.button(key="tuning-to-result").label.endswith("on Digits")  # and not on the Textures of step 1
    app.session_state["_tuning_mistake"] = (run.name, worst[2].index)  # what a click on the third leaves
    app.run()
    assert not app.exception
    assert component(app, "tuning-mistakes")["chosen"] == tiles[2]["name"]
    photo = training.data(run).validation[worst[2].index].open()
    assert f"each for its own answer; {worst[2].name};" in shown(app)
    before, after = (
        predict.top_k(model, photo, 1)[0] for model in (training.before(run, "cpu"), training.load(run, "cpu"))
    )
    assert f"Before: LeNet-5** says “{before.label}”" in shown(app)
    assert f"After: Hasty** says “{after.label}”" in shown(app)
    assert after.index == worst[2].answer
    assert {"tuning-before", "tuning-after"} <= {each.key for each in app.get("bidi_component")}


def test_runs_are_compared_and_a_checkpoint_is_brought(run, few):
    *_, last = training.fit(few, Plan(network="lenet5", epochs=2, title="Patient"), device="cpu")
    second = training.get(last.run)
    app = step(opened("transfer_learning"), "result")
    assert any(each.label == "Compare 2 tuned networks" for each in app.expander)
    table = next(each.value for each in app.dataframe if "Network" in each.value)
    assert {*table["Network"]} == {"Hasty", "Patient"}
    found = dict(zip(table["Network"], table["Validation accuracy, %"], strict=True))
    assert found["Patient"] == pytest.approx(100 * second.best.validation_accuracy, abs=0.05)
    assert "Runs on “Digits”." in shown(app)
    given = ("x.safetensors", (second.folder / "best.safetensors").read_bytes(), "application/octet-stream")
    app.file_uploader(key="tuning-brought-file").upload(*given).run()
    app.text_input(key="tuning-brought-title").set_value("From afar")
    app.file_uploader(key="tuning-brought-file").upload(*given)  # the harness forgets files after a run
    pressed(app, "tuning-bring")
    assert not app.warning
    (brought,) = [each for each in training.runs() if each.state == "brought"]
    assert brought.title == "From afar"
    assert "From afar: LeNet-5 with 10 classes, brought here." in shown(app).replace("**", "")
    assert "brought" in read(app.button(key="tuning-to-result").label)
    assert catalogue.titles()[brought.slug] == "From afar"
