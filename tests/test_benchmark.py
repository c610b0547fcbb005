"""Benchmarks: what is counted, computed and kept, never how long it took. Time is a clock in the test's hand."""

from __future__ import annotations

import dataclasses
import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from explorer import benchmark, catalogue, jobs, storage
from explorer.benchmark import BadSettings, Plan, Settings, Skipped, machine, measuring, memory, store
from explorer.benchmark.__main__ import main
from explorer.figures import benchmark as figures
from explorer.preprocessing import Preprocessing
from tests.conftest import wrapped

ROOT = Path(__file__).parents[1]
CALLS: list[tuple[tuple[int, ...], torch.dtype, bool, int]] = []


class Spy(nn.Module):
    """Notes what it is given and with how many threads; copies of it note in the same list."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x):
        last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
        CALLS.append((tuple(x.shape), x.dtype, last, torch.get_num_threads()))
        return self.norm(self.conv(x)).mean((2, 3))


class Broken(Spy):
    """Fails when it runs."""

    def forward(self, x):
        super().forward(x)
        raise RuntimeError("expected m1 and m2 to have the same dtype\nand a long story")


@pytest.fixture(autouse=True)
def _fresh(tmp_path, monkeypatch):
    monkeypatch.setenv(storage.VARIABLE, str(tmp_path))
    CALLS.clear()
    yield
    for job in jobs.unfinished():
        job.stop()
        assert job.wait(30)


def spying(module=None, slug="resnet18"):
    return wrapped(module or Spy(), catalogue.get(slug), Preprocessing(resize=9, crop=8), classes=4)


class Clock:
    """Each pass takes the next of some seconds; it is asked before and after a pass, and once before the first."""

    def __init__(self, seconds):
        self.now, self.seconds, self.asked = 100.0, iter(seconds), 0

    def __call__(self):
        self.asked += 1
        if self.asked > 1 and self.asked % 2:  # 3rd, 5th ... : after a pass
            self.now += next(self.seconds)
        return self.now


def state(module):
    """All that must not change."""
    return (
        module.training,
        [
            (name, each.dtype, each.clone(), each.requires_grad)
            for name, each in module.state_dict(keep_vars=True).items()
        ],
        len(module._forward_hooks),
    )


def same(before, after):
    assert before[0] == after[0]
    assert before[2] == after[2]
    for (name, kind, values, wants), (other, other_kind, others, other_wants) in zip(before[1], after[1], strict=True):
        assert (name, kind, wants) == (other, other_kind, other_wants)
        assert torch.equal(values, others)


def a_result(median=2.0, slug="resnet18", machine_name="This CPU", **settings):
    fingerprint = benchmark.Fingerprint("CPU", machine_name, 4, 8 << 30, "Linux", "3.11.7", "2.9", "0.24")
    times = np.array([median / 2, median, 3 * median])
    title = catalogue.get(slug).title
    return benchmark.Benchmark(slug, title, "random", 224, Settings(**settings), times, 3, 1_000_000, fingerprint)


# Measuring


def test_median_percentile_and_throughput_are_those_of_the_injected_times():
    seconds = [0.010, 0.012, 0.011, 0.050, 0.013, 0.009, 0.010]
    found = benchmark.measure(spying(), 4, passes=7, clock=Clock(seconds))
    np.testing.assert_allclose(found.times_ms, 1000 * np.array(seconds))
    assert found.median_ms == pytest.approx(11.0)
    assert found.p95_ms == pytest.approx(np.percentile(1000 * np.array(seconds), 95))
    assert found.p95_ms == pytest.approx(13 + 0.7 * (50 - 13))  # by hand: place 0.95 * 6 = 5.7 among the sorted
    assert found.images_per_second == pytest.approx(4 / 0.011)
    assert not found.times_ms.flags.writeable


@pytest.mark.parametrize(("warm_up", "passes"), [(1, 5), (3, 2), (4, 9)])
def test_as_many_passes_as_asked_for_on_the_batch_asked_for(warm_up, passes):
    found = benchmark.measure(spying(), 1, warm_up=warm_up, passes=passes)
    assert len(CALLS) == warm_up + passes
    assert {shape for shape, *_ in CALLS} == {(1, 3, 8, 8)}
    assert (len(found.times_ms), found.warm_up) == (passes, warm_up)
    CALLS.clear()
    benchmark.measure(spying(), 6, warm_up=warm_up, passes=passes)
    assert [shape[0] for shape, *_ in CALLS] == [1] + [6] * (warm_up + passes)  # one image first: does a batch fit?


def test_without_a_number_passes_fill_the_seconds_five_at_least():
    assert len(benchmark.measure(spying(), seconds=1.0, clock=Clock(itertools.repeat(0.125))).times_ms) == 8
    assert len(benchmark.measure(spying(), seconds=1.0, clock=Clock(itertools.repeat(9.0))).times_ms) == 5
    assert len(benchmark.measure(spying(), seconds=1.0, clock=Clock(itertools.repeat(1e-9))).times_ms) == 1000


def test_settings_reach_the_copy_and_the_shared_network_is_left_alone(monkeypatch):
    monkeypatch.setattr(machine, "unavailable", lambda device: {})
    model, threads = spying(), torch.get_num_threads()
    before, held = state(model.module), []
    original = measuring.copy.deepcopy

    def deepcopy(*arguments):
        held.append(model.lock._is_owned())
        return original(*arguments)

    monkeypatch.setattr(measuring.copy, "deepcopy", deepcopy)
    found = benchmark.measure(model, 2, precision="bf16", channels_last=True, threads=2, passes=2)
    assert {(kind, last, count) for shape, kind, last, count in CALLS if shape[0] == 2} == {(torch.bfloat16, True, 2)}
    assert (found.precision, found.channels_last, found.threads, found.compiled) == ("bf16", True, 2, False)
    same(before, state(model.module))
    assert torch.get_num_threads() == threads
    assert set(held) == {True}
    assert not model.lock._is_owned()


def test_a_failure_is_one_sentence_and_everything_is_as_before():
    model, threads = spying(Broken()), torch.get_num_threads()
    before = state(model.module)
    with pytest.raises(
        benchmark.Failed, match=r"ResNet-18 does not run with fp32, 2 threads on this device: expected m1"
    ):
        benchmark.measure(model, threads=2)
    assert CALLS[-1][3] == 2
    assert torch.get_num_threads() == threads
    same(before, state(model.module))
    assert benchmark.measure(spying(), passes=1).warm_up == 3  # and the next one may


def test_what_is_stopped_in_the_middle_leaves_everything_as_before():
    model, threads = spying(), torch.get_num_threads()
    before = state(model.module)
    steps = measuring.measuring(model, Settings(threads=2), passes=50)
    for _ in range(3):
        next(steps)
    assert torch.get_num_threads() == 2
    with pytest.raises(benchmark.Busy, match="Another benchmark is running"):
        benchmark.measure(spying(), passes=1)
    steps.close()
    assert torch.get_num_threads() == threads
    same(before, state(model.module))
    benchmark.measure(spying(), passes=1)


def test_a_card_is_waited_for_before_the_clock_stops(monkeypatch):
    order = []
    model = spying()
    monkeypatch.setattr(measuring, "synchronise", lambda device: order.append("wait"))
    model.module.register_forward_hook(lambda *_: order.append("pass"))

    def clock():
        order.append("clock")
        return 0.0

    benchmark.measure(model, warm_up=1, passes=2, clock=clock)
    assert order == ["pass", "clock", *["clock", "pass", "wait", "clock"] * 2]


def test_waiting_means_asking_the_right_device(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: asked.append(str(device)))
    monkeypatch.setattr(torch.mps, "synchronize", lambda: asked.append("mps"))
    for device in ("cpu", "cuda:1", "mps"):
        measuring.synchronise(torch.device(device))
    assert asked == ["cuda:1", "mps"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"batch_size": 0}, "A batch of 0 images"),
        ({"batch_size": 5000}, "choose 1 to 1024"),
        ({"precision": "int8"}, "choose one of fp32, bf16, fp16"),
        ({"threads": 0}, "0 threads"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, words):
    with pytest.raises(BadSettings, match=words):
        benchmark.measure(spying(), **settings)
    assert not CALLS


def test_what_the_device_does_not_do_is_refused_with_the_reason(monkeypatch):
    monkeypatch.setattr(machine, "unavailable", lambda device: {"fp16": "fp16 is emulated here."})
    monkeypatch.setattr(machine, "compile_trial", lambda device: "There is no compiler.")
    with pytest.raises(benchmark.Unavailable, match="emulated"):
        benchmark.measure(spying(), precision="fp16")
    with pytest.raises(benchmark.Unavailable, match="compiler"):
        benchmark.measure(spying(), compiled=True)
    assert not CALLS


def test_a_batch_that_cannot_fit_is_refused_before_it_runs(monkeypatch):
    monkeypatch.setattr(machine, "memory_left", lambda device: 10_000)
    with pytest.raises(benchmark.Failed, match=r"64 images at once need .* choose a smaller batch"):
        benchmark.measure(spying(), 64)
    assert [shape[0] for shape, *_ in CALLS] == [1]


def test_out_of_memory_is_said_plainly(monkeypatch):
    module = Spy()
    module.register_forward_hook(lambda *_: (_ for _ in ()).throw(RuntimeError("you tried to allocate memory: 9 TB")))
    with pytest.raises(benchmark.Failed, match="too many for the memory of this device"):
        benchmark.measure(spying(module))


@pytest.mark.parametrize("where", ["copy.deepcopy", "_images", "_converted"])
@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_so_is_that_of_the_copy_and_of_the_images(monkeypatch, where, error):
    def fails(*_):
        raise error

    with monkeypatch.context() as full:
        full.setattr(f"explorer.benchmark.measuring.{where}", fails)
        with pytest.raises(benchmark.Failed, match="too many for the memory of this device"):
            benchmark.measure(spying())
    assert not CALLS
    assert benchmark.measure(spying(), passes=1).warm_up == 3  # and the next one may


def test_a_compiled_network_says_the_same_and_is_measured(monkeypatch):
    device = torch.device("cpu")
    missing = machine._compile_needs(device)
    if missing:
        pytest.skip(missing)
    monkeypatch.setattr(machine, "_compiling", {})
    assert machine.compile_trial(device) == ""
    compiled, runs, original = [], [], torch.compile

    def compiling(module):
        compiled.append(module)
        run = original(module)

        def both(inputs):
            runs.append((run(inputs), module(inputs)))
            return runs[-1][0]

        return both

    monkeypatch.setattr(torch, "compile", compiling)
    found = benchmark.measure(
        spying(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten())), compiled=True, passes=2
    )
    assert found.compiled
    assert len(compiled) == 1
    assert len(runs) == found.warm_up + 2
    for own, eager in runs:
        torch.testing.assert_close(own, eager)


@pytest.mark.gpu
def test_on_a_graphics_card_too():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    model = benchmark.loaded("resnet18", "cuda")
    one, eight = (benchmark.measure(model, size, precision="fp16", channels_last=True, passes=5) for size in (1, 8))
    assert one.fingerprint.device == torch.cuda.get_device_name(model.device)
    halves = model.bytes / 2
    image = 3 * 224 * 224 * 2
    assert one.peak_bytes > halves + image
    assert eight.peak_bytes > one.peak_bytes + 7 * image
    assert {parameter.dtype for parameter in model.module.parameters()} == {torch.float32}


# Memory


def test_the_peak_of_a_chain_is_its_two_largest_neighbours():
    """No hidden scratch in these operations, so the peak can be added up by hand."""
    image = torch.rand(1, 16, 64, 64)
    size = image.numel() * 4
    chain = nn.Sequential(nn.ReLU(), nn.Upsample(scale_factor=2), nn.AvgPool2d(4), nn.Sigmoid())
    with torch.inference_mode():
        most = memory.working(lambda: chain(image), torch.device("cpu"))
    assert size + 4 * size <= most < size + 4 * size + 10_000  # a few kB of index tables
    assert memory.resident(nn.Linear(10, 5), image) == size + 4 * 55


def test_the_peak_sees_convolutions_and_nothing_of_other_threads():
    image = torch.rand(1, 8, 32, 32)
    layer = nn.Conv2d(8, 64, 3, padding=1).requires_grad_(False)
    stop, big = threading.Event(), 64 << 20

    def noise():
        while not stop.is_set():
            torch.empty(big, dtype=torch.uint8)

    with torch.inference_mode():
        alone = memory.working(lambda: layer(image), torch.device("cpu"))
        other = threading.Thread(target=noise)
        other.start()
        try:
            beside = memory.working(lambda: layer(image), torch.device("cpu"))
        finally:
            stop.set()
            other.join()
    output = 64 * 32 * 32 * 4
    assert output <= alone < 4 * output
    assert output <= beside < big


def test_peak_memory_grows_by_the_activations_of_each_image(lite0):
    one, four = (benchmark.measure(lite0, size, passes=1, warm_up=1) for size in (1, 4))
    image = 3 * 224 * 224 * 4
    assert one.peak_bytes > lite0.bytes + image
    activations = one.peak_bytes - lite0.bytes - image
    assert four.peak_bytes - lite0.bytes - 4 * image == pytest.approx(4 * activations, rel=0.1)


# The machine


def test_the_fingerprint_names_this_machine_and_its_hash_hangs_on_all_of_it():
    here = benchmark.fingerprint(torch.device("cpu"))
    assert here.torch == torch.__version__
    assert here.python == ".".join(map(str, sys.version_info[:3]))
    assert here.cores == len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else here.cores >= 1
    assert len(here.hash) == 12
    for field in dataclasses.fields(here):
        value = getattr(here, field.name)
        other = dataclasses.replace(here, **{field.name: value + 1 if isinstance(value, int) else value + "x"})
        assert other.hash != here.hash
        assert len(here.differences(other)) == 1
    assert here.torch in here.words
    assert here.differences(here) == ()


def test_a_precision_is_not_offered_where_it_is_emulated_or_fails(monkeypatch):
    speeds = {torch.float32: 0.001, torch.bfloat16: 0.004, torch.float16: 0.2}
    monkeypatch.setattr(machine, "_trial", lambda device, kind: speeds[kind])
    monkeypatch.setattr(machine, "_compile_needs", lambda device: "")
    machine.unavailable.cache_clear()
    assert list(machine.unavailable(torch.device("cpu"))) == ["fp16"]
    assert "200 times as long" in machine.unavailable(torch.device("cpu"))["fp16"]

    def fails(device, kind):
        if kind == torch.bfloat16:
            raise RuntimeError('"slow_conv2d" not implemented for BFloat16\nlong story')
        return 0.001

    monkeypatch.setattr(machine, "_trial", fails)
    machine.unavailable.cache_clear()
    reasons = machine.unavailable(torch.device("cpu"))
    assert list(reasons) == ["bf16"]
    assert reasons["bf16"].endswith("not implemented for BFloat16")
    machine.unavailable.cache_clear()


def test_without_a_compiler_the_reason_says_what_to_install(monkeypatch):
    monkeypatch.setattr(machine.shutil, "which", lambda name: None)
    assert "install g++" in machine._compile_needs(torch.device("cpu"))
    assert machine._compile_needs(torch.device("cuda:0")) == ""


def test_the_fastest_of_many_passes_decides_whatever_slowed_down_the_others(monkeypatch):
    """Two of three passes that meet a busy moment are usual; all within a twentieth of a second are not."""
    now, passes = [0.0], iter([1.0, 0.02, 0.02, 0.02, *[0.001] * 100])

    def clock():
        clock.asked += 1
        if clock.asked % 2 == 0:
            now[0] += next(passes)
        return now[0]

    clock.asked = 0
    monkeypatch.setattr(machine.time, "perf_counter", clock)
    assert machine._trial(torch.device("cpu"), torch.float32) == pytest.approx(0.02)
    passes = iter([1.0, 0.02, 0.02, 0.001, *[0.001] * 100])
    assert machine._trial(torch.device("cpu"), torch.float32) == pytest.approx(0.001)


def test_memory_is_that_of_the_machine_whatever_the_kernel_kept_for_itself(monkeypatch):
    found = set()
    for pages in (4_100_000, 4_101_234, 4_090_000):  # some MB less than 16 GiB
        monkeypatch.setattr(machine.os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": pages}.__getitem__)
        found.add(machine._memory())
    assert found == {16 << 30}


# The store


def test_what_is_stored_comes_back_as_it_was():
    result = benchmark.measure(spying(), 2, passes=3)
    number = store.add(result, "a run")
    (kept,) = store.all()
    assert (kept.number, kept.run) == (number, "a run")
    assert kept.measured.tzinfo is not None
    np.testing.assert_array_equal(kept.result.times_ms, result.times_ms)
    for field in dataclasses.fields(result):
        if field.name != "times_ms":
            assert getattr(kept.result, field.name) == getattr(result, field.name)
    with sqlite3.connect(store.path()) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA user_version").fetchone() == (store.VERSION,)
    connection.close()


def test_the_latest_is_one_of_each_question_and_forgetting_brings_the_one_before_back():
    for median in (1.0, 2.0):
        store.add(a_result(median))
    store.add(a_result(3.0, batch_size=8))
    elsewhere = a_result(4.0, machine_name="Another CPU")
    last = store.add(elsewhere)
    assert [kept.result.median_ms for kept in store.latest()] == [2.0, 3.0, 4.0]
    assert [kept.result.median_ms for kept in store.latest(machine=elsewhere.fingerprint.hash)] == [4.0]
    assert store.forget([2, last, 99]) == 2
    assert [kept.result.median_ms for kept in store.latest()] == [1.0, 3.0]
    assert store.add(a_result()) > last  # a number is never given twice


def test_many_threads_may_write_at_once():
    threads = [threading.Thread(target=lambda: [store.add(a_result()) for _ in range(5)]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.all()) == 30


def test_a_later_or_broken_file_is_told_and_not_touched():
    store.add(a_result())
    with sqlite3.connect(store.path()) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(store.StoreBroken, match="later version"):
        store.all()
    for each in store.path().parent.iterdir():
        each.unlink()
    store.path().write_bytes(b"this is no database, but long enough to be looked at as if it were one" * 20)
    with pytest.raises(store.StoreBroken, match="move it away"):
        store.all()
    assert store.path().read_bytes().startswith(b"this is no database")


def test_latencies_are_those_of_the_usual_settings_here(monkeypatch):
    here = benchmark.fingerprint(torch.device("cpu"))
    usual = dataclasses.replace(a_result(5.0, threads=torch.get_num_threads()), fingerprint=here)
    store.add(dataclasses.replace(usual, times_ms=np.array([7.0])))
    store.add(usual)
    store.add(dataclasses.replace(usual, slug="vgg16", settings=Settings(batch_size=8)))
    store.add(a_result(9.0, slug="alexnet"))
    assert benchmark.latencies("cpu") == {"resnet18": 5.0}


# Plans


def test_a_plan_is_every_combination_once_and_survives_as_text():
    plan = Plan(("lenet5", "resnet18"), (1, 8), ("fp32", "bf16"), threads=(1, 2, 1))
    assert len(plan.points) == 2 * 2 * 2 * 2
    assert plan.points[0] == ("lenet5", Settings())
    assert Plan.from_json(plan.to_json()) == plan
    with pytest.raises(BadSettings, match="not 0"):
        _ = Plan(()).points
    with pytest.raises(BadSettings, match="not 1,024"):
        _ = Plan(("lenet5",), tuple(range(1, 1025))).points


def test_what_was_done_earlier_sets_no_pace():
    plan = Plan(("alexnet", "resnet18"), (1, 2), device="cpu", seconds=0.001)
    run = store.begin(plan.to_json())
    for size in (1, 2):
        store.add(dataclasses.replace(a_result(slug="alexnet"), settings=Settings(batch_size=size)), run)
    rest = benchmark.expected_seconds(dataclasses.replace(plan, slugs=("resnet18",)))
    steps = list(benchmark.run(plan, run, load=load))
    assert (steps[0].done, steps[0].total) == (0, pytest.approx(sum(rest)))
    assert steps[0].text.startswith("3 of 4: ResNet-18")
    assert steps[-1].share == pytest.approx(1)


def test_another_benchmark_is_waited_for_and_nothing_is_skipped():
    other = measuring.measuring(spying(), Settings(), passes=50)
    next(other)
    steps = benchmark.run(Plan(("alexnet",), device="cpu", seconds=0.001), load=load)
    assert [next(steps).result for _ in range(3)] == [None] * 3
    other.close()
    (result,) = [step.result for step in steps if step.result is not None]
    assert isinstance(result, benchmark.Benchmark)
    assert [run.finished for run in store.runs()] == [True]


def test_a_plan_that_waits_can_be_stopped_and_holds_up_nobody():
    other = measuring.measuring(spying(), Settings(), passes=50)
    next(other)
    steps = benchmark.run(Plan(("alexnet",), device="cpu", seconds=0.001), load=load)
    next(steps), next(steps)
    steps.close()
    with pytest.raises(benchmark.Busy):
        benchmark.measure(spying(), passes=1)
    other.close()
    benchmark.measure(spying(), passes=1)


def test_a_result_that_cannot_be_kept_ends_the_run_which_stays_to_be_gone_on_with(monkeypatch):
    def full(result, run=""):
        raise store.StoreBroken("The disk is full; make room.")

    plan = Plan(("alexnet", "resnet18"), device="cpu", seconds=0.001)
    with monkeypatch.context() as broken:
        broken.setattr(store, "add", full)
        with pytest.raises(store.StoreBroken, match="make room"):
            list(benchmark.run(plan, load=load))
    (run,) = store.runs()
    assert (run.finished, run.results) == (False, 0)
    assert len([step for step in benchmark.run(plan, run.name, load=load) if step.result is not None]) == 2


def load(slug, device):
    return spying(Broken() if slug == "vgg11" else None, slug)


def test_a_run_stores_each_result_before_it_tells_it_and_goes_on_after_a_failure():
    plan = Plan(("alexnet", "vgg11", "resnet18"), (1, 2), device="cpu", seconds=0.001)
    seen, shares = [], []
    for step in benchmark.run(plan, load=load):
        shares.append(step.share)
        if step.result is not None:
            seen.append(step.result)
            stored = [(kept.result.slug, kept.result.settings) for kept in store.all()]
            assert stored == [(each.slug, each.settings) for each in seen if not isinstance(each, Skipped)]
    assert [(each.slug, each.settings.batch_size) for each in seen] == [
        (slug, size) for slug in plan.slugs for size in (1, 2)
    ]
    skipped = [each for each in seen if isinstance(each, Skipped)]
    assert [each.slug for each in skipped] == ["vgg11", "vgg11"]
    assert skipped[0].reason.startswith("VGG-11 does not run with fp32")
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    (run,) = store.runs()
    assert (run.finished, run.results, Plan.from_json(run.plan)) == (True, 4, plan)


def test_a_stopped_plan_keeps_what_is_done_and_goes_on_without_doing_it_again():
    plan = Plan(("alexnet", "resnet18"), (1, 2, 4), device="cpu", seconds=0.001)
    steps = benchmark.run(plan, load=load)
    done = 0
    while done < 2:
        done += next(steps).result is not None
    next(steps)
    steps.close()
    (run,) = store.runs()
    assert (run.finished, run.results) == (False, 2)
    CALLS.clear()
    rest = [step.result for step in benchmark.run(plan, run.name, load=load) if step.result is not None]
    assert [(each.slug, each.batch_size) for each in rest] == [("alexnet", 4), *(("resnet18", n) for n in (1, 2, 4))]
    assert 2 not in {shape[0] for shape, *_ in CALLS[: CALLS.index(next(c for c in CALLS if c[0][0] == 4))]}
    (run,) = store.runs()
    assert (run.finished, run.results) == (True, 6)
    assert {(kept.result.slug, kept.result.settings) for kept in store.of_run(run.name)} == set(plan.points)


KILLED = """
import sys, time
from explorer import benchmark
from tests.test_benchmark import load
plan = benchmark.Plan(("alexnet", "resnet18"), (1, 2, 4), device="cpu", seconds=0.001)
done = 0
for step in benchmark.run(plan, load=load):
    done += step.result is not None
    if done == 3 and step.result is None:
        print("in the middle of the fourth", flush=True)
        time.sleep(600)
"""


def test_a_killed_process_loses_only_the_measurement_it_was_at(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", KILLED], cwd=ROOT, stdout=subprocess.PIPE, env=dict(os.environ))
    assert process.stdout is not None
    with process.stdout as told:
        assert told.readline() == b"in the middle of the fourth\n"
        process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
    (run,) = store.runs()
    assert (run.finished, run.results) == (False, 3)
    before = store.all()
    plan = Plan.from_json(run.plan)
    rest = [step.result for step in benchmark.run(plan, run.name, load=load) if step.result is not None]
    assert len(rest) == 3
    after = store.all()
    assert [kept.number for kept in after[:3]] == [kept.number for kept in before]
    assert {(kept.result.slug, kept.result.settings) for kept in after} == set(plan.points)


def test_a_plan_runs_as_a_job_and_stop_keeps_what_is_done():
    plan = Plan(("alexnet", "resnet18"), (1, 2), device="cpu", seconds=0.001)
    job = jobs.submit(lambda: benchmark.run(plan, load=load), "benchmark", title="Benchmark")
    assert job.wait(60)
    assert (job.state, job.error, len(job.results)) == ("done", "", 4)
    assert len(store.all()) == 4


def test_the_estimate_follows_what_was_measured_here():
    plan = Plan(("lenet5",), (1, 100), device="cpu", seconds=1.0)
    unknown = benchmark.expected_seconds(plan)
    here = benchmark.fingerprint(torch.device("cpu"))
    slow = dataclasses.replace(a_result(2000.0, slug="lenet5"), fingerprint=here)
    store.add(slow)
    one, hundred = benchmark.expected_seconds(plan)
    assert one > unknown[0]
    assert hundred - 1.5 == pytest.approx(9 * 200)  # four to warm up and five that count, 100 images of 2 s each


def test_networks_are_loaded_without_a_download():
    assert benchmark.loaded("resnet18", "cpu").weights.source == "random"
    assert benchmark.loaded("efficientnet_lite0", "cpu").weights.source == "bundled"


# The shell, and figures


def test_the_shell_prints_a_table_and_goes_on(capsys):
    arguments = ["--models", "lenet5", "--batch-sizes", "1,2", "--seconds", "0.001", "--device", "cpu"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert out.count("LeNet-5") == 2
    assert str(store.path()) in out
    assert main(["--continue"]) == 2
    assert "No plan was left unfinished" in capsys.readouterr().err
    assert main(["--models", "nonsense"]) == 2
    store.begin(Plan(("lenet5",), device="cpu", seconds=0.001).to_json())
    assert main(["--continue"]) == 0
    assert [run.finished for run in store.runs()] == [True, True]


def test_figures_show_the_numbers_they_are_given():
    results = [a_result(2.0), a_result(8.0, batch_size=8), a_result(4.0, slug="vgg16")]
    bars = figures.times(results)
    assert list(bars.data[0].x) == [2.0, 8.0, 4.0]
    whiskers = np.array(bars.data[0].x) + np.array(bars.data[0].error_x.array)
    np.testing.assert_allclose(whiskers, [each.p95_ms for each in results])
    assert list(bars.layout.yaxis.ticktext) == ["ResNet-18 × 1", "ResNet-18 × 8", "VGG-16 × 1"]
    alone = dataclasses.replace(results[0], times_ms=np.array([*[2.0] * 10, 50.0]))  # one disturbed pass of eleven
    assert figures.times([alone]).layout.xaxis.range[1] > alone.p95_ms == 26.0  # nobody beside it to become a stump
    lines = {line.name: line for line in figures.throughput(results).data}
    assert list(lines["ResNet-18"].x) == [1, 8]
    np.testing.assert_allclose(lines["ResNet-18"].y, [500.0, 1000.0])
    assert list(figures.layers({"conv1": 1.5, "fc": 0.5}, "ResNet").data[0].x) == [1.5, 0.5]


def test_a_moment_is_kept_in_utc():
    store.add(a_result())
    assert store.all()[0].measured.utcoffset() == datetime.now().astimezone().utcoffset() * 0
