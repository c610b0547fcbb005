"""AlexNet: the network that won ImageNet in 2012, as first published and in one column.

Krizhevsky, Sutskever, Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", 2012. Figure 2 is the
network, section 3.3 the local response normalisation, section 5 the start of the weights. `alexnet_lrn` is this
network; its `groups=2` cuts convolutions 2, 4 and 5 into two halves that do not see each other, as the paper did to
divide the work between two graphics cards. The paper says 224 x 224 pixels, but its 55 x 55 positions need 227
(`first_padding=0`) or, as by default here, 224 padded by 2.

Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014 (arXiv:1404.5997), has a version in
one column with other widths. `alexnet` is torchvision's reading of it, without normalisation.

Deviations, as torchvision makes them: dropout comes before the first two linear layers, in the paper of 2012 after
them; an average brings any image to 6 x 6 positions and does nothing to one of 224 x 224. With `groups=2` the
normalisation sums across the border of the halves. The state dict has torchvision's keys; the two normalisations have
no weights but are counted among the `features`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from explorer.architectures.image_size import require_size


def response_norm() -> nn.LocalResponseNorm:
    """Divide each unit by (2 + 1e-4 times the sum of the squares of 5 neighbouring channels) ^ 0.75. Section 3.3.

    PyTorch divides its alpha by the number of channels summed, the paper does not: hence five times the paper's 1e-4.
    """
    return nn.LocalResponseNorm(size=5, alpha=5 * 1e-4, beta=0.75, k=2)


class AlexNet(nn.Module):
    """Five convolutions and three linear layers: (B, in_channels, H, W) -> (B, num_classes). Figure 2.

    Args:
        channels: c1..c5, of the five convolutions.
        num_classes: length of the output.
        in_channels: channels of the image.
        lrn: whether the first two activations are normalised across channels.
        groups: parts into which convolutions 2, 4 and 5 are cut.
        first_padding: zeros around the image.
        dropout: probability of a unit to be zeroed before the first two linear layers, in training.
    """

    def __init__(
        self,
        channels: tuple[int, int, int, int, int],
        num_classes: int = 1000,
        in_channels: int = 3,
        *,
        lrn: bool = False,
        groups: int = 1,
        first_padding: int = 2,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = channels
        # fmt: off
        self.features = nn.Sequential(                                                    # at 224 x 224:
            nn.Conv2d(in_channels, c1, kernel_size=11, stride=4, padding=first_padding),  # (B, c1, 55, 55)
            nn.ReLU(inplace=True),
            *([response_norm()] if lrn else []),
            nn.MaxPool2d(kernel_size=3, stride=2),                                        # (B, c1, 27, 27)
            nn.Conv2d(c1, c2, kernel_size=5, padding=2, groups=groups),                   # (B, c2, 27, 27)
            nn.ReLU(inplace=True),
            *([response_norm()] if lrn else []),
            nn.MaxPool2d(kernel_size=3, stride=2),                                        # (B, c2, 13, 13)
            nn.Conv2d(c2, c3, kernel_size=3, padding=1),                                  # (B, c3, 13, 13)
            nn.ReLU(inplace=True),
            nn.Conv2d(c3, c4, kernel_size=3, padding=1, groups=groups),                   # (B, c4, 13, 13)
            nn.ReLU(inplace=True),
            nn.Conv2d(c4, c5, kernel_size=3, padding=1, groups=groups),                   # (B, c5, 13, 13)
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),                                        # (B, c5,  6,  6)
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)                                            # (B, c5,  6,  6)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(c5 * 6 * 6, 4096),                                                  # (B, 4096)
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),                                                        # (B, 4096)
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),                                                 # (B, num_classes)
        )
        # fmt: on
        # The last pooling needs 3 positions, the one before 7, the first 15: 14 steps of 4 and a kernel of 11 pixels.
        self.smallest = 14 * 4 + 11 - 2 * first_padding

    def forward(self, x: Tensor) -> Tensor:
        """Return logits. Shapes are those of a 224 x 224 image."""
        because = "a smaller one is used up before the last pooling; enlarge it"
        require_size(x, "AlexNet", self.smallest, because=because)
        # fmt: off
        x = self.features(x)                     # (B, c5, 6, 6)
        x = torch.flatten(self.avgpool(x), 1)    # (B, 36 c5)
        logits: Tensor = self.classifier(x)      # (B, num_classes)
        # fmt: on
        return logits


def initialise_as_published(network: AlexNet) -> None:
    """Normal weights of deviation 0.01; biases 1 in convolutions 2, 4, 5 and both hidden linear layers, else 0.

    Section 5: the ones give the ReLUs positive inputs, and so gradients, from the start.
    """
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    for layer, bias in zip(layers, (0, 1, 0, 1, 1, 1, 1, 0), strict=True):
        assert layer.bias is not None
        nn.init.normal_(layer.weight, std=0.01)
        nn.init.constant_(layer.bias, bias)


def alexnet(num_classes: int = 1000, in_channels: int = 3, *, dropout: float = 0.5) -> AlexNet:
    """The one-column AlexNet of 2014, torchvision's; weights start as PyTorch's. Arguments as `AlexNet`."""
    return AlexNet((64, 192, 384, 256, 256), num_classes, in_channels, dropout=dropout)


def alexnet_lrn(
    num_classes: int = 1000,
    in_channels: int = 3,
    *,
    lrn: bool = True,
    groups: int = 1,
    first_padding: int = 2,
    dropout: float = 0.5,
) -> AlexNet:
    """The AlexNet of 2012; `groups=2` as on two graphics cards. Weights start as published; arguments as `AlexNet`."""
    network = AlexNet(
        (96, 256, 384, 384, 256),
        num_classes,
        in_channels,
        lrn=lrn,
        groups=groups,
        first_padding=first_padding,
        dropout=dropout,
    )
    initialise_as_published(network)
    return network
