"""`thecal report` from the outside: a pump, a log, a simulation; what is broken is shown broken."""

import base64
import cProfile
import hashlib
import json
import re
import zlib
from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from host.cli.conftest import MORPHINE, Thecal, changed
from thecal.emulator.emulator import Emulator
from thecal.eventlog import log_keys
from thecal.link.client import Client
from thecal.report import command
from thecal.report import record as records
from thecal.report.course import course_of
from thecal.report.summary import build

from .conftest import KEY, a_month, line, seal, write_lines

EVENTS = """
[[event]]
at = "5h"
do = "patient_bolus"
[[event]]
at = "5.5h"
do = "patient_bolus"
[[event]]
at = "30h"
do = "stop"
[[event]]
at = "31h"
do = "resume"
"""


class Outside(HTMLParser):
    """What a page would load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href") and not (value or "").startswith(("data:", "#")):
                self.found.append(f"{tag} {value}")
        if tag in ("script", "link", "iframe"):
            self.found.append(tag)


def text_of(path: Path) -> str:
    return " ".join(re.sub(r"<style.*?</style>|<[^>]+>", " ", path.read_text(), flags=re.DOTALL).split())


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THECAL_KEYS", str(tmp_path / "keys"))


@pytest.mark.req("DEL-02", part="shown in the report of a simulation")
def test_a_simulation_with_everything_in_it(quick_thecal: Thecal, tmp_path: Path):
    events, out, pdf, kept = (tmp_path / name for name in ("e.toml", "r.html", "r.pdf", "r.json"))
    events.write_text(EVENTS)
    files = ("--events", events, "--out", out, "--pdf", pdf, "--save", kept)
    done = quick_thecal("report", "--simulate", MORPHINE, "--for", "50h", *files, "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert (document["chain"], document["flaws"]) == ("whole", [])
    # an hour's stop in the 25 h that count: 100 of 2500; the bolus lies in the start-up
    assert document["trumpet"]["mean_error_percent"] == -4.0
    assert [w["lowest"] for w in document["trumpet"]["windows"]][:2] == [-100.0, -100.0]
    page = Outside()
    page.feed(out.read_text())
    assert page.found == []
    assert len(re.findall(r'src="data:image/svg\+xml;base64,', out.read_text())) == 4
    text = text_of(out)
    for words in (
        "The log is as the pump wrote it",
        "Basal dose a day 2.4 mg/day",
        "patient 2 1 0 1 5 uL",
        "Refused for: lockout 1",
        "max pause not critical",
        document["log_digest"],
    ):
        assert words in text, words
    assert pdf.read_bytes().startswith(b"%PDF")
    # made again from what was kept: the same words
    again = tmp_path / "again.html"
    assert quick_thecal("report", "--log", kept, "--out", again).code == 0
    assert text_of(again).count("patient 2 1 0 1 5 uL") == 1
    course = course_of(records.of_file(kept))
    assert course is not None
    [programmed], [delivered] = course.volumes([course.end_us], exact=True)
    assert programmed == Fraction(5_000_000 * 50) + 5_000_000
    assert delivered == programmed - 5_000_000  # the hour that it stood


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('mode = "continuous"\ndose = "2.4 mg/day"', '''mode = "flex"
[[basal.step]]
start = "09:00"
dose = "0.11 mg/h"
[[basal.step]]
start = "22:30"
dose = "0.05 mg/h"
[[basal.step]]
start = "06:15"
dose = "0.2 mg/h"
days = ["tue", "sat"]'''),
        ('mode = "continuous"\ndose = "2.4 mg/day"', 'mode = "minimum"'),
        ("[limits]", '[[plan]]\nafter = "1 d"\ndose = "3 mg/day"\n'
                     '[[plan]]\nafter = "2 d"\ndose = "1 mg/day"\n[limits]'),
        ("[limits]", '[[periodic_bolus]]\ndose = "0.1 mg"\nduration = "30 min"\n'
                     'every = "7 h"\nfirst = "2 h"\n[limits]'),
        ("[limits]", '[start]\ndelay = "2 h"\n[limits]'),
    ],
    ids=["flex", "minimum", "plan", "periodic", "delay"],
)  # fmt: skip
def test_the_course_by_the_log_is_what_the_motor_did(
    old: str, new: str, quick_thecal: Thecal, tmp_path: Path
):
    """Told from the log alone, held against the steps of the simulated motor at every quarter of an hour."""
    kept = tmp_path / "r.json"
    therapy = changed(tmp_path, old, new)
    events = tmp_path / "e.toml"
    events.write_text(EVENTS)
    done = quick_thecal(
        "report",
        "--simulate",
        therapy,
        "--for",
        "5d",
        "--events",
        events,
        "--save",
        kept,
        "--out",
        tmp_path / "r.html",
    )
    assert done.code == 0, done.err
    record = records.of_file(kept)
    course = course_of(record)
    assert course is not None
    assert record.flow is not None
    times = [record.flow.start_us + n * record.flow.every_us for n in range(len(record.flow.volumes_pl))]
    _, told = course.volumes(times)
    apart = max(abs(x - y) for x, y in zip(told, record.flow.volumes_pl, strict=True))
    assert apart <= 2 * 2500 + 60, apart  # a step, and what a bolus's record rounds


def test_a_live_pump(quick_thecal: Thecal, tmp_path: Path, keys: None):
    with Emulator(seed=1) as emulator:
        with Client.connect(emulator.port) as client:
            assert log_keys.learn(client, client.hello().serial)
        assert quick_thecal("program", MORPHINE, "--yes", port=emulator.port).code == 0
        out = tmp_path / "r.html"
        done = quick_thecal("report", "--out", out, port=emulator.port)
        assert done.code == 0, done.err
        assert "log: whole" in done.out
    text = text_of(out)
    assert "Rests on nothing: it was not measured. A pump counts its steps" in text
    assert "soft" not in text
    assert "morphine" in text


def test_a_broken_chain_is_red_and_never_hidden(quick_thecal: Thecal, tmp_path: Path, keys: None):
    lines = a_month(400)
    log_keys.store("P1", KEY)
    for spoil in (
        lambda x: x[57].update(a=x[57]["a"] + 1),
        lambda x: x.pop(200),
        lambda x: x[100].update(tag="00" * 16),
        lambda x: x.insert(10, x[300]),
    ):
        spoilt = [dict(x) for x in lines]
        spoil(spoilt)
        path, out = write_lines(tmp_path / "log.jsonl", spoilt), tmp_path / "r.html"
        done = quick_thecal("report", "--log", path, "--serial", "P1", "--out", out, "--json")
        assert done.code == 0, done.err
        assert json.loads(done.out)["chain"] == "broken"
        assert (
            '<p class="bad"><b class="mark">ATTENTION</b> THE LOG IS NOT AS THE PUMP WROTE IT'
            in out.read_text()
        )
        assert ".bad { background: #fbe3df; border: 3px solid #a61c00; color: #7a1500" in out.read_text()
    said = quick_thecal("report", "--log", path, "--serial", "P1", "--out", out).out.splitlines()[-1]
    assert re.match(r"log: NOT as the pump wrote it, first at record \d+: ", said)
    path = write_lines(tmp_path / "log.jsonl", lines)
    done = quick_thecal("report", "--log", path, "--out", tmp_path / "r.html", "--json")
    assert json.loads(done.out)["chain"] == "unchecked"
    assert "The log was NOT checked" in (tmp_path / "r.html").read_text()


@pytest.mark.req("REC-15", part="a report of a file of lines")
def test_of_a_file_of_lines_the_ends_are_not_known(quick_thecal: Thecal, tmp_path: Path, keys: None):
    log_keys.store("P1", KEY)
    lines = a_month(400)
    for part, begins, unchecked in (
        (lines, "first record", []),
        (lines[:-50], "first record", []),
        (lines[55:], "not known", [56, 90]),
    ):
        path, out = write_lines(tmp_path / "log.jsonl", part), tmp_path / "r.html"
        done = quick_thecal("report", "--log", path, "--serial", "P1", "--out", out, "--json")
        document = json.loads(done.out)
        assert (document["chain"], document["flaws"]) == ("part", [])
        assert document["checked"] == {
            "first": part[0]["sequence"],
            "last": part[-1]["sequence"],
            "begins": begins,
            "ends": "not known",
            "whole": False,
            "unchecked": unchecked,
            "unchecked_to": 0,
        }
        assert f"whether any followed {part[-1]['sequence']} is not known" in document["chain_words"]
        assert "NOT ALL COULD BE CHECKED" in text_of(out)
        said = quick_thecal("report", "--log", path, "--serial", "P1", "--out", out).out
        assert "log: part, by the pump's log key, records" in said
        assert "whole" not in said


@pytest.mark.req("REC-15", part="a saved record: its ends are the pump's by a seal, and by nothing else")
def test_the_ends_of_a_saved_record_are_sealed(quick_thecal: Thecal, tmp_path: Path, keys: None):
    kept, again, out = (tmp_path / name for name in ("kept.json", "again.json", "r.html"))
    with Emulator(seed=1) as emulator:
        with Client.connect(emulator.port) as client:
            assert log_keys.learn(client, client.hello().serial)
        done = quick_thecal("report", "--out", out, "--save", kept, port=emulator.port)
        assert "log: whole" in done.out, done

    def standing(path: Path) -> str:
        done = quick_thecal("report", "--log", path, "--out", out, "--json")
        assert done.code == 0, done
        return json.loads(done.out)["chain"]

    assert standing(kept) == "whole"
    quick_thecal("report", "--log", kept, "--out", out, "--save", again)
    assert standing(again) == "whole"
    whole = json.loads(kept.read_text())

    def without_seal(x: dict[str, Any]) -> None:  # as 0.1.0 wrote it
        del x["seal"]

    def shorter(x: dict[str, Any]) -> None:
        last = x["events"].pop()
        x["log_state"]["next_event"] = last["sequence"]
        ring = x["log_state"][last["ring"]]
        mine = [event for event in x["events"] if event["ring"] == last["ring"]]
        ring.update(last=mine[-1]["sequence"], tag=mine[-1]["tag"], records=ring["records"] - 1)

    def later(x: dict[str, Any]) -> None:
        x["local"] = "2090-01-01T00:00:00"

    def more(x: dict[str, Any]) -> None:
        x["events"].append({**x["events"][-1], "sequence": x["log_state"]["next_event"]})

    for spoil, what in ((without_seal, "part"), (shorter, "part"), (later, "part"), (more, "broken")):
        spoilt = json.loads(json.dumps(whole))
        spoil(spoilt)
        again.write_text(json.dumps(spoilt))
        assert standing(again) == what, spoil


def test_the_log_digest_by_hand(tmp_path: Path):
    import struct

    lines = seal([line(1, 5, "boot"), line(2, 1_000_007, "stopped", actor="clinician", a=9)])
    sha = hashlib.sha256()
    for x, (kind, actor, s, us) in zip(lines, ((1, 0, 0, 5), (5, 3, 1, 7)), strict=True):
        body = struct.pack("<IIIBBBHQQH9x", x["sequence"], s, us, kind, actor, 0, 0, x["a"], 0, 1)
        sha.update(body + struct.pack("<I", zlib.crc32(body)) + bytes.fromhex(x["tag"]))
    report = build(records.of_file(write_lines(tmp_path / "l", lines)), KEY, datetime(2026, 1, 1))
    assert report.chain.digest == sha.hexdigest()


BAD = [
    ("", "is empty"),
    ("hello\n", "is neither a record nor a log"),
    ('{"sequence": 1}\n', "is neither a record nor a log"),
    ("[1, 2]\n", "is neither a record nor a log"),
    (json.dumps(line(1, -5, "boot", tag="")) + "\n", "line 1 holds a number that is none"),
    (json.dumps(line(1, 5, "boot", tag="", a=1 << 64)) + "\n", "line 1 holds a number that is none"),
    (json.dumps(line(1, 5, "feast", tag="")) + "\n", "line 1 holds the word 'feast'"),
    (json.dumps(line(1, 5, "unknown_256", tag="")) + "\n", "line 1 holds the word 'unknown_256'"),
    (json.dumps(line(1, 1 << 52, "boot", tag="")) + "\n", "line 1 is dated past the 136 years"),
    ('{"kind": "thecal-record", "schema": 9}', "schema 9 is not known"),
    ('{"kind": "thecal-record"', "is neither a record nor a log"),
]


@pytest.mark.parametrize(("text", "said"), BAD, ids=range(len(BAD)))
def test_what_is_no_log(text: str, said: str, quick_thecal: Thecal, tmp_path: Path):
    path = tmp_path / "x"
    path.write_text(text)
    assert said in quick_thecal("report", "--log", path, "--out", tmp_path / "r.html").error
    assert not (tmp_path / "r.html").exists()


def test_places_that_cannot_be_written(quick_thecal: Thecal, tmp_path: Path):
    path = write_lines(tmp_path / "l", a_month(40))
    for option, name in (("--out", "f.html"), ("--pdf", "f.pdf"), ("--save", "f.json")):
        places = {"--out": tmp_path / "r.html", option: tmp_path / "none" / name}
        done = quick_thecal("report", "--log", path, *(word for pair in places.items() for word in pair))
        assert "cannot be written" in done.error
    assert "cannot be read" in quick_thecal("report", "--log", tmp_path / "none").error
    assert quick_thecal("report").code == 2
    assert quick_thecal("report", "--log", path, "--simulate", MORPHINE).code == 2


def test_what_a_log_says_is_escaped(quick_thecal: Thecal, tmp_path: Path):
    lines = a_month(40)
    lines[5]["kind"] = "unknown_77"
    lines[8].update(kind="bolus_refused", code=77, b=1 << 60)  # numbers that no table has
    lines[9].update(kind="bolus_started", code=78)
    path, out = write_lines(tmp_path / "<script>x.jsonl", lines), tmp_path / "r.html"
    assert quick_thecal("report", "--log", path, "--out", out).code == 0
    assert "<script>" not in out.read_text()


def test_a_long_log_costs_in_proportion(tmp_path: Path, keys: None):
    """Four times the records, at most some four times the calls of functions: nothing grows with the square.
    How long a month takes: `make bench`."""
    log_keys.store("P1", KEY)

    def calls(records: int) -> int:
        record, key = command.from_file(write_lines(tmp_path / f"{records}.jsonl", a_month(records)), "P1")
        page = tmp_path / "r.html"
        profile = cProfile.Profile()
        profile.runcall(command.write, record, key, command.Wanted(page), datetime(2026, 2, 1))
        assert page.stat().st_size < 1_000_000
        return sum(entry.callcount for entry in profile.getstats())

    calls(100)  # what is imported and drawn for the first time
    one, four = calls(2_000), calls(8_000)
    assert one < four < 5 * one


def test_figures_are_drawings(quick_thecal: Thecal, tmp_path: Path):
    out = tmp_path / "r.html"
    assert quick_thecal("report", "--simulate", MORPHINE, "--for", "50h", "--out", out).code == 0
    for found in re.findall(r'base64,([^"]+)"', out.read_text()):
        drawing = base64.b64decode(found).decode()
        assert "<svg" in drawing
        assert (
            "delivered" in drawing or "asked for" in drawing or "refill by" in drawing or "window" in drawing
        )


def weighed(path: Path, head: str, samples: Sequence[tuple[object, object]]) -> Path:
    path.write_text("\n".join([head, *(f"{at},{volume}" for at, volume in samples)]) + "\n")
    return path


@pytest.mark.req("DEL-02", part="the trumpet curve of a flow that was weighed, from a CSV file")
def test_a_flow_that_was_weighed(quick_thecal: Thecal, tmp_path: Path):
    """0.5 mL/day in strokes of 1 uL, every 15 min, the first day not counted: the golden vector's figures."""
    count = 96 + 100
    samples = [(15 * n, F * 15 * n // 1) for n in range(count + 1) for F in [Fraction(25, 72)]]
    path, out, pdf = tmp_path / "f.csv", tmp_path / "r.html", tmp_path / "r.pdf"
    weighed(path, "minutes,uL", samples)
    flags = ("--rate", "0.5 mL/day", "--out", out, "--pdf", pdf)
    done = quick_thecal("report", "--flow", path, *flags, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    day = [Fraction(25, 72) * 15 * n // 1 for n in range(count + 1)][96:]
    for window in found["trumpet"]["windows"]:
        length = int(window["minutes"] / 15)
        set_ul = Fraction(25, 72) * 15 * length
        errors = [100 * (day[j + length] - day[j] - set_ul) / set_ul for j in range(101 - length)]
        assert (window["highest"], window["lowest"]) == (float(max(errors)), float(min(errors)))
    assert [w["minutes"] for w in found["trumpet"]["windows"]] == [15, 60, 150, 330, 570, 930]
    assert "Rests on a weighed flow" in text_of(out)
    assert "500 uL/day" in text_of(out)
    assert pdf.read_bytes().startswith(b"%PDF")
    # the short windows of a bench, its first hour not counted
    close = [(n / 2, Fraction(50, 3) * n / 2 // 10 * 10) for n in range(240 + 1)]
    path = weighed(tmp_path / "b.csv", "minutes, uL", close)
    document = json.loads(
        quick_thecal("report", "--flow", path, "--rate", "24 mL/day", "--out", out, "--json").out
    )
    assert [w["minutes"] for w in document["trumpet"]["windows"]] == [2, 5, 11, 19, 31]
    assert document["trumpet"]["windows"][0]["highest"] == 20.0


@pytest.mark.parametrize(
    ("head", "samples", "said"),
    [
        ("time,volume", [(0, 0)], "line 1: the head names no time and volume"),
        ("minutes,uL", [(0, 0), (15, 1)], "holds 2 samples"),
        ("minutes,uL", [(0, 0), (15, 1), (31, 2), (45, 3)], "line 4: the samples are not at equal distances"),
        ("minutes,uL", [(0, 0), (15, 5), (30, 2), (45, 3)], "line 4: the volume falls"),
        ("minutes,uL", [(0, 0), (15, "5 uL"), (30, 2)], "line 3: '15,5 uL' is no pair of numbers"),
        ("hours,mL", [(0, 0), (1, 5), (2, 6), (3, 7)], "too short or too coarse"),
        ("minutes,uL", [(0, 0), (0, 0), (0, 0)], "not at equal distances"),
    ],
)  # fmt: skip
def test_what_is_no_flow(
    head: str, samples: list[tuple[object, object]], said: str, quick_thecal: Thecal, tmp_path: Path
):
    path, out = weighed(tmp_path / "f.csv", head, samples), tmp_path / "r.html"
    assert said in quick_thecal("report", "--flow", path, "--rate", "1 mL/day", "--out", out).error
    assert not out.exists()


def test_a_flow_needs_its_rate(quick_thecal: Thecal, tmp_path: Path):
    assert quick_thecal("report", "--flow", tmp_path / "f.csv").code == 2
    assert quick_thecal("report", "--rate", "1 mL/day").code == 2
    assert "cannot be read" in quick_thecal("report", "--flow", tmp_path / "none", "--rate", "1 mL/day").error
