"""The size table against real networks: the guide's padded one and one with the paper's convolutions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from explorer import segmentation
from explorer.architectures.unet import UNet

FACTS = json.loads((Path(__file__).parent / "reference" / "guide_facts.json").read_text(encoding="utf-8"))


def heard(network: UNet, height: int, width: int) -> list[tuple[str, int, int]]:
    """Sizes of all convolved maps, as hooks see them."""
    found = []
    for name, part in network.named_modules():
        if type(part).__name__ == "DoubleConv":
            part.register_forward_hook(lambda part, _, out, name=name: found.append((name, *out.shape[-2:])))
    with torch.no_grad():
        network(torch.empty(1, 1, height, width, device="meta"))
    return found


@pytest.mark.parametrize(
    ("height", "width", "levels"), [(572, 572, 4), (16, 16, 4), (303, 384, 4), (97, 31, 4), (7, 12, 2), (255, 513, 3)]
)
def test_the_padded_table_is_the_network(height, width, levels):
    with torch.device("meta"):
        network = UNet(1, 2, widths=(2,) * levels).eval()
    rows = segmentation.sizes(height, width, levels)
    table = [(row.height, row.width) for row in rows if row.step == "convolutions"]
    assert table == [(tall, wide) for _, tall, wide in heard(network, height, width)]
    assert (rows[-1].height, rows[-1].width) == (height, width)
    # Stretching adds exactly what the pooling of the same level has dropped.
    dropped = {row.stage.split()[1]: row.lost for row in rows if row.step == "pooling" and any(row.lost)}
    added = {row.stage.split()[1]: row.lost for row in rows if row.step == "stretched"}
    assert dropped == added


def test_the_guides_572_is_572_286_143_71_35():
    rows = segmentation.sizes(572, 572)
    down = [row.height for row in rows if row.step == "convolutions"][:5]
    assert down == [572, 286, 143, 71, 35]
    facts = dict(FACTS["guide_models"]["UNet 572 sizes"])
    assert [facts[f"encoders.{level}"][1] for level in range(4)] + [facts["bottleneck"][1]] == down
    assert [(row.stage, row.lost) for row in rows if row.step == "stretched"] == [("up 4", (1, 1)), ("up 3", (1, 1))]


class Valid(nn.Module):
    """The paper's network in sizes only: unpadded convolutions, cropped copies."""

    def forward(self, x):
        convolve = nn.Conv2d(1, 1, 3, device="meta")
        copies = []
        for _ in range(4):
            x = convolve(convolve(x))
            copies.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = convolve(convolve(x))
        for copy in reversed(copies):
            x = nn.functional.interpolate(x, scale_factor=2)
            top, left = (copy.shape[-2] - x.shape[-2]) // 2, (copy.shape[-1] - x.shape[-1]) // 2
            x = x + copy[..., top : top + x.shape[-2], left : left + x.shape[-1]]
            x = convolve(convolve(x))
        return x


@pytest.mark.parametrize("size", [(572, 572), (188, 204), (236, 700), (201, 190)])
def test_the_unpadded_table_is_the_papers(size):
    rows = segmentation.sizes(*size, valid=True)
    with torch.no_grad():
        out = Valid()(torch.empty(1, 1, *size, device="meta"))
    assert (rows[-1].height, rows[-1].width) == tuple(out.shape[-2:])


def test_the_papers_figure_1():
    rows = segmentation.sizes(572, 572, valid=True)
    # Figure 1 of arXiv:1505.04597, the larger of each pair of numbers left out.
    assert [row.height for row in rows if row.step == "convolutions"] == [568, 280, 136, 64, 28, 52, 100, 196, 388]
    assert [row.height for row in rows if row.step == "pooling"] == [284, 140, 68, 32]
    assert [row.height for row in rows if row.step == "upsampling"] == [56, 104, 200, 392]
    assert not any(any(row.lost) for row in rows if row.step == "pooling")


def test_the_smallest_side_is_the_smallest():
    for valid, side in ((False, 16), (True, 188)):
        assert segmentation.smallest_side(valid=valid) == side
        segmentation.sizes(side, side + 5, valid=valid)
        with pytest.raises(segmentation.TooSmall, match="make it larger"):
            segmentation.sizes(side + 5, side - 1, valid=valid)
