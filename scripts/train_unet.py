"""Trains the small U-Net and writes assets/weights/unet_cells.safetensors: `python -m scripts.train_unet FOLDER`.

Every picture comes from a seed (`explorer/segmentation/cells.py`); FOLDER keeps them and a checkpoint of each epoch, so
that a run that was stopped goes on where it was. `--evaluate` only measures the weights that are there, on seeds that
are never trained on and on scikit-image's coins. Nothing is chosen by the coins.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm import tqdm

from explorer import devices
from explorer.architectures.unet import unet_small
from explorer.preprocessing import Preprocessing
from explorer.segmentation import FIRST_TRAINING_SEED, cells, coins, overlap, segment_array

WEIGHTS = Path(__file__).parents[1] / "assets" / "weights" / "unet_cells.safetensors"
PICTURES = 4096
SIDE, CROP = 160, 128  # the crop cuts blobs through, which a whole picture never does
BATCH = 16
PEAK_RATE = 4e-3
PLANNED, BEFORE, AFTER = 10, 5, 2  # epochs: one cycle of ten, left after five, then straight down to nothing in two
WEIGHT_DECAY = 0.01
MEAN, STD = 0.5, 0.25
RECIPE = Preprocessing(resize=256, crop=256, mean=(MEAN,), std=(STD,))  # as on the card
HELD_OUT = range(200)


def pictures(folder: Path, count: int) -> tuple[Tensor, Tensor]:
    """Grey values uint8 and masks bool, both (N, 160, 160); made once, then read from the folder."""
    file = folder / f"cells_{count}_{SIDE}.npz"
    if not file.exists():
        seeds = range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + count)
        made = [cells(seed, SIDE) for seed in tqdm(seeds, unit="picture", desc="pictures")]
        new = file.with_suffix(".new.npz")  # NumPy adds its own ending to any other
        np.savez(new, images=np.stack([each.image for each in made]), masks=np.stack([each.mask for each in made]))
        new.replace(file)  # whole or not at all
    with np.load(file) as kept:
        return torch.from_numpy(kept["images"]), torch.from_numpy(kept["masks"])


def varied(images: Tensor, masks: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """A crop of each picture, flipped, turned, sometimes as a negative, with another contrast: (B, 1, 128, 128)."""

    def chance(share: float) -> bool:
        return bool(torch.rand(1, generator=random) < share)

    seen, wanted = [], []
    for image, mask in zip(images, masks, strict=True):
        top, left = torch.randint(SIDE - CROP + 1, (2,), generator=random).tolist()
        both = torch.stack(
            [
                image[top : top + CROP, left : left + CROP].float() / 255,
                mask[top : top + CROP, left : left + CROP].float(),
            ]
        )
        both = both.flip(1) if chance(0.5) else both
        both = both.flip(2) if chance(0.5) else both
        both = both.transpose(1, 2) if chance(0.5) else both
        grey = 1 - both[0] if chance(0.2) else both[0]
        gain = 0.6 + 0.4 * torch.rand(1, generator=random)
        seen.append(grey * gain + (1 - gain) * torch.rand(1, generator=random))
        wanted.append(both[1].long())
    return torch.stack(seen).unsqueeze(1).sub(MEAN).div(STD), torch.stack(wanted)


def loss_of(scores: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy and what is missing to a Dice of 1, of (B, 2, H, W) against (B, H, W)."""
    inside = scores.softmax(1)[:, 1]
    shared = 2 * (inside * wanted).sum((1, 2)) + 1
    dice = shared / (inside.sum((1, 2)) + wanted.sum((1, 2)) + 1)
    return F.cross_entropy(scores, wanted) + (1 - dice).mean()


def train(folder: Path, seed: int, count: int) -> nn.Module:
    """A trained network; the same one for the same seed, machine and version of PyTorch, stopped in between or not."""
    images, masks = pictures(folder, count)
    torch.manual_seed(seed)
    network = unet_small().train().to(memory_format=torch.channels_last)  # a third faster
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=WEIGHT_DECAY)
    each = len(images) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=PLANNED * each, pct_start=0.1)
    checkpoint, first = folder / f"unet_{seed}_{count}.pt", 0
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(kept["network"])
        optimizer.load_state_dict(kept["optimizer"])
        schedule.load_state_dict(kept["schedule"])
        first = kept["epoch"]
    for epoch in range(first, BEFORE + AFTER):
        random = torch.Generator().manual_seed(1000 * seed + epoch)
        order = torch.randperm(len(images), generator=random)
        mean = 0.0
        with tqdm(total=each, unit="step", desc=f"epoch {epoch + 1} of {BEFORE + AFTER}") as bar:
            for batch in torch.split(order[: each * BATCH], BATCH):
                seen, wanted = varied(images[batch], masks[batch], random)
                loss = loss_of(network(seen.contiguous(memory_format=torch.channels_last)), wanted)
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                if epoch >= BEFORE:
                    left = 1 - ((epoch - BEFORE) * each + bar.n) / (AFTER * each)
                    optimizer.param_groups[0]["lr"] = schedule.get_last_lr()[0] * left
                optimizer.step()
                if epoch < BEFORE:
                    schedule.step()
                mean += (loss.item() - mean) / (bar.n + 1)
                bar.update()
                bar.set_postfix(loss=f"{mean:.4f}", refresh=False)
        state = {
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
        }
        torch.save({**state, "epoch": epoch + 1}, checkpoint.with_suffix(".new"))
        checkpoint.with_suffix(".new").replace(checkpoint)
    return network.eval()


def report(network: nn.Module) -> None:
    """Prints Dice and IoU on seeds that were never trained on and on scikit-image's coins."""
    found = [(segment_array(network, RECIPE, each.image), each.mask) for each in map(cells, HELD_OUT)]
    scores = [overlap(probability >= 0.5, mask) for probability, mask in found]
    whole = overlap(np.stack([probability >= 0.5 for probability, _ in found]), np.stack([mask for _, mask in found]))
    worst = min(score.dice for score in scores)
    print(f"{len(scores)} held-out pictures: Dice {whole.dice:.4f} over all pixels, ", end="")
    print(f"{np.mean([score.dice for score in scores]):.4f} on average, {worst:.4f} the worst; IoU {whole.iou:.4f}")
    reference = coins()
    score = overlap(segment_array(network, RECIPE, reference.image) >= 0.5, reference.mask)
    print(f"scikit-image's coins: Dice {score.dice:.4f}, IoU {score.iou:.4f}")


def main() -> None:
    """Trains or evaluates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for pictures and checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--evaluate", action="store_true", help="measure the weights that are there, train nothing")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    devices.configure_threads()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.evaluate:
        network: nn.Module = unet_small().eval()
        network.load_state_dict(load_file(options.out))
    else:
        began = time.monotonic()
        network = train(options.folder, options.seed, options.pictures)
        save_file({name: values.contiguous() for name, values in network.state_dict().items()}, options.out)
        print(f"{options.out}: {options.out.stat().st_size:,} bytes, {(time.monotonic() - began) / 60:.0f} minutes")
    report(network)


if __name__ == "__main__":
    main()
