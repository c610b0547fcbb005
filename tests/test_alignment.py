"""Branches that look at different places: Distill's own example, worked out by hand and by gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from explorer import alignment, catalogue, graph
from explorer.alignment import misaligned
from explorer.receptive_field import ReceptiveField, stack


class Branches(nn.Module):
    """Two ways from the image to half of its size, added."""

    def __init__(self, left: nn.Module, right: nn.Module) -> None:
        super().__init__()
        self.left, self.right = left, right

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Their sum, as far as both reach."""
        left, right = self.left(x), self.right(x)
        side = min(left.shape[-1], right.shape[-1])
        out: torch.Tensor = left[..., :side, :side] + right[..., :side, :side]
        return out


def conv(kernel: int, stride: int, padding: int = 0) -> nn.Conv2d:
    return nn.Conv2d(1, 1, kernel, stride, padding, bias=False)


def test_distills_example_by_hand():
    # Left sees pixels 2u to 2u + 2, centre 2u + 1; right 2u to 2u + 4, centre 2u + 2: one pixel apart.
    network = Branches(conv(3, 2), nn.Sequential(conv(3, 1), conv(3, 2)))
    (found,) = misaligned(graph.trace(network, (1, 1, 15, 15)))
    assert (found.operation, found.centres, found.offset, found.drift) == ("add", (1.0, 2.0), 1.0, 1.0)
    assert [field.size for field in found.fields] == [3, 5]


def test_padding_brings_the_branches_together():
    network = Branches(conv(3, 2, 1), nn.Sequential(conv(3, 1, 1), conv(3, 2, 1)))
    assert misaligned(graph.trace(network, (1, 1, 16, 16))) == ()


def test_gates_of_one_place_are_no_branch():
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.pool, self.gate = conv(3, 2), nn.AdaptiveAvgPool2d(1), conv(1, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv(x)
            out: torch.Tensor = x * self.gate(self.pool(x))
            return out

    assert misaligned(graph.trace(Gated(), (1, 1, 15, 15))) == ()


def test_strides_that_differ_drift_apart_towards_the_last_unit():
    network = Branches(conv(1, 2), conv(1, 3))
    (found,) = misaligned(graph.trace(network, (1, 1, 13, 13)))
    assert (found.unit, found.offset) == (4, 4.0)


def test_a_transposed_convolution_looks_beside_its_skip_as_gradients_say():
    class Up(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.skip, self.down, self.up = (
                nn.Conv2d(1, 1, 3, padding=1),
                nn.MaxPool2d(2),
                nn.ConvTranspose2d(1, 1, 2, 2),
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.skip(x)
            return torch.cat([x, self.up(self.down(x))], dim=1)

    network, side = Up(), 16
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(1.0)
    network.down = nn.AvgPool2d(2)  # every pixel counts, not only the largest
    (found,) = misaligned(graph.trace(network, (1, 1, side, side)))
    image = torch.rand(1, 1, side, side, requires_grad=True)
    out = network(image)
    for unit in (6, 7):  # inner ones
        centres = []
        for channel in (0, 1):
            (slope,) = torch.autograd.grad(out[0, channel, unit, unit], image, retain_graph=True)
            seen = slope[0, 0].abs().sum(dim=0).nonzero().flatten()
            centres.append((int(seen.min()) + int(seen.max())) / 2)
        assert tuple(field.centre(unit) for field in found.fields) == tuple(centres)
    assert abs(found.offset) == 0.5
    assert found.drift == 0


@pytest.mark.parametrize(
    ("layers", "drift"),
    [
        ([(3, 1, 1, 1)], 0.0),
        ([(2, 2, 0, 1)], 0.0),  # pixels 0 and 1, whose middle is that of the place
        ([(3, 2, 1, 1)], -0.5),  # pixels -1 to 1, centre 0, where the place's middle is 0.5
        ([(7, 2, 3, 1), (3, 2, 1, 1)], -1.5),  # ResNet's stem: centre 0 of pixels 0 to 3
        ([(3, 2, 0, 1)], 0.5),
    ],
)
def test_drift_by_hand(layers, drift):
    assert alignment.drift(stack(layers)[-1]) == drift


def test_drift_of_a_pattern_is_its_mean():
    # Units 0 and 1 both see pixels 0 and 1, as behind a transposed convolution of pooled pixels.
    assert alignment.drift(ReceptiveField(2, 1, 0, pattern=((0, 1), (0, 1)))) == 0


@pytest.mark.parametrize("slug", ["resnet18", "googlenet", "mobilenet_v2", "efficientnet_b0", "efficientnet_lite0"])
def test_published_networks_pad_their_branches_alike(slug):
    with torch.device("meta"):
        module = catalogue.get(slug).build()
    assert misaligned(graph.trace(module, (1, 3, 224, 224))) == ()


def test_unets_joins_alternate_but_do_not_drift():
    with torch.device("meta"):
        module = catalogue.get("unet").build(in_channels=3)
    found = misaligned(graph.trace(module, (1, 3, 64, 64)))
    assert len(found) == 4
    assert all(each.operation == "cat" and each.drift == 0 and each.offset != 0 for each in found)
