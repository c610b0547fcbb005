"""A grid to keep: one picture with its headings, one archive with its numbers."""

from __future__ import annotations

import io
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from explorer.grid.cells import Cell

_SIDE, _GAP, _MARGIN = 224, 8, 24  # px
_BESIDE = 150  # px, the headings of the rows
_LINE = 19  # px, of text of 14 px
_INK, _SOFT, _PAPER, _EMPTY = "#1a1a1e", "#5c5c66", "#ffffff", "#f0f0f3"

# Pillow brings a font of its own, so that a sheet looks alike everywhere, with the letters of English and few more.
_SPELT = str.maketrans({"×": "x", "−": "-", "–": "-", "ß": "ss", "æ": "ae", "Æ": "Ae", "ø": "o", "Ø": "O"})
_HAS = set("·“”…")

Picture = np.ndarray | str


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def sheet(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    pictures: Mapping[tuple[int, int], Picture],
    words: Mapping[tuple[int, int], str] | None = None,
) -> Image.Image:
    """Draws a grid on white paper.

    Args:
        title: one line above it.
        rows: headings at the left; the column they stand in is left out if all are empty.
        columns: headings above.
        pictures: by (row, column): uint8 (h, w, 3), or the reason why there is none.
        words: a line below each, by (row, column).
    """
    said = words or {}
    beside = (_BESIDE + _GAP) if any(rows) else 0
    above = [_wrapped(text, _SIDE) for text in columns]
    top = _MARGIN + 2 * _LINE + _LINE * max((len(lines) for lines in above), default=0) + _GAP
    below = _LINE if any(said.values()) else 0
    width = 2 * _MARGIN + beside + len(columns) * (_SIDE + _GAP) - _GAP
    height = top + len(rows) * (_SIDE + below + _GAP) + _MARGIN - _GAP
    paper = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(paper)
    pen.text((_MARGIN, _MARGIN - 6), _spelt(title), _INK, _font(16))
    for column, lines in enumerate(above):
        _write(pen, (_MARGIN + beside + column * (_SIDE + _GAP), top - _GAP - _LINE * len(lines)), lines, _INK)
    for row, text in enumerate(rows):
        y = top + row * (_SIDE + below + _GAP)
        _write(pen, (_MARGIN, y), _wrapped(text, _BESIDE), _INK)
        for column in range(len(columns)):
            at = _MARGIN + beside + column * (_SIDE + _GAP), y
            picture = pictures.get((row, column), "")
            if isinstance(picture, str):
                pen.rectangle((*at, at[0] + _SIDE - 1, y + _SIDE - 1), _EMPTY)
                _write(pen, (at[0] + _GAP, y + _GAP), _wrapped(picture, _SIDE - 2 * _GAP), _SOFT)
            else:
                drawn = Image.fromarray(picture)
                drawn.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
                paper.paste(drawn, at)
            if said.get((row, column)):
                _write(pen, (at[0], y + _SIDE + 1), _wrapped(said[row, column], _SIDE)[:1], _SOFT)
    return paper


def _write(pen: ImageDraw.ImageDraw, at: tuple[int, int], lines: Sequence[str], ink: str) -> None:
    for number, line in enumerate(lines):
        pen.text((at[0], at[1] + number * _LINE), line, ink, _font(14))


def _spelt(text: str) -> str:
    """``text`` in letters that the font has: accents are left out, other alphabets become question marks."""
    letters = (each if each in _HAS else unicodedata.normalize("NFKD", each) for each in text.translate(_SPELT))
    bare = (each for each in "".join(letters) if not unicodedata.combining(each))
    return "".join(each if each.isascii() or each in _HAS else "?" for each in bare)


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of ``text`` no wider than ``width`` px; a longer word is cut where it ends."""
    lines: list[str] = []
    for paragraph in _spelt(text).splitlines():
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and _font(14).getlength(longer) > width:
                lines.append(line)
                longer = word
            while _font(14).getlength(longer) > width:
                fits = next(end for end in range(len(longer) - 1, 0, -1) if _font(14).getlength(longer[:end]) <= width)
                lines.append(longer[:fits])
                longer = longer[fits:]
            line = longer
        lines.append(line)
    return lines


def archive(maps: Sequence[tuple[Cell, np.ndarray]]) -> bytes:
    """An NPZ file of raw maps: map_000, map_001 ..., and ``cells``, a JSON list of what each of them was asked."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {f"map_{number:03d}": raw for number, (_, raw) in enumerate(maps)}
    cells = json.dumps([asdict(cell) for cell, _ in maps], ensure_ascii=False)
    np.savez_compressed(buffer, cells=np.array(cells), **arrays)
    return buffer.getvalue()
