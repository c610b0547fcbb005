"""One unit of a real network: patch, kernel, sums, bias, norm and activation, ending in what the network computed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from explorer.arithmetic.accounts import Account, Place, spelled

if TYPE_CHECKING:
    from PIL import Image
    from torch import nn

    from explorer.graph.values import Values
    from explorer.models import Model

CHAINED = ("affine", "function", "moved")
"""Rules that make one number of one number."""


class Term(NamedTuple):
    """One product of a weighted sum: where its value stands in the input, and both factors."""

    channel: int
    row: int
    column: int
    value: float
    weight: float
    product: float


class PointStep(NamedTuple):
    """One step of the chain that follows the sum: what it is, its formula with numbers, the number before and after."""

    node: str
    operation: str
    text: str
    before: float
    after: float


@dataclass(frozen=True)
class UnitExplanation:
    """How one unit's number came about.

    Attributes:
        layer: its name, as in `explorer.activations`.
        channel: of the unit.
        row: of the unit.
        column: of the unit.
        accounts: of the unit itself first, then back along norms, activations and whatever else makes one number of
            one; the last is the head, where many numbers became one.
    """

    layer: str
    channel: int
    row: int
    column: int
    accounts: tuple[Account, ...]

    @property
    def head(self) -> Account:
        """Where many numbers became one: a weighted sum, a sum of two branches, a pooling."""
        return self.accounts[-1]

    @property
    def value(self) -> float:
        """What the network computed."""
        return self.accounts[0].value

    @property
    def bias(self) -> float:
        """What the head adds to its sum; 0 if nothing."""
        return self.head.bias

    @property
    def weighted(self) -> float:
        """What the head computed: its sum and its bias."""
        return self.head.value

    @cached_property
    def patch(self) -> np.ndarray:
        """What lies in front of the kernel, float64 (channels of its group, rows, columns); padding is 0."""
        return self._block(self.head.parts.values)

    @cached_property
    def kernel(self) -> np.ndarray:
        """The weights, shaped as the patch."""
        return self._block(self.head.parts.weights)

    @property
    def channel_sums(self) -> np.ndarray:
        """Sum of products for each input channel, float64 (channels,)."""
        return self.head.channel_sums

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """Every product; rows and columns are those of the input map, and -1 in the padding."""
        parts = self.head.parts
        found = []
        for number, (value, weight, product) in enumerate(
            zip(parts.values, parts.weights, parts.products, strict=True)
        ):
            place = parts.place(number)
            at = (place.index[1:] if place is not None else ()) + (0, 0)
            channel, row, column = at[:3] if place is not None else (-1, -1, -1)
            if place is None and parts.block:
                first = int(self.head.numbers.get("first channel", 0))
                channel = first + number // (parts.block[1] * parts.block[2])
            found.append(Term(channel, row, column, float(value), float(weight), float(product)))
        return tuple(found)

    @cached_property
    def steps(self) -> tuple[PointStep, ...]:
        """What happened to the head's number, in order."""
        return tuple(step_of(account) for account in reversed(self.accounts[:-1]))

    def _block(self, numbers: np.ndarray) -> np.ndarray:
        return numbers.reshape(self.head.parts.block) if self.head.parts.block else numbers


def step_of(account: Account) -> PointStep:
    """An account with one part as a step of a chain."""
    before = float(account.parts.values[max(account.own, 0)])
    return PointStep(account.place.node, account.operation, text_of(account), before, account.value)


def text_of(account: Account) -> str:
    """The rule with its numbers: '(3.21 − 0.50) / 1.3 × 0.9 + 0.1'."""
    from explorer.arithmetic.accounting.functions import written

    parts, numbers = account.parts, account.numbers
    if account.rule == "function":
        return written(account.function, float(parts.values[0]), numbers)
    if account.rule in ("affine", "norm"):
        x, mean = parts.values[max(account.own, 0)], numbers["mean"]
        spread = np.sqrt(numbers["variance"] + numbers["eps"])
        return (
            f"({spelled(x)} {_signed(-mean)}) / {spelled(spread)} × {_bracketed(numbers['scale'])} "
            f"{_signed(numbers['shift'])}"
        )
    if account.rule == "sum":
        first, *rest = parts.products
        return " ".join([spelled(first), *map(_signed, rest)])
    if account.rule == "product":
        return " × ".join(map(_bracketed, parts.values))
    return spelled(account.value)


def _signed(value: float) -> str:
    return f"{'−' if value < 0 else '+'} {spelled(abs(value))}"


def _bracketed(value: float) -> str:
    return f"({spelled(value)})" if value < 0 else spelled(value)


_outputs: WeakKeyDictionary[nn.Module, dict[str, tuple[str, tuple[int, ...]]]] = WeakKeyDictionary()


def place_of(values: Values, layer: str, channel: int, row: int, column: int) -> Place:
    """Where a unit of a layer, counted as `Layer.maps` lays them out, stands among the operations' answers.

    Raises:
        UnknownLayer: the network has no such layer.
        NoSuchNumber: the layer has no such unit.
    """
    import torch

    from explorer import activations
    from explorer.arithmetic.accounting import NoSuchNumber

    found = activations.find(values.model, layer)
    shape = (*found.shape, 1, 1)[:3]
    if not all(0 <= at < side for at, side in zip((channel, row, column), shape, strict=True)):
        sides = " × ".join(map(str, found.shape))
        raise NoSuchNumber(
            f"{layer} has {sides} units; there is none at channel {channel}, row {row}, column {column}."
        )
    node, keys = _output(values, layer)
    answer = values.output(node, keys)
    flat = int(found.maps(torch.arange(answer.numel()).reshape(answer.shape))[0, channel, row, column])
    return Place(node, tuple(map(int, np.unravel_index(flat, tuple(answer.shape)))), keys)


def _output(values: Values, layer: str) -> tuple[str, tuple[int, ...]]:
    """The operation whose answer is the layer's: itself, or the last one in a container, by what they answered."""
    import torch

    from explorer import capture

    known = _outputs.setdefault(values.model.module, {})
    if layer in known:
        return known[layer]
    names = [node.name for node in values.graph.nodes]
    if layer in names:
        known[layer] = layer, ()
        return known[layer]
    with values.alone():
        heard = capture.outputs(values.model.module, values.inputs, [layer])[layer]
    path = capture.split(layer)[0]
    inside = [name for name in reversed(names) if name.startswith(f"{path}.")]
    for name in (*inside, *(name for name in reversed(names) if name not in inside)):
        answers = values.ran(name).output
        for keys, answer in (
            (((), answers),)
            if isinstance(answers, torch.Tensor)
            else (((number,), each) for number, each in enumerate(answers))
        ):
            if isinstance(answer, torch.Tensor) and answer.shape == heard.shape and torch.equal(answer, heard):
                known[layer] = name, keys
                return known[layer]
    raise capture.UnknownLayer(f"No single operation answers what {layer!r} does; choose a layer inside it.")


def chain(values: Values, place: Place) -> tuple[Account, ...]:
    """The number's own account, then back along what makes one number of one, to where many became one."""
    from explorer.arithmetic.accounting import account

    accounts = [account(values, place)]
    while accounts[-1].rule in CHAINED:
        before = accounts[-1].parts.place(max(accounts[-1].own, 0))
        if before is None:
            break
        accounts.append(account(values, before))
    return tuple(accounts)


def explain(values: Values, layer: str, channel: int, row: int, column: int) -> UnitExplanation:
    """As `explain_unit`, for a photo whose numbers are kept."""
    return UnitExplanation(layer, channel, row, column, chain(values, place_of(values, layer, channel, row, column)))


def explain_unit(
    model: Model, image: Image.Image, layer: str, channel: int, row: int = 0, column: int = 0
) -> UnitExplanation:
    """How one unit of a network came to its number for a photo.

    Args:
        model: any loaded network.
        image: the photo.
        layer: as in `explorer.activations`: a convolution, a linear layer, a norm, an activation, a block.
        channel: of the unit.
        row: of the unit; 0 for a vector.
        column: of the unit; 0 for a vector.

    Raises:
        UnknownLayer: the network has no such layer.
        NoSuchNumber: the layer has no such unit.
    """
    from explorer.graph.values import Values

    return explain(Values(model, image), layer, channel, row, column)


def walk(values: Values, place: Place, most: int = 300) -> tuple[Place, ...]:
    """The way from a number down to the photo, each time to the part that counts most; `place` is left out.

    It ends at a pixel, where nothing of the photo is left (padding), or after `most` numbers.
    """
    way: list[Place] = []
    while len(way) < most:
        head = chain(values, place)[-1]
        if head.strongest < 0:
            break
        before = head.parts.place(head.strongest)
        assert before is not None
        way.append(before)
        place = before
    return tuple(way)
