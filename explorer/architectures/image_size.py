"""The sizes a network can take, as one sentence that names the rule, where PyTorch would speak of kernels and views."""

from __future__ import annotations

from torch import Tensor


class IllegalSize(ValueError):
    """An image of a size that this network cannot take."""


def require_size(image: Tensor, network: str, smallest: int, largest: int | None = None, *, because: str) -> None:
    """Check the height and the width of a batch of images, (B, C, H, W).

    Args:
        image: what the network was given.
        network: its name for people.
        smallest: least side that it takes, pixels.
        largest: greatest side that it takes; None if there is none.
        because: the rule, and the remedy, as one sentence without a full stop.

    Raises:
        IllegalSize: a side is too small or too large.
    """
    height, width = image.shape[-2:]
    if smallest <= min(height, width) and (largest is None or max(height, width) <= largest):
        return
    if largest is None:
        sides = f"at least {smallest} pixels"
    elif largest == smallest:
        sides = f"exactly {smallest} pixels"
    else:
        sides = f"{smallest} to {largest} pixels"
    raise IllegalSize(f"{network} needs sides of {sides}, this image is {height} x {width}: {because}.")
