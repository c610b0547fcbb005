"""The families' blocks against the guide's counts and the papers' figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer import catalogue, exhibits
from explorer.exhibits import EXHIBITS

FACTS = json.loads((Path(__file__).parent / "reference" / "guide_facts.json").read_text(encoding="utf-8"))[
    "guide_models"
]


@pytest.mark.parametrize(
    ("family", "index", "fact"),
    [
        ("GoogLeNet", 0, "InceptionModule(192,64,96,128,16,32,32)"),
        ("ResNet", 0, "BasicBlock(64,64)"),
        ("ResNet", 1, "Bottleneck(256,64)"),
        ("MobileNet", 0, "DepthwiseSeparableConv(512,512)"),
        ("MobileNet", 1, "InvertedResidual(32,32,1,6)"),
        ("ConvNeXt", 0, "ConvNeXtBlock(96)"),
        ("ViT", 0, "TransformerBlock(768,12)"),
        ("U-Net", 0, "DoubleConv(1,64)"),
        ("YOLO", 0, "YOLOHead(512,3,80)"),
    ],
)
def test_blocks_cost_what_the_guides_cost(family, index, fact):
    graph = exhibits.graph(EXHIBITS[family][index])
    assert list(graph.input_shape) == FACTS[fact]["input"]
    assert (graph.params, graph.macs) == (FACTS[fact]["params"], FACTS[fact]["macs"])
    assert list(graph.node(graph.outputs[0]).shape) == FACTS[fact]["output"]
    assert not graph.failure


def test_a_dense_block_of_l_layers_has_l_l_plus_1_half_connections():
    graph = exhibits.graph(EXHIBITS["DenseNet"][0])
    assert exhibits.connections(graph, "DenseLayer") == 5 * 6 // 2 == FACTS["arith"]["dense_conn"]["5"]


def test_an_inception_module_has_four_branches_that_meet_in_one_concatenation():
    graph = exhibits.graph(EXHIBITS["GoogLeNet"][0])
    (joint,) = [node for node in graph.nodes if node.operation == "cat"]
    assert [graph.node(name).shape[1] for name in joint.inputs] == [64, 128, 32, 32]
    assert joint.shape[1] == 256


def test_every_family_with_a_block_is_one_of_the_catalogue():
    assert set(EXHIBITS) <= {card.family for card in catalogue.CATALOGUE.values()}


def test_the_patch_grid_has_a_line_between_patches_and_nowhere_else():
    grid = np.asarray(exhibits.patch_grid(Image.new("RGB", (224, 224), "navy"), 16))
    white = (grid == 255).all(axis=2)
    assert grid.shape == (672, 672, 3)
    assert white.all(axis=1).sum() == white.all(axis=0).sum() == 2 * 13  # 13 lines of 2 pixels between 14 patches
    assert not white[10, 10]
