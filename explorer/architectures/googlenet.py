"""GoogLeNet: every module looks through small and large windows at once, and 1x1 convolutions keep that affordable.

Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich, "Going Deeper with Convolutions", 2014
(arXiv:1409.4842). Figure 2b is the Inception module, Table 1 and Figure 3 the network, section 5 the auxiliary
classifiers.

Deviations from the paper, all of them torchvision's, so that its weights fit: the third branch looks with 3x3 where the
paper has 5x5 (pytorch/vision issue 906; the weights were trained so); batch norm (arXiv:1502.03167) follows every
convolution, which then needs no bias; the fourth pooling is 2x2 instead of 3x3; dropout is 20 % instead of 40 %; an
auxiliary classifier averages whatever it gets to 4 x 4, where the paper's 5x5 windows do so for 14 x 14 only; the two
local response normalisations of Figure 3 are missing. `googlenet(**PAPER)` undoes all but the last two. The state dict
has torchvision's keys.

The network takes what it is given: torchvision's `transform_input`, which turns ImageNet's normalisation into that of
the original weights, is no part of it. An image for these weights is normalised with mean 0.5 and standard deviation
0.5 in every channel, and that is all.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from explorer.architectures.image_size import require_size


class ConvNormReLU(nn.Sequential):
    """Convolution, batch norm, ReLU: (B, C_in, H, W) -> (B, C_out, H/s, W/s).

    Args:
        in_channels: C_in.
        out_channels: C_out.
        kernel: side of the filters, odd.
        stride: s.
        conv_bias: whether the convolution adds a bias; a batch norm subtracts it again.
        batch_norm: whether there is one.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, *, conv_bias: bool, batch_norm: bool
    ) -> None:
        super().__init__()  # what is added now runs in this order
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=conv_bias)
        if batch_norm:
            self.bn = nn.BatchNorm2d(out_channels, eps=1e-3)
        self.relu = nn.ReLU(inplace=True)


class InceptionModule(nn.Module):
    """Four looks at the same place, side by side: (B, in_channels, H, W) -> (B, n1x1 + n3x3 + n5x5 + pool_proj, H, W).

    Figure 2b; the numbers of channels are named as the columns of Table 1. The defaults are the guide's.

    Args:
        in_channels: channels of the input.
        n1x1: channels of the first branch, a 1x1 convolution.
        n3x3_reduce: channels to which a 1x1 convolution narrows the input for the second branch.
        n3x3: channels of the second branch, a 3x3 convolution.
        n5x5_reduce: channels to which a 1x1 convolution narrows the input for the third branch.
        n5x5: channels of the third branch, a 5x5 convolution.
        pool_proj: channels of the fourth branch, a 1x1 convolution after 3x3 max pooling.
        kernel: what the third branch looks with: 5, or torchvision's 3.
        conv_bias: see `ConvNormReLU`.
        batch_norm: see `ConvNormReLU`.
    """

    def __init__(
        self,
        in_channels: int,
        n1x1: int,
        n3x3_reduce: int,
        n3x3: int,
        n5x5_reduce: int,
        n5x5: int,
        pool_proj: int,
        *,
        kernel: Literal[3, 5] = 5,
        conv_bias: bool = True,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        conv = partial(ConvNormReLU, conv_bias=conv_bias, batch_norm=batch_norm)
        self.branch1 = conv(in_channels, n1x1, 1)
        self.branch2 = nn.Sequential(conv(in_channels, n3x3_reduce, 1), conv(n3x3_reduce, n3x3, 3))
        self.branch3 = nn.Sequential(conv(in_channels, n5x5_reduce, 1), conv(n5x5_reduce, n5x5, kernel))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(in_channels, pool_proj, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Concatenate the branches' channels, in the order of the figure."""
        # fmt: off
        looks = [
            self.branch1(x),    # (B, n1x1,      H, W)
            self.branch2(x),    # (B, n3x3,      H, W)
            self.branch3(x),    # (B, n5x5,      H, W)
            self.branch4(x),    # (B, pool_proj, H, W)
        ]
        # fmt: on
        return torch.cat(looks, dim=1)


class AuxiliaryClassifier(nn.Module):
    """A second opinion halfway, so that the gradient gets there: (B, in_channels, H, W) -> (B, num_classes). Section 5.

    Args:
        in_channels: channels of the input.
        num_classes: length of the output.
        conv_bias: see `ConvNormReLU`.
        batch_norm: see `ConvNormReLU`.
    """

    def __init__(self, in_channels: int, num_classes: int, *, conv_bias: bool, batch_norm: bool) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(4)
        self.conv = ConvNormReLU(in_channels, 128, 1, conv_bias=conv_bias, batch_norm=batch_norm)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(0.7)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        # fmt: off
        x = self.avgpool(x)                        # (B, in_channels, 4, 4)
        x = self.conv(x)                           # (B,  128, 4, 4)
        x = torch.flatten(x, 1)                    # (B, 2048)
        x = self.dropout(self.relu(self.fc1(x)))   # (B, 1024)
        logits: Tensor = self.fc2(x)               # (B, num_classes)
        # fmt: on
        return logits


class TrainingLogits(NamedTuple):
    """The three answers in training, each (B, num_classes), in torchvision's order.

    The loss is that of `logits` plus 0.3 times that of each of the others (section 5).
    """

    logits: Tensor
    aux2: Tensor
    aux1: Tensor


class GoogLeNet(nn.Module):
    """Stem, nine Inception modules, average, linear classifier: (B, in_channels, H, W) -> (B, num_classes).

    Args:
        num_classes: length of the output.
        in_channels: channels of the image.
        kernel: see `InceptionModule`.
        conv_bias: see `ConvNormReLU`.
        batch_norm: see `ConvNormReLU`.
        pool4: side of the fourth pooling's window: 3, or torchvision's 2.
        dropout: probability before the classifier.
        auxiliary: whether there are auxiliary classifiers; they answer in training only.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        *,
        kernel: Literal[3, 5] = 3,
        conv_bias: bool = False,
        batch_norm: bool = True,
        pool4: Literal[2, 3] = 2,
        dropout: float = 0.2,
        auxiliary: bool = False,
    ) -> None:
        super().__init__()
        conv = partial(ConvNormReLU, conv_bias=conv_bias, batch_norm=batch_norm)
        inception = partial(InceptionModule, kernel=kernel, conv_bias=conv_bias, batch_norm=batch_norm)
        classifier = partial(AuxiliaryClassifier, conv_bias=conv_bias, batch_norm=batch_norm)
        pool = partial(nn.MaxPool2d, stride=2, ceil_mode=True)  # half of the size, rounded up

        # fmt: off
        self.conv1 = conv(in_channels, 64, kernel=7, stride=2)
        self.maxpool1 = pool(3)
        self.conv2 = conv(64, 64, kernel=1)
        self.conv3 = conv(64, 192, kernel=3)
        self.maxpool2 = pool(3)
        # Table 1                  input  1x1  3x3 reduce, 3x3  5x5 reduce, 5x5  pool proj
        self.inception3a = inception(192,  64,         96, 128,         16,  32,  32)
        self.inception3b = inception(256, 128,        128, 192,         32,  96,  64)
        self.maxpool3 = pool(3)
        self.inception4a = inception(480, 192,         96, 208,         16,  48,  64)
        self.inception4b = inception(512, 160,        112, 224,         24,  64,  64)
        self.inception4c = inception(512, 128,        128, 256,         24,  64,  64)
        self.inception4d = inception(512, 112,        144, 288,         32,  64,  64)
        self.inception4e = inception(528, 256,        160, 320,         32, 128, 128)
        self.maxpool4 = pool(pool4)
        self.inception5a = inception(832, 256,        160, 320,         32, 128, 128)
        self.inception5b = inception(832, 384,        192, 384,         48, 128, 128)
        # fmt: on
        self.aux1 = classifier(512, num_classes) if auxiliary else None
        self.aux2 = classifier(528, num_classes) if auxiliary else None
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, num_classes)

        # 15 -> 8 -> 4 -> 2 -> 1 -> 1: a pooling of 3x3 needs two pixels, one of 2x2 is content with one.
        self.smallest_side = 15 if pool4 == 2 else 31
        if batch_norm:
            self.initialise_for_norms()
        else:
            self.initialise_without_norms()

    def initialise_for_norms(self) -> None:
        """Normal weights of deviation 0.01 within two deviations, as torchvision; biases as PyTorch."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.01, a=-0.02, b=0.02)

    def initialise_without_norms(self) -> None:
        """Uniform weights within sqrt(3 / fan in), biases of 0.2 in convolutions, as Caffe's bvlc_googlenet.

        The paper does not say. With a deviation of 0.01 and no norms, nothing of the image would survive 22 layers.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_uniform_(module.weight, nonlinearity="linear")
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.constant_(module.bias, 0.2)

    def forward(self, x: Tensor) -> Tensor | TrainingLogits:
        """Return logits; in training with auxiliary classifiers, all three. Shapes are those of a 224 x 224 image."""
        require_size(x, "GoogLeNet", self.smallest_side, because="it halves them five times, so enlarge the image")
        # fmt: off
        x = self.conv1(x)                           # (B,   64, 112, 112)
        x = self.maxpool1(x)                        # (B,   64,  56,  56)
        x = self.conv2(x)                           # (B,   64,  56,  56)
        x = self.conv3(x)                           # (B,  192,  56,  56)
        x = self.maxpool2(x)                        # (B,  192,  28,  28)
        x = self.inception3a(x)                     # (B,  256,  28,  28)
        x = self.inception3b(x)                     # (B,  480,  28,  28)
        x = self.maxpool3(x)                        # (B,  480,  14,  14)
        x = after_4a = self.inception4a(x)          # (B,  512,  14,  14)
        x = self.inception4b(x)                     # (B,  512,  14,  14)
        x = self.inception4c(x)                     # (B,  512,  14,  14)
        x = after_4d = self.inception4d(x)          # (B,  528,  14,  14)
        x = self.inception4e(x)                     # (B,  832,  14,  14)
        x = self.maxpool4(x)                        # (B,  832,   7,   7)
        x = self.inception5a(x)                     # (B,  832,   7,   7)
        x = self.inception5b(x)                     # (B, 1024,   7,   7)
        x = torch.flatten(self.avgpool(x), 1)       # (B, 1024)
        logits: Tensor = self.fc(self.dropout(x))   # (B, num_classes)
        # fmt: on
        if self.training and self.aux1 is not None and self.aux2 is not None:
            return TrainingLogits(logits, aux2=self.aux2(after_4d), aux1=self.aux1(after_4a))
        return logits


PAPER: dict[str, Any] = {"kernel": 5, "conv_bias": True, "batch_norm": False, "pool4": 3, "dropout": 0.4}


def googlenet(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> GoogLeNet:
    """GoogLeNet as torchvision has it; options as `GoogLeNet`, the paper's are in `PAPER`."""
    return GoogLeNet(num_classes, in_channels, **options)


# torchvision's official file carries the auxiliary classifiers that training needed.
RENAMES: dict[str, str | None] = {r"^aux[12]\.": None}
