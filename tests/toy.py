"""A network small enough to compute by hand."""

from __future__ import annotations

import torch
from torch import nn

from explorer.catalogue import Architecture
from explorer.models import Model
from explorer.preprocessing import Preprocessing
from tests.conftest import wrapped

CARD = Architecture(
    slug="toy",
    title="Toy",
    year=2026,
    authors="us",
    paper="",
    family="toy",
    ideas=(),
    input_size=2,
    builder="tests.toy:Toy",
)
# The recipe passes a 2 x 2 photo through as it is, in [0, 1].
RECIPE = Preprocessing(resize=2, crop=2, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


class Toy(nn.Module):
    """Two 1x1 filters, an in-place ReLU that is used twice, a global mean, two classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, kernel_size=1)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(2, 2)
        with torch.no_grad():
            # Channel 0 sees red less one half, channel 1 sees green times two less red.
            self.conv.weight.copy_(torch.tensor([[1.0, 0.0, 0.0], [-1.0, 2.0, 0.0]])[..., None, None])
            assert self.conv.bias is not None
            self.conv.bias.copy_(torch.tensor([-0.5, 0.0]))
            self.fc.weight.copy_(torch.tensor([[4.0, -8.0], [0.0, -2.0]]))
            self.fc.bias.copy_(torch.tensor([0.25, 1.0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(1, 3, 2, 2) -> (1, 2)."""
        x = self.relu(self.conv(x))
        x = self.relu(x + 0)  # in place twice on the same tensor could not be differentiated
        logits: torch.Tensor = self.fc(self.pool(x).flatten(1))
        return logits


def toy() -> Model:
    """The toy as a Model."""
    return wrapped(Toy(), CARD, RECIPE, classes=2)
