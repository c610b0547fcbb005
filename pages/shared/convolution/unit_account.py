"""What the account of a unit says and shows: sentences, bars and cells, from the numbers of `explorer.arithmetic`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pages.shared.text import number, percent

if TYPE_CHECKING:
    from explorer.arithmetic.accounts import Account, Place
    from explorer.graph import Graph
    from explorer.graph.values import Values

MOST = 12  # bars: more are no picture
_COLOURS = ("red", "green", "blue")


def label(values: Values, place: Place) -> str:
    """Name of a number: 'layer2.0.relu ch 17 (3, 4)', 'pixel (120, 88) red'."""
    index = place.index[1:]
    if place.node == "input":
        colour = _COLOURS[index[0]] if values.inputs.shape[1] == 3 else "grey"
        return f"pixel ({index[1]}, {index[2]}) {colour}"
    shape = tuple(values.output(place.node, place.keys).shape)
    row_column = position(shape, place.index)
    if row_column is not None:
        where = f"ch {channel(shape, place.index)} ({row_column[0]}, {row_column[1]})"
    elif len(index) == 1:
        where = f"unit {index[0]}"
    elif len(index) == 2:
        where = f"token {index[0]}, ch {index[1]}"
    elif len(index) == 3 and shape[2:] == (1, 1):
        where = f"ch {index[0]}"
    else:
        where = f"({', '.join(map(str, place.index))})"
    return f"{place.node} {where}"


def _channels_last(shape: tuple[int, ...]) -> bool:
    """Photos are seen as squares, so the axes that are no channels are equal."""
    return len(shape) == 4 and shape[1] == shape[2] != shape[3]


def position(shape: tuple[int, ...], index: tuple[int, ...]) -> tuple[int, int] | None:
    """Row and column of a number in maps; None where there are no positions."""
    if len(shape) != 4 or shape[0] != 1 or math.prod(shape[2:]) == 1:
        return None
    if _channels_last(shape):
        return index[1], index[2]
    return (index[2], index[3]) if shape[2] == shape[3] else None


def channel(shape: tuple[int, ...], index: tuple[int, ...]) -> int:
    """Channel of a number in maps."""
    return index[3] if _channels_last(shape) else index[1]


def box(graph: Graph, values: Values, place: Place) -> tuple[list[float] | None, str]:
    """The square of the photo on which a number depends, as shares of its sides, and a sentence on it."""
    sides = values.inputs.shape[2:]
    if place.node == "input":
        _, _, row, column = place.index
        square = [column / sides[1], row / sides[0], (column + 1) / sides[1], (row + 1) / sides[0]]
        return square, "One pixel: the way ends here."
    field = graph.node(place.node).receptive_field
    at = position(tuple(values.output(place.node, place.keys).shape), place.index)
    if field is None or field.whole or at is None:
        return None, "This number may depend on the whole photo."
    top, bottom = field.inside(at[0], sides[0])
    left, right = field.inside(at[1], sides[1])
    if top > bottom or left > right:
        return None, "This number sees nothing of the photo: it lies in the padding."
    square = [left / sides[1], top / sides[0], (right + 1) / sides[1], (bottom + 1) / sides[0]]
    seen = f"{right - left + 1} × {bottom - top + 1} px"
    return square, f"The square is all that this number can depend on: {seen}."


def steps(values: Values, accounts: tuple[Account, ...]) -> list[dict[str, str]]:
    """The equation's pieces, from the head to the number itself."""
    from explorer.arithmetic.unit import text_of

    head, *after = reversed(accounts)
    pieces = [
        {
            "kind": head.operation if head.rule != "pixel" else "The photo",
            "name": label(values, head.place),
            "formula": _formula(head),
            "result": number(head.value),
        }
    ]
    for each in after:
        piece = {"kind": each.operation, "name": label(values, each.place), "result": number(each.value)}
        if each.rule == "moved":
            piece |= {"passed": f"passed on by {each.operation}", "formula": "passed on unchanged"}
        else:
            piece["formula"] = text_of(each)
        pieces.append(piece)
    return pieces


def _formula(head: Account) -> str:
    """The head's rule with its numbers, in one line."""
    from explorer.arithmetic.unit import text_of

    parts, count = head.parts, len(head.parts)
    if head.rule in ("weighted", "matmul"):
        many = f"sum of {count:,} product{'s' * (count != 1)} {number(float(parts.products.sum()))}"
        if "bias" not in head.numbers:
            return many
        return f"{many} {'−' if head.bias < 0 else '+'} bias {number(abs(head.bias))}"
    if head.rule == "mean":
        return f"sum {number(float(parts.values.sum()))} / {head.numbers['count']:,.0f}"
    if head.rule == "maximum":
        return f"the largest of {count:,} numbers"
    if head.rule == "softmax":
        return f"exp({number(float(parts.values[head.own]))}) / sum of exp over {count:,} numbers"
    if head.rule == "response":
        numbers = head.numbers
        return (
            f"{number(float(parts.values[head.own]))} / ({numbers['k']:g} + {numbers['alpha']:g} × "
            f"{number(float((parts.values**2).sum()))} / {numbers['size']:g})^{numbers['beta']:g}"
        )
    if head.rule == "slopes":
        return f"made of {head.numbers.get('inputs', 0):,.0f} numbers"
    if head.rule == "pixel":
        return ""
    return "added by padding, or learnt" if head.rule == "moved" else text_of(head)


def said(head: Account) -> str:
    """What one sees below the equation."""
    count = len(head.parts)
    grid = head.parts.block[1:] not in ((), (1, 1))
    if head.rule == "weighted" and grid and head.parts.block[0] > 1:
        return (
            f"A bar for each input channel: the sum of its {head.parts.block[1]} × {head.parts.block[2]} products, "
            "largest first. Point at a bar to see them."
        )
    if head.rule == "weighted" and grid:
        return "This kernel looks at one channel only: what lies under it, times its weights. Point at a cell."
    sentences = {
        "weighted": "A bar for each input: its value times its weight, largest first. Click one to follow it.",
        "sum": "Added as they are: each bar is one of the numbers. Click one to follow it.",
        "product": "Multiplied with each other: each bar is one of the factors. Click one to follow it.",
        "mean": "Every number counts alike. Point at one; click to follow it.",
        "maximum": "The largest wins and all others are forgotten. Point at one; click to follow it.",
        "softmax": f"Each bar is one number's share of the {count:,} exponentials. The marked one is this number.",
        "matmul": "Row times column, and both depend on the photo. A bar for each product, largest first.",
        "norm": f"Mean and variance are those of {count:,} numbers of this photo; the bars are the ones furthest from "
        "their mean, and the number itself.",
        "response": "Divided by what the neighbouring channels answer at the same place: each bar is one of them.",
        "slopes": "How this operation combines its inputs is not taken apart here. The bars show slope × value for the "
        "inputs that matter most. They do not add up to the number.",
    }
    return sentences.get(head.rule, "")


def bars(values: Values, head: Account) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The bars with the cells behind them, and the cells' numbers."""
    parts, block = head.parts, head.parts.block
    if not len(parts):
        return {"items": [], "rest": None}, _cells(head, [])
    if head.rule in ("mean", "maximum") and block:
        items = [_item(0, len(parts), "window", head.value, block[1], block[2])]
        if head.rule == "maximum":
            items[0]["won"] = int(parts.values.argmax())
        return {"items": items, "rest": None}, _cells(head, items)
    if head.rule == "weighted" and block and block[1] * block[2] > 1:
        return _channels(head)
    lengths = _lengths(head)
    order = np.argsort(-np.abs(lengths), kind="stable")
    if head.rule == "norm":
        order = np.argsort(-np.abs(parts.values - parts.values.mean()), kind="stable")
    if head.rule in ("sum", "product", "response"):
        order = np.arange(len(parts))
    shown = [int(each) for each in order[:MOST]]
    if head.own >= 0 and head.own not in shown:
        shown[-1] = head.own
    items = []
    for each in shown:
        name = _name(values, head, each)
        item = _item(each, 1, f"{name} · this number" if each == head.own else name, float(lengths[each]), 1, 1)
        if head.rule == "softmax":
            item["note"] = f"Its share: {percent(float(lengths[each]))}."
        items.append(item)
    left = np.setdiff1d(order, shown)
    rest = None
    if len(left) and head.rule in ("weighted", "mean", "matmul", "softmax"):
        rest = {"label": f"remaining {len(left):,}", "value": float(lengths[left].sum())}
    return {"items": items, "rest": rest}, _cells(head, items)


def _channels(head: Account) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A bar for each channel of a convolution's input, with the window behind it."""
    count, rows, columns = head.parts.block
    sums, each = head.channel_sums, rows * columns
    order = np.argsort(-np.abs(sums), kind="stable")
    first = int(head.numbers["first channel"])
    photo = head.parts.sources[0].node == "input" and count == 3
    items = []
    for place in map(int, order[:MOST]):
        name = _COLOURS[place] if photo else f"ch {first + place}"
        items.append(_item(place * each, each, name, float(sums[place]), rows, columns))
    rest = None
    if count > MOST:
        rest = {"label": f"remaining {count - MOST:,} channels", "value": float(sums[order[MOST:]].sum())}
    return {"items": items, "rest": rest}, _cells(head, items)


def _lengths(head: Account) -> np.ndarray:
    """How long the bars are."""
    if head.rule == "softmax":
        powers = np.exp(head.parts.values - head.parts.values.max())
        shares: np.ndarray = powers / powers.sum()
        return shares
    if head.rule in ("product", "norm", "response"):
        return head.parts.values
    return head.parts.products


def _name(values: Values, head: Account, part: int) -> str:
    place = head.parts.place(part)
    if place is None:
        return "learnt constant" if head.rule in ("sum", "product") else "padding"
    if head.rule in ("sum", "product", "slopes"):
        return label(values, place)
    shape = tuple(values.output(place.node, place.keys).shape)
    if head.rule in ("weighted", "norm") and len(shape) > 2:
        return f"ch {place.index[-1] if shape[1] != len(head.parts) else place.index[1]}"
    return label(values, place).removeprefix(place.node).strip()


def _item(first: int, length: int, name: str, value: float, rows: int, columns: int) -> dict[str, Any]:
    return {"first": first, "length": length, "label": name, "value": value, "rows": rows, "columns": columns}


def _cells(head: Account, items: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Numbers of the cells of all items, one after the other; tells each item where its own begin."""
    chosen = []
    start = 0
    for item in items:
        item["start"] = start
        start += item["length"]
        chosen.append(np.arange(item["first"], item["first"] + item["length"]))
    at = np.concatenate(chosen) if chosen else np.zeros(0, dtype=np.int64)
    parts = head.parts
    return {
        "values": parts.values[at].astype(np.float32),
        "weights": parts.weights[at].astype(np.float32),
        "products": parts.products[at].astype(np.float32),
        "follow": (parts.flat[at] >= 0).astype(np.uint8),
    }


def pixel(values: Values, place: Place, seen: np.ndarray) -> dict[str, Any]:
    """What is known of one number of the photo: its colour, its byte, and how it was normalised."""
    _, which, row, column = place.index
    recipe = values.model.preprocessing
    red, green, blue = map(int, seen[row, column])
    byte = int(seen[row, column, which if values.inputs.shape[1] == 3 else 0])
    given = float(values.inputs[place.index])
    name = f"{_COLOURS[which]} " if values.inputs.shape[1] == 3 else ""
    return {
        "colour": f"rgb({red} {green} {blue})",
        "lines": [
            f"Row {row}, column {column} of what the network sees: red {red}, green {green}, blue {blue}, each of 255.",
            f"Normalised {name}value: ({byte} / 255 − {recipe.mean[which]:g}) / {recipe.std[which]:g} = "
            f"{number(given)}.",
            "Here the photo begins.",
        ],
    }
