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
from thecal.report.blocks import Block, Columns, Facts, Figure, Lines, Section, Table, Text
from thecal.report.figures import pixels, tallness
from thecal.report.summary import NOT_A_DEVICE
from thecal.report.whole import Report

_FONT = "DejaVu"
_RED, _GREY, _BLACK = (122, 21, 0), (85, 85, 85), (0, 0, 0)
_TONES = {"bad": (251, 227, 223), "warning": (255, 243, 214), "good": (238, 245, 234)}
_FRAMES = {"bad": 0.9, "warning": 0.5, "good": 0.2}  # mm: what a colour says, its frame says too
_LINE_MM = 3.9
_BASE_MM = 2.9  # from a line's top to the foot of its letters
_GAP_MM = 3.0  # between columns
_CELL = 7.5  # points
_HEAD_MM = 9.0  # a section's title
_LEAST_MM = 24.0
_NARROW = 0.92  # of a column, a plot's width
_WIDE = 0.97
_COLUMNS_GAP_MM = 7.0
_SIGN_MM = 12.0
_CAPTION_MM = 8.0
_MARGIN_MM = 16.0


class _Page(FPDF):
    """A4 with a foot on every page."""

    foot = ""

    def footer(self) -> None:
        self.set_left_margin(_MARGIN_MM)
        self.set_y(-11)
        self.set_font(_FONT, size=6.5)
        self.set_text_color(*_GREY)
        self.cell(0, 5, f"{self.foot}   page {self.page_no()} of {{nb}}", align="C")


def pdf(report: Report, made: datetime) -> bytes:
    """The document: page one, then the appendices on pages of their own."""
    page = _Page(format="A4")
    page.set_creation_date(made.replace(tzinfo=UTC))
    page.set_title(_shown(report.title))
    page.foot = f"{_shown(report.title)}. {NOT_A_DEVICE}"
    fonts = Path(mpl.get_data_path()) / "fonts" / "ttf"
    page.add_font(_FONT, "", fonts / "DejaVuSans.ttf")
    page.add_font(_FONT, "B", fonts / "DejaVuSans-Bold.ttf")
    page.set_margins(_MARGIN_MM, 10, _MARGIN_MM)
    page.set_auto_page_break(auto=True, margin=12)
    page.add_page()
    page.set_font(_FONT, "B", 8)
    page.cell(0, 5.5, NOT_A_DEVICE, border=1, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    page.ln(1.5)
    _line(page, report.title, 15, bold=True)
    _line(page, report.subtitle, 7.5, colour=_GREY)
    for section in report.front:
        _section(page, report, section)
    for number, section in enumerate(report.sections):
        if number == 0:
            page.add_page()
        _section(page, report, section)
    return bytes(page.output())


def _section(page: FPDF, report: Report, section: Section) -> None:
    title, blocks = section
    if page.will_page_break((_HEAD_MM if title else 0.0) + _height(page, report, blocks)):
        page.add_page()
    if title:
        page.ln(1.6)
        _line(page, title, 10.5, bold=True, gap=0.2)
        page.set_draw_color(*_BLACK)
        page.set_line_width(0.3)
        page.line(page.l_margin, page.get_y(), page.l_margin + page.epw, page.get_y())
        page.ln(0.8)
    for block in blocks:
        _block(page, report, block)


def _height(page: FPDF, report: Report, blocks: Sequence[Block]) -> float:
    """What a section needs so as not to begin at the foot of a page: its first plot, or some lines."""
    first = blocks[0] if blocks else None
    match first:
        case Figure():
            return page.epw * tallness(report, first.name, narrow=first.narrow) + _LEAST_MM / 2
        case Columns():
            return max(_column_height(page, report, part) for part in first.sections)
        case Lines():
            return _SIGN_MM
        case _:
            return min(_LEAST_MM, sum(_about(page, block) for block in blocks))


def _about(page: FPDF, block: Block) -> float:
    """What a block of words takes, about."""
    match block:
        case Text():
            page.set_font(_FONT, "B" if block.tone == "bad" else "", _CELL)
            return _LINE_MM * len(_wrapped(page, _shown(block.text), page.epw - 4)) + 3
        case Table() | Facts():
            return _LINE_MM * (len(block.rows) + 1) + 2
        case _:
            return _LEAST_MM


def _column_height(page: FPDF, report: Report, section: Section) -> float:
    """About what a column takes: it may not break."""
    height, width = _HEAD_MM, (page.epw - _COLUMNS_GAP_MM) / 2
    for block in section[1]:
        match block:
            case Figure():
                height += width * tallness(report, block.name, narrow=True) + 8
            case Table() | Facts():
                height += (len(block.rows) + 1) * _LINE_MM + 2
            case _:
                height += 2 * _LINE_MM
    return height


def _columns(page: FPDF, report: Report, block: Columns) -> None:
    """Beside each other, from one height on; the page goes on below the longer."""
    top, number = page.get_y(), page.page_no()
    width = (page.epw - _COLUMNS_GAP_MM) / 2
    left, right = page.l_margin, page.r_margin
    bottoms: list[float] = []
    for index, section in enumerate(block.sections):
        page.set_left_margin(left + index * (width + _COLUMNS_GAP_MM))
        page.set_right_margin(right if index else right + width + _COLUMNS_GAP_MM)
        page.set_xy(page.l_margin, top if page.page_no() == number else page.get_y())
        _section(page, report, section)
        bottoms.append(page.get_y())
    page.set_left_margin(left)
    page.set_right_margin(right)
    page.set_xy(left, max(bottoms))


def _lines(page: FPDF, block: Lines) -> None:
    """To be signed."""
    page.ln(_SIGN_MM - 4)
    width, gap = page.epw / len(block.labels), 5.0
    page.set_font(_FONT, size=7)
    page.set_text_color(*_GREY)
    page.set_draw_color(*_BLACK)
    page.set_line_width(0.2)
    top = page.get_y()
    for index, label in enumerate(block.labels):
        x = page.l_margin + index * width
        page.line(x, top, x + width - gap, top)
        page.text(x, top + 3, label)
    page.set_y(top + 4)


def _line(
    page: FPDF,
    text: str,
    size: float,
    *,
    bold: bool = False,
    colour: tuple[int, int, int] = _BLACK,
    gap: float = 0.8,
) -> None:
    page.set_font(_FONT, "B" if bold else "", size)
    page.set_text_color(*colour)
    page.multi_cell(0, size * 0.45, _shown(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    page.ln(gap)


def _shown(text: str) -> str:
    """What the font has; the rest as a mark, never a failure."""
    return "".join(c if ord(c) < 0x2600 else "\u25a1" for c in shown(text))


def _block(page: FPDF, report: Report, block: Block) -> None:
    match block:
        case Text():
            _text(page, block)
        case Figure():
            share = _NARROW if block.narrow else _WIDE
            tall = page.epw * share * tallness(report, block.name, narrow=block.narrow)
            if page.will_page_break(tall + _CAPTION_MM):
                page.add_page()
            page.image(pixels(report, block.name, narrow=block.narrow), w=page.epw * share)
            _line(page, block.caption, 6.5, colour=_GREY)
        case Columns():
            _columns(page, report, block)
        case Lines():
            _lines(page, block)
        case Facts() | Table():
            _table(page, block.halved() if isinstance(block, Table) and block.halves else block)


def _text(page: FPDF, block: Text) -> None:
    """In a frame and behind its word, unless it is plain."""
    page.set_font(_FONT, "B" if block.tone == "bad" else "", _CELL)
    page.set_text_color(*(_RED if block.tone == "bad" else _BLACK))
    framed = block.tone in _TONES
    words = f"{block.mark}: {block.text}" if framed else block.text
    page.set_fill_color(*_TONES.get(block.tone, (255, 255, 255)))
    page.set_draw_color(*(_RED if block.tone == "bad" else _BLACK))
    page.set_line_width(_FRAMES.get(block.tone, 0.2))
    page.multi_cell(
        0,
        _LINE_MM,
        _shown(words),
        border=1 if framed else 0,
        fill=framed,
        align="L",
        new_x=XPos.LMARGIN,
        new_y=YPos.NEXT,
        padding=1 if framed else 0,
    )
    page.set_fill_color(255, 255, 255)
    page.set_line_width(0.2)
    page.ln(0.8)


def _table(page: FPDF, table: Table | Facts) -> None:
    """A table over the pages, its head on each of them. (fpdf's own takes a millisecond for a cell.)"""
    head = table.head if isinstance(table, Table) else None
    strong = table.strong if isinstance(table, Table) else None
    right = table.right if isinstance(table, Table) else ()
    rows = [[_shown(cell) for cell in row] for row in table.rows]
    page.set_font(_FONT, "B", _CELL)
    least = [page.get_string_width(cell) for cell in head] if head else [0.0] * len(rows[0]) if rows else []
    if strong is not None:
        least[strong] = max([least[strong], *(page.get_string_width(row[strong]) for row in rows)])
    page.set_font(_FONT, "", _CELL)
    page.set_text_color(0, 0, 0)
    widths = _widths(page, rows, least)
    if head:
        _head(page, head, widths, right)
    for row in rows:
        lines = [_wrapped(page, cell, width) for cell, width in zip(row, widths, strict=True)]
        height = _LINE_MM * max(len(part) for part in lines)
        if page.will_page_break(height):
            page.add_page()
            if head:
                _head(page, head, widths, right)
            page.set_font(_FONT, "", _CELL)
        _row(page, lines, widths, right, height, strong)
    page.ln(1)


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


def _wrapped(page: FPDF, text: str, width: float) -> list[str]:
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
    cells = [_wrapped(page, cell, width) for cell, width in zip(head, widths, strict=True)]
    _row(page, cells, widths, right, _LINE_MM * max(map(len, cells)))
    page.set_draw_color(*_GREY)
    page.set_line_width(0.2)
    left = page.l_margin + page.c_margin
    page.line(left, page.get_y(), left + sum(widths) - _GAP_MM, page.get_y())
    page.set_font(_FONT, "", _CELL)


def _row(
    page: FPDF,
    cells: Sequence[Sequence[str]],
    widths: Sequence[float],
    right: Sequence[int],
    height: float,
    strong: int | None = None,
) -> None:
    top, x = page.get_y(), page.l_margin + page.c_margin
    for index, (lines, width) in enumerate(zip(cells, widths, strict=True)):
        if index == strong:
            page.set_font(_FONT, "B", _CELL)
        for number, text in enumerate(lines):
            room = width - _GAP_MM
            at = x + (room - page.get_string_width(text) if index in right else 0)
            page.text(at, top + number * _LINE_MM + _BASE_MM, text)
        if index == strong:
            page.set_font(_FONT, "", _CELL)
        x += width
    page.set_y(top + height)
