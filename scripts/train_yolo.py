"""Trains the small YOLO on scenes made from seeds: `python -m scripts.train_yolo FOLDER`.

FOLDER keeps the state of a run, which goes on where it stopped when the same command is given again. Every scene is
shown once. `--evaluate` only measures the weights that are there, on photos and digits that training never shows. What
it said about scenes 10,000 to 10,499 was the reason for each round with varied scenes; no weights were chosen by it.
"""

from __future__ import annotations

import argparse
import math
import time
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from explorer import devices
from explorer.architectures.yolo import YOLO, yolo_small
from explorer.detection import Candidates, decode, mean_precision, suppress
from explorer.detection.anchors import ANCHORS
from explorer.detection.loss import detection_loss
from explorer.detection.scenes import CLASSES, Scene, make
from explorer.preprocessing import IMAGENET_MEAN, IMAGENET_STD

WEIGHTS = Path(__file__).parents[1] / "assets" / "weights" / "yolo_scenes.safetensors"
PLAIN, VARIED = 3300, (600, 700, 400, 1600)  # steps with plain scenes, then rounds with varied ones
BATCH = 16
PEAK_RATE, VARIED_RATE = 2e-3, 1e-3
WARM_UP, COSINE, FALL = 200, 4500, 2200  # steps: see `learning_rate`
WEIGHT_DECAY = 0.02
SAVE_EVERY = 200  # steps
MEASURED = range(10_000, 10_500)  # seeds of the held-out scenes in the report


def learning_rate(step: int) -> float:
    """A straight way up, then half a cosine of 4,500 steps, and from step 2,200 on straight down to 0.

    Each round with varied scenes begins once more, at half the rate, and goes straight down to 0.
    """
    end = PLAIN
    for length in VARIED:
        if end <= step < end + length:
            return VARIED_RATE * (end + length - step) / length
        end += length
    if step < WARM_UP:
        return PEAK_RATE * (step + 1) / WARM_UP
    at = min(step, FALL)
    rate = PEAK_RATE / 2 * (1 + math.cos(math.pi * (at - WARM_UP) / (COSINE - WARM_UP)))
    return rate * min(1, (PLAIN - step) / (PLAIN - FALL))


def normalised(scenes: list[Scene]) -> Tensor:
    """As `Preprocessing` does it: (N, 3, 160, 160)."""
    values = torch.from_numpy(np.stack([scene.image for scene in scenes])).permute(0, 3, 1, 2).float().div(255)
    mean, std = torch.tensor(IMAGENET_MEAN).view(3, 1, 1), torch.tensor(IMAGENET_STD).view(3, 1, 1)
    return values.sub(mean).div(std).contiguous(memory_format=torch.channels_last)  # a fifth faster on a CPU


def train(folder: Path, seed: int) -> YOLO:
    """A trained network; the same one for the same seed, machine and version of PyTorch."""
    torch.manual_seed(seed)
    network = yolo_small(len(CLASSES)).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=WEIGHT_DECAY)
    state, first = folder / f"state-{seed}.pt", 0
    if state.is_file():
        kept = torch.load(state, weights_only=True)
        network.load_state_dict(kept["network"])
        optimizer.load_state_dict(kept["optimizer"])
        first = kept["step"]
    anchors = torch.tensor(ANCHORS)
    steps = PLAIN + sum(VARIED)
    with tqdm(total=steps, initial=first, unit="step", desc="YOLO") as bar:
        for step in range(first, steps):
            if step in accumulate(VARIED[:-1], initial=PLAIN):  # a new training, from where the last one ended
                optimizer = torch.optim.AdamW(network.parameters(), weight_decay=WEIGHT_DECAY)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step)
            seeds = range((seed * 10_000 + step) * BATCH, (seed * 10_000 + step + 1) * BATCH)
            scenes = [make(each, held_out=False, varied=step >= PLAIN) for each in seeds]
            boxes = [torch.from_numpy(scene.boxes) for scene in scenes]
            labels = [torch.from_numpy(scene.labels) for scene in scenes]
            loss = detection_loss(network(normalised(scenes)), boxes, labels, anchors, network.stride)
            optimizer.zero_grad()
            torch.autograd.backward(loss.total)
            optimizer.step()
            bar.update()
            if step % 20 == 0:
                bar.set_postfix({name: f"{value.item():.3f}" for name, value in zip(loss._fields, loss, strict=True)})
            if (step + 1) % SAVE_EVERY == 0:
                kept = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
                torch.save(kept, state.with_suffix(".new"))
                state.with_suffix(".new").replace(state)  # whole or not at all
    return network.eval()


@torch.inference_mode()
def detect(network: YOLO, scenes: list[Scene], confidence: float) -> list[Candidates]:
    """What is left in each scene after suppression."""
    found = []
    for part in range(0, len(scenes), 50):
        for raw in network(normalised(scenes[part : part + 50])):
            all_boxes = decode(raw.numpy(), ANCHORS, network.stride).above(confidence)
            found.append(all_boxes.take(suppress(all_boxes.boxes, all_boxes.scores, all_boxes.labels).kept))
    return found


def report(network: YOLO, seeds: range, held_out: bool) -> None:
    """Prints the mean average precision over scenes."""
    start = time.perf_counter()
    scenes = [make(seed, held_out) for seed in seeds]
    found = detect(network, scenes, confidence=0.01)
    result = mean_precision(found, [(scene.boxes, scene.labels) for scene in scenes])
    kind = "held-out" if held_out else "training"
    print(f"{len(scenes)} new scenes of {kind} photos and digits, {time.perf_counter() - start:.0f} s")
    print(f"  mAP@0.5 {result.at_50:.4f}, mAP@0.75 {result.at_75:.4f}, mAP@[.5:.95] {result.overall:.4f}")
    print("  " + ", ".join(f"{CLASSES[label]} {value:.3f}" for label, value in result.by_class))


def main() -> None:
    """Trains or evaluates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="keeps the state of the run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=devices.configure_threads())
    parser.add_argument("--evaluate", action="store_true", help="measure the weights that are there, train nothing")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.evaluate:
        network = yolo_small(len(CLASSES)).eval()
        network.load_state_dict(load_file(options.out))
    else:
        options.folder.mkdir(parents=True, exist_ok=True)
        network = train(options.folder, options.seed)
        save_file({name: value.contiguous() for name, value in network.state_dict().items()}, options.out)
        print(f"{options.out}: {options.out.stat().st_size:,} bytes")
    report(network, range(2_000_000, 2_000_200), held_out=False)
    report(network, MEASURED, held_out=True)


if __name__ == "__main__":
    main()
