"""LeNet-5: the convolutional network that read the digits on bank cheques.

LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition", Proceedings of the IEEE,
1998. Figure 2 is the network, section II.B its text; the layers have the paper's names. C5 leaves one position and is
called a convolution all the same, as in the paper: on a larger image it would leave more.

Deviations from the paper, as nearly everybody makes them:

- Each map of C3 sees all six maps of S2. In the paper it sees three, four or six of them (Table I), which gives C3
  1,516 parameters instead of 2,416.
- S2 and S4 are plain averages. The paper multiplies the sum of each four by a trainable coefficient, adds a trainable
  bias (12 parameters in S2, 32 in S4) and squashes the result.
- The squashing function is tanh(a), in the paper 1.7159 tanh(2a/3).
- The output is linear, for a softmax. The paper's measures the distances from F6 to ten fixed 7 x 12 drawings of the
  digits (radial basis functions), and so has nothing to train.
- Weights start as PyTorch's, uniform within 1 / sqrt(inputs of a unit), in the paper within 2.4 / inputs: so small that
  today's optimisers, under this tanh, take epochs to leave the start.

The paper's network has exactly 60,000 trainable parameters, this one 61,706.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from explorer.architectures.image_size import require_size


class LeNet5(nn.Module):
    """Two rounds of convolution and average, then a classifier: (B, in_channels, 32, 32) -> (B, num_classes). Figure 2.

    Sides of 33 to 35 pixels also leave 5 x 5 positions in S4.

    Args:
        num_classes: length of the output.
        in_channels: channels of the image.
        activation: the squashing function after C1, C3, C5 and F6; `nn.ReLU` is today's.
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1, activation: type[nn.Module] = nn.Tanh) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(in_channels, 6, kernel_size=5)
        self.activation1 = activation()
        self.s2 = nn.AvgPool2d(kernel_size=2)
        self.c3 = nn.Conv2d(6, 16, kernel_size=5)
        self.activation3 = activation()
        self.s4 = nn.AvgPool2d(kernel_size=2)
        self.c5 = nn.Conv2d(16, 120, kernel_size=5)
        self.activation5 = activation()
        self.f6 = nn.Linear(120, 84)
        self.activation6 = activation()
        self.output = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits. Shapes are those of a 32 x 32 image."""
        because = "C5's 5 x 5 kernels must just cover S4; MNIST's digits, 28 x 28, must be padded by 2 on every side"
        require_size(x, "LeNet-5", 32, 35, because=because)
        # fmt: off
        x = self.activation1(self.c1(x))    # (B,   6, 28, 28)
        x = self.s2(x)                      # (B,   6, 14, 14)
        x = self.activation3(self.c3(x))    # (B,  16, 10, 10)
        x = self.s4(x)                      # (B,  16,  5,  5)
        x = self.activation5(self.c5(x))    # (B, 120,  1,  1)
        x = torch.flatten(x, 1)             # (B, 120)
        x = self.activation6(self.f6(x))    # (B,  84)
        logits: Tensor = self.output(x)     # (B, num_classes)
        # fmt: on
        return logits


def lenet5(num_classes: int = 10, in_channels: int = 1, **options: Any) -> LeNet5:
    """LeNet-5 for grey images of digits; options as `LeNet5`."""
    return LeNet5(num_classes, in_channels, **options)
