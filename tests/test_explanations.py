"""Formulas with numbers: what they say, worked out, is what the network has and costs."""

from __future__ import annotations

import math
import re

import pytest
import torch

from explorer import catalogue, explanations
from explorer.graph import INPUT, trace

# Every kind of convolution, pooling and linear layer of the catalogue is in one of these.
SLUGS = ("lenet5", "alexnet", "googlenet", "resnet18", "densenet121", "mobilenet_v2", "efficientnet_lite0")
MORE = ("efficientnet_b0", "convnext_tiny", "vit_b_32", "unet", "yolo")


def worked_out(latex: str) -> float:
    """The value of a formula as it is written, by nothing but its own numbers."""
    text = latex
    for word, function in (("lfloor", "math.floor"), ("lceil", "math.ceil")):
        text = text.replace(rf"\left\{word}", f"{function}(").replace(rf"\right\r{word[1:]}", ")")
    text = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"((\1) / (\2))", text).replace(r"\cdot", "*")
    assert re.fullmatch(r"[\d\s()*/+\-.]|(?:[\d\s()*/+\-.]|math\.floor|math\.ceil)+", text), latex
    return float(eval(text, {"math": math}))


@pytest.mark.parametrize("slug", [*SLUGS, *MORE])
def test_every_formula_comes_out_as_what_was_traced(slug):
    card = catalogue.get(slug)
    with torch.device("meta"):
        graph = trace(card.build(), (1, card.channels, card.input_size, card.input_size))
    explained = set()
    for node in graph.nodes:
        shapes = [graph.input_shape if name == INPUT else graph.node(name).shape for name in node.inputs]
        for formula in explanations.formulas(node, shapes):
            assert worked_out(formula.latex) == formula.value, (node.name, formula)
            explained.add((node.operation, formula.name))
        if node.macs and node.operation in ("Conv2d", "SameConv2d", "Linear", "ConvTranspose2d"):
            values = {formula.name: formula.value for formula in explanations.formulas(node, shapes)}
            assert (values["Parameters"], values["MACs"]) == (node.params, node.macs)
            if "Output size" in values:
                assert values["Output size"] == node.shape[2] == node.shape[3]
    assert {name for _, name in explained} >= {"Parameters", "MACs"}


def test_the_guides_first_convolution_is_written_as_the_guide_writes_it():
    with torch.device("meta"):
        graph = trace(torch.nn.Sequential(torch.nn.Conv2d(3, 64, 3, padding=1)), (1, 3, 224, 224))
    size, parameters, macs = explanations.formulas(graph.nodes[0], [graph.input_shape])
    assert parameters == explanations.Formula("Parameters", r"3 \cdot 3 \cdot 3 \cdot 64 + 64", 1792)
    assert size.value == 224
    assert macs.value == 1728 * 224 * 224


def test_axes_that_differ_have_a_formula_each():
    with torch.device("meta"):
        graph = trace(torch.nn.Sequential(torch.nn.Conv2d(1, 1, (1, 7), (1, 2))), (1, 1, 9, 15))
    names = [formula.name for formula in explanations.formulas(graph.nodes[0], [graph.input_shape])]
    assert names == ["Height", "Width", "Parameters", "MACs"]


@pytest.mark.parametrize("slug", [*SLUGS, *MORE])
def test_there_is_a_sentence_for_every_operation_of_the_guides_networks(slug):
    card = catalogue.get(slug)
    with torch.device("meta"):
        graph = trace(card.build(), (1, card.channels, card.input_size, card.input_size))
    unknown = {node.operation for node in graph.nodes if not explanations.sentence(node.operation)}
    assert not unknown
