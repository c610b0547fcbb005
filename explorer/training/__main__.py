"""Transfer learning from the shell, on one device or, under torchrun, on several.

python -m explorer.training --data DIR --model resnet50 [--unfreeze 1] [--augment]
torchrun --nproc-per-node 4 -m explorer.training --data DIR --model resnet50 --workers 4
python -m explorer.training --resume FOLDER
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from explorer.errors import ExplorerError
from explorer.training import bundled, datasets, fitting, parallel, reading
from explorer.training.datasets import Dataset
from explorer.training.plan import GUIDE, NONE, Plan
from explorer.training.progress import Progress

_BUNDLED = "bundled:"


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains as the command line says; 0 if it came to its end."""
    asked = _parser().parse_args(arguments)
    try:
        with parallel.joined(asked.device) as device:
            _run(asked, device)
    except ExplorerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Stopped; the best epoch so far is kept, and --resume goes on.\n")
        return 130
    return 0


def _run(asked: argparse.Namespace, device: str) -> None:
    if asked.resume:
        _follow(fitting.resume(asked.resume, device=device, workers=asked.workers))
        return
    if not asked.data:
        raise datasets.BadDataset("Nothing to learn from: give --data with a folder of class folders, or --resume.")
    first = parallel.world().first
    dataset = _dataset(asked, quiet=not first)
    if first:
        _introduce(dataset)
    steps = fitting.fit(dataset, _plan(asked), folder=asked.out, device=device, workers=asked.workers)
    _follow(steps)


def _dataset(asked: argparse.Namespace, quiet: bool) -> Dataset:
    if asked.data.startswith(_BUNDLED):
        return bundled.get(asked.data.removeprefix(_BUNDLED))
    with tqdm(desc="Looking at the pictures", unit="file", disable=quiet, leave=False) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        place = Path(asked.data)
        if place.suffix.lower() == ".zip":
            return reading.from_archive(place, place.stem, share=asked.share, seed=asked.seed)
        return reading.from_folder(place, share=asked.share, seed=asked.seed, progress=progress)


def _plan(asked: argparse.Namespace) -> Plan:
    return Plan(
        network=asked.model,
        weights=asked.weights,
        unfreeze=asked.unfreeze,
        hidden=asked.hidden,
        dropout=asked.dropout,
        learning_rate=asked.learning_rate,
        backbone_rate=asked.backbone_rate,
        weight_decay=asked.weight_decay,
        label_smoothing=asked.label_smoothing,
        clip=asked.clip,
        epochs=asked.epochs,
        batch_size=asked.batch_size,
        seed=asked.seed,
        augmentation=GUIDE if asked.augment else NONE,
        side=asked.side,
        title=asked.title,
    )


def _introduce(dataset: Dataset) -> None:
    for name, (learnt, checked) in zip(dataset.classes, dataset.counts, strict=True):
        tqdm.write(f"{name}: {learnt} to learn from, {checked} to check with")
    for name, reason in dataset.report.left_out:
        tqdm.write(f"Left out: {name}. {reason}")
    for warning in dataset.report.warnings:
        tqdm.write(warning)


def _follow(steps: Iterator[Progress]) -> None:
    """Draws a bar until the run ends; only the first process of several writes."""
    first = parallel.world().first
    last: Progress | None = None
    told = ""
    with tqdm(disable=not first, unit="pass", bar_format="{l_bar}{bar}| {elapsed}<{remaining}") as bar:
        for last in steps:
            bar.total = last.total
            bar.set_description(last.text, refresh=False)
            bar.update(last.done - bar.n)
            if last.note != told and first:
                tqdm.write(last.note.removeprefix(told).lstrip())
                told = last.note
            if last.result and first:
                epoch = last.result
                tqdm.write(
                    f"Epoch {epoch.number}/{last.epochs}: loss {epoch.loss:.4f}, validation loss "
                    f"{epoch.validation_loss:.4f}, validation accuracy {100 * epoch.validation_accuracy:.1f} %"
                )
    if last is not None and first and last.history:
        best = last.history[last.best - 1]
        tqdm.write(f"Best: epoch {best.number}, {100 * best.validation_accuracy:.1f} %, in the run {last.run}")


def _parser() -> argparse.ArgumentParser:
    usual = Plan()
    parser = argparse.ArgumentParser(prog="python -m explorer.training", description=__doc__.split("\n")[0])
    parser.add_argument("--data", help="a folder or ZIP of class folders, or bundled:textures, bundled:faces ...")
    parser.add_argument("--resume", type=Path, metavar="FOLDER", help="goes on with the run in this folder")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="of the run; a new one in the app's data folder")
    parser.add_argument("--model", default=usual.network, help="slug of the network, also mine:NAME")
    parser.add_argument("--weights", default=usual.weights, help="auto, bundled, pretrained, random or a file")
    parser.add_argument("--unfreeze", type=int, default=usual.unfreeze, help="last stages trained besides the head")
    parser.add_argument("--hidden", type=int, default=usual.hidden, help="units of a hidden layer in the head")
    parser.add_argument("--dropout", type=float, default=usual.dropout)
    parser.add_argument("--learning-rate", type=float, default=usual.learning_rate, help="of the head")
    parser.add_argument("--backbone-rate", type=float, default=usual.backbone_rate, help="part of it for the stages")
    parser.add_argument("--weight-decay", type=float, default=usual.weight_decay)
    parser.add_argument("--label-smoothing", type=float, default=usual.label_smoothing)
    parser.add_argument("--clip", type=float, default=usual.clip, help="largest norm of the gradient, 0 for none")
    parser.add_argument("--epochs", type=int, default=usual.epochs)
    parser.add_argument("--batch-size", type=int, default=usual.batch_size, help="of all processes together")
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--side", type=int, default=usual.side, help="of the input, pixels; 0 for the network's own")
    parser.add_argument("--augment", action="store_true", help="the guide's crops, flips, rotations and colours")
    parser.add_argument("--share", type=float, default=0.2, help="of each class's pictures to check with")
    parser.add_argument("--title", default="", help="of the tuned network")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int, default=0, help="processes that prepare pictures, for each device")
    return parser


if __name__ == "__main__":
    sys.exit(main())
