"""What a clinician reads: page one answers six questions, in both forms, and its figures are right."""

import json
import os
import re
import shutil
import subprocess
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from fpdf import FPDF

from host.cli.conftest import MORPHINE, Thecal, quick_thecal  # noqa: F401
from support import report_courses
from thecal.report import record as records
from thecal.report.blocks import MARKS, Table, Text, about_mass
from thecal.report.html import html
from thecal.report.pdf import pdf
from thecal.report.period import Window, period_of
from thecal.report.record import Record
from thecal.report.summary import build
from thecal.report.whole import Report
from thecal.report.words import settings
from thecal.therapy.encode import to_wire
from thecal.therapy.load import load_therapy
from thecal.units.amounts import PL_PER_ML

from .conftest import KEY, a_month, line, seal, write_lines
from .test_report import text_of

MADE = datetime(2026, 4, 1, 10, 0)
STEPS = 25  # so many steps a stall takes to be seen, and then some
FIELD_NAME = re.compile(r"\b[a-z0-9]+_[a-z0-9_]+\b|\b(?:basal|limits|alarms|pump|catheter|drug)\.[a-z]")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Record, bytes, Report, str]]:
    """Each course: its record and key, the report, the text of its page."""
    folder = tmp_path_factory.mktemp("courses")
    found: dict[str, tuple[Record, bytes, Report, str]] = {}
    for name in report_courses.COURSES:
        record, key = report_courses.record(name, folder / name)
        record.source = "here"
        report = build(record, key, MADE)
        (folder / "r.html").write_text(html(report))
        found[name] = record, key, report, text_of(folder / "r.html")
    return found


ANSWERS = {
    "quiet": (
        r"therapy Constant morphine: morphine 20 mg/mL",
        r"period Mon 2026-03-02 09:30 to Mon 2026-03-09 09:30, 7 d; begins with the first program",
        r"morphine 2\.4 mg/day 2\.4 mg/day 3 mg/day",
        r"2026-03-02 09:30 clinician none 2\.4 mg/day first program known",
        r"morphine 16\.8 mg 16\.8 mg 100\.0 % 2\.4 mg/day",
        r"No bolus was asked for or given",
        r"left, by the pump's count 39\.16 mL of 40 mL refill by \w{3} 2026-11-\d\d \(low reservoir\)",
        r"OK No alarm stands now",
        r"OK The log is as the pump wrote it: by the pump's log key, records 1 to",
    ),
    "titration": (
        r"2026-03-11 08:30 clinician 1\.02 mg/day 1\.26 mg/day x 1\.235",
        r"2026-03-19 08:30 clinician 1\.26 mg/day 1\.65 mg/day x 1\.310 patient bolus max per 24h",
        r"morphine (\d+\.\d+) mg (?!\1)\d+\.\d+ mg 99\.9 %",
        r"bupivacaine \d+\.\d+ mg \d+\.\d+ mg 99\.9 %",
        r"patient 43 35 0 8",
        r"Refused for: lockout 8",
        r"Refilled Fri 2026-03-27: 18 mL in, 13\.8 mL came out",
        r"Not listed one by one: \d+ sessions \(clinician \d+\), 8 refused commands, 8 refused boluses",
    ),
    "stall": (
        r"ATTENTION An alarm HOLDS the pump",
        r"morphine no dose 2\.4 mg/day",
        r"morphine 12\.1 mg 10\.97 mg 90\.6 % 2\.193 mg/day [\d.]+ mcg",
        r"NOTE More than 5 % apart on 2 days: Thu 2026-03-05 58\.3 %, Sat 2026-03-07 89\.5 %",
        r"ATTENTION 1 alarm stands now",
        r"motor stall, critical 2026-03-07 08:31 steps were driven that the motor did not make",
        r"take the patient out of the field",
    ),
    "broken": (
        r"ATTENTION The log was changed, or something is missing from it",
        r"ledger, which counts every step, has 9\.6 mg of morphine: 100 mcg less than its log tells",
        r"ATTENTION THE LOG IS NOT AS THE PUMP WROTE IT, and this report rests on it",
        r"\d+ it is missing, and no record says why",
    ),
    "new": (
        r"10 min; begins with the first program",
        r"Less than an hour: too little to draw",
        r"morphine 16\.67 mcg 16\.67 mcg 100\.0 %",
        r"refill by \w{3} 2026-11-\d\d",
    ),
}


@pytest.mark.req("HOST-35", part="the answers of page one, of five courses")
@pytest.mark.parametrize("name", ANSWERS)
def test_page_one_answers(name: str, made: dict[str, Any]):
    text = made[name][3].replace("&#39;", "'")
    front = text.split("Appendices: the same period, in detail.")[0]
    for answer in ANSWERS[name]:
        assert re.search(answer, text if "Not listed" in answer else front), answer
    assert front.count("Not a medical device") == 1
    assert "Reviewed by" in front
    assert "Signature" in front


@pytest.mark.req("HOST-35", part="no setting by the name of a field")
def test_nothing_is_called_by_a_field(made: dict[str, Any]):
    for name, (_, _, _, text) in made.items():
        assert not FIELD_NAME.search(text), (name, FIELD_NAME.search(text))
    for path in MORPHINE.parent.glob("*.toml"):
        for label, value in settings(to_wire(load_therapy(path))):
            assert not FIELD_NAME.search(f"{label} {value}"), path


@pytest.mark.req("HOST-36", part="against the steps that the simulated motor made, and against the ledger")
@pytest.mark.parametrize("name", ["quiet", "titration", "stall", "new"])
def test_what_was_delivered_is_what_the_motor_gave(name: str, made: dict[str, Any]):
    """Each day, by drug, in fractions; prescribed likewise from the exact course."""
    record, _, report, text = made[name]
    period, flow = report.period, record.flow
    drugs = {x["name"]: Fraction(x["concentration_ng_per_ml"], PL_PER_ML) for x in record.program["drugs"]}
    step_ng = {drug: per_pl * record.accounts["step_volume_pl"] for drug, per_pl in drugs.items()}
    for day in period.days:
        ends = [(at - flow.start_us) // flow.every_us for at in (day.start_us, day.end_us)]
        exact = all((at - flow.start_us) % flow.every_us == 0 for at in (day.start_us, day.end_us))
        for drug, per_pl in drugs.items():
            if exact:
                moved = (flow.volumes_pl[ends[1]] - flow.volumes_pl[ends[0]]) * per_pl
                assert abs(day.delivered[drug] - moved) <= STEPS * step_ng[drug], (day.date, drug)
            planned = sum(
                one.volumes([min(max(at, one.start_us), one.end_us)], exact=True)[0][0] * sign * per_pl
                for one in period.courses
                for at, sign in ((day.end_us, 1), (day.start_us, -1))
            )
            assert abs(day.prescribed[drug] - planned) < 1, (day.date, drug)
    prescribed, delivered = period.totals()
    for drug, per_pl in drugs.items():
        counted = sum((x["steps"] - x["missed"]) * x["step_volume_pl"] for x in record.accounts["fillings"])
        assert abs(delivered[drug] - counted * per_pl) <= 2 * step_ng[drug]
        assert abs(sum(day.delivered[drug] for day in period.days) - delivered[drug]) < 1
        assert f"{drug} {about_mass(prescribed[drug])} {about_mass(delivered[drug])}" in text


@pytest.mark.req("HOST-36", part="every program of the period, from the log's records of what each changed")
def test_the_programs_of_a_titration(made: dict[str, Any], tmp_path: Path):
    record, key, report, _ = made["titration"]
    course = report_courses.COURSES["titration"]
    wanted: list[dict[str, Any]] = []
    for name, text in course.therapies.items():
        (tmp_path / name).write_text(text)
        wanted.append(to_wire(load_therapy(tmp_path / name)))
    for known in (report, build(lines_of(record, tmp_path), key, MADE)):  # the second: from its log alone
        assert len(known.period.courses) == len(wanted)
        for one, other in zip(known.period.courses, wanted, strict=True):
            for name in ("name", "drugs", "basal_steps", "patient_bolus", "low_reservoir_pl", "reservoir_pl"):
                assert one.program[name] == other[name], name
    assert known.period.totals() == pytest.approx(report.period.totals()[0]) or known.period.days


def lines_of(record: Record, folder: Path) -> Record:
    """The same, as lines of its log."""
    document = records.as_document(record)
    return records.of_file(write_lines(folder / "log.jsonl", document["events"]))  # type: ignore[arg-type]


@pytest.mark.req("HOST-35", part="30 days on 4 pages of a megabyte at most, page one on one")
@pytest.mark.parametrize("name", ["titration", "stall", "broken", "month"])
def test_pages_of_the_pdf(name: str, made: dict[str, Any], tmp_path: Path):
    if name == "month":
        report = build(records.of_file(write_lines(tmp_path / "l", a_month(4_000))), KEY, MADE)
    else:
        report = made[name][2]
    written: list[tuple[int, str]] = []

    class Watched(FPDF):
        def text(self, x: float, y: float, text: str = "") -> None:
            written.append((self.page_no(), text))
            super().text(x, y, text)

    document = watched_pdf(report, Watched)
    assert len(re.findall(rb"/Type /Page\b", document)) <= 4
    assert len(document) <= 1_000_000
    if name != "month":
        assert [page for page, text in written if text == "Signature"] == [1]
        assert {page for page, text in written if text == "basal dose now"} == {1}


def watched_pdf(report: Report, base: type[FPDF]) -> bytes:
    """The PDF, with what it writes in cells of tables seen by `base`."""
    import thecal.report.pdf as module

    class Page(module._Page, base):  # type: ignore[misc, name-defined]
        pass

    before = module._Page
    try:
        module._Page = Page  # type: ignore[misc]
        return pdf(report, MADE)
    finally:
        module._Page = before  # type: ignore[misc]


@pytest.mark.req("HOST-35", part="no table goes on without its head")
def test_a_table_over_the_pages_has_its_head_on_each(made: dict[str, Any]):
    report = made["new"][2]
    heads: list[int] = []
    pages: set[int] = set()

    class Watched(FPDF):
        def text(self, x: float, y: float, text: str = "") -> None:
            if text == "the head":
                heads.append(self.page_no())
            elif text.startswith("cell"):
                pages.add(self.page_no())
            super().text(x, y, text)

    long = Report("t", "s", report.record, report.chain, report.period)
    long.sections = [("Long", [Table(("the head", "b"), [(f"cell {n}", "x") for n in range(200)])])]
    watched_pdf(long, Watched)
    assert len(pages) >= 3
    assert sorted(heads) == sorted(pages)
    page = html(long)
    assert "thead { display: table-header-group; }" in page
    assert "break-inside: avoid" in page


@pytest.mark.req("HOST-35", part="HTML and PDF say the same")
@pytest.mark.parametrize("name", ["titration", "stall"])
def test_both_forms_say_the_same(name: str, made: dict[str, Any], tmp_path: Path):
    if not shutil.which("pdftotext"):
        pytest.skip("pdftotext is not here")
    report = made[name][2]
    (tmp_path / "r.pdf").write_bytes(pdf(report, MADE))
    done = subprocess.run(["pdftotext", "-layout", tmp_path / "r.pdf", "-"], capture_output=True, text=True)
    paper, screen = (
        {word.strip(".:") for word in re.findall(r"[\w.:%-]+", text)} for text in (done.stdout, made[name][3])
    )
    long = {word for word in screen if len(word) > 20}  # broken anywhere on paper
    only_there = {"Made", "Appendices", "thecal", "same", "detail", "in", "39"}
    assert not screen - paper - long - only_there


@pytest.mark.req(
    "HOST-35", part="on a phone no line is wider than the screen; a colour never says a thing alone"
)
def test_the_layout(made: dict[str, Any], tmp_path: Path):
    page = html(made["titration"][2])
    for rule in (
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "figure img { width: 100%;",
        ".rows, .rows tbody, .rows tr, .rows td { display: block; width: 100%; }",
        ".columns { display: block; }",
    ):
        assert rule in page
    assert not re.search(r"(?<![-\w])width: [0-9.]+(px|rem)", page.split("</style>")[0])
    for tone, mark in MARKS.items():
        assert Text("x", tone).mark == mark
        assert f".{tone} {{" in page.replace(".good, .warning, .bad {", "") or tone == "good"
    if not (shutil.which("chromium") and os.environ.get("THECAL_SOAK")):
        return
    looked = page.replace(
        "</body>", "<script>document.title = document.documentElement.scrollWidth</script></body>"
    )
    (tmp_path / "r.html").write_text(looked)
    words = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--window-size=500,800", "--dump-dom"]
    done = subprocess.run(
        [*words, (tmp_path / "r.html").as_uri()], capture_output=True, text=True, timeout=100
    )
    found = re.search(r"<title>(\d+)</title>", done.stdout)
    assert found is None or int(found[1]) <= 500  # no chromium that can start: the rules above have to do


@pytest.mark.req("HOST-37", part="a part of the time, all figures of it")
def test_a_window(made: dict[str, Any], quick_thecal: Thecal, tmp_path: Path):  # noqa: F811
    record, key, report, _ = made["titration"]
    begin, end = datetime(2026, 3, 20), datetime(2026, 3, 23)
    part = build(record, key, MADE, window=Window(begin, end)).period
    assert [day.date for day in part.days] == [begin + timedelta(days=n) for n in range(3)]
    whole = {day.date: day for day in report.period.days}
    assert [day.delivered for day in part.days] == [
        pytest.approx(whole[day.date].delivered) for day in part.days
    ]
    times = [part.local(x.at.total_us) for x in part.events]
    assert all(begin <= at <= end for at in times if at)
    kept, out = tmp_path / "k.json", tmp_path / "r.html"
    records.save(record, kept)
    done = quick_thecal("report", "--log", kept, "--out", out, "--last", "36 h")
    assert done.code == 0, done.err
    assert "period Mon 2026-03-30 20:30 to Wed 2026-04-01 08:30" in text_of(out)
    out.unlink()
    done = quick_thecal("report", "--log", kept, "--out", out, "--from", "2027-01-01")
    assert (done.code, out.exists()) == (1, False)
    assert (
        "the record has nothing of this window; it tells of 2026-03-02 09:30 to 2026-04-01 08:30" in done.err
    )
    assert quick_thecal("report", "--log", kept, "--last", "1 d", "--to", "2026-03-04").code == 2
    assert quick_thecal("report", "--log", kept, "--from", "2026-03-05", "--to", "2026-03-04").code == 2


@pytest.mark.req("HOST-37", part="a record of an older version, without what was not kept then")
def test_a_record_of_before(made: dict[str, Any], tmp_path: Path):
    record, key, _, _ = made["stall"]
    kept = tmp_path / "k.json"
    records.save(record, kept)
    document = json.loads(kept.read_text())
    for name in ("alarms", "fault", "refill", "basal_ng_per_day", "bolus", "reasons"):
        del document[name]
    kept.write_text(json.dumps(document))
    (tmp_path / "r.html").write_text(html(build(records.of_file(kept), key, MADE)))
    text = text_of(tmp_path / "r.html")
    for words in (
        "1 alarm stands now",
        "motor stall, critical",
        "refill by Wed 2026-11-11 (volume)",
        "10.97 mg",
    ):
        assert words in text, words
    document["reasons"] = {"5": "why"}
    document["alarms"] = [{"name": "x"}]
    kept.write_text(json.dumps(document))
    with pytest.raises(Exception, match="is neither a record nor a log"):
        records.of_file(kept)


def test_a_log_without_any_of_it(tmp_path: Path):
    """No program, no reference of time: in words, never a failure."""
    for lines in (
        [line(1, 5, "boot")],
        [line(1, 5, "boot"), line(2, 9, "program_committed", actor="clinician")],
        a_month(40),
    ):
        record = records.of_file(write_lines(tmp_path / "l", seal(lines)))
        report = build(record, KEY, MADE)
        page = html(report)
        assert "Cannot be told" in page
        assert "does not say what is left" in page
        assert not period_of(record, Window()).days


def test_a_reason_is_beside_the_change(made: dict[str, Any]):
    record, key, _, _ = made["titration"]
    commits = [x.at.total_us for x in record.events if x.kind == "program_committed"]
    before, record.reasons = record.reasons, {commits[1]: "pain at rest <7>"}
    report = build(record, key, MADE)
    record.reasons = before
    page = html(report)
    assert page.count("pain at rest &lt;7&gt;") == 3  # on page one, and of both settings it changed


@pytest.mark.req("HOST-36", part="boluses by the hour of the pump's day, refused ones with their repeats")
def test_boluses_by_the_hour(made: dict[str, Any]):
    from thecal.report.figures import _hours, svg

    report = made["titration"][2]
    asked, given = _hours(report.period)
    assert (sum(asked), sum(given)) == (43, 35)
    assert all(one >= other for one, other in zip(asked, given, strict=True))
    for narrow in (False, True):
        assert "asked for" in svg(report, "boluses", narrow=narrow).decode()
