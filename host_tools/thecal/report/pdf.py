"""The same report as PDF, by fpdf2: pure Python, so it installs where PyPI does (docs/decisions).

The same sections and blocks as the HTML, in the same order, with the same figures. The fonts are those that
matplotlib brings along.
"""

# fpdf2's annotations are partial: pyright: reportUnknownMemberType=false

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
from fpdf import FPDF
from fpdf.enums import TableBordersLayout, XPos, YPos
from fpdf.fonts import FontFace

from thecal.report.figures import draw
from thecal.report.summary import Block, Facts, Figure, Report, Table, Text

_FONT = "DejaVu"
_BLUE, _RED, _GREY = (11, 83, 148), (166, 28, 0), (85, 85, 85)
_TONES = {"bad": (251, 227, 223), "warning": (255, 243, 214), "good": (231, 243, 227)}
_LINE_MM = 4.6


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
    page.set_title(report.title)
    page.foot = f"{report.title}. Made by thecal, which is not a medical device."
    fonts = Path(mpl.get_data_path()) / "fonts" / "ttf"
    page.add_font(_FONT, "", fonts / "DejaVuSans.ttf")
    page.add_font(_FONT, "B", fonts / "DejaVuSans-Bold.ttf")
    page.set_margins(16, 14, 16)
    page.set_auto_page_break(auto=True, margin=16)
    page.add_page()
    _line(page, report.title, 17, bold=True)
    _line(page, report.subtitle, 8.5, colour=_GREY)
    for title, blocks in report.sections:
        begins_with_a_plot = bool(blocks) and isinstance(blocks[0], Figure)
        if page.get_y() > (150 if begins_with_a_plot else 240):
            page.add_page()
        page.ln(3)
        _line(page, title, 12.5, bold=True, colour=_BLUE)
        for block in blocks:
            _block(page, report, block)
    return bytes(page.output())


def _line(
    page: FPDF, text: str, size: float, *, bold: bool = False, colour: tuple[int, int, int] = (0, 0, 0)
) -> None:
    page.set_font(_FONT, "B" if bold else "", size)
    page.set_text_color(*colour)
    page.multi_cell(0, size * 0.5, _shown(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    page.ln(0.8)


def _shown(text: str) -> str:
    """What the font has; the rest as a mark, never a failure."""
    return "".join(c if c.isprintable() and ord(c) < 0x2600 else "\u25a1" for c in text)


def _block(page: FPDF, report: Report, block: Block) -> None:
    match block:
        case Text():
            _text(page, block)
        case Figure():
            width = page.epw
            image = io.BytesIO(draw(report, block.name, "png"))
            page.image(image, w=width)
            _line(page, block.caption, 7.5, colour=_GREY)
        case Facts():
            rows = [(label, value) for label, value in block.rows]
            _table(page, None, rows, (), (1, 3))
        case Table():
            _table(page, block.head, block.rows, block.right, _widths(block))


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


def _widths(table: Table) -> tuple[int, ...]:
    """By the longest of the first cells of each column."""
    columns = zip(table.head, *table.rows[:60], strict=True)
    return tuple(min(60, max(7, *(len(cell) + 1 for cell in column))) for column in columns)


def _table(
    page: FPDF,
    head: tuple[str, ...] | None,
    rows: object,
    right: tuple[int, ...],
    widths: tuple[int, ...],
) -> None:
    page.set_font(_FONT, size=7.5)
    page.set_text_color(0, 0, 0)
    page.set_draw_color(*_GREY)
    count = len(widths)
    with page.table(
        borders_layout=TableBordersLayout.NONE if head is None else TableBordersLayout.SINGLE_TOP_LINE,
        col_widths=widths,
        first_row_as_headings=head is not None,
        headings_style=FontFace(emphasis="BOLD"),
        line_height=_LINE_MM,
        text_align=tuple("RIGHT" if index in right else "LEFT" for index in range(count)),
        padding=(0, 1.2),
        align="LEFT",
        width=min(page.epw, max(60, 1.75 * sum(widths) + 3 * count)) if head else page.epw,
    ) as table:
        if head is not None:
            table.row(head)
        for cells in rows:  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]
            table.row([_shown(cell) for cell in cells])  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    page.ln(2)
