"""The same report as PDF, by fpdf2: pure Python, so it installs where PyPI does (docs/decisions).

The same sections and blocks as the HTML, in the same order, with the same figures. The fonts are those that
matplotlib brings along.
"""

# fpdf2's annotations are partial: pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
from fpdf import FPDF
from fpdf.enums import XPos, YPos

from thecal._io.shown import shown
from thecal.report.blocks import Block, Facts, Figure, Table, Text
from thecal.report.figures import pixels, tallness
from thecal.report.summary import Report

_FONT = "DejaVu"
_BLUE, _RED, _GREY = (11, 83, 148), (166, 28, 0), (85, 85, 85)
_TONES = {"bad": (251, 227, 223), "warning": (255, 243, 214), "good": (231, 243, 227)}
_LINE_MM = 4.6
_BASE_MM = 3.4  # from a line's top to the foot of its letters
_GAP_MM = 4.0  # between columns
_CELL = 7.5  # points
_HEAD_MM = 12.0  # a section's title
_LEAST_MM = 28.0


class _Page(FPDF):
    """A4 with a foot on every page."""

    foot = ""

    def footer(self) -> None:
        self.set_y(-12)
        self.set_font(_FONT, size=7)
        self.set_text_color(*_GREY)
        self.cell(0, 5, f"{self.foot}   page {self.page_no()} of {{nb}}", align="C")


def pdf(report: Report, made: datetime) -> bytes:
    """The document."""
    page = _Page(format="A4")
    page.set_creation_date(made.replace(tzinfo=UTC))
    page.set_title(_shown(report.title))
    page.foot = f"{_shown(report.title)}. Made by thecal, which is not a medical device."
    fonts = Path(mpl.get_data_path()) / "fonts" / "ttf"
    page.add_font(_FONT, "", fonts / "DejaVuSans.ttf")
    page.add_font(_FONT, "B", fonts / "DejaVuSans-Bold.ttf")
    page.set_margins(16, 14, 16)
    page.set_auto_page_break(auto=True, margin=16)
    page.add_page()
    _line(page, report.title, 17, bold=True)
    _line(page, report.subtitle, 8.5, colour=_GREY)
    for title, blocks in report.sections:
        if page.will_page_break(_HEAD_MM + _height(page, report, blocks)):
            page.add_page()
        page.ln(3)
        _line(page, title, 12.5, bold=True, colour=_BLUE)
        for block in blocks:
            _block(page, report, block)
    return bytes(page.output())


def _height(page: FPDF, report: Report, blocks: Sequence[Block]) -> float:
    """What a section needs so as not to begin at the foot of a page: its first plot, or some lines."""
    first = blocks[0] if blocks else None
    if not isinstance(first, Figure):
        return _LEAST_MM
    return page.epw * tallness(report, first.name) + _LEAST_MM / 2


def _line(
    page: FPDF, text: str, size: float, *, bold: bool = False, colour: tuple[int, int, int] = (0, 0, 0)
) -> None:
    page.set_font(_FONT, "B" if bold else "", size)
    page.set_text_color(*colour)
    page.multi_cell(0, size * 0.5, _shown(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    page.ln(0.8)


def _shown(text: str) -> str:
    """What the font has; the rest as a mark, never a failure."""
    return "".join(c if ord(c) < 0x2600 else "\u25a1" for c in shown(text))


def _block(page: FPDF, report: Report, block: Block) -> None:
    match block:
        case Text():
            _text(page, block)
        case Figure():
            width = page.epw
            page.image(pixels(report, block.name), w=width)
            _line(page, block.caption, 7.5, colour=_GREY)
        case Facts() | Table():
            _table(page, block)


def _text(page: FPDF, block: Text) -> None:
    page.set_font(_FONT, "B" if block.tone == "bad" else "", 8.5)
    page.set_text_color(*(_RED if block.tone == "bad" else (0, 0, 0)))
    fill = _TONES.get(block.tone)
    if fill:
        page.set_fill_color(*fill)
    page.multi_cell(
        0, _LINE_MM, _shown(block.text), fill=fill is not None, new_x=XPos.LMARGIN, new_y=YPos.NEXT, padding=1
    )
    page.set_fill_color(255, 255, 255)
    page.ln(1)


def _table(page: FPDF, table: Table | Facts) -> None:
    """A table over the pages, its head on each of them. (fpdf's own takes a millisecond for a cell.)"""
    head = table.head if isinstance(table, Table) else None
    right = table.right if isinstance(table, Table) else ()
    rows = [[_shown(cell) for cell in row] for row in table.rows]
    page.set_font(_FONT, "B", _CELL)
    least = [page.get_string_width(cell) for cell in head] if head else [0.0] * len(rows[0]) if rows else []
    page.set_font(_FONT, "", _CELL)
    page.set_text_color(0, 0, 0)
    widths = _widths(page, rows, least)
    if head:
        _head(page, head, widths, right)
    for row in rows:
        lines = [_lines(page, cell, width) for cell, width in zip(row, widths, strict=True)]
        height = _LINE_MM * max(len(part) for part in lines)
        if page.will_page_break(height):
            page.add_page()
            if head:
                _head(page, head, widths, right)
            page.set_font(_FONT, "", _CELL)
        _row(page, lines, widths, right, height)
    page.ln(2)


def _widths(page: FPDF, rows: Sequence[Sequence[str]], least: Sequence[float]) -> list[float]:
    """By the longest cell of each column; what is more than the page has is taken from the widest."""
    widest = [
        max([low, *(page.get_string_width(row[index]) for row in rows)]) + _GAP_MM
        for index, low in enumerate(least)
    ]
    while (over := sum(widest) - page.epw + page.c_margin) > 0:
        order = sorted(widest)
        at = widest.index(order[-1])
        second = order[-2] if len(order) > 1 else 0.0
        widest[at] -= max(0.1, min(over, order[-1] - second))
    return widest


def _lines(page: FPDF, text: str, width: float) -> list[str]:
    """Broken between words, and words that are too long anywhere."""
    room = width - _GAP_MM + 0.01
    if page.get_string_width(text) <= room:
        return [text]
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}".lstrip()
        if page.get_string_width(joined) <= room:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and page.get_string_width(lines[-1] + letter) > room:
                lines.append("")
            lines[-1] += letter
    return lines


def _head(page: FPDF, head: Sequence[str], widths: Sequence[float], right: Sequence[int]) -> None:
    page.set_font(_FONT, "B", _CELL)
    _row(page, [[cell] for cell in head], widths, right, _LINE_MM)
    page.set_draw_color(*_GREY)
    left = page.l_margin + page.c_margin
    page.line(left, page.get_y(), left + sum(widths) - _GAP_MM, page.get_y())
    page.set_font(_FONT, "", _CELL)


def _row(
    page: FPDF,
    cells: Sequence[Sequence[str]],
    widths: Sequence[float],
    right: Sequence[int],
    height: float,
) -> None:
    top, x = page.get_y(), page.l_margin + page.c_margin
    for index, (lines, width) in enumerate(zip(cells, widths, strict=True)):
        for number, text in enumerate(lines):
            room = width - _GAP_MM
            at = x + (room - page.get_string_width(text) if index in right else 0)
            page.text(at, top + number * _LINE_MM + _BASE_MM, text)
        x += width
    page.set_y(top + height)
