"""Dropout and skipped blocks that draw from a generator of their own.

PyTorch's draw from the one generator of the process: another visitor's click would change a run, and nobody could
resume it. These are sown anew before each step.
"""

from __future__ import annotations

import numpy as np
import torch
import torchvision
from torch import Tensor, nn

from explorer.architectures.efficientnet import StochasticDepth


class Noise:
    """Where the random layers of one network draw from.

    Args:
        device: of the network.
    """

    def __init__(self, device: torch.device) -> None:
        self.generator = torch.Generator(device)

    def sow(self, *numbers: int) -> None:
        """Begins anew, from these numbers only."""
        state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)
        self.generator.manual_seed(int(state[0] >> np.uint64(1)))


class SownDropout(nn.Module):
    """`nn.Dropout`: in training zeroes each number with probability ``p`` and divides the others by 1 - p."""

    def __init__(self, p: float, noise: Noise) -> None:
        super().__init__()
        self.p, self._noise = p, noise

    def forward(self, x: Tensor) -> Tensor:
        """Keeps the shape."""
        if not self.training or self.p == 0:
            return x
        kept = torch.rand(x.shape, generator=self._noise.generator, device=x.device) >= self.p
        return x * kept / (1 - self.p)


class SownDepth(nn.Module):
    """Stochastic depth: in training zeroes whole pictures, or all at once, and divides the others by 1 - p."""

    def __init__(self, p: float, each: bool, noise: Noise) -> None:
        super().__init__()
        self.p, self._each, self._noise = p, each, noise

    def forward(self, x: Tensor) -> Tensor:
        """Keeps the shape."""
        if not self.training or self.p == 0:
            return x
        shape = (x.shape[0] if self._each else 1, *(1,) * (x.ndim - 1))
        kept = torch.rand(shape, generator=self._noise.generator, device=x.device) >= self.p
        return x * kept / (1 - self.p)


def sown(network: nn.Module, noise: Noise) -> None:
    """Exchanges the random layers of ``network`` for such ones; they have no parameters, so all names stay."""
    for owner in list(network.modules()):
        for name, module in owner.named_children():
            twin: nn.Module | None = None
            if isinstance(module, nn.Dropout):
                twin = SownDropout(module.p, noise)
            elif isinstance(module, StochasticDepth):
                twin = SownDepth(module.drop, True, noise)
            elif isinstance(module, torchvision.ops.StochasticDepth):
                twin = SownDepth(module.p, module.mode == "row", noise)
            if twin is not None:
                setattr(owner, name, twin.train(module.training))
