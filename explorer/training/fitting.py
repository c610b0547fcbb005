"""Transfer learning: `fit` trains a private copy of a network, `resume` goes on where a run was left.

Everything random depends on (seed, epoch, photo or step) alone. So there is no random state to keep, the number of
workers does not matter, and an epoch that was broken off is simply done again: what comes out is what an unbroken run
gives, bit for bit on a CPU. After each epoch two files are replaced, each whole or not at all: `best.safetensors`, the
network itself if the epoch was the best so far, then `last.safetensors`, what the next epoch needs.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from explorer.catalogue.tuned import Head
from explorer.training import checkpoints, kept_data, loading, records, stages
from explorer.training.datasets import Dataset, Item
from explorer.training.learner import Learner, Sums
from explorer.training.parallel import World, world
from explorer.training.plan import Plan
from explorer.training.progress import Epoch, Progress, best
from explorer.training.records import Run

_BACKWARD = 2.0  # passes that a backward pass costs
_HEAD_ONLY = 0.002  # of a pass, where features are kept: 1,280 x 10 products are nothing beside 400 million


def fit(
    dataset: Dataset, plan: Plan, *, folder: Path | None = None, device: str = "auto", workers: int = 0
) -> Iterator[Progress]:
    """Trains as ``plan`` says; yields after each step. Closing the iterator stops the run and keeps the best epoch.

    Args:
        dataset: what to learn from and check with.
        plan: how.
        folder: where the run is kept; a new one in the app's data folder if None. It must be empty or new.
        device: as for `models.load`; under torchrun each process has its own.
        workers: processes that prepare photos.

    Yields:
        How far it is; the last one has the phase 'done'.

    Raises:
        BadPlan, NotTrainable: the plan does not fit the network.
        Diverged: the loss is no number any more; the best epoch so far is kept.
    """
    stages.split(stages.of(plan.network), plan.unfreeze, Head(len(dataset.classes)))  # refused before anything is made
    run = None
    if world().first:
        run = records.begin(dataset, plan, folder)
    yield from _Fitting(dataset, plan, run, device, workers).go()


def resume(folder: Path | str, *, device: str = "auto", workers: int = 0) -> Iterator[Progress]:
    """Goes on with the run in ``folder`` after its last whole epoch; a finished one yields 'done' at once.

    Args:
        folder: of the run.
        device: as for `models.load`.
        workers: processes that prepare photos.

    Raises:
        BadCheckpoint: the run is damaged, or the weights it began with are no longer what they were.
        RunBusy: it is going on elsewhere.
    """
    folder = Path(folder)
    run = records.read(folder)
    world().wait()  # nobody looks at the run any more when its first process takes hold of it
    if run.plan is None:
        raise checkpoints.BadCheckpoint("This network was brought here and not trained here; start a new run from it.")
    dataset = kept_data.read(folder)
    fitting = _Fitting(dataset, run.plan, run, device, workers, folder / records.LAST)
    yield from fitting.over() if run.state == "done" else fitting.go()


class _Fitting:
    def __init__(
        self, dataset: Dataset, plan: Plan, run: Run | None, device: str, workers: int, last: Path | None = None
    ) -> None:
        self._data, self._plan, self._run = dataset, plan, run
        self._device, self._workers, self._last = device, workers, last
        self._world: World = world()
        self._first = run if self._world.first else None  # only the first process writes
        self._history: tuple[Epoch, ...] = ()
        self._steps = -(-len(dataset.train) // plan.batch_size)
        self._losses = np.zeros(plan.epochs * self._steps, np.float32)
        self._step = 0
        self._work = self._all = 0.0
        self._rested = 0.0  # seconds in which whoever iterates did not ask for more: a pause
        self._start = self._clock()
        self._note = ""

    def over(self) -> Iterator[Progress]:
        """What is to be told of a finished run, whose files stay as they are."""
        assert self._run is not None
        self._history = self._run.epochs
        yield self._told("done")

    def go(self) -> Iterator[Progress]:
        run = self._first
        with checkpoints.held(run.folder) if run else nullcontext():
            state, error = "failed", ""
            if run:
                checkpoints.sweep(run.folder, records.BEST, records.LAST)
                records.update(run.folder, state="running", error="")
            try:
                if run and self._last is None:
                    kept_data.write(run.folder, self._data)
                with closing(self._epochs()) as steps:
                    for step in steps:
                        asked = time.monotonic()
                        yield step
                        self._rested += time.monotonic() - asked
                state = "done"
            except GeneratorExit:
                state = "stopped"
                raise
            except Exception as problem:
                error = str(problem)
                raise
            finally:
                if run:
                    records.finish(run.folder, state, error, self._clock() - self._start)

    def _clock(self) -> float:
        """Seconds of work, from any beginning."""
        return time.monotonic() - self._rested

    def _epochs(self) -> Generator[Progress, None, None]:
        yield self._told("preparing")
        plan = self._plan
        photos = len(self._data.train) + len(self._data.validation)
        learner = self._learner = Learner(plan, self._data.classes, self._device, self._world, photos)
        if learner.weights.note:
            self._note = f"{learner.weights.note} The run begins with random weights: what is frozen knows nothing."
        if self._first:
            records.settle(self._first.folder, learner)
        self._restore(learner)
        left = plan.epochs - len(self._history)
        once = photos if learner.keeps_features else 0
        price = _HEAD_ONLY if learner.keeps_features else 1.0
        learnt = price * (1 + _BACKWARD) if learner.keeps_features or plan.unfreeze else price
        self._prices = (learnt, price)
        self._all = once + left * (learnt * len(self._data.train) + price * len(self._data.validation))
        train = checked = None
        if learner.keeps_features and left:
            train = yield from self._features(self._data.train)
            checked = yield from self._features(self._data.validation)
            kept = (
                f"The features of {photos:,} photos are computed once and kept: "
                f"{photos:,} passes through the network instead of {photos * plan.epochs:,}."
            )
            self._note = f"{self._note} {kept}".lstrip()
        for epoch in range(len(self._history), plan.epochs):
            began = self._clock()
            learner.begin_epoch(epoch)
            learnt_sums = yield from self._train(epoch, train)
            checked_sums = yield from self._check(epoch, checked)
            head, backbone = self._rates(epoch)
            ended = Epoch(
                epoch + 1,
                learnt_sums.mean_loss,
                learnt_sums.accuracy,
                checked_sums.mean_loss,
                checked_sums.accuracy,
                head,
                backbone,
                self._clock() - began,
            )
            self._history = (*self._history, ended)
            self._save(learner)
            yield self._told("checking", epoch, learnt_sums, ended)
        yield self._told("done")

    def _restore(self, learner: Learner) -> None:
        if self._last is None:
            return
        if self._run is not None and self._run.identity not in ("", learner.identity):
            raise checkpoints.BadCheckpoint(
                f"This run began with {self._run.identity}, and here is {learner.identity}; start a new run."
            )
        if not self._last.is_file():
            if self._run is not None and self._run.epochs:
                raise checkpoints.BadCheckpoint(
                    f"{self._last.name} in {self._last.parent} is missing, and without it the run cannot go on after "
                    f"epoch {len(self._run.epochs)}; start a new run."
                )
            return  # it was stopped before its first epoch had ended
        state, facts = checkpoints.read(self._last)
        self._history = tuple(Epoch.from_json(each) for each in facts["history"])
        self._step = len(self._history) * self._steps
        self._losses[: self._step] = state.pop("losses").numpy()
        learner.restore(state)

    def _features(self, items: Sequence[Item]) -> Generator[Progress, None, Tensor]:
        learner, world = self._learner, self._world
        found = torch.zeros(len(items), learner.place.features)
        parts = loading.in_turn(len(items))[world.rank :: world.size]
        for inputs, _, indices in loading.batches(items, learner.preprocessing, parts, workers=self._workers):
            found[indices] = learner.features(inputs)
            self._work += len(indices) * world.size
            yield self._told("features")
        return world.sum(found.to(learner.device)).cpu()

    def _train(self, epoch: int, features: Tensor | None) -> Generator[Progress, None, Sums]:
        learner, world, plan = self._learner, self._world, self._plan
        parts = loading.order(len(self._data.train), plan.batch_size, plan.seed, epoch)
        # A batch with fewer photos than processes gives some of them nothing: they take its first photo, unweighted.
        empty = [len(part) <= world.rank for part in parts]
        own = [part[:1] if none else part[world.rank :: world.size] for part, none in zip(parts, empty, strict=True)]
        sums = Sums()
        for number, (part, batch) in enumerate(zip(parts, self._batches(own, epoch, features), strict=True)):
            inputs, labels = batch
            step = learner.step(inputs, labels, len(part), epoch, number, weight=0.0 if empty[number] else 1.0)
            sums += step
            self._losses[self._step] = step.mean_loss
            self._step += 1
            self._work += self._prices[0] * len(part)
            yield self._told("training", epoch, sums)
        return self._together(sums)

    def _batches(
        self, own: Sequence[np.ndarray], epoch: int, features: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        items, plan = self._data.train, self._plan
        if features is not None:
            labels = torch.tensor([item.label for item in items])
            for part in own:
                yield features[part], labels[part]
            return
        for inputs, targets, _ in loading.batches(
            items,
            self._learner.preprocessing,
            own,
            changes=plan.augmentation,
            seed=plan.seed,
            epoch=epoch,
            workers=self._workers,
        ):
            yield inputs, targets

    def _check(self, epoch: int, features: Tensor | None) -> Generator[Progress, None, Sums]:
        learner, world, items = self._learner, self._world, self._data.validation
        if not self._plan.frozen:
            world.share(learner.network)
        parts = loading.in_turn(len(items))[world.rank :: world.size]
        sums = Sums()
        if features is not None:
            labels = torch.tensor([item.label for item in items])
            for part in parts:
                sums += learner.check(features[part], labels[part])
        else:
            for inputs, targets, _ in loading.batches(items, learner.preprocessing, parts, workers=self._workers):
                sums += learner.check(inputs, targets)
                self._work += self._prices[1] * len(targets) * world.size
                yield self._told("checking", epoch)
        return self._together(sums)

    def _together(self, sums: Sums) -> Sums:
        values = torch.tensor([sums.loss, sums.right, sums.count], dtype=torch.float32, device=self._learner.device)
        return sums if self._world.size == 1 else Sums(*self._world.sum(values).tolist())

    def _save(self, learner: Learner) -> None:
        run = self._first
        if run:
            if best(self._history) == len(self._history):
                records.keep_best(run.folder, learner.network, self._history[-1])
            state = {**learner.state(), "losses": torch.from_numpy(self._losses[: self._step].copy())}
            facts = {"history": [each.to_json() for each in self._history]}
            checkpoints.write(run.folder / records.LAST, state, facts)
            records.update(run.folder, epochs=[each.to_json() for each in self._history])
        self._world.wait()

    def _rates(self, epoch: int) -> tuple[float, float]:
        rate = self._plan.rate(epoch)
        return rate, rate * self._plan.backbone_rate if self._plan.unfreeze else 0.0

    def _told(
        self, phase: str, epoch: int | None = None, sums: Sums | None = None, ended: Epoch | None = None
    ) -> Progress:
        number = len(self._history) if epoch is None else epoch + 1
        head, backbone = self._rates(max(number - 1, 0))
        losses = self._losses[: self._step].view()
        losses.flags.writeable = False
        sums = sums or Sums()
        return Progress(
            run=self._run.name if self._run else "",
            phase=phase,
            epoch=number,
            epochs=self._plan.epochs,
            done=self._work if phase != "done" else max(self._all, 1.0),
            total=max(self._all, 1.0),
            loss=sums.mean_loss,
            accuracy=sums.accuracy,
            head_rate=head,
            backbone_rate=backbone,
            history=self._history,
            losses=losses,
            best=best(self._history),
            seconds=self._clock() - self._start,
            note=self._note,
            result=ended,
        )
