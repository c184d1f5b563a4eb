"""Text from outside is shown as it is, and nothing more: no terminal, page, spreadsheet or path obeys it."""

import csv
import io
import json
import re
import sqlite3
import sys
import unicodedata
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host.cli.conftest import MORPHINE, Thecal, quick_thecal  # noqa: F401
from host.history.samples import log, write
from host.outside.hostile import Answer, HostilePump, honest, plugged
from thecal import cli
from thecal._io import terminal
from thecal._io.file_names import file_name
from thecal._io.shown import cells, lines_shown, shown, shown_all
from thecal.report.blocks import Columns, Facts, Lines, Table, Text
from thecal.report.html import html
from thecal.report.pdf import pdf
from thecal.report.whole import Report
from thecal_protocol.codec import decode, encoded
from thecal_protocol.messages import ACCOUNTS, HELLO, LIMITS, PROGRAM, RESERVOIR
from thecal_protocol.therapy import THERAPY

ESCAPE = "\x1b]0;pwned\x07\x1b[2J\x1b[31m"
NASTY = (
    ESCAPE,
    "\x9b31m",
    "dose 1\u202egm 01\u202c",
    "\u2066\u2069",
    "name\nstate         stopped",
    "a\rb\x00\x08\x7f",
    "\u200b\u2028\u2029\ufeff",
    "\u3164\u2800",
    "\U000e0041",
    "\ud800",
)
OBEYED = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)


@pytest.mark.req("HOST-23")
@pytest.mark.parametrize("text", NASTY)
def test_what_is_not_visible_is_a_number(text: str):
    made = shown(f"a{text}b")
    assert made.isprintable()
    assert not OBEYED.search(made)
    assert re.search(r"\\u[0-9a-f]{4}", made)


@pytest.mark.req("HOST-23")
@settings(max_examples=60)
@given(st.text(alphabet=st.characters()))
def test_visible_text_stays_and_json_means_the_same(text: str):
    made = shown(text)
    assert all(
        unicodedata.category(c)[0] != "C" and unicodedata.category(c) not in ("Zl", "Zp") for c in made
    )
    assert shown(made) == made
    if all(c.isprintable() for c in text) and not set(text) & set(
        "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
    ):
        assert made == text
    document = json.dumps([text], ensure_ascii=False)
    assert json.loads(lines_shown(document)) == [text]


def test_names_of_people_stay():
    for name in ("Naïve Thérapie", "морфин 20 мг/мл", "モルヒネ　持続", "مورفين", "0.5 µg\u00a0≤ 1", "👍"):
        assert shown(name) == name


def test_a_document_is_shown_whole_and_bounded():
    assert shown_all({"a\x1b": ["\u202e", 1, {"b": "\x9b"}]}) == {
        "a\\u001b": ["\\u202e", 1, {"b": "\\u009b"}]
    }
    deep: list[object] = []
    for _ in range(1000):
        deep = [deep]
    with pytest.raises(ValueError, match="too deep"):
        shown_all(deep)


@pytest.mark.req("HOST-23", part="cells of a spreadsheet")
@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1+1", "@SUM(1)", "\t=1", "\r=1", "  =1", "\u3000=1", "\uff1d1", "\u200b=1"]
)
def test_no_cell_is_a_formula(text: str):
    out = io.StringIO()
    csv.writer(out).writerow(cells([text, -5, "a=b"]))
    (cell, number, plain) = next(csv.reader(io.StringIO(out.getvalue())))
    assert not cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d"))
    assert (number, plain) == ("-5", "a=b")


@pytest.mark.req("HOST-23", part="paths")
@pytest.mark.parametrize(
    "text", ["../../etc/x", "/etc/x", "", ".", "..", "-rf", "a\0b", "a/../../b", "a\nb", "C:\\x"]
)
def test_a_name_of_a_file_stays_in_its_folder(text: str, tmp_path: Path):
    path = tmp_path / f"{file_name(text)}.json"
    assert path.resolve().parent == tmp_path.resolve()
    path.write_text("")  # the system takes it


def _named(text: str) -> HostilePump:
    """A pump that says this wherever it may say anything."""
    program: Answer = decode(THERAPY, honest()[PROGRAM], 0, len(honest()[PROGRAM]))
    drugs = [{**drug, "name": text} for drug in program["drugs"]]
    blob = bytes(encoded(THERAPY, {**program, "name": text, "drugs": drugs}))

    def spoil(opcode: int, request: Answer, answer: Answer) -> Answer | None:
        if opcode == HELLO:
            answer["model"] = text
        if opcode == PROGRAM:
            return {"total": len(blob), "data": blob[request["offset"] :][:100]}
        if opcode == RESERVOIR:
            answer["lot"] = text
        if opcode == LIMITS:
            for one in answer["limits"]:
                one["name"] = text
        if opcode == ACCOUNTS:
            for filling in answer["fillings"]:
                filling["drugs"] = [{**drug, "name": text} for drug in filling["drugs"]]
        return None

    return HostilePump(spoil)


@pytest.mark.req("HOST-23", part="what a pump says")
@pytest.mark.parametrize("text", [*NASTY[:-1], "[/bold][red]", "$\\frac$ {{ 7 * 7 }} <script>"])
def test_no_command_passes_on_what_a_terminal_obeys(quick_thecal: Thecal, text: str):  # noqa: F811
    with plugged(_named(text)) as url:
        for command in (
            "status",
            "status --json",
            "monitor --once",
            "limits",
            "limits --json",
            "refill --show",
            "log",
        ):
            done = quick_thecal(*command.split(), "--port", url)
            assert done.code == 0, done
            assert not OBEYED.search(done.out.replace("\n", "")), command
            rows = [line for line in done.out.splitlines() if line.startswith("state")]
            assert len(rows) == (command == "status"), "no name makes a line of its own"


@pytest.mark.req("HOST-23", part="a serial number")
def test_a_serial_number_that_is_none(quick_thecal: Thecal):  # noqa: F811
    for serial in ("", "F\u202e", "F\n"):

        def spoil(opcode: int, request: Answer, answer: Answer, said: str = serial) -> None:
            if opcode == HELLO:
                answer["serial"] = said

        with plugged(HostilePump(spoil)) as url:
            done = quick_thecal("status", "--port", url)
        assert "its serial number is none" in done.error


@pytest.mark.req("HOST-23", part="the command line itself")
def test_arguments_and_names_of_files(quick_thecal: Thecal, tmp_path: Path):  # noqa: F811
    for command in ("check", "program", "simulate", "report --log", "store import", "library verify"):
        done = quick_thecal(*command.split(), tmp_path / f"x{ESCAPE}\u202e.toml", port="/dev/none")
        assert done.code in (1, 2)
        assert not OBEYED.search((done.out + done.err).replace("\n", "")), done


@pytest.mark.req("HOST-23", part="reports")
def test_reports_hold_nothing_that_is_obeyed():
    texts = (*NASTY, "<script>alert(1)</script>", "=1")

    class Bare(Report):
        def __init__(self) -> None:
            self.title = self.subtitle = "".join(texts)
            self.front = [(text, [Text(text), Facts([(text, text)])]) for text in texts]
            table = Table((texts[0],), [(text,) for text in texts], halves=True)
            beside = (texts[0], [Lines(texts)]), (texts[1], [table])
            self.sections = [*self.front, ("", [Columns(beside)])]

    page = html(Bare())
    assert not OBEYED.search(page.replace("\n", ""))
    assert "<script" not in page
    page.encode()
    assert pdf(Bare(), datetime(2026, 1, 5)).startswith(b"%PDF")


@pytest.mark.req("HOST-23", part="the store, and what is exported of it")
def test_a_store_with_hostile_names(quick_thecal: Thecal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # noqa: F811
    place = tmp_path / "store.sqlite"
    monkeypatch.setenv("THECAL_STORE", str(place))
    evil = "../../=evil\x1b[31m\u202e\n2026-01-01"
    assert cli.run(["store", "import", str(write(tmp_path / "log.jsonl", log(1, 20))), "--pump", "P-1"]) == 0
    with sqlite3.connect(place) as database:
        database.execute("UPDATE pumps SET serial = ?, model = ?", (evil, "=1+1"))
    out = tmp_path / "out"
    for command in ("history", "store info", "trend"):
        done = quick_thecal(*command.split())
        assert not OBEYED.search((done.out + done.err).replace("\n", "")), done
    for form in ("csv", "fhir"):
        done = quick_thecal("store", "export", "--format", form, out)
        assert done.code == 0, done
    assert {path.parent for path in tmp_path.rglob("*.csv")} == {out}
    (bundle,) = tmp_path.rglob("*.fhir.json")
    assert bundle.parent == out
    assert not OBEYED.search(bundle.read_text().replace("\n", ""))
    with (out / "pumps.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["model"] == "'=1+1"
    assert not OBEYED.search(row["serial"])


def test_colours_of_our_own_pass_and_markup_of_others_is_none(monkeypatch: pytest.MonkeyPatch):
    out = io.StringIO()
    out.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with terminal.all_shown():
        terminal.console(highlight=False).print("[red]name[/red]", style="bold")
        print("\x1b[31mname")
    said = out.getvalue()
    assert "\x1b[1m[red]name[/red]" in said
    assert "\\u001b[31mname" in said


def test_plain_documents_are_read_as_others_are():
    """What has no escape is not looked at text by text: ten times as fast, and bounded all the same."""
    from thecal._io.input_file import json_of

    assert json_of('{"a": [1, "b"], "c": null}') == json_of('{"\\u0061": [1, "b"], "c": null}')
    for leaf in ('"x"', '"\\u0041"', "[]"):
        with pytest.raises(ValueError, match="nested too deep"):
            json_of("[" * 62 + leaf + "]" * 62)
    assert json_of('["\x7f"]') == ["\\u007f"]
