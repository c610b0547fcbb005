"""Fills a grid cell by cell."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from explorer import models
from explorer.attribution import attribute
from explorer.errors import Cancelled, ExplorerError
from explorer.grid.cells import Cell, Filled, settled

if TYPE_CHECKING:
    from PIL import Image

    from explorer.attribution import Attribution
    from explorer.models import Model

Explain = Callable[["Model", "Image.Image", Cell], "Attribution"]


def fill(
    cells: Iterable[Cell],
    photo: Callable[[str], Image.Image],
    network: Callable[[str], Model] = models.load,
    *,
    explain: Explain | None = None,
    cancelled: Callable[[], bool] | None = None,
    untrained: bool = False,
) -> Iterator[Filled]:
    """Yields each cell as soon as it is filled, one network after the other, so that each is loaded once.

    A cell that cannot be computed is yielded with the reason, and fails nothing else. What is the same question in
    two cells is computed once. Whoever stops reading keeps what was yielded.

    Args:
        cells: the questions.
        photo: opens the photo of a name: ``photos.__getitem__``.
        network: loads the network of a slug.
        explain: draws a map, in place of ``attribution.attribute``; is given the network, the photo and the settled
            cell.
        cancelled: asked before and within each cell; True ends it quietly.
        untrained: whether networks with random weights are asked too.
    """
    waiting = list(dict.fromkeys(cells))
    done, total = 0, len(waiting)
    for slug in dict.fromkeys(cell.network for cell in waiting):
        mine = [cell for cell in waiting if cell.network == slug]
        try:
            model = network(slug)
        except Cancelled:
            return
        except ExplorerError as error:
            for cell in mine:
                done += 1
                yield Filled(cell, None, str(error), 0.0, done, total)
            continue
        answers = _of_network(model, mine, photo, explain or _plainly(cancelled), untrained)
        while not (cancelled is not None and cancelled()):
            answer = next(answers, None)
            if answer is None:
                break
            done += 1
            yield Filled(*answer, done, total)
        else:
            return


def _plainly(cancelled: Callable[[], bool] | None) -> Explain:
    def explain(model: Model, image: Image.Image, cell: Cell) -> Attribution:
        return attribute(model, image, cell.method, cell.target, cell.layer, cancelled=cancelled, **dict(cell.options))

    return explain


def _of_network(
    model: Model, cells: list[Cell], photo: Callable[[str], Image.Image], explain: Explain, untrained: bool
) -> Iterator[tuple[Cell, Attribution | None, str, float]]:
    asked: dict[Cell, Cell] = {}
    reasons: dict[Cell, str] = {}
    for cell in cells:
        try:
            asked[cell] = settled(model, cell, untrained=untrained)
        except ExplorerError as error:
            reasons[cell] = str(error)
    left = Counter(asked.values())
    kept: dict[Cell, Attribution] = {}
    for cell in cells:
        if cell in reasons:
            yield cell, None, reasons[cell], 0.0
            continue
        question, start = asked[cell], time.perf_counter()
        known = question in kept
        try:
            found = kept[question] if known else explain(model, photo(cell.photo), question)
        except Cancelled:
            return
        except ExplorerError as error:
            yield cell, None, str(error), 0.0
            continue
        left[question] -= 1
        if left[question]:  # comes again
            kept[question] = found
        else:
            kept.pop(question, None)
        yield cell, found, "", 0.0 if known else time.perf_counter() - start
