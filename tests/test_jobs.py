"""Background jobs: one at a time, in order, and whatever they finished stays. No test waits for a time to pass."""

from __future__ import annotations

import threading

import pytest

from explorer import jobs
from explorer.errors import Cancelled, ExplorerError
from explorer.jobs import Progress

PATIENCE = 20  # seconds until a test gives up; none is meant to take that long


class Work:
    """A generator that takes a step whenever the test lets it, and tells where it is."""

    def __init__(self, steps: int = 3, fails: Exception | None = None):
        self.steps, self.fails = steps, fails
        self.go, self.arrived = threading.Semaphore(0), threading.Semaphore(0)
        self.cleaned, self.thread = False, ""

    def __call__(self):
        self.thread = threading.current_thread().name
        try:
            for number in range(1, self.steps + 1):
                self.arrived.release()
                assert self.go.acquire(timeout=PATIENCE)
                yield Progress(number, self.steps, f"step {number}", number * 10 if number % 2 else None)
            if self.fails:
                raise self.fails
        finally:
            self.cleaned = True

    def reached(self) -> None:
        """Waits until it is about to take its next step."""
        assert self.arrived.acquire(timeout=PATIENCE)

    def let(self, steps: int) -> None:
        """Allows it some steps."""
        self.go.release(steps)


@pytest.fixture(autouse=True)
def _none_left():
    yield
    for job in jobs.unfinished():
        job.stop()
    assert all(job.wait(PATIENCE) for job in jobs.unfinished())


def until(job, state):
    """Waits for a state."""
    reached = threading.Event()
    for _ in range(PATIENCE * 100):
        if job.state == state:
            return
        reached.wait(0.01)
    raise AssertionError(f"{job.state}, not {state}")


def test_a_job_runs_in_its_own_thread_and_keeps_its_results():
    work = Work(5)
    work.let(5)
    job = jobs.submit(work, "a", title="A")
    assert job.wait(PATIENCE)
    assert (job.state, job.results, job.progress.share, job.error) == ("done", (10, 30, 50), 1.0, "")
    assert job.latest == Progress(5, 5, "step 5", 50)
    assert work.thread == "job a"
    assert work.cleaned
    assert jobs.find("a") is job
    assert jobs.unfinished() == ()
    assert jobs.find("never") is None


def test_a_second_submission_under_the_same_key_is_the_same_job_until_it_has_finished():
    work = Work(1)
    first = jobs.submit(work, "same")
    assert jobs.submit(Work(1), "same") is first
    work.let(1)
    assert first.wait(PATIENCE)
    again = Work(1)
    again.let(1)
    second = jobs.submit(again, "same")
    assert second is not first
    assert jobs.find("same") is second
    assert second.wait(PATIENCE)


def test_one_works_while_the_others_wait_in_order():
    works = [Work(1) for _ in range(3)]
    queue = [jobs.submit(work, f"queue {number}") for number, work in enumerate(works)]
    works[0].reached()
    assert [job.state for job in queue] == ["running", "waiting", "waiting"]
    assert [job.ahead for job in queue] == [0, 1, 2]
    works[0].let(1)
    works[1].reached()
    assert [job.state for job in queue] == ["done", "running", "waiting"]
    assert queue[2].ahead == 1
    queue[2].stop()  # before its turn: it never begins
    assert queue[2].wait(PATIENCE)
    assert queue[2].state == "stopped"
    assert not works[2].thread
    works[1].let(1)
    assert queue[1].wait(PATIENCE)


def test_the_queue_has_an_end_and_says_so():
    works = [Work(1) for _ in range(jobs.MOST)]
    queue = [jobs.submit(work, f"many {number}") for number, work in enumerate(works)]
    with pytest.raises(jobs.QueueFull, match="8 jobs are waiting"):
        jobs.submit(Work(1), "one too many")
    for work in works:
        work.let(1)
    assert all(job.wait(PATIENCE) for job in queue)
    assert all(job.state == "done" for job in queue)


def test_a_full_queue_stops_the_job_that_has_rested_longest_and_no_other():
    first, second = Work(9), Work(9)
    one, two = jobs.submit(first, "one"), jobs.submit(second, "two")
    first.reached()
    one.pause()
    first.let(1)
    second.reached()
    two.pause()
    second.let(1)
    until(two, "paused")
    one.resume()  # and rests again, after the other
    first.reached()
    one.pause()
    first.let(1)
    until(one, "paused")
    works = [Work(1) for _ in range(jobs.MOST - 1)]
    queue = [jobs.submit(work, f"behind {number}") for number, work in enumerate(works)]
    assert two.wait(PATIENCE)
    assert (two.state, two.results, second.cleaned, one.state) == ("stopped", (10,), True, "paused")
    one.resume()
    assert one.resting_since is None
    with pytest.raises(jobs.QueueFull):
        jobs.submit(Work(1), "one too many")
    one.stop()
    for work in works:
        work.let(1)
    assert all(job.wait(PATIENCE) for job in (one, *queue))
    assert {job.state for job in queue} == {"done"}


def test_a_job_is_what_it_will_be_before_the_next_one_works(monkeypatch):
    left, leave = [], jobs.Turns.leave

    def leaving(turns, job):
        left.append((job.key, job.state))
        leave(turns, job)

    monkeypatch.setattr(jobs.Turns, "leave", leaving)
    work = Work(2)
    job = jobs.submit(work, "first")
    work.reached()
    job.pause()
    work.let(1)
    until(job, "paused")
    job.resume()
    work.let(1)
    assert job.wait(PATIENCE)
    last = Work(1)
    last.let(1)
    assert jobs.submit(last, "last").wait(PATIENCE)  # whose turn comes when the first has left
    assert left[:2] == [("first", "paused"), ("first", "done")]


def test_a_pause_before_the_first_step_is_no_part_of_its_pace():
    now, work, blocker = [100.0], Work(10), Work(1)
    first = jobs.submit(blocker, "first")
    job = jobs.submit(work, "early", clock=lambda: now[0])
    job.pause()
    blocker.let(1)
    assert first.wait(PATIENCE)
    until(job, "paused")
    now[0] += 1000
    job.resume()
    work.reached()
    work.let(1)
    work.reached()
    now[0] += 6
    work.let(1)
    work.reached()
    assert job.seconds_left == pytest.approx(6 * 8)
    job.stop()
    work.let(1)
    assert job.wait(PATIENCE)


def test_stop_ends_between_two_steps_cleans_up_and_keeps_what_is_finished():
    work = Work(9)
    job = jobs.submit(work, "stop")
    work.let(2)
    for _ in range(3):
        work.reached()
    job.stop()
    assert job.stopping
    work.let(1)  # the step it was at
    assert job.wait(PATIENCE)
    assert (job.state, job.results, job.stopping) == ("stopped", (10, 30), False)
    assert work.cleaned
    job.stop()  # too late to matter
    assert job.state == "stopped"


def test_a_paused_job_gives_its_turn_away_and_takes_it_again():
    first, second = Work(3), Work(1)
    paused, other = jobs.submit(first, "paused"), jobs.submit(second, "other")
    first.reached()
    paused.pause()
    assert other.state == "waiting"
    first.let(1)
    second.reached()
    assert (paused.state, paused.results, other.state) == ("paused", (10,), "running")
    paused.resume()
    until(paused, "waiting")
    assert paused.ahead == 1
    second.let(1)
    first.reached()
    until(paused, "running")
    first.let(2)
    assert paused.wait(PATIENCE)
    assert (paused.state, paused.results) == ("done", (10, 30))


def test_a_paused_job_can_be_stopped():
    work = Work(3)
    job = jobs.submit(work, "resting")
    work.reached()
    job.pause()
    work.let(1)
    until(job, "paused")
    job.stop()
    assert job.wait(PATIENCE)
    assert (job.state, work.cleaned) == ("stopped", True)


@pytest.mark.parametrize(
    ("error", "state", "sentence"),
    [
        (ExplorerError("This is too much; ask for less."), "failed", "This is too much; ask for less."),
        (Cancelled("Enough."), "stopped", ""),
        (ZeroDivisionError("secret"), "failed", "“Hard work” failed, and the server's log says why"),
    ],
)
def test_a_failure_is_one_sentence_and_the_next_job_runs(error, state, sentence, caplog):
    work = Work(2, error)
    work.let(2)
    job = jobs.submit(work, "hard", title="Hard work")
    assert job.wait(PATIENCE)
    assert (job.state, job.results) == (state, (10,))
    assert job.error.startswith(sentence)
    assert "secret" not in job.error
    after = Work(1)
    after.let(1)
    following = jobs.submit(after, "after")
    assert following.wait(PATIENCE)
    assert following.state == "done"


def test_a_factory_that_fails_is_a_job_that_failed(caplog):
    job = jobs.submit(lambda: [][0], "broken")
    assert job.wait(PATIENCE)
    assert job.state == "failed"


def test_time_left_follows_the_pace_since_the_first_step_and_not_the_waiting():
    now = [100.0]
    work = Work(10)

    def later():  # as after a restart: 2 of 10 are done when it begins
        for step in work():
            yield Progress(step.done + 1, 11)

    job = jobs.submit(later, "pace", clock=lambda: now[0])
    work.reached()
    assert job.seconds_left is None
    work.let(1)
    work.reached()
    assert job.seconds_left is None  # one step says nothing about the pace
    now[0] += 6
    work.let(1)
    work.reached()
    assert job.progress.done == 3
    assert job.seconds_left == pytest.approx(6 * 8)
    now[0] += 2
    job.pause()
    work.let(1)
    until(job, "paused")
    assert job.seconds_left == pytest.approx(4 * 7)
    now[0] += 1000
    job.resume()
    work.reached()
    now[0] += 4
    work.let(1)
    work.reached()
    assert job.seconds_left == pytest.approx(4 * 6)
    job.stop()
    work.let(1)
    assert job.wait(PATIENCE)
    assert job.seconds_left is None


def test_old_jobs_are_forgotten():
    for number in range(60):
        work = Work(1)
        work.let(1)
        assert jobs.submit(work, f"old {number}").wait(PATIENCE)
    assert jobs.find("old 0") is None
    assert jobs.find("old 59") is not None
