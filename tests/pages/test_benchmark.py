"""The tab "Benchmark here" in Streamlit's own test harness, on LeNet-5."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer import benchmark, catalogue, jobs, models, storage
from explorer.benchmark import Plan, Settings, store
from pages.shared.performance import benchmark_here, benchmark_left, benchmark_plan, benchmark_results

PATIENCE = 120


def page():
    """A page with nothing but this tab, about LeNet-5."""
    import streamlit as st

    from pages.shared import blocks, selection
    from pages.shared.performance import benchmark_here

    if "begun" not in st.session_state:
        st.session_state["begun"] = True
        selection.change(network="lenet5", device="cpu")
    with blocks.kindly():
        benchmark_here.draw()


def proposed_page():
    """The same, once the chart has put networks into the plan."""
    import streamlit as st

    from pages.shared import selection
    from pages.shared.performance import benchmark_here, benchmark_plan

    if "begun" not in st.session_state:
        st.session_state["begun"] = True
        st.session_state["benchmark-bf16"] = True
        selection.change(network="lenet5", device="cpu")
        benchmark_plan.propose(["mobilenet_v1", "lenet5"])
    benchmark_here.draw()


@pytest.fixture(autouse=True)
def _fresh(tmp_path, monkeypatch):
    monkeypatch.setenv(storage.VARIABLE, str(tmp_path))
    # Nothing of the page but what belongs to this tab: the sidebar needs the whole app around it.
    monkeypatch.setattr(benchmark_here.cache, "network", lambda: models.load("lenet5", "random", "cpu"))
    finish()
    yield
    finish()


def finish():
    job = jobs.find("benchmark")
    if job is not None:
        job.stop()
        assert job.wait(PATIENCE)


def opened() -> AppTest:
    app = AppTest.from_function(page, default_timeout=PATIENCE).run()
    assert not app.exception
    return app


def shown(app) -> str:
    return "\n".join(each.value for each in (*app.markdown, *app.caption, *app.info, *app.warning))


def button(app, label):
    return next(each for each in app.button if each.label.startswith(label))


def test_it_opens_with_a_number_and_does_not_measure_it_again():
    app = opened()
    (kept,) = store.all()
    assert kept.result.slug == "lenet5"
    assert f"{kept.result.images_per_second:.3g} images a second" in shown(app)
    assert app.dataframe[0].value["median ms"].tolist() == [kept.result.median_ms]
    app.run()
    assert len(store.all()) == 1


def test_a_plan_is_measured_in_the_background_and_what_came_out_is_shown():
    app = opened()
    app.multiselect(key="benchmark-networks").set_value(["lenet5"])
    app.slider(key="benchmark-seconds").set_value(0.5)
    app.run()
    button(app, "Measure: 2 measurements").click().run()
    assert not app.exception
    job = jobs.find("benchmark")
    assert job.wait(PATIENCE)
    app.run()
    assert len(store.all()) == 3
    rows = app.dataframe[0].value
    assert rows["batch"].tolist() == [8, 1]
    assert np.isnan(rows["before ms"][0])
    assert rows["before ms"][1] == store.all()[0].result.median_ms
    assert set(rows["machine"]) == {"this one"}


def test_a_plan_that_was_killed_is_offered_again_and_only_the_rest_is_measured():
    plan = Plan(("lenet5",), (1, 2, 4), device="cpu", seconds=0.01)
    run = store.begin(plan.to_json())
    model = models.load("lenet5", "random", "cpu")
    store.add(benchmark.measure(model, 2, passes=2), run)
    app = opened()
    assert "The plan of LeNet-5 (1998), begun" in shown(app)
    assert "interrupted after 1 of 3 measurements; it is kept" in shown(app)
    button(app, "Continue").click().run()
    job = jobs.find("benchmark")
    assert job.wait(PATIENCE)
    assert [result.batch_size for result in job.results] == [2, 1, 4]  # what was kept counts, too
    app.run()
    assert "interrupted" not in shown(app)
    assert [kept.result.batch_size for kept in store.of_run(run)] == [2, 1, 4]


def test_leaving_a_plan_keeps_its_results():
    run = store.begin(Plan(("lenet5",), (1, 2), device="cpu").to_json())
    model = models.load("lenet5", "random", "cpu")
    store.add(benchmark.measure(model, passes=2), run)
    app = opened()
    button(app, "Leave it").click().run()
    assert "interrupted" not in shown(app)
    assert len(store.of_run(run)) == 1


def begun(*slugs, sizes=(1,), device="cpu", finished=False):
    name = store.begin(Plan(slugs, sizes, device=device).to_json())
    if finished:
        store.finish(name)
    return name


def test_a_plan_is_replaced_only_by_a_later_one_that_finished_all_of_it_on_the_same_device():
    begun("lenet5", sizes=(1, 2), finished=True)  # before it
    begun("lenet5", sizes=(1, 2))
    begun("lenet5", "yolo", sizes=(1,), finished=True)  # not all of it
    begun("lenet5", sizes=(1, 2, 4), device="cuda:0", finished=True)  # elsewhere
    runs = store.runs()
    assert not benchmark_left.superseded(runs[1], runs[2:])
    begun("lenet5", sizes=(1, 2, 4))  # broken off itself
    runs = store.runs()
    assert not benchmark_left.superseded(runs[1], runs[2:])
    store.finish(runs[-1].name)
    runs = store.runs()
    assert benchmark_left.superseded(runs[1], runs[2:])


def test_what_was_replaced_is_not_offered_and_the_last_that_was_not_is_named():
    begun("lenet5", "yolo", "unet", "resnet18", "vgg16", "vgg19", sizes=(1, 2))
    begun("lenet5", sizes=(1, 2))
    begun("lenet5", sizes=(1, 2), finished=True)
    text = shown(opened())
    assert text.count("interrupted") == 1
    titles = [catalogue.titles()[slug] for slug in ("lenet5", "yolo", "unet", "resnet18")]
    assert f"The plan of {', '.join(titles)} and 2 more, begun" in text
    assert "after 0 of 12 measurements." in text


def test_a_plan_and_results_of_a_deleted_network_break_nothing():
    begun("lenet5", sizes=(1, 2))
    begun("mine:gone")
    app = opened()
    result = store.all()[0].result
    store.add(dataclasses.replace(result, slug="mine:gone", title="Mine, gone"))
    app.session_state["benchmark-networks"] = ["lenet5", "mine:gone"]
    app.run()
    assert not app.exception
    assert not app.warning
    assert "The plan of LeNet-5 (1998), begun" in shown(app)
    assert app.multiselect(key="benchmark-networks").value == ["lenet5"]
    assert "Mine, gone" in set(app.dataframe[0].value["network"])


def test_the_run_that_ended_is_shown_whatever_was_chosen_and_an_empty_one_is_not(monkeypatch):
    app = opened()
    begun_earlier = begun("lenet5", finished=True)
    store.add(store.all()[0].result, begun_earlier)
    app.run()
    app.selectbox(key="benchmark-shown").set_value("newest").run()
    app.multiselect(key="benchmark-networks").set_value(["lenet5"])
    app.pills(key="benchmark-batches").set_value([2])
    app.slider(key="benchmark-seconds").set_value(0.5).run()
    button(app, "Measure: 1 measurement").click().run()
    assert jobs.find("benchmark").wait(PATIENCE)
    app.run()
    assert app.selectbox(key="benchmark-shown").value == store.runs()[-1].name
    assert app.dataframe[0].value["batch"].tolist() == [2]
    app.selectbox(key="benchmark-shown").set_value("newest").run()
    monkeypatch.setattr(benchmark.measuring.machine, "memory_left", lambda device: 10)
    button(app, "Measure: 1 measurement").click().run()
    assert jobs.find("benchmark").wait(PATIENCE)
    app.run()
    assert app.selectbox(key="benchmark-shown").value == "newest"


def test_networks_that_the_chart_proposes_are_the_plan():
    app = AppTest.from_function(proposed_page, default_timeout=PATIENCE).run()
    assert not app.exception
    assert app.multiselect(key="benchmark-networks").value == ["mobilenet_v1", "lenet5"]
    assert app.pills(key="benchmark-batches").value == [1]
    assert [each.label for each in app.checkbox if each.value] == ["fp32"]
    assert button(app, "Measure: 2 measurements")
    assert "Weights do not change the time" in shown(app)  # MobileNetV1's are published nowhere
    app.multiselect(key="benchmark-networks").set_value(["lenet5"]).run()
    assert "Weights do not change the time" not in shown(app)


def test_nothing_chosen_is_said_and_cannot_be_started():
    app = opened()
    app.multiselect(key="benchmark-networks").set_value([]).run()
    assert button(app, "Measure").disabled
    assert "Choose at least one network" in shown(app)


def test_what_the_device_does_not_do_is_grey_with_its_reason(monkeypatch):
    monkeypatch.setattr(benchmark, "unavailable", lambda device: {"fp16": "fp16 is emulated.", "compiled": "No g++."})
    app = opened()
    half, compiled = app.checkbox(key="benchmark-fp16"), app.checkbox(key="benchmark-compiled")
    assert half.disabled
    assert "emulated" in half.help
    assert compiled.disabled
    assert "No g++" in compiled.help
    assert not app.checkbox(key="benchmark-bf16").disabled


def test_what_could_not_be_measured_is_said_with_its_reason(monkeypatch):
    monkeypatch.setattr(benchmark.measuring.machine, "memory_left", lambda device: 10)
    app = opened()
    app.multiselect(key="benchmark-networks").set_value(["lenet5"]).run()
    button(app, "Measure: 2").click().run()
    assert jobs.find("benchmark").wait(PATIENCE)
    app.run()
    assert "1 of the last plan could not be measured" in shown(app)
    assert "choose a smaller batch" in shown(app)


def skipped_page():
    """What became of a plan, a network of which has been deleted since."""
    from explorer import benchmark, jobs
    from pages.shared.performance import benchmark_plan

    def steps():
        for slug in ("lenet5", "mine:gone"):
            yield jobs.Progress(1, 1, "", benchmark.Skipped(slug, benchmark.Settings(), "Too much."))

    job = jobs.submit(steps, "skipped")
    job.wait(120)
    benchmark_plan._ended(job)


def test_a_deleted_network_that_could_not_be_measured_is_named_by_what_is_left_of_it():
    app = AppTest.from_function(skipped_page, default_timeout=PATIENCE).run()
    assert not app.exception
    assert "LeNet-5 (1998) × 1, mine:gone × 1: Too much." in shown(app).replace("\\", "")


def test_other_machines_are_marked_and_deleting_asks_first():
    app = opened()
    (kept,) = store.all()
    old = dataclasses.replace(kept.result.fingerprint, torch="1.0.0")
    store.add(dataclasses.replace(kept.result, fingerprint=old))
    app.run()
    app.selectbox(key="benchmark-shown").set_value("all").run()
    assert app.dataframe[0].value["machine"].tolist() == ["another: torch 1.0.0", "this one"]
    assert "their times do not compare" in shown(app)
    assert len(store.all()) == 2
    app.button(key="benchmark-forget").click().run()
    assert not app.exception
    assert store.all() == ()
    assert not app.dataframe


def test_both_charts_and_the_layers_are_drawn():
    app = opened()
    app.segmented_control(key="benchmark-view").set_value("throughput").run()
    assert not app.exception
    assert "One batch size makes points" in shown(app)
    app.toggle(key="benchmark-layers").set_value(True).run()
    assert not app.exception
    assert "slowest of" in shown(app)
    assert not app.warning


def test_the_code_runs_and_measures_the_selected_network(capsys):
    exec(benchmark_here.lines("lenet5"), {})
    out = capsys.readouterr().out
    assert benchmark.fingerprint(models.load("lenet5", "random", "cpu").device).words in out


def test_a_change_is_told_against_the_one_before_of_the_same_question():
    title = catalogue.get("lenet5").title
    machine = benchmark.Fingerprint("CPU", "x", 1, 0, "Linux", "3", "2", "0")
    for median, settings in ((10.0, Settings()), (99.0, Settings(batch_size=8)), (5.0, Settings())):
        times = np.array([median])
        store.add(benchmark.Benchmark("lenet5", title, "random", 32, settings, times, 3, None, machine))
    rows = benchmark_results.table(store.all(), store.all(), machine)
    assert rows["change %"].tolist()[0] == pytest.approx(-50)
    assert rows["change %"].isna().tolist() == [False, True, True]


def test_a_change_smaller_than_the_spread_of_either_is_noise():
    title = catalogue.get("lenet5").title
    machine = benchmark.Fingerprint("CPU", "x", 1, 0, "Linux", "3", "2", "0")
    # Of three passes the 95th percentile lies at 0.9 of the way from the second to the third: spreads 1.8, 1.8, 0, 0.
    for times in ((9.0, 10.0, 12.0), (9.0, 11.7, 13.7), (11.7, 11.7, 11.7), (6.0, 6.0, 6.0), (6.6, 6.6, 6.6)):
        settings = Settings()
        store.add(benchmark.Benchmark("lenet5", title, "random", 32, settings, np.array(times), 3, None, machine))
    rows = benchmark_results.table(store.all(), store.all(), machine)
    # Newest first: 6 to 6.6; 11.7 to 6; 11.7 to 11.7; 10 to 11.7, which is 1.7 and below 1.8; nothing before.
    assert rows["change"].tolist()[:4] == ["+10.0 %", "−48.7 %", "within noise", "within noise"]
    assert rows["change"].isna().tolist() == [False] * 4 + [True]


def test_the_progress_says_what_it_is_at():
    class Fake:
        stopping, state, ahead, seconds_left = False, "waiting", 2, 12.0
        progress = jobs.Progress(1, 4, "1 of 4: LeNet-5")

    job = Fake()
    assert benchmark_plan.at(job) == "Waiting: 2 other jobs on this machine first"
    job.state = "running"
    assert benchmark_plan.at(job) == "1 of 4\\: LeNet-5; about 12 s left"
    job.stopping = True
    assert benchmark_plan.at(job).startswith("Stopping")
