"""Text as wide as a terminal: nothing is lost, no word is broken, no number parted from its unit."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from thecal._io import wrapped
from thecal._io.wrapped import Unparted

WORDS = st.sampled_from(
    [
        "120 uL/day",
        "2.4 mg",
        "1 440 000 steps",
        "x 1.25",
        "2 d 3 h",
        "the",
        "pump",
        "goes",
        "on,",
        "(600 mcg/day)",
        "40 mL;",
    ]
)
TEXTS = st.lists(WORDS, min_size=1, max_size=25).map(" ".join)
WHOLE = re.compile(r"[0-9]+(?: [0-9]{3})* (?:uL/day|mg|mcg/day|mL|steps|d|h)|x [0-9.]+|2 d 3 h")


@given(TEXTS, st.integers(17, 120), st.integers(0, 8))
def test_lines_fit_and_hold_numbers_with_units(text: str, width: int, indent: int):
    lines = list(wrapped.lines(text, width + indent, " " * indent))
    assert all(len(line) <= width + indent for line in lines)
    assert " ".join(line.strip() for line in lines) == text
    assert sum(len(WHOLE.findall(line)) for line in lines) == len(WHOLE.findall(text))


@given(TEXTS, st.integers(20, 120))
def test_shortened_is_never_half_a_number(text: str, width: int):
    short = wrapped.shortened(text, width)
    assert len(short) <= width
    if short != text:
        assert short.endswith(" ...")
        kept = short.removesuffix(" ...")
        assert text.startswith(kept)
        assert WHOLE.findall(kept) == WHOLE.findall(text)[: len(WHOLE.findall(kept))]
        assert text[len(kept) :].lstrip(" ,;:") == "" or text[len(kept)] in " ,;:"


def test_one_word_that_is_too_long_is_parted():
    assert list(wrapped.lines("a (fa5dc3ffbc39326c)", 8)) == ["a", "(fa5dc3f", "fbc39326", "c)"]


@pytest.mark.parametrize("width", [30, 40, 60, 80, 100])
def test_in_a_table(width: int):
    out = io.StringIO()
    table = Table()
    table.add_column("setting", no_wrap=True)
    table.add_column("now")
    table.add_row("a", Unparted("600 mcg/day at most, of 1 440 000 steps over 2 d 3 h"))
    Console(file=out, width=width).print(table)
    shown = out.getvalue()
    for whole in ("600 mcg/day", "1 440 000 steps", "2 d 3 h"):
        assert whole in shown


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("sensors       temperature 36.8 C, b", ["sensors       temperature 36.8 C,", "              b"]),
        ("  b  bridge 250 uL of the old", ["  b  bridge 250 uL of the old"]),
        ("There is no label here at all, but words", ["There is no label here at all,", "  but words"]),
    ],
)  # fmt: skip
def test_a_terminal(
    text: str, lines: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("COLUMNS", "33")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    wrapped.say(text)
    assert capsys.readouterr().out.splitlines() == lines


def test_a_pipe_gets_lines_as_they_are(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "20")
    wrapped.say("a line that is longer than that")
    assert capsys.readouterr().out == "a line that is longer than that\n"
