"""Trains LeNet-5 on MNIST and writes assets/weights/lenet5.safetensors: `python -m scripts.train_lenet FOLDER`.

FOLDER is what `torchvision.datasets.MNIST` calls its root. `--evaluate` only measures the weights that are there.
The test digits are looked at once, after the last epoch; nothing is chosen by them.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchvision.datasets import MNIST
from tqdm import tqdm

from explorer.architectures.lenet import lenet5
from explorer.digits import MNIST_MEAN, MNIST_STD, DigitPreprocessing

WEIGHTS = Path(__file__).parents[1] / "assets" / "weights" / "lenet5.safetensors"
EPOCHS = 40
BATCH = 128
PEAK_RATE = 3e-3
WEIGHT_DECAY = 0.02


def digits(folder: Path, train: bool) -> tuple[Tensor, Tensor]:
    """All digits in [0, 1], padded to (N, 1, 32, 32), and their labels (N,)."""
    data = MNIST(str(folder), train=train, download=False)
    return F.pad(data.data.float().div(255).unsqueeze(1), (2, 2, 2, 2)), data.targets


def normalised(images: Tensor) -> Tensor:
    """As `DigitPreprocessing` does it."""
    return (images - MNIST_MEAN) / MNIST_STD


def wobbled(images: Tensor, random: torch.Generator) -> Tensor:
    """Each digit turned by up to 12 degrees, sheared by up to 0.15, scaled by up to 12 % and shifted by up to 2 pixels.

    A drawing in the browser is not as tidy as MNIST's forms; this also keeps 61,706 parameters from overfitting.
    """

    def spread(limit: float) -> Tensor:
        return torch.empty(len(images)).uniform_(-limit, limit, generator=random)

    angle, shear, scale = spread(math.radians(12)), spread(0.15), 1 + spread(0.12)
    cosine, sine = angle.cos() * scale, angle.sin() * scale
    rows = (
        cosine,
        shear - sine,
        spread(2 / 16),
        sine,
        cosine,
        spread(2 / 16),
    )  # affine_grid spans -1 to 1: 16 px a half
    grid = F.affine_grid(torch.stack(rows, dim=1).view(-1, 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def batches(count: int, random: torch.Generator) -> Iterator[Tensor]:
    """Indices of each batch of one shuffled epoch."""
    yield from torch.split(torch.randperm(count, generator=random), BATCH)


def train(folder: Path, seed: int) -> nn.Module:
    """A trained network; the same one for the same seed, machine and version of PyTorch."""
    torch.manual_seed(seed)
    random = torch.Generator().manual_seed(seed)
    images, labels = digits(folder, train=True)
    network = lenet5().train()
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=WEIGHT_DECAY)
    steps = EPOCHS * math.ceil(len(images) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=steps)
    with tqdm(total=steps, unit="step", desc="LeNet-5") as bar:
        for epoch in range(EPOCHS):
            for batch in batches(len(images), random):
                loss = F.cross_entropy(network(normalised(wobbled(images[batch], random))), labels[batch])
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                schedule.step()
                bar.update()
            bar.set_postfix(epoch=epoch + 1, loss=f"{loss.item():.4f}")
    return network.eval()


@torch.inference_mode()
def accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Share of digits named rightly, 0 to 1."""
    right = [network(images[part]).argmax(1).eq(labels[part]) for part in torch.split(torch.arange(len(images)), 1000)]
    return torch.cat(right).double().mean().item()


def report(network: nn.Module, folder: Path) -> None:
    """Prints the accuracy on the 10,000 test digits: as they are, and through the app's own preparation."""
    images, labels = digits(folder, train=False)
    print(f"test digits, padded:          {accuracy(network, normalised(images), labels):.4f}")
    recipe = DigitPreprocessing()
    data = MNIST(str(folder), train=False, download=False)
    prepared = [recipe.view(data[index][0]) for index in tqdm(range(len(data)), desc="preparing", leave=False)]
    through = torch.cat([recipe.normalise(np.asarray(seen)) for seen in prepared])
    print(f"test digits, as in the app:   {accuracy(network, through, labels):.4f}")


def main() -> None:
    """Trains or evaluates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the root of torchvision.datasets.MNIST")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--evaluate", action="store_true", help="measure the weights that are there, train nothing")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    if options.evaluate:
        network: nn.Module = lenet5().eval()
        network.load_state_dict(load_file(options.out))
    else:
        network = train(options.folder, options.seed)
        save_file(network.state_dict(), options.out)
        print(f"{options.out}: {options.out.stat().st_size:,} bytes")
    report(network, options.folder)


if __name__ == "__main__":
    main()
